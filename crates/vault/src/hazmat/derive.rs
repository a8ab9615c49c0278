//! Keys from secrets: Argon2id for what a person remembers (RFC 9106), HKDF for what is random already (RFC 5869), HMAC and a block of AES for fingerprints (RFC 2104, FIPS 197).

use super::{ProviderFailed, aad::Aad};
use crate::{Mac, secret::Secret};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, UnboundCipherKey},
    hkdf::{HKDF_SHA256, Salt},
    hmac,
};

/// HKDF-SHA-256 salt: one for the whole house. The purposes are told apart by the info, which is what RFC 5869, section 3.2 is for.
const SALT: &[u8] = b"keystead/1";

/// A 256-bit key for one purpose out of a secret that is random already.
pub(crate) fn subkey(secret: &[u8], purpose: &Aad) -> Result<Secret<32>, ProviderFailed> {
    Secret::try_init_with(|out| expand(secret, purpose, out))
}

/// A public mark of a secret: two secrets have the same mark only if they are the same, and the mark says nothing of the secret.
pub(crate) fn mark(secret: &[u8], purpose: &Aad) -> Result<[u8; 32], ProviderFailed> {
    let mut out = [0; 32];
    expand(secret, purpose, &mut out)?;
    Ok(out)
}

fn expand(secret: &[u8], purpose: &Aad, out: &mut [u8; 32]) -> Result<(), ProviderFailed> {
    Salt::new(HKDF_SHA256, SALT)
        .extract(secret)
        .expand(&[purpose.as_bytes()], HKDF_SHA256)
        .and_then(|okm| okm.fill(out))
        .map_err(ProviderFailed::at("derive a key with HKDF-SHA-256"))
}

/// Argon2id, version 0x13, 32 bytes out. `memory_kib`, `passes` and `lanes` are *m*, *t* and *p* of RFC 9106, section 3.1.
pub(crate) fn from_passphrase(passphrase: &[u8], salt: &[u8], memory_kib: u32, passes: u32, lanes: u32) -> Result<Secret<32>, ProviderFailed> {
    let failed = || ProviderFailed { operation: "derive a key with Argon2id" };
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| failed())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Secret::try_init_with(|out| argon2.hash_password_into(passphrase, salt, out).map_err(|_| failed()))
}

/// HMAC (RFC 2104, FIPS 198-1).
pub(crate) fn mac(of: Mac, key: &[u8], text: &[u8]) -> Vec<u8> {
    let algorithm = match of {
        Mac::Sha224 => hmac::HMAC_SHA224,
        Mac::Sha256 => hmac::HMAC_SHA256,
        Mac::Sha384 => hmac::HMAC_SHA384,
        Mac::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref().to_vec()
}

/// One block of AES-256 (FIPS 197).
pub(crate) fn encrypt_block(key: &[u8], block: [u8; 16]) -> Result<[u8; 16], ProviderFailed> {
    let failed = || ProviderFailed { operation: "encrypt a block with AES-256" };
    let key = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ecb).map_err(|_| failed())?;
    let mut block = block;
    key.encrypt(&mut block).map_err(|_| failed())?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argon2id_is_the_one_of_other_implementations() {
        // src/test.c of the reference implementation (github.com/P-H-C/phc-winner-argon2): hashtest(0x13, t=2, m=2^8, p=1, "password", "somesalt") of Argon2id.
        let key = from_passphrase(b"password", b"somesalt", 256, 2, 1).expect("sound parameters");
        assert_eq!(hex::encode(key.expose()), "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }

    #[test]
    fn parameters_that_cannot_be_are_refused_and_do_not_panic() {
        assert!(from_passphrase(b"p", &[0; 16], 0, 0, 0).is_err());
        assert!(from_passphrase(b"p", &[0; 16], 8, 1, 2).is_err());
    }

    #[test]
    fn a_block_of_aes_is_that_of_fips_197() {
        // FIPS 197, appendix C.3.
        let key: [u8; 32] = std::array::from_fn(|at| at as u8);
        let block = std::array::from_fn(|at| at as u8 * 0x11);
        assert_eq!(encrypt_block(&key, block).map(hex::encode).as_deref(), Ok("8ea2b7ca516745bfeafc49904b496089"));
        assert!(encrypt_block(&key[..16], block).is_err());
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let one = subkey(&[1; 32], &Aad::of("one")).expect("derivation works");
        let other = subkey(&[1; 32], &Aad::of("other")).expect("derivation works");
        assert_ne!(one.expose(), other.expose());
    }
}
