//! An installation from nothing, as a person makes it: by key file, passphrase and shares; what `init` writes, and what the binary writes about itself. What is asserted
//! are exit codes and JSON members; words are free to change.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::desk::{Desk, Terminal, free_port, sandbox, slug, until};

/// Makes an installation by `init` and serves it; what `init` said, and a profile for the desk.
fn install(desk: &Desk, endpoint: &str, vault: &str, options: &[&str]) -> (Value, Terminal) {
    let port = free_port();
    let aws =
        format!("access_key_id = \"AKIATESTKEYSTEAD0001\"\nsecret_access_key_file = \"secret\"\nkms_endpoint = \"{endpoint}\"\nsts_endpoint = \"{endpoint}\"");
    desk.write("keystead.toml", format!("[http]\nlisten = \"127.0.0.1:{port}\"\n[vault]\n{vault}\n[clouds.aws]\n{aws}\n").as_bytes());
    desk.write("secret", b"test-secret\n");
    assert_eq!(desk.run(&["doctor"]).code, 1, "there is no installation yet");
    let made = desk.json(&[&["init", "--user", "ann"], options].concat());
    let checks = desk.json(&["doctor"]);
    assert_eq!(checks["healthy"], true, "{checks}");
    assert_eq!(desk.run(&[&["init", "--user", "ann"], options].concat()).code, 1, "an installation is not made twice");
    let terminal = Terminal::start(desk.command(&["serve"]));
    let profile = format!("url = \"http://127.0.0.1:{port}\"\ntoken = \"{}\"\n", made["token"].as_str().expect("a token"));
    desk.write("keystead-profile.toml", profile.as_bytes());
    until("the server", || desk.run(&["status"]).code == 0);
    (made, terminal)
}

/// A keystore without a role, and a key in it.
fn use_it(desk: &Desk) {
    desk.json(&["keystore", "create", "payments-eu", "--cloud", "aws", "--region", "eu-west-1", "--account", "123456789012"]);
    assert_eq!(desk.json(&["key", "create", "orders", "--keystore", "payments-eu", "--alias", "orders"])["state"], "ACTIVE");
}

#[test]
fn an_installation_by_key_file_opens_by_itself() {
    let desk = Desk::new();
    let (_aws, endpoint) = sandbox(&desk);
    let (made, terminal) = install(&desk, &endpoint, "key_file = \"root.key\"", &["--root", "key-file", "--key-file", "root.key"]);
    assert!(made["shares"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(fs::read(desk.path("root.key")).expect("the key file").len(), 32);
    assert_eq!(mode(&desk.path("root.key")), 0o600);
    assert_eq!(desk.json(&["vault", "status"])["sealed"], false);
    use_it(&desk);
    assert_eq!(terminal.interrupt(), Some(0));
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn an_installation_by_passphrase_starts_sealed_and_says_so() {
    let desk = Desk::new();
    let (_aws, endpoint) = sandbox(&desk);
    desk.write("passphrase", b"correct horse battery staple and so on\n");
    desk.write("wrong", b"correct horse battery staple and so forth\n");
    let (_, terminal) = install(&desk, &endpoint, "", &["--root", "passphrase", "--passphrase-file", "passphrase"]);
    assert_eq!(desk.json(&["status"])["sealed"], true);
    desk.json(&["keystore", "create", "other", "--cloud", "aws", "--region", "eu-west-1", "--account", "123456789012"]);
    assert_eq!(slug(&desk.fails(7, &["key", "create", "x", "--keystore", "other"])), "vault-sealed");
    assert_eq!(slug(&desk.fails(2, &["vault", "unseal", "--passphrase-file", "wrong"])), "invalid-input");
    assert_eq!(desk.json(&["vault", "unseal", "--passphrase-file", "passphrase"])["sealed"], false);
    use_it(&desk);
    drop(terminal);
}

#[test]
fn an_installation_by_shares_opens_one_by_one() {
    let desk = Desk::new();
    let (_aws, endpoint) = sandbox(&desk);
    let (made, _terminal) = install(&desk, &endpoint, "", &["--root", "shares", "--shares", "5", "--threshold", "3"]);
    let shares: Vec<&str> = made["shares"].as_array().expect("shares").iter().map(|share| share.as_str().expect("text")).collect();
    assert_eq!(shares.len(), 5);
    let give = |share: &str| {
        desk.write("share", share.as_bytes());
        desk.json(&["vault", "unseal", "--share-file", "share"])
    };
    assert_eq!(desk.json(&["vault", "status"])["shares_needed"], 3);
    assert_eq!((&give(shares[4])["shares_have"], &give(shares[0])["shares_have"]), (&json!(1), &json!(2)));
    desk.write("share", shares[4].as_bytes());
    assert!(desk.fails(2, &["vault", "unseal", "--share-file", "share"])["type"].is_string(), "the same share again");
    desk.write("share", b"keystead-share-of-nobody");
    assert_eq!(slug(&desk.fails(2, &["vault", "unseal", "--share-file", "share"])), "invalid-input");
    assert_eq!(desk.json(&["vault", "status"])["shares_have"], 2, "a wrong share spoils nothing");
    assert_eq!(give(shares[2])["sealed"], false);
    use_it(&desk);
}

#[test]
fn init_writes_a_private_configuration_and_completions_and_man_pages_come_from_the_binary() {
    let desk = Desk::new();
    let made = desk.json(&["init", "--root", "key-file", "--user", "ann"]);
    assert_eq!((mode(&desk.path("keystead.toml")), mode(&desk.path("keystead-root.key"))), (0o600, 0o600), "{made}");
    for shell in ["bash", "zsh", "fish"] {
        desk.table(&["completions", shell], &["schedule-deletion"]);
    }
    assert_eq!(desk.run(&["man", "--out", "man"]).code, 0);
    assert!(desk.path("man/keystead-key-export-prepare.1").is_file());
    assert_eq!(desk.run(&["--help"]).code, 0);
    assert_eq!(desk.run(&["--version"]).code, 0);
    assert_eq!(desk.run(&[]).code, 2);
}
