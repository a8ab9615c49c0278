//! Keys from secrets: Argon2id for what a person remembers (RFC 9106), HKDF for what is random already (RFC 5869), HMAC for fingerprints (RFC 2104).

use super::{ProviderFailed, aad::Aad};
use crate::secret::Secret;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
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

/// HMAC-SHA-256 over the head and then the secret, truncated to its first 16 bytes (RFC 2104, section 5: not less than half). The head says how long the
/// secret is.
pub(crate) fn mac_128(key: &[u8; 32], head: &Aad, secret: &[u8]) -> [u8; 16] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(head.as_bytes());
    context.update(secret);
    let tag = context.sign();
    let mut short = [0; 16];
    short.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    short
}

/// HMAC-SHA-256 over what is bound together.
pub(crate) fn mac_256(key: &Secret<32>, bound: &Aad) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()), bound.as_bytes())
}

/// Whether `mac` is [`mac_256`] of this, in constant time.
pub(crate) fn is_mac_256(key: &Secret<32>, bound: &Aad, mac: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()), bound.as_bytes(), mac).is_ok()
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
    fn each_purpose_has_its_own_key() {
        let one = subkey(&[1; 32], &Aad::of("one")).expect("derivation works");
        let other = subkey(&[1; 32], &Aad::of("other")).expect("derivation works");
        assert_ne!(one.expose(), other.expose());
    }
}
