//! AES-256-GCM (NIST SP 800-38D). A sealed text is nonce (12 bytes), ciphertext, tag (16 bytes).
//!
//! Nonces are random 96-bit values (SP 800-38D, section 8.2.2), never counted and never given by a caller of the vault. Section 8.3 limits a key to 2^32 of
//! them; the root key is the busiest here, used once for each key version ever sealed and again at each rotation, and stays far below.

use super::{ProviderFailed, aad::Aad};
use crate::{Random, SecretBytes, random};
use aws_lc_rs::aead::{self, AES_256_GCM, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Length of a nonce in bytes.
pub(crate) const NONCE_LEN: usize = aead::NONCE_LEN;

/// Length of the tag in bytes.
const TAG_LEN: usize = 16;

/// By how many bytes a sealed text is longer than what is in it.
pub(crate) const OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Key and associated data do not fit this text, or the text is damaged; GCM cannot tell which.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DoesNotOpen;

/// Seals `plain`; the answer begins with a fresh nonce.
pub(crate) fn seal(key: &[u8; 32], aad: &Aad, plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, ProviderFailed> {
    let failed = || ProviderFailed { operation: "seal with AES-256-GCM" };
    let nonce = random::public::<NONCE_LEN>(random);
    // The whole length at once: growing would leave a copy of the plaintext behind.
    let mut sealed = Zeroizing::new(Vec::with_capacity(plain.len() + OVERHEAD));
    sealed.extend(nonce);
    sealed.extend(plain);
    let body = sealed.get_mut(NONCE_LEN..).ok_or_else(failed)?;
    let tag = gcm(key)
        .and_then(|key| key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aead::Aad::from(aad.as_bytes()), body).ok())
        .ok_or_else(failed)?;
    sealed.extend(tag.as_ref());
    Ok(std::mem::take(&mut *sealed))
}

/// Opens `sealed` into `out`, which must have exactly the length of what is in it.
pub(crate) fn open_into(key: &[u8; 32], aad: &Aad, sealed: &[u8], out: &mut [u8]) -> Result<(), DoesNotOpen> {
    if sealed.len() != out.len() + OVERHEAD {
        return Err(DoesNotOpen);
    }
    let (nonce, body) = sealed.split_at(NONCE_LEN);
    let (ciphertext, tag) = body.split_at(out.len());
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| DoesNotOpen)?;
    let key = gcm(key).ok_or(DoesNotOpen)?;
    key.open_separate_gather(nonce, aead::Aad::from(aad.as_bytes()), ciphertext, tag, out).map_err(|_| DoesNotOpen)
}

/// Opens `sealed`, whatever its length.
pub(crate) fn open(key: &[u8; 32], aad: &Aad, sealed: &[u8]) -> Result<SecretBytes, DoesNotOpen> {
    let len = sealed.len().checked_sub(OVERHEAD).ok_or(DoesNotOpen)?;
    SecretBytes::try_init_with(len, |out| open_into(key, aad, sealed, out))
}

fn gcm(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::seeded::Seeded;

    fn sealed() -> Vec<u8> {
        seal(&[1; 32], &Aad::of("test"), b"material", &Seeded::new("gcm")).expect("sealing works")
    }

    #[test]
    fn what_was_sealed_opens() {
        let opened = open(&[1; 32], &Aad::of("test"), &sealed()).expect("it is the same key and purpose");
        assert_eq!(opened.expose(), b"material");
    }

    #[test]
    fn another_key_or_purpose_does_not_open_it() {
        assert!(open(&[2; 32], &Aad::of("test"), &sealed()).is_err());
        assert!(open(&[1; 32], &Aad::of("else"), &sealed()).is_err());
    }

    #[test]
    fn nothing_opens_at_a_length_that_it_cannot_have() {
        for len in 0..sealed().len() {
            assert!(open(&[1; 32], &Aad::of("test"), &sealed()[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(open_into(&[1; 32], &Aad::of("test"), &sealed(), &mut [0; 7]), Err(DoesNotOpen));
    }

    #[test]
    fn the_module_computes_aes_256_gcm_as_nist_does() {
        // Test case 16 of "The Galois/Counter Mode of Operation" (McGrew and Viega), as in NIST's CAVP: the format above is nonce, ciphertext, tag.
        let key = hex::decode("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").expect("hexadecimal");
        let nonce: [u8; 12] = hex::decode("cafebabefacedbaddecaf888").expect("hexadecimal").try_into().expect("96 bits");
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").expect("hexadecimal");
        let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
        let mut body = hex::decode(plain).expect("hexadecimal");
        let key = gcm(key.as_slice().try_into().expect("256 bits")).expect("an AES-256 key");
        let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aead::Aad::from(aad), &mut body).expect("sealing works");
        assert_eq!(hex::encode(tag.as_ref()), "76fc6ece0f4e1768cddf8853bb2d551b");
        assert!(hex::encode(body).starts_with("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"));
    }
}
