//! Keys from elsewhere: wrapped under a transport key of the vault, and held against the check value that their sender told (FX-015). What wraps is OpenSSL.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::world::World;

/// The material that comes from elsewhere: 32 bytes.
pub fn material() -> Vec<u8> {
    (0..32).map(|at: u8| at.wrapping_mul(7) ^ 0x5a).collect()
}

pub fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the tests need the openssl command");
    child.stdin.take().expect("it was piped").write_all(input).expect("openssl reads");
    let output = child.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

/// AES-CMAC over a block of zeros, as the device that sends the key prints it.
pub fn cmac(key: &[u8]) -> String {
    let cmac = openssl(&["mac", "-cipher", "AES-256-CBC", "-macopt", &format!("hexkey:{}", hex::encode(key)), "CMAC"], &[0; 16]);
    String::from_utf8_lossy(&cmac)[..10].to_owned()
}

/// A keystore in the vault, and in it a pair that unwraps; its public half.
async fn with_transport() -> (World, Vec<u8>) {
    let world = World::start().await.with_keystore().await;
    assert_eq!(world.ann("POST", "/v1/keystores", Some(json!({ "name": "own", "cloud": "vault" }))).await.status, StatusCode::CREATED);
    world.done("POST", "/v1/keys", Some(json!({ "name": "transport", "keystore": "own", "spec": "RSA_4096", "usage": "encrypt", "exportable": false }))).await;
    let pem = world.ann("GET", "/v1/keys/transport", None).await.json()["versions"][0]["public_key"].as_str().expect("a public half").to_owned();
    (world, pem.into_bytes())
}

fn oaep(pem: &[u8], hash: &str, plain: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(pem).expect("is written");
    let (path, digest, mask) = (file.path().to_str().expect("a path"), format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}"));
    let padding = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", &digest, "-pkeyopt", &mask];
    openssl(&[&["pkeyutl", "-encrypt", "-pubin", "-inkey", path][..], &padding].concat(), plain)
}

fn aes_kwp(pem: &[u8], hash: &str, plain: &[u8]) -> Vec<u8> {
    let key = [0x5c; 32];
    [oaep(pem, hash, &key), openssl(&["enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", &hex::encode(key)], plain)].concat()
}

fn import(name: &str, wrapped: &[u8], method: &str) -> Value {
    let material = json!({ "format": "wrapped", "data": STANDARD.encode(wrapped), "unwrap_with": "transport", "method": method });
    json!({ "name": name, "keystore": "own", "material": material })
}

async fn refused(world: &World, body: Value) -> (String, Option<String>, Value) {
    let answer = world.ann("POST", "/v1/keys", Some(body)).await;
    let (slug, field) = answer.problem();
    (slug, field, answer.json()["detail"].clone())
}

#[tokio::test]
async fn what_another_module_wrapped_under_our_public_half_is_imported_fx_015() {
    let (world, pem) = with_transport().await;
    let plain =
        json!({ "name": "plain", "keystore": "own", "material": { "format": "hex", "data": hex::encode(material()), "check_value": cmac(&material()) } });
    world.done("POST", "/v1/keys", Some(plain)).await;
    let print = world.ann("GET", "/v1/keys/plain", None).await.json()["versions"][0]["fingerprint"].clone();
    let ways = [
        ("oaep", oaep(&pem, "sha256", &material()), "RSAES_OAEP_SHA_256"),
        ("oaep-1", oaep(&pem, "sha1", &material()), "RSAES_OAEP_SHA_1"),
        ("kwp", aes_kwp(&pem, "sha256", &material()), "RSA_AES_KEY_WRAP_SHA_256"),
        ("kwp-1", aes_kwp(&pem, "sha1", &material()), "RSA_AES_KEY_WRAP_SHA_1"),
    ];
    for (name, wrapped, method) in ways {
        let mut body = import(name, &wrapped, method);
        body["material"]["check_value"] = json!(cmac(&material()).to_uppercase());
        world.done("POST", "/v1/keys", Some(body)).await;
        let version = world.ann("GET", &format!("/v1/keys/{name}"), None).await.json()["versions"][0].clone();
        let birth = |field: &str| version["birth"][field].as_str().unwrap_or_default().to_owned();
        assert!(birth("source").contains("under the public half of key_") && birth("mechanism").contains("RSAES-OAEP"), "{version}");
        assert!(birth("check_value").contains("AES-CMAC") && !birth("check_value").contains(&cmac(&material())), "{version}");
        assert_eq!(version["fingerprint"], print, "{name}");
    }
}

#[tokio::test]
async fn a_pair_comes_under_a_pair_and_goes_to_a_cloud() {
    let (world, transport) = with_transport().await;
    let pem = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], b"");
    let document = openssl(&["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], &pem);
    let sum = openssl(&["dgst", "-sha256", "-r"], &openssl(&["pkey", "-pubout", "-outform", "DER"], &pem));
    let mut body = import("signer", &aes_kwp(&transport, "sha256", &document), "RSA_AES_KEY_WRAP_SHA_256");
    (body["keystore"], body["spec"], body["material"]["check_value"]) = (json!("eu"), json!("EC_P256"), json!(String::from_utf8_lossy(&sum)[..64]));
    world.done("POST", "/v1/keys", Some(body)).await;
    let public = world.ann("GET", "/v1/keys/signer", None).await.json()["versions"][0]["public_key"].as_str().expect("a pair").to_owned();
    assert_eq!(public.trim(), String::from_utf8_lossy(&openssl(&["pkey", "-pubout"], &pem)).trim());
}

#[tokio::test]
async fn every_refusal_of_a_wrapped_import_names_its_field_and_changes_nothing() {
    let (world, pem) = with_transport().await;
    let wrapped = oaep(&pem, "sha256", &material());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = import("theirs", &wrapped, "RSAES_OAEP_SHA_256");
        change(&mut body["material"]);
        body
    };
    for (name, keystore, usage) in [("signs", "own", "sign"), ("clouded", "eu", "encrypt"), ("lent", "own", "encrypt")] {
        world.done("POST", "/v1/keys", Some(json!({ "name": name, "keystore": keystore, "spec": "RSA_4096", "usage": usage }))).await;
    }
    world.done("POST", "/v1/keys", Some(json!({ "name": "kek", "keystore": "own" }))).await;
    world.done("POST", "/v1/keys", Some(json!({ "name": "resting", "keystore": "own" }))).await;
    world.done("POST", "/v1/keys/resting/deactivate", None).await;
    for (body, field) in [
        (with(&|material| material["method"] = json!("RSAES_PKCS1_V1_5")), "material.method"),
        (with(&|material| material["method"] = Value::Null), "material.method"),
        (with(&|material| material["unwrap_with"] = json!("kek")), "material.method"),
        (with(&|material| material["unwrap_with"] = json!("signs")), "material.unwrap_with"),
        (with(&|material| material["unwrap_with"] = json!("clouded")), "material.unwrap_with"),
        (with(&|material| material["unwrap_with"] = json!("lent")), "material.unwrap_with"),
        (with(&|material| material["unwrap_with"] = json!("resting")), "material.unwrap_with"),
        (with(&|material| material["unwrap_with"] = json!("nobody")), "material.unwrap_with"),
        (with(&|material| material["check_value"] = json!("0102030405")), "material.check_value"),
        (with(&|material| material["check_value"] = json!("kcv-zero:01020304")), "material.check_value"),
        (with(&|material| material["check_value"] = json!("sha256:0102")), "material.check_value"),
        (with(&|material| material["data"] = json!("AAAA")), "material"),
        (with(&|material| material["data"] = json!(STANDARD.encode(vec![1; 9000]))), "material"),
    ] {
        let (slug, named, detail) = refused(&world, body).await;
        assert_eq!((slug.as_str(), named.as_deref()), ("invalid-input", Some(field)), "{detail}");
    }
    assert_eq!(world.ann("GET", "/v1/keys/theirs", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_does_not_unwrap_is_told_in_one_way_whatever_is_wrong() {
    let (world, pem) = with_transport().await;
    let bent = |mut wrapped: Vec<u8>, at: usize| {
        wrapped[at] ^= 1;
        wrapped
    };
    let below = aes_kwp(&pem, "sha256", &material());
    let mut told = Vec::new();
    for (wrapped, method) in [
        (bent(oaep(&pem, "sha256", &material()), 200), "RSAES_OAEP_SHA_256"),
        (oaep(&pem, "sha256", &material()[..31]), "RSAES_OAEP_SHA_256"),
        (oaep(&pem, "sha1", &material()), "RSAES_OAEP_SHA_256"),
        (bent(below.clone(), 200), "RSA_AES_KEY_WRAP_SHA_256"),
        (bent(below.clone(), 520), "RSA_AES_KEY_WRAP_SHA_256"),
        (below, "RSA_AES_KEY_WRAP_SHA_1"),
    ] {
        told.push(refused(&world, import("theirs", &wrapped, method)).await);
    }
    assert_eq!((told[0].0.as_str(), told[0].1.as_deref()), ("invalid-input", Some("material")));
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}
