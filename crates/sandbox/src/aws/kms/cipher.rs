//! The symmetric cipher: for every call a one-time key, derived from the material and a random nonce by the counter-mode KDF of NIST SP 800-108 with
//! HMAC-SHA-256, and AES-256-GCM under it. AWS does the same in principle (cloud-byok.md, section 9.1) but does not publish its format; this one is the
//! sandbox's own and compatible with nothing.
//!
//! Blob: `version (1) ‖ length of the key id (1) ‖ key id ‖ material id (32) ‖ KDF nonce (16) ‖ IV (12) ‖ ciphertext ‖ tag (16)`.
//! Everything before the ciphertext is authenticated, and so is the encryption context.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::kdf::{KbkdfCtrHmacAlgorithmId, get_kbkdf_ctr_hmac_algorithm, kbkdf_ctr_hmac};
use zeroize::Zeroizing;

use crate::random::{self, NoRandomness};
use crate::secret::Secret;

const VERSION: u8 = 1;
const MATERIAL_ID_LEN: usize = 32;
const KDF_NONCE_LEN: usize = 16;
const LABEL: &[u8] = b"sandbox one-time key\0";

/// The encryption context, sorted by name.
pub(crate) type Context<'a> = [(&'a str, &'a str)];

/// A blob, taken apart.
pub(crate) struct Blob<'a> {
    pub(crate) key_id: &'a str,
    /// In hexadecimal.
    pub(crate) material_id: String,
    header: &'a [u8],
    kdf_nonce: &'a [u8],
    iv: &'a [u8],
    sealed: &'a [u8],
}

/// Encrypts under this material.
pub(crate) fn seal(key_id: &str, material_id: &str, material: &Secret, context: &Context<'_>, plaintext: &[u8]) -> Result<Vec<u8>, NoRandomness> {
    let (kdf_nonce, iv) = (random::bytes::<KDF_NONCE_LEN>()?, random::bytes::<NONCE_LEN>()?);
    let material_id = hex::decode(material_id).map_err(|_| NoRandomness)?;
    let id_len = u8::try_from(key_id.len()).map_err(|_| NoRandomness)?;
    let mut blob = [&[VERSION, id_len], key_id.as_bytes(), &material_id, &kdf_nonce, &iv].concat();
    let key = one_time_key(material, &kdf_nonce).ok_or(NoRandomness)?;
    let aad = Aad::from(authenticated(&blob, context));
    let mut sealed = plaintext.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), aad, &mut sealed).map_err(|_| NoRandomness)?;
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

impl<'a> Blob<'a> {
    /// Takes a blob apart; `None`: it is none of ours.
    pub(crate) fn parse(blob: &'a [u8]) -> Option<Self> {
        let (start, rest) = blob.split_first_chunk::<2>()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(start[1]))?;
        let (material_id, rest) = rest.split_at_checked(MATERIAL_ID_LEN)?;
        let (kdf_nonce, rest) = rest.split_at_checked(KDF_NONCE_LEN)?;
        let (iv, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let (header, key_id) = (&blob[..blob.len() - sealed.len()], std::str::from_utf8(key_id).ok()?);
        (start[0] == VERSION).then(|| Self { key_id, material_id: hex::encode(material_id), header, kdf_nonce, iv, sealed })
    }

    /// Decrypts; `None`: the blob was changed, or context or material are others.
    pub(crate) fn open(&self, material: &Secret, context: &Context<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let key = one_time_key(material, self.kdf_nonce)?;
        let mut content = Zeroizing::new(self.sealed.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(self.iv).ok()?;
        let len = key.open_in_place(nonce, Aad::from(authenticated(self.header, context)), &mut content).ok()?.len();
        content.truncate(len);
        Some(content)
    }
}

fn one_time_key(material: &Secret, nonce: &[u8]) -> Option<LessSafeKey> {
    let mut key = Zeroizing::new([0; 32]);
    let algorithm = get_kbkdf_ctr_hmac_algorithm(KbkdfCtrHmacAlgorithmId::Sha256)?;
    kbkdf_ctr_hmac(algorithm, material, &[LABEL, nonce].concat(), key.as_mut_slice()).ok()?;
    UnboundKey::new(&AES_256_GCM, key.as_slice()).ok().map(LessSafeKey::new)
}

/// Header and context without ambiguity: every part with its length before it.
fn authenticated(header: &[u8], context: &Context<'_>) -> Vec<u8> {
    let texts = context.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    let mut out = header.to_vec();
    for text in texts {
        out.extend_from_slice(&(text.len() as u64).to_be_bytes());
        out.extend_from_slice(text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn material(byte: u8) -> Secret {
        vec![byte; 32].into()
    }

    fn sealed(context: &Context<'_>) -> Vec<u8> {
        seal(KEY_ID, &"ab".repeat(32), &material(1), context, b"attack at dawn").expect("randomness")
    }

    fn opened(blob: &[u8], material_byte: u8, context: &Context<'_>) -> Option<Vec<u8>> {
        Blob::parse(blob)?.open(&material(material_byte), context).map(|plain| plain.to_vec())
    }

    #[test]
    fn what_was_sealed_opens_and_names_its_key_and_material() {
        let blob = sealed(&[("a", "1")]);
        let parsed = Blob::parse(&blob).expect("ours");
        assert_eq!((parsed.key_id, parsed.material_id.as_str()), (KEY_ID, "ab".repeat(32).as_str()));
        assert_eq!(opened(&blob, 1, &[("a", "1")]).as_deref(), Some(&b"attack at dawn"[..]));
        assert_ne!(blob, sealed(&[("a", "1")]), "every call has its own nonce");
    }

    #[test]
    fn any_changed_byte_other_context_or_other_material_does_not_open() {
        let blob = sealed(&[("a", "1")]);
        for index in 0..blob.len() {
            let mut tampered = blob.clone();
            tampered[index] ^= 1;
            assert_eq!(opened(&tampered, 1, &[("a", "1")]), None, "byte {index}");
        }
        assert_eq!(opened(&blob, 1, &[]), None);
        assert_eq!(opened(&blob, 1, &[("a", "2")]), None);
        assert_eq!(opened(&blob, 1, &[("a1", "")]), None, "the border between name and value counts");
        assert_eq!(opened(&blob, 2, &[("a", "1")]), None);
        assert_eq!(opened(&blob[..40], 1, &[("a", "1")]), None);
    }
}
