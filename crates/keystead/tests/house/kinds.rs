//! Every kind of key that AWS can import (FT-037 to FT-046): made or brought over REST, used by an application through the alias, and checked outside with what
//! Keystead says of it.

use aws_lc_rs::{
    agreement, hmac,
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
    signature::{self, UnparsedPublicKey},
};
use aws_sdk_kms::types::{EncryptionAlgorithmSpec, MacAlgorithmSpec, SigningAlgorithmSpec};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use keystead_domain::{KeySpec, KeyUsage};
use serde_json::{Value, json};

use crate::{
    application::Application,
    world::{Engine, World},
};

/// What an application signs and encrypts.
const MESSAGE: &[u8] = b"a message to whom it may concern";

fn body(name: &str, spec: KeySpec, usage: KeyUsage, material: Option<Value>) -> Value {
    let mut body = json!({ "name": name, "keystore": "payments-eu", "aliases": [name], "spec": spec.as_str(), "usage": usage.as_str(), "expires": "90d" });
    if let Some(material) = material {
        body["material"] = material;
    }
    body
}

/// Makes a key and answers it with its versions.
async fn made(world: &World, name: &str, spec: KeySpec, usage: KeyUsage, material: Option<Value>) -> Value {
    let (status, answer) = world.rest(0, "POST", "/v1/keys", Some(body(name, spec, usage, material))).await;
    assert!(status == 201 || status == 200, "{spec:?} {usage:?}: {status} {answer}");
    shown(world, name).await
}

async fn shown(world: &World, name: &str) -> Value {
    let (status, key) = world.rest(0, "GET", &format!("/v1/keys/{name}"), None).await;
    assert_eq!(status, 200, "{key}");
    key
}

/// The public half that Keystead shows, in DER.
fn public_key(key: &Value) -> Vec<u8> {
    let pem = key["versions"][0]["public_key"].as_str().expect("a pair has a public key");
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64_STANDARD.decode(lines).expect("PEM")
}

/// Uses the key as an application would, and checks the result outside of AWS where there is something to check with.
async fn is_of_use(app: &Application, alias: &str, spec: KeySpec, usage: KeyUsage, key: &Value) {
    match (usage, spec) {
        (KeyUsage::Encrypt, KeySpec::Aes256) => assert_eq!(app.decrypt(&app.encrypt(alias, MESSAGE).await.blob).await, MESSAGE),
        (KeyUsage::Encrypt, _) => {
            let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public_key(key)).expect("a public key")).expect("RSA");
            let mut blob = vec![0; public.ciphertext_size()];
            let blob = public.encrypt(&OAEP_SHA256_MGF1SHA256, MESSAGE, &mut blob, None).expect("encrypts");
            assert_eq!(app.decrypt_by(alias, blob, EncryptionAlgorithmSpec::RsaesOaepSha256).await, MESSAGE);
        }
        (KeyUsage::Sign, spec) => {
            let (algorithm, check) = signing(spec);
            let signature = app.sign(alias, MESSAGE, algorithm).await;
            UnparsedPublicKey::new(check, spki_or_point(spec, &public_key(key))).verify(MESSAGE, &signature).expect("our public key verifies it");
        }
        (KeyUsage::Mac, spec) => assert_eq!(app.mac(alias, MESSAGE, mac(spec).0).await.len(), spec.material_len().expect("a fixed length")),
        (KeyUsage::KeyAgreement, spec) => {
            let curve = curve(spec);
            let ours = agreement::PrivateKey::generate(curve).expect("a pair");
            let public = public_key(key);
            let theirs = agreement::UnparsedPublicKey::new(curve, point(&public));
            let expected = agreement::agree(&ours, theirs, (), |secret| Ok(secret.to_vec())).expect("a secret");
            let spki = spki_of(&public, ours.compute_public_key().expect("its public half").as_ref());
            assert_eq!(app.agree(alias, &spki).await, expected);
        }
    }
}

fn signing(spec: KeySpec) -> (SigningAlgorithmSpec, &'static dyn signature::VerificationAlgorithm) {
    match spec {
        KeySpec::EcP256 => (SigningAlgorithmSpec::EcdsaSha256, &signature::ECDSA_P256_SHA256_ASN1),
        KeySpec::EcP384 => (SigningAlgorithmSpec::EcdsaSha384, &signature::ECDSA_P384_SHA384_ASN1),
        KeySpec::EcP521 => (SigningAlgorithmSpec::EcdsaSha512, &signature::ECDSA_P521_SHA512_ASN1),
        KeySpec::EcSecp256k1 => (SigningAlgorithmSpec::EcdsaSha256, &signature::ECDSA_P256K1_SHA256_ASN1),
        _ => (SigningAlgorithmSpec::RsassaPssSha256, &signature::RSA_PSS_2048_8192_SHA256),
    }
}

fn mac(spec: KeySpec) -> (MacAlgorithmSpec, hmac::Algorithm) {
    match spec {
        KeySpec::Hmac224 => (MacAlgorithmSpec::HmacSha224, hmac::HMAC_SHA224),
        KeySpec::Hmac256 => (MacAlgorithmSpec::HmacSha256, hmac::HMAC_SHA256),
        KeySpec::Hmac384 => (MacAlgorithmSpec::HmacSha384, hmac::HMAC_SHA384),
        _ => (MacAlgorithmSpec::HmacSha512, hmac::HMAC_SHA512),
    }
}

fn curve(spec: KeySpec) -> &'static agreement::Algorithm {
    match spec {
        KeySpec::EcP256 => &agreement::ECDH_P256,
        KeySpec::EcP384 => &agreement::ECDH_P384,
        _ => &agreement::ECDH_P521,
    }
}

/// The uncompressed point at the end of a SubjectPublicKeyInfo (RFC 5480, section 2.2).
fn point(spki: &[u8]) -> &[u8] {
    let len = match spki.len() {
        0..=91 => 65,
        92..=120 => 97,
        _ => 133,
    };
    &spki[spki.len() - len..]
}

/// Another point of the same curve, in the same frame.
fn spki_of(like: &[u8], point_bytes: &[u8]) -> Vec<u8> {
    [&like[..like.len() - point(like).len()], point_bytes].concat()
}

/// RSA verification takes the whole structure, the elliptic one the point.
fn spki_or_point(spec: KeySpec, spki: &[u8]) -> Vec<u8> {
    if spec.modulus_bits().is_some() { spki.to_vec() } else { point(spki).to_vec() }
}

#[tokio::test]
async fn every_kind_and_use_is_made_imported_and_of_use() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    for spec in KeySpec::ALL {
        for usage in spec.usages() {
            let name = world.fresh_name("kind");
            let key = made(&world, &name, spec, *usage, None).await;
            assert_eq!((key["spec"].as_str(), key["usage"].as_str()), (Some(spec.as_str()), Some(usage.as_str())));
            is_of_use(&app, &format!("alias/{name}"), spec, *usage, &key).await;
        }
    }
}

/// What `openssl` makes and writes.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::{io::Write as _, process::Stdio};
    let mut command = std::process::Command::new("openssl");
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("openssl is installed");
    child.stdin.take().expect("a pipe").write_all(input).expect("openssl reads");
    child.wait_with_output().expect("openssl ends").stdout
}

fn pkcs8(file: &[u8], passphrase: Option<&str>) -> Value {
    let mut material = json!({ "format": "pkcs8", "data": BASE64_STANDARD.encode(file) });
    if let Some(passphrase) = passphrase {
        material["passphrase"] = passphrase.into();
    }
    material
}

#[tokio::test]
async fn ft_031_ft_040_pairs_from_files_and_hmac_keys_from_bytes_are_taken_in() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let rsa = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], b"");
    let ec = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"], b"");
    let encrypted = openssl(&["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:correct horse", "-outform", "DER"], &ec);
    for (name, spec, pem, material) in
        [("rsa", KeySpec::Rsa3072, &rsa, pkcs8(&rsa, None)), ("curve", KeySpec::EcSecp256k1, &ec, pkcs8(&encrypted, Some("correct horse")))]
    {
        let key = made(&world, name, spec, KeyUsage::Sign, Some(material)).await;
        assert_eq!(public_key(&key), openssl(&["pkey", "-pubout", "-outform", "DER"], pem), "{spec:?}");
        is_of_use(&app, &format!("alias/{name}"), spec, KeyUsage::Sign, &key).await;
    }
    let bytes: Vec<u8> = (1..=48).collect();
    made(&world, "mac", KeySpec::Hmac384, KeyUsage::Mac, Some(json!({ "format": "hex", "data": hex::encode(&bytes) }))).await;
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA384, &bytes), MESSAGE);
    assert_eq!(app.mac("alias/mac", MESSAGE, MacAlgorithmSpec::HmacSha384).await, expected.as_ref());
}

/// Opens what `openssl` can open in two steps: the AES key by the private half, the document by the AES key.
fn unwrapped(private: &[u8], wrapped: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("private.pem");
    std::fs::write(&file, private).expect("a file");
    let (head, body) = wrapped.split_at(256);
    let oaep = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"];
    let aes = openssl(&[&["pkeyutl", "-decrypt", "-inkey", file.to_str().expect("a path")], &oaep[..]].concat(), head);
    openssl(&["enc", "-d", "-id-aes256-wrap-pad", "-K", &hex::encode(aes), "-iv", "A65959A6"], body)
}

#[tokio::test]
async fn cm_064_a_pair_is_exported_by_two_people_and_opened_by_openssl() {
    let world = World::new(Engine::Sqlite).await;
    let key = made(&world, "signer", KeySpec::EcP521, KeyUsage::Sign, None).await;
    let private = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], b"");
    let public = String::from_utf8(openssl(&["pkey", "-pubout"], &private)).expect("PEM");
    let (status, answer) = world.rest(0, "POST", "/v1/keys/signer/export/prepare", Some(json!({ "public_key": public }))).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = world.rest(1, "POST", "/v1/keys/signer/export/download", None).await;
    assert_eq!((status, answer["algorithm"].as_str()), (200, Some("RSA_AES_KEY_WRAP_SHA_256")), "{answer}");
    let wrapped = BASE64_STANDARD.decode(answer["wrapped"].as_str().expect("base64")).expect("base64");
    let document = unwrapped(&private, &wrapped);
    assert_eq!(openssl(&["pkey", "-inform", "DER", "-pubout", "-outform", "DER"], &document), public_key(&key));
}

#[tokio::test]
async fn a_pair_lives_its_whole_life_and_its_successor_has_another_public_half() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let first = made(&world, "signer", KeySpec::EcP256, KeyUsage::Sign, None).await;
    for verb in ["deactivate", "activate", "upload"] {
        let (status, answer) = world.rest(0, "POST", &format!("/v1/keys/signer/{verb}"), None).await;
        assert_eq!(status, 200, "{verb}: {answer}");
    }
    is_of_use(&app, "alias/signer", KeySpec::EcP256, KeyUsage::Sign, &first).await;
    let (status, answer) = world.rest(0, "POST", "/v1/keys/signer/renew", None).await;
    assert_eq!(status, 200, "{answer}");
    let second = shown(&world, "signer").await;
    assert_ne!(public_key(&first), public_key(&second));
    is_of_use(&app, "alias/signer", KeySpec::EcP256, KeyUsage::Sign, &second).await;
    let old = first["cloud_arn"].as_str().expect("an ARN");
    is_of_use(&app, old, KeySpec::EcP256, KeyUsage::Sign, &first).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_field_before_anything_is_made() {
    let world = World::new(Engine::Sqlite).await;
    let ec = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], b"");
    let public = openssl(&["pkey", "-pubout"], &ec);
    let encrypted = openssl(&["pkcs8", "-topk8", "-passout", "pass:right"], &ec);
    let ask = |spec: &str, usage: Option<&str>, material: Option<Value>| json!({ "name": "bad", "keystore": "payments-eu", "spec": spec, "usage": usage, "material": material });
    let before = world.requests().await;
    for (asked, field, words) in [
        (ask("RSA_2048", None, None), "usage", "encrypt or sign"),
        (ask("RSA_2048", Some("mac"), None), "usage", "encrypt or sign"),
        (ask("HMAC_256", Some("encrypt"), None), "usage", "mac"),
        (ask("EC_SECP256K1", Some("key-agreement"), None), "usage", "sign"),
        (ask("RSA_1024", Some("sign"), None), "spec", "RSA_2048"),
        (ask("HMAC_512", None, Some(json!({ "format": "hex", "data": "0102" }))), "material", "64"),
        (ask("AES_256", None, Some(pkcs8(&ec, None))), "material.format", "raw"),
        (ask("EC_P384", None, Some(pkcs8(&ec, None))), "material", "EC_P256"),
        (ask("EC_P256", None, Some(pkcs8(&public, None))), "material", "PRIVATE KEY"),
        (ask("EC_P256", None, Some(pkcs8(&encrypted, None))), "material", "passphrase"),
        (ask("EC_P256", None, Some(pkcs8(&encrypted, Some("wrong")))), "material", "passphrase"),
        (ask("EC_P256", None, Some(json!({ "format": "raw", "data": "AQID", "passphrase": "x" }))), "material.passphrase", "pkcs8"),
    ] {
        let (status, problem) = world.rest(0, "POST", "/v1/keys", Some(asked.clone())).await;
        let text = problem.to_string();
        assert_eq!(status, 422, "{asked}: {problem}");
        assert!(text.contains(&format!("\"{field}\"")) && text.contains(words), "{field}, {words}: {text}");
        assert!(!text.contains("wrong"), "no passphrase is repeated");
    }
    assert_eq!(world.requests().await, before, "the cloud was not asked");
    assert!(world.find_key("bad").await.is_none());
}
