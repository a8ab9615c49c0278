//! Wrapping as the vault does it, by an implementation of its own, so that the connectors can be tested without a vault.

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
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
