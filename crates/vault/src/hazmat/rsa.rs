//! Wrapping under somebody's RSA public key, and opening what was wrapped under ours: RSAES-OAEP (RFC 8017, section 7.1) and CKM_RSA_AES_KEY_WRAP (PKCS#11 v3.1,
//! section 6.1.19).

use super::{ProviderFailed, key_wrap};
use crate::{
    Random,
    der::{self, DerError, RsaNumbers},
    secret::{Secret, SecretBytes},
};
use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
        PublicEncryptingKey, PublicKeyComponents,
    },
};
use keystead_domain::Hash;

/// The smallest modulus that is wrapped under, in bits (NIST SP 800-131A, section 6).
pub(crate) const BITS_MIN: usize = 2048;
/// The largest, in bits; the module knows no larger one.
pub(crate) const BITS_MAX: usize = 8192;

/// Why nothing is wrapped under a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The bytes are not a key, or not one of RSA.
    #[error(transparent)]
    Der(#[from] DerError),
    /// Too short to be safe.
    #[error("has {bits} bits, which is less than {BITS_MIN}")]
    TooSmall {
        /// Size of its modulus in bits.
        bits: usize,
    },
    /// Longer than the module can work with.
    #[error("has {bits} bits, which is more than {BITS_MAX}")]
    TooLarge {
        /// Size of its modulus in bits.
        bits: usize,
    },
    /// Not the size that was asked for: somebody exchanged the key, or the cloud is not what we think.
    #[error("has {found} bits where {expected} were asked for")]
    UnexpectedSize {
        /// What was asked for, in bits.
        expected: usize,
        /// Size of its modulus in bits.
        found: usize,
    },
    /// An even modulus has no two odd primes.
    #[error("has an even modulus")]
    EvenModulus,
    /// The public exponent is even or less than 65537.
    #[error("has a public exponent that is even or less than 65537")]
    WeakExponent,
    /// The module refuses it for another reason.
    #[error("is refused by the cryptographic module")]
    Refused,
}

/// What was to be wrapped is too long for this key and hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum WrapError {
    TooLong { max: usize },
    Provider(ProviderFailed),
}

impl From<ProviderFailed> for WrapError {
    fn from(failed: ProviderFailed) -> Self {
        Self::Provider(failed)
    }
}

/// A public key that was looked at and found fit to wrap under.
#[derive(Debug)]
pub(crate) struct Recipient {
    key: PublicEncryptingKey,
    spki: Vec<u8>,
    bits: usize,
}

impl Recipient {
    /// From a SubjectPublicKeyInfo in DER.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::new(der::read_spki(der)?)
    }

    /// From an RSAPublicKey in DER.
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, PublicKeyError> {
        Self::new(der::read_pkcs1(der)?)
    }

    fn new(numbers: RsaNumbers<'_>) -> Result<Self, PublicKeyError> {
        let bits = numbers.bits();
        match bits {
            ..BITS_MIN => return Err(PublicKeyError::TooSmall { bits }),
            BITS_MIN..=BITS_MAX => {}
            _ => return Err(PublicKeyError::TooLarge { bits }),
        }
        if !numbers.modulus_is_odd() {
            return Err(PublicKeyError::EvenModulus);
        }
        if !numbers.exponent_is_sound() {
            return Err(PublicKeyError::WeakExponent);
        }
        // Written and read again: reading is where the module checks a key, and refuses an exponent so long that using it would be a denial of service.
        let spki: PublicKeyX509Der<'_> = PublicKeyComponents { n: numbers.modulus, e: numbers.exponent }.as_der().map_err(|_| PublicKeyError::Refused)?;
        let key = PublicEncryptingKey::from_der(spki.as_ref()).map_err(|_| PublicKeyError::Refused)?;
        Ok(Self { key, spki: spki.as_ref().to_vec(), bits })
    }

    /// The same key once more: it was found fit before.
    pub(crate) fn again(&self) -> Result<Self, ProviderFailed> {
        Self::from_spki(&self.spki).map_err(ProviderFailed::at("read a public key again"))
    }

    /// Size of the modulus in bits.
    pub(crate) fn bits(&self) -> usize {
        self.bits
    }

    /// The key as SubjectPublicKeyInfo in DER, in one form however it came in.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// RSAES-OAEP with an empty label. Label hash and MGF1 hash are the same, as every cloud expects. Its seed comes from the module's own generator.
    pub(crate) fn oaep(&self, hash: Hash, plain: &[u8]) -> Result<Vec<u8>, WrapError> {
        let failed = || ProviderFailed { operation: "encrypt with RSAES-OAEP" };
        let algorithm = oaep(hash);
        let key = OaepPublicEncryptingKey::new(self.key.clone()).map_err(|_| failed())?;
        let max = key.max_plaintext_size(algorithm);
        if plain.len() > max {
            return Err(WrapError::TooLong { max });
        }
        let mut wrapped = vec![0; key.ciphertext_size()];
        let len = key.encrypt(algorithm, plain, &mut wrapped, None).map_err(|_| failed())?.len();
        wrapped.truncate(len);
        Ok(wrapped)
    }

    /// A fresh AES-256 key under OAEP, then the material under that key with KWP: E ‖ W, the RSA part first.
    pub(crate) fn aes_kwp(&self, hash: Hash, plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, WrapError> {
        let temporary = Secret::<32>::init_with(|bytes| random.fill(bytes));
        let mut wrapped = self.oaep(hash, temporary.expose())?;
        wrapped.extend(key_wrap::wrap_padded(temporary.expose(), plain)?);
        Ok(wrapped)
    }
}

/// The private half of a pair, which opens what was wrapped under the public one.
pub(crate) struct Opener(OaepPrivateDecryptingKey);

impl Opener {
    /// From a PKCS#8 document.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(der).ok()?).ok().map(Self)
    }

    /// Length in bytes of everything that is wrapped under it.
    pub(crate) fn block_len(&self) -> usize {
        self.0.key_size_bytes()
    }

    /// Opens RSAES-OAEP with an empty label. Why it does not open is nobody's business: whoever could tell a wrong first byte from another fault would learn the text,
    /// question by question (J. Manger, CRYPTO 2001).
    pub(crate) fn oaep(&self, hash: Hash, wrapped: &[u8]) -> Option<SecretBytes> {
        let mut len = 0;
        let plain = SecretBytes::try_init_with(self.0.min_output_size(), |out| self.0.decrypt(oaep(hash), wrapped, out, None).map(|plain| len = plain.len()));
        plain.ok().map(|plain| plain.shortened(len))
    }

    /// Opens an AES-256 key by OAEP, and then what is wrapped under that by AES-KWP. Both are gone through whichever does not open: what takes its time after a wrong
    /// first half is a key by chance, under which nothing opens.
    pub(crate) fn aes_kwp(&self, hash: Hash, wrapped: &[u8], random: &dyn Random) -> Option<SecretBytes> {
        let (outer, inner) = wrapped.split_at_checked(self.block_len())?;
        let chance = Secret::<32>::init_with(|bytes| random.fill(bytes));
        let opened = self.oaep(hash, outer);
        let key = opened.as_ref().and_then(|key| <&[u8; 32]>::try_from(key.expose()).ok());
        let plain = key_wrap::unwrap_padded(key.unwrap_or(chance.expose()), inner);
        plain.filter(|_| key.is_some())
    }
}

fn oaep(hash: Hash) -> &'static OaepAlgorithm {
    match hash {
        Hash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        Hash::Sha256 => &OAEP_SHA256_MGF1SHA256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::seeded::Seeded;
    use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey};

    fn pair() -> (PrivateDecryptingKey, Recipient) {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a fresh pair");
        let spki = private.public_key().as_der().expect("its public half");
        let recipient = Recipient::from_spki(spki.as_ref()).expect("fit to wrap under");
        (private, recipient)
    }

    #[test]
    fn the_blob_is_the_wrapped_aes_key_and_then_the_wrapped_material() {
        let (private, recipient) = pair();
        let blob = recipient.aes_kwp(Hash::Sha256, &[9; 1218], &Seeded::new("rsa")).expect("any length fits");
        assert_eq!(blob.len(), 256 + 8 + 1224);
        let mut temporary = [0; 256];
        let private = OaepPrivateDecryptingKey::new(private).expect("the pair's private half");
        let temporary = private.decrypt(&OAEP_SHA256_MGF1SHA256, &blob[..256], &mut temporary, None).expect("it is ours");
        let (plain, _) = key_wrap::unwrap((&*temporary).try_into().expect("256 bits"), &blob[256..]).expect("the second half is KWP");
        assert_eq!(plain.expose(), [9; 1218]);
    }

    #[test]
    fn material_that_does_not_fit_is_refused_with_the_length_that_does() {
        let (_, recipient) = pair();
        assert_eq!(recipient.oaep(Hash::Sha1, &[0; 215]), Err(WrapError::TooLong { max: 214 }));
        assert_eq!(recipient.oaep(Hash::Sha256, &[0; 191]), Err(WrapError::TooLong { max: 190 }));
        assert_eq!(recipient.oaep(Hash::Sha256, &[0; 190]).map(|wrapped| wrapped.len()), Ok(256));
    }

    #[test]
    fn a_key_keeps_its_form() {
        let (private, recipient) = pair();
        assert_eq!(recipient.spki(), private.public_key().as_der().expect("its public half").as_ref());
        assert_eq!(recipient.bits(), 2048);
    }

    #[test]
    fn numbers_that_make_no_sound_key_are_refused() {
        let numbers = |modulus: &[u8], exponent: &[u8]| Recipient::new(RsaNumbers { modulus, exponent }).err();
        let odd = [&[0xc1; 255][..], &[1]].concat();
        assert_eq!(numbers(&odd[1..], &[1, 0, 1]), Some(PublicKeyError::TooSmall { bits: 2040 }));
        assert_eq!(numbers(&[0x01; 1025], &[1, 0, 1]), Some(PublicKeyError::TooLarge { bits: 8193 }));
        assert_eq!(numbers(&[0xc2; 256], &[1, 0, 1]), Some(PublicKeyError::EvenModulus));
        assert_eq!(numbers(&odd, &[3]), Some(PublicKeyError::WeakExponent));
        assert_eq!(numbers(&odd, &[1, 0, 0]), Some(PublicKeyError::WeakExponent));
        assert_eq!(numbers(&odd, &[1; 32]), Some(PublicKeyError::Refused));
    }
}
