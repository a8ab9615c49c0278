//! Keys from elsewhere through the real binary: another module's key under our transport key, and a key of which three people bring a component each (FX-015). Over a root
//! of the software, and over a soft token of each kind that is installed. The other module is OpenSSL.

use std::fs;

use keystead_testkit::token::Kind;
use serde_json::Value;

use crate::{
    desk::{Desk, demo, slug},
    hsm::Hall,
    refusals::{openssl, openssl_text},
};

/// The key that exists elsewhere.
fn theirs() -> Vec<u8> {
    (0..32).map(|at: u8| at.wrapping_mul(7) ^ 0x5a).collect()
}

/// As the device that sends it prints it: AES-CMAC over a block of zeros.
fn cmac(key: &[u8]) -> String {
    openssl_text(&["mac", "-cipher", "AES-256-CBC", "-macopt", &format!("hexkey:{}", hex::encode(key)), "CMAC"], &[0; 16])[..10].to_owned()
}

/// CKM_RSA_AES_KEY_WRAP by the openssl command, under the public half in this file.
fn wrapped(desk: &Desk, hash: &str, plain: &[u8]) -> Vec<u8> {
    let (public, between) = (desk.path("transport.pub.pem"), [0x5c; 32]);
    let (digest, mask) = (format!("rsa_oaep_md:{hash}"), format!("rsa_mgf1_md:{hash}"));
    let oaep = ["pkeyutl", "-encrypt", "-pubin", "-inkey", public.to_str().expect("a path"), "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", &digest];
    let outer = openssl(&[&oaep[..], &["-pkeyopt", &mask]].concat(), &between);
    [outer, openssl(&["enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", &hex::encode(between)], plain)].concat()
}

fn birth(desk: &Desk, key: &str) -> Value {
    desk.json(&["key", "show", key])["versions"][0]["birth"].clone()
}

fn fingerprint(desk: &Desk, key: &str) -> String {
    desk.json(&["key", "show", key])["versions"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned()
}

fn typed(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// A key goes from another module into this vault, under the public half of a pair of it. `hash` is what the root's module has.
fn a_transfer(desk: &Desk, hash: &str) {
    desk.json(&["keystore", "create", "own", "--cloud", "vault"]);
    desk.json(&["key", "create", "transport", "--keystore", "own", "--spec", "RSA_4096", "--usage", "encrypt", "--not-exportable"]);
    desk.write("transport.pub.pem", desk.run(&["key", "public-key", "transport"]).out.as_bytes());
    desk.json(&["key", "public-key", "transport", "--der", "transport.pub.der"]);
    let der = openssl(&["pkey", "-pubin", "-outform", "DER"], &fs::read(desk.path("transport.pub.pem")).expect("PEM"));
    assert_eq!(fs::read(desk.path("transport.pub.der")).expect("DER"), der);
    desk.write("theirs.wrapped", &wrapped(desk, &format!("sha{hash}"), &theirs()));
    let method = format!("RSA_AES_KEY_WRAP_SHA_{hash}");
    let (right, wrong) = (cmac(&theirs()), "0102030405");
    let import = |name: &str, value: &str| {
        let line =
            format!("key import {name} --keystore own --file theirs.wrapped --format wrapped --unwrap-with transport --method {method} --check-value {value}");
        line.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let refused = desk.fails(2, &typed(&import("theirs", wrong)));
    assert_eq!(refused["field"], "material.check_value", "{refused}");
    assert_eq!(desk.json(&typed(&import("theirs", &right)))["state"], "ACTIVE");
    let born = birth(desk, "theirs");
    let told = |name: &str| born[name].as_str().unwrap_or_default().to_owned();
    assert!(told("source").contains("under the public half of key_") && told("mechanism").contains("CKM_RSA_AES_KEY_WRAP"), "{born}");
    assert!(told("check_value").contains("AES-CMAC") && !born.to_string().contains(&right), "{born}");
    let mut bent = wrapped(desk, &format!("sha{hash}"), &theirs());
    bent[99] ^= 1;
    desk.write("theirs.wrapped", &bent);
    let refused = desk.fails(2, &typed(&import("bent", &right)));
    assert!(
        refused["field"] == "material" && refused["detail"].as_str().is_some_and(|detail| detail.contains("does not unwrap under the chosen pair")),
        "{refused}"
    );
}

/// Ann, bob and cho bring a component each of the same key: its fingerprint is the same.
fn a_ceremony(desk: &Desk) {
    let token = |name: &str| desk.json(&["user", "create", name])["token"].as_str().expect("a token").to_owned();
    let (ben, cho) = (token("ben"), token("cho"));
    let (one, two): (Vec<u8>, Vec<u8>) = ((0..32).map(|at: u8| at.wrapping_mul(3) ^ 0x11).collect(), (0..32).map(|at: u8| at.wrapping_mul(5) ^ 0x77).collect());
    let three: Vec<u8> = theirs().iter().zip(one.iter().zip(&two)).map(|(whole, (a, b))| whole ^ a ^ b).collect();
    for (file, component) in [("one", &one), ("two", &two), ("three", &three)] {
        desk.write(file, format!("{}\n", hex::encode(component)).as_bytes());
    }
    let begun = desk.json(&["ceremony", "begin", "card-root", "--keystore", "own", "--components", "3", "--check-value", &cmac(&theirs())]);
    let id = begun["id"].as_str().expect("an id");
    let entered = desk.json(&["ceremony", "enter", id, "--file", "one", "--check-value", &cmac(&one)]);
    assert_eq!((&entered["state"], entered["entered"].as_array().map(Vec::len)), (&Value::from("WAITING"), Some(1)));
    assert_eq!(slug(&desk.fails(5, &["ceremony", "enter", id, "--file", "two"])), "same-person");
    assert_eq!(slug(&desk.fails(4, &["ceremony", "finish", id])), "ceremony-not-waiting");
    let mistyped = desk.fails(2, &["ceremony", "enter", id, "--file", "two", "--check-value", &cmac(&one), "--token", &ben]);
    assert_eq!(mistyped["field"], "check_value", "{mistyped}");
    desk.json(&["ceremony", "enter", id, "--file", "two", "--token", &ben]);
    desk.table(&["ceremony", "list"], &["card-root", "2 of 3", "WAITING"]);
    desk.write("wrong", hex::encode(theirs()).as_bytes());
    assert_eq!(desk.fails(2, &["ceremony", "enter", id, "--file", "wrong", "--token", &cho])["field"], "component", "the whole would be another key");
    let made = desk.json(&["ceremony", "enter", id, "--file", "three", "--token", &cho]);
    assert_eq!(made["state"], "MADE", "{made}");
    assert_eq!(desk.json(&["key", "show", "card-root"])["state"], "ACTIVE");
    let source = birth(desk, "card-root")["source"].as_str().unwrap_or_default().to_owned();
    assert!(["imported by 3 components", "ben (user_", "cho (user_"].iter().all(|part| source.contains(part)), "{source}");
    assert_eq!(fingerprint(desk, "card-root"), fingerprint(desk, "theirs"), "it is their XOR");
    let log = desk.json(&["audit", "list", "--limit", "1000"]).to_string();
    assert!(log.contains("ceremony.begin") && log.contains("3 of 3"));
    for secret in [hex::encode(&one), hex::encode(&two), hex::encode(&three), hex::encode(theirs()), cmac(&theirs()), cmac(&one)] {
        assert!(!log.contains(&secret), "no component and no check value in the log");
    }
}

#[test]
fn a_key_comes_from_another_module_and_another_from_three_people_fx_015() {
    let (desk, _terminal) = demo();
    a_transfer(&desk, "256");
    a_ceremony(&desk);
    let begun = desk.json(&["ceremony", "begin", "never", "--keystore", "own", "--components", "2"]);
    let id = begun["id"].as_str().expect("an id");
    desk.json(&["ceremony", "enter", id, "--file", "one"]);
    assert_eq!(desk.json(&["ceremony", "cancel", id])["state"], "CANCELLED");
    assert_eq!(slug(&desk.fails(4, &["ceremony", "enter", id, "--file", "two"])), "ceremony-not-waiting");
    let no_terminal = desk.fails(2, &["ceremony", "enter", id]);
    assert!(no_terminal["field"] == "component" && no_terminal["mend"].as_str().is_some_and(|mend| mend.contains("--file")), "{no_terminal}");
}

#[test]
fn the_same_inside_softhsm_which_has_sha_1_only() {
    let Some(hall) = Hall::new(Kind::Softhsm, "") else { return };
    a_transfer(&hall.desk, "1");
    let line = "key import other --keystore own --file theirs.wrapped --format wrapped --unwrap-with transport --method RSA_AES_KEY_WRAP_SHA_256";
    let refused = hall.desk.fails(2, &line.split(' ').collect::<Vec<_>>());
    assert!(slug(&refused) == "hsm-cannot" && refused["mend"].as_str().is_some_and(|mend| mend.contains("RSA_AES_KEY_WRAP_SHA_1")), "{refused}");
    a_ceremony(&hall.desk);
    assert!(birth(&hall.desk, "card-root")["source"].as_str().is_some_and(|source| source.contains("in the host's memory")), "it says so");
}

#[test]
fn the_same_inside_kryoptic() {
    let Some(hall) = Hall::new(Kind::Kryoptic, "") else { return };
    a_transfer(&hall.desk, "256");
    a_ceremony(&hall.desk);
    let lines = fs::read_to_string(hall.desk.path("transport.pub.pem")).expect("the public half");
    assert!(lines.starts_with("-----BEGIN PUBLIC KEY-----"));
}
