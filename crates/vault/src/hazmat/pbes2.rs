//! Opening what a passphrase encrypts: PBES2 (RFC 8018, section 6.2) with PBKDF2 and AES in CBC mode, as OpenSSL, Java and the HSM tools write it.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
    pbkdf2,
};
use pkcs8::pkcs5::{
    EncryptionScheme,
    pbes2::{EncryptionScheme as Cipher, Kdf, Pbkdf2Params, Pbkdf2Prf},
};

use crate::SecretBytes;

/// The most rounds that are worked through: about a second. OpenSSL writes 2048, OWASP asks for 600,000; a file with more than this is a mistake, or an attack on
/// the server.
const ROUNDS_MAX: u32 = 2_000_000;
const BLOCK: usize = 16;
/// The longest key of the ciphers here, in bytes.
const KEY_MAX: usize = 32;

/// Why an encrypted document does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another scheme, key derivation or cipher.
    UnknownScheme,
    /// The key derivation asks for too much work.
    TooManyRounds,
    /// The passphrase is wrong, or the file is damaged.
    WrongPassphrase,
}

/// Decrypts with a passphrase.
pub(crate) fn open(scheme: &EncryptionScheme, encrypted: &[u8], passphrase: &[u8]) -> Result<SecretBytes, Refusal> {
    let parameters = scheme.pbes2().ok_or(Refusal::UnknownScheme)?;
    let (cipher, iv) = match &parameters.encryption {
        Cipher::Aes128Cbc { iv } => (&AES_128, iv),
        Cipher::Aes192Cbc { iv } => (&AES_192, iv),
        Cipher::Aes256Cbc { iv } => (&AES_256, iv),
        _ => return Err(Refusal::UnknownScheme),
    };
    let Kdf::Pbkdf2(derivation) = &parameters.kdf else { return Err(Refusal::UnknownScheme) };
    let key = derive(derivation, passphrase, key_len(cipher))?;
    decrypt(cipher, key.expose(), *iv, encrypted).ok_or(Refusal::WrongPassphrase)
}

fn key_len(cipher: &Algorithm) -> usize {
    match cipher {
        cipher if *cipher == AES_128 => 16,
        cipher if *cipher == AES_192 => 24,
        _ => KEY_MAX,
    }
}

fn derive(derivation: &Pbkdf2Params, passphrase: &[u8], len: usize) -> Result<SecretBytes, Refusal> {
    let algorithm = match derivation.prf {
        Pbkdf2Prf::HmacWithSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Pbkdf2Prf::HmacWithSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Pbkdf2Prf::HmacWithSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Pbkdf2Prf::HmacWithSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return Err(Refusal::UnknownScheme),
    };
    let rounds = NonZeroU32::new(derivation.iteration_count).ok_or(Refusal::UnknownScheme)?;
    if rounds.get() > ROUNDS_MAX {
        return Err(Refusal::TooManyRounds);
    }
    Ok(SecretBytes::init_with(len, |key| pbkdf2::derive(algorithm, rounds, derivation.salt.as_ref(), passphrase, key)))
}

fn decrypt(cipher: &'static Algorithm, key: &[u8], iv: [u8; BLOCK], encrypted: &[u8]) -> Option<SecretBytes> {
    // The module does not expect an empty text.
    if encrypted.is_empty() || !encrypted.len().is_multiple_of(BLOCK) {
        return None;
    }
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, key).ok()?).ok()?;
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let mut len = 0;
    let plain = SecretBytes::try_init_with(encrypted.len(), |bytes| {
        bytes.copy_from_slice(encrypted);
        key.decrypt(bytes, context).map(|plain| len = plain.len())
    });
    plain.ok().map(|plain| plain.shortened(len))
}
