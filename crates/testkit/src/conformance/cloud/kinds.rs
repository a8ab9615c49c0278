//! Checks of every kind of key that a location says it takes.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
        KeyPair as _, RsaKeyPair,
    },
};
use keystead_cloud::{Import, NewCloudKey, Which};
use keystead_domain::{KeySpec, KeyUsage, WrapMethod};

use super::{SPEC, Subject, wrap};

/// Each kind is made for each of its uses and takes its material; a pair then shows the public half that belongs to it.
pub async fn every_kind_is_taken_and_a_pair_shows_its_public_half(subject: &Subject<'_>) {
    for importable in subject.cloud.capabilities().importable.clone() {
        for usage in importable.spec.usages() {
            takes(subject, importable.spec, *usage, importable.wrap).await;
        }
    }
}

async fn takes(subject: &Subject<'_>, spec: KeySpec, usage: KeyUsage, method: WrapMethod) {
    let order = NewCloudKey { spec, usage, ..subject.order() };
    let key = subject.cloud.create_key(&order).await.unwrap_or_else(|error| panic!("{spec:?} {usage:?}: {error}")).value.id;
    let offered = subject.cloud.wrapping_key(&key, method, SPEC).await.unwrap_or_else(|error| panic!("{spec:?} {usage:?}: {error}")).value;
    let (material, public) = material(spec);
    let wrapped = match method {
        WrapMethod::RsaOaep(hash) => wrap::oaep(&offered.public_key, hash, &material),
        WrapMethod::RsaAesKwp(hash) => wrap::aes_kwp(&offered.public_key, hash, &material),
    };
    let import = Import { token: offered.token, wrapped, expires: None, which: Which::Only };
    subject.cloud.import(&key, &import).await.unwrap_or_else(|error| panic!("{spec:?} {usage:?}: {error}"));
    assert!(subject.seen(&key).await.enabled, "{spec:?} {usage:?}");
    match public {
        Some(public) => assert_eq!(subject.cloud.public_key(&key).await.ok(), Some(public), "{spec:?} {usage:?}"),
        None => assert!(subject.cloud.public_key(&key).await.is_err(), "{spec:?} has no public half"),
    }
}

/// Material of a kind, and the public half of a pair.
fn material(spec: KeySpec) -> (Vec<u8>, Option<Vec<u8>>) {
    let curve = match spec {
        KeySpec::EcP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeySpec::EcP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        KeySpec::EcP521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        KeySpec::EcSecp256k1 => &ECDSA_P256K1_SHA256_ASN1_SIGNING,
        KeySpec::Rsa2048 => return rsa(KeySize::Rsa2048),
        KeySpec::Rsa3072 => return rsa(KeySize::Rsa3072),
        KeySpec::Rsa4096 => return rsa(KeySize::Rsa4096),
        symmetric => return (vec![9; symmetric.material_len().expect("a fixed length")], None),
    };
    let pair = EcdsaKeyPair::generate(curve).expect("a pair");
    (pair.to_pkcs8v1().expect("a document").as_ref().to_vec(), Some(public_half(pair.public_key())))
}

fn rsa(size: KeySize) -> (Vec<u8>, Option<Vec<u8>>) {
    let pair = RsaKeyPair::generate(size).expect("a pair");
    let document: Pkcs8V1Der<'_> = pair.as_der().expect("a document");
    (document.as_ref().to_vec(), Some(public_half(pair.public_key())))
}

fn public_half(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().expect("a public key").as_ref().to_vec()
}
