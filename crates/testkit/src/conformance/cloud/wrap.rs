//! Wrapping as the vault does it, by an implementation of its own, so that the connectors can be tested without a vault.

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    key_wrap::{AES_256, AesKek, KeyWrapPadded as _},
    rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
};
use keystead_domain::Hash;

/// Wraps by RSAES-OAEP with an empty label (RFC 8017, section 7.1); the hash of label and mask generation is the same.
pub fn oaep(public_key: &[u8], hash: Hash, material: &[u8]) -> Vec<u8> {
    let algorithm = match hash {
        Hash::Sha1 => &OAEP_SHA1_MGF1SHA1,
        Hash::Sha256 => &OAEP_SHA256_MGF1SHA256,
    };
    let key = OaepPublicEncryptingKey::new(parse(public_key)).expect("a key for encryption");
    let mut wrapped = vec![0; key.ciphertext_size()];
    let length = key.encrypt(algorithm, material, &mut wrapped, None).expect("the material is short enough").len();
    wrapped.truncate(length);
    wrapped
}

/// Wraps by CKM_RSA_AES_KEY_WRAP (PKCS#11 v3.1, section 6.1.19): an AES-256 key by OAEP, then the material under it by AES-KWP (RFC 5649).
pub fn aes_kwp(public_key: &[u8], hash: Hash, material: &[u8]) -> Vec<u8> {
    let key: [u8; 32] = std::array::from_fn(|at| at as u8 ^ 0x5a);
    let mut wrapped = vec![0; material.len() + 15];
    let kek = AesKek::new(&AES_256, &key).expect("256 bits");
    let len = kek.wrap_with_padding(material, &mut wrapped).expect("AES-KWP").len();
    [&oaep(public_key, hash, &key)[..], &wrapped[..len]].concat()
}

/// Bits of the modulus of a SubjectPublicKeyInfo.
pub fn bits(public_key: &[u8]) -> usize {
    let key = parse(public_key);
    let der: PublicKeyX509Der<'_> = key.as_der().expect("a key can be written");
    assert_eq!(der.as_ref(), public_key, "the public key is a plain SubjectPublicKeyInfo");
    key.key_size_bits()
}

fn parse(public_key: &[u8]) -> PublicEncryptingKey {
    PublicEncryptingKey::from_der(public_key).expect("an RSA SubjectPublicKeyInfo")
}
