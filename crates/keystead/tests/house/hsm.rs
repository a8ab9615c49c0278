//! The real process over a root in a hardware module: a soft token of each kind that is installed, the binary as a person uses it, a simulated AWS.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use keystead_testkit::{
    shim::{EVERY, Shim, TOKEN},
    token::{self, Kind, LABEL, PIN, Token},
};
use serde_json::{Value, json};

use crate::{
    desk::{Desk, Terminal, free_port, sandbox, slug, until},
    refusals::openssl,
};

/// The mend that names the way around.
const WAY_AROUND: &str = "host-wrap";

/// An installation whose root lies in a token.
pub struct Hall {
    pub desk: Desk,
    port: u16,
    token: Token,
    _aws: Terminal,
    server: Option<Terminal>,
}

impl Hall {
    /// Makes it by `init`, and serves it; `None` when there is no such token here. `more` stands under `[hsm]`.
    pub fn new(kind: Kind, more: &str) -> Option<Self> {
        let token = Token::new(kind)?;
        let (library, environment) = (token.library.clone(), vec![token.environment()]);
        Some(Self::over(token, &library, environment, more))
    }

    fn over(token: Token, library: &Path, environment: Vec<(&'static str, PathBuf)>, more: &str) -> Self {
        let desk = Desk::in_environment(environment);
        let (aws, endpoint) = sandbox(&desk);
        let (port, library) = (free_port(), library.display().to_string());
        desk.write("secret", b"test-secret\n");
        desk.write("pin", format!("{PIN}\n").as_bytes());
        let aws_section = format!(
            "access_key_id = \"AKIATESTKEYSTEAD0001\"\nsecret_access_key_file = \"secret\"\nkms_endpoint = \"{endpoint}\"\nsts_endpoint = \"{endpoint}\""
        );
        let hsm = format!("module = \"{library}\"\ntoken = \"{LABEL}\"\npin_file = \"pin\"\nsessions = 2\n{more}");
        desk.write("keystead.toml", format!("[http]\nlisten = \"127.0.0.1:{port}\"\n[hsm]\n{hsm}\n[clouds.aws]\n{aws_section}\n").as_bytes());
        let named = ["init", "--user", "ann", "--hsm-module", &library, "--hsm-token", LABEL, "--hsm-pin-file", "pin"];
        let made = desk.json(&named);
        assert_eq!(desk.run(&named).code, 1, "an installation is not made twice");
        let profile = format!("url = \"http://127.0.0.1:{port}\"\ntoken = \"{}\"\n", made["token"].as_str().expect("a token"));
        desk.write("keystead-profile.toml", profile.as_bytes());
        let mut hall = Self { desk, port, token, _aws: aws, server: None };
        hall.restart();
        hall
    }

    fn restart(&mut self) {
        self.stop();
        self.start();
        until("the server", || self.desk.run(&["status"]).code == 0);
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            assert_eq!(server.interrupt(), Some(0), "it ends as it should, its module's threads too");
        }
    }

    fn start(&mut self) {
        self.server = Some(Terminal::start(self.desk.command(&["serve"])));
    }

    fn create(&self, name: &str, spec: &str, more: &[&str]) -> Value {
        self.desk.json(&[&["key", "create", name, "--keystore", "payments-eu", "--spec", spec][..], more].concat())
    }

    /// What the server answers to anybody.
    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        let mut line = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        line.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).expect("asked");
        line.read_to_string(&mut answer).expect("answered");
        answer
    }

    fn state(&self, name: &str) -> Value {
        self.desk.json(&["key", "show", name])["state"].clone()
    }

    fn keystores(&self) {
        self.desk.json(&["keystore", "create", "payments-eu", "--cloud", "aws", "--region", "eu-west-1", "--account", "123456789012"]);
        self.desk.json(&["keystore", "create", "main", "--cloud", "vault"]);
    }
}

/// The kinds with the use that they are asked for.
const KINDS: [(&str, &[&str]); 12] = [
    ("AES_256", &[]),
    ("HMAC_256", &[]),
    ("HMAC_384", &[]),
    ("HMAC_512", &[]),
    ("HMAC_224", &[]),
    ("RSA_2048", &["--usage", "sign"]),
    ("RSA_3072", &["--usage", "encrypt"]),
    ("RSA_4096", &["--usage", "sign"]),
    ("EC_P256", &[]),
    ("EC_P384", &[]),
    ("EC_P521", &[]),
    ("EC_SECP256K1", &[]),
];

/// CM-002, CM-035, CM-036, FX-012, FX-065, AW-009.
fn a_life(kind: Kind, more: &str, cannot: &[&str]) {
    let Some(mut hall) = Hall::new(kind, more) else { return };
    hall.keystores();
    let desk = &hall.desk;
    assert_eq!(desk.json(&["vault", "status"])["kind"], "hsm");
    for (spec, usage) in KINDS {
        let name = format!("key-{spec}");
        if cannot.contains(&spec) {
            let refused = desk.fails(2, &[&["key", "create", &name, "--keystore", "payments-eu", "--spec", spec][..], usage].concat());
            let mend = refused["mend"].as_str().unwrap_or_default();
            assert!(mend.contains(WAY_AROUND) || slug(&refused) == "hsm-cannot", "{spec}: {refused}");
            continue;
        }
        // AWS shows the public half of a pair that was imported; the operation holds it against the one that came out of the module.
        let made = hall.create(&name, spec, usage);
        assert_eq!(made["state"], "ACTIVE", "{made}");
        let birth = desk.json(&["key", "show", &name])["versions"][0]["birth"].clone();
        assert_eq!(birth["source"], "generated in the hardware module", "{birth}");
        assert_eq!(birth["way_around"].is_string(), !more.is_empty(), "{birth}");
        // SoftHSM2 takes AES and most HMAC keys out by OAEP; a pair goes over the host, and the log tells that each time.
        let goes_over_the_host = !more.is_empty() && (spec.starts_with("RSA") || spec.starts_with("EC_") || spec == "HMAC_224");
        let told = desk.json(&["audit", "list", "--key", &name]);
        let tells = |entry: &Value| entry["entry"]["action"] == "cloud.import-material" && entry["entry"]["detail"]["way_around"] == "host-wrap";
        assert_eq!(told.as_array().is_some_and(|entries| entries.iter().any(tells)), goes_over_the_host, "{name}: {told}");
    }
    let told = desk.json(&["audit", "list", "--limit", "500"]);
    let says = |entry: &Value| {
        let detail = &entry["entry"]["detail"];
        let word = |name: &str| detail[name].as_str().is_some_and(|word| word.contains("CKA_LOCAL=true") && word.contains("CKA_NEVER_EXTRACTABLE=true"));
        entry["entry"]["action"] == "installation.create" && word("root_wraps") && word("root_seals")
    };
    assert!(told.as_array().is_some_and(|entries| entries.iter().any(says)), "{told}");
    let operations = desk.json(&["operation", "list", "--limit", "100"]);
    let done = |operation: &Value| operation["state"] == "SUCCEEDED";
    assert!(operations.as_array().is_some_and(|all| all.iter().all(done)), "what cannot be is not begun: {operations}");

    // Renewed, rotated in place, emptied and filled again.
    let renewed = desk.json(&["key", "renew", "key-AES_256"]);
    assert_eq!(renewed["state"], "ACTIVE");
    hall.create("placed", "AES_256", &["--alias", "placed"]);
    desk.json(&["key", "rotate", "placed", "--strategy", "in-place"]);
    assert_eq!(desk.json(&["key", "show", "placed"])["versions"].as_array().map(Vec::len), Some(2));
    assert_eq!(desk.json(&["key", "deactivate", "placed"])["state"], "INACTIVE");
    assert_eq!(desk.json(&["key", "activate", "placed"])["state"], "ACTIVE", "both materials are imported again");

    // What a person brings in plain is told as such.
    desk.write("theirs", &(1..33).collect::<Vec<u8>>());
    desk.json(&["key", "import", "theirs", "--keystore", "payments-eu", "--file", "theirs", "--format", "raw"]);
    let birth = desk.json(&["key", "show", "theirs"])["versions"][0]["birth"].clone();
    assert!(birth["source"].as_str().is_some_and(|source| source.contains("in the host's memory")), "{birth}");

    // The account's key rotates; the root does not, and its PIN is not taken over the wire.
    desk.json(&["vault", "rotate", "account-key"]);
    desk.write("passphrase", b"correct horse battery staple\n");
    let refused = desk.fails(2, &["vault", "rotate", "root", "--to", "passphrase", "--passphrase-file", "passphrase"]);
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("hardware module")), "{refused}");
    desk.json(&["vault", "seal"]);
    let refused = desk.fails(2, &["vault", "unseal", "--passphrase-file", "passphrase"]);
    assert!(refused["mend"].as_str().is_some_and(|mend| mend.contains("restart")), "{refused}");
    assert_eq!(slug(&desk.fails(7, &["key", "create", "x", "--keystore", "main"])), "vault-sealed");

    hall.restart();
    assert_eq!(hall.desk.json(&["vault", "status"])["sealed"], false, "it opens by itself");
    assert_eq!(hall.desk.json(&["key", "deactivate", "placed"])["state"], "INACTIVE");
    assert_eq!(hall.desk.json(&["key", "activate", "placed"])["state"], "ACTIVE", "what was made before the restart, under the account key that was rotated");
    assert_eq!(hall.desk.json(&["key", "renew", "key-AES_256"])["state"], "ACTIVE");
    let exported = hall.desk.run(&["audit", "export", "--out", "audit.log"]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    hall.stop();
    let checks = hall.desk.json(&["doctor"]);
    assert_eq!(checks["healthy"], true, "{checks}");
    let report = hall.desk.json(&["doctor", "hsm"]);
    assert!(report["findings"].as_array().is_some_and(|found| found.len() == 7) && report["speeds"][0]["per_second"].as_f64() > Some(1.0), "{report}");
}

#[test]
fn a_house_over_softhsm_lives_and_refuses_what_the_module_cannot() {
    a_life(Kind::Softhsm, "", &["HMAC_224", "RSA_2048", "RSA_3072", "RSA_4096", "EC_P256", "EC_P384", "EC_P521", "EC_SECP256K1"]);
}

#[test]
fn a_house_over_softhsm_makes_every_kind_of_key_where_the_way_around_is_allowed() {
    a_life(Kind::Softhsm, "allow = [\"host-wrap\"]", &[]);
}

#[test]
fn a_house_over_kryoptic_lives_with_nothing_allowed() {
    a_life(Kind::Kryoptic, "", &["EC_SECP256K1"]);
}

#[test]
fn what_leaves_a_module_for_a_person_opens_with_openssl() {
    let Some(hall) = Hall::new(Kind::Kryoptic, "") else { return };
    hall.keystores();
    let desk = &hall.desk;
    let bob = desk.json(&["user", "create", "bob"])["token"].as_str().expect("a token").to_owned();
    desk.write("me.key", &openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], &[]));
    desk.write("me.pem", &openssl(&["pkey", "-pubout"], &fs::read(desk.path("me.key")).expect("a key")));
    desk.write("known", &(1..33).collect::<Vec<u8>>());
    desk.json(&["key", "import", "known", "--keystore", "main", "--file", "known", "--format", "raw"]);
    desk.json(&["key", "export", "prepare", "known", "--public-key", "me.pem"]);
    desk.json(&["key", "export", "download", "known", "--out", "wrapped", "--token", &bob]);
    let private = desk.path("me.key");
    let private = private.to_str().expect("a path");
    let options = ["pkeyutl", "-decrypt", "-inkey", private, "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
    assert_eq!(openssl(&options, &fs::read(desk.path("wrapped")).expect("the file")), (1..33).collect::<Vec<u8>>());
}

/// `init` writes the module into the configuration, and what it names must be what the server will look for.
#[test]
fn init_writes_the_module_and_makes_its_root_once() {
    let Some(token) = Token::new(Kind::Softhsm) else { return };
    let desk = Desk::in_environment(vec![token.environment()]);
    let library = token.library.display().to_string();
    desk.write("pin", PIN.as_bytes());
    let named = ["init", "--hsm-module", &library, "--hsm-token", LABEL, "--hsm-pin-file", "pin"];
    desk.json(&named);
    let written = fs::read_to_string(desk.path("keystead.toml")).expect("the configuration");
    assert!(written.contains(&format!("\n[hsm]\nmodule = \"{library}\"\ntoken = \"{LABEL}\"\npin_file = \"/")), "{written}");
    assert_eq!(desk.json(&["doctor"])["healthy"], true);
    assert_eq!(desk.run(&named).code, 1, "it is there already");
    let keys = token.tool("pkcs11-tool", &["--module", &library, "--login", "--pin", PIN, "--list-objects", "--type", "secrkey"]);
    let listed = String::from_utf8_lossy(&keys.stdout).into_owned();
    assert_eq!(listed.matches("Keystead root").count(), 2, "the second init left nothing behind: {listed}");
    assert!(listed.contains("never extractable") && !listed.contains("VALUE:"), "{listed}");
    fs::remove_file(desk.path("keystead.db")).expect("the database");
    assert_eq!(desk.run(&["init", "--root", "key-file"]).code, 1, "the configuration names a module");
    assert_eq!(desk.run(&["init", "--hsm-module", &library, "--hsm-token", "another", "--hsm-pin-file", "pin"]).code, 1, "it names another token");
    assert_eq!(desk.run(&["init", "--hsm-module", &library]).code, 2, "a token is missing");
}

fn moved(from: &Path, to: &Path) {
    fs::rename(from, to).expect("moved");
}

/// The token is pulled and put back, under a running server and before one starts.
#[test]
fn a_token_that_vanishes_is_waited_for_and_nothing_is_lost() {
    let Some(mut hall) = Hall::new(Kind::Softhsm, "patience_seconds = 5") else { return };
    hall.keystores();
    hall.create("before", "AES_256", &[]);
    let (tokens, away) = (hall.token.home().join("tokens"), hall.token.home().join("away"));

    moved(&tokens, &away);
    hall.stop();
    hall.start();
    until("the server", || hall.desk.run(&["status"]).code == 0);
    assert_eq!(hall.desk.json(&["vault", "status"])["sealed"], true, "it serves what needs no key");
    assert_eq!(hall.state("before"), "ACTIVE");
    assert_eq!(slug(&hall.desk.fails(7, &["key", "create", "meanwhile", "--keystore", "main"])), "vault-sealed");
    moved(&away, &tokens);
    until("the vault", || hall.desk.json(&["vault", "status"])["sealed"] == json!(false));
    assert_eq!(hall.desk.json(&["key", "deactivate", "before"])["state"], "INACTIVE");
    assert_eq!(hall.desk.json(&["key", "activate", "before"])["state"], "ACTIVE");
}

/// Under a running server: what is asked is told to wait, what has begun waits by itself.
#[test]
fn an_operation_waits_for_a_module_that_is_gone_and_goes_on_by_itself() {
    let Some(token) = Token::new(Kind::Softhsm) else { return };
    let shim = Shim::build(token.home(), &token.library);
    let environment = [vec![token.environment()], shim.environment().to_vec()].concat();
    let hall = Hall::over(token, &shim.library.clone(), environment, "patience_seconds = 5");
    hall.keystores();
    let desk = &hall.desk;
    hall.create("orders", "AES_256", &[]);
    assert_eq!(desk.json(&["key", "deactivate", "orders"])["state"], "INACTIVE");
    // C_WrapKey answers CKR_DEVICE_REMOVED.
    shim.fails(60, 0x32, -1, Duration::ZERO);
    let refused = desk.fails(1, &["key", "create", "bills", "--keystore", "main"]);
    assert_eq!(slug(&refused), "hsm-away", "{refused}");
    let begun = desk.json(&["key", "activate", "orders", "--no-wait"]);
    let operation = begun["operation"].as_str().expect("an operation");
    until("the operation waits", || slug(&desk.json(&["operation", "show", operation])["problem"]) == "hsm-away");
    shim.works();
    until("the operation ends", || desk.json(&["operation", "show", operation])["state"] == "SUCCEEDED");
    assert_eq!(hall.state("orders"), "ACTIVE");
    assert_eq!(hall.create("bills", "AES_256", &[])["state"], "ACTIVE");
}

/// A clone of the token joins under a running server, fails without anybody noticing, and is told where operators look and nowhere else.
#[test]
fn a_clone_of_the_token_joins_and_may_fail() {
    const CLONE: &str = "keystead-2";
    let Some(token) = Token::new(Kind::Softhsm) else { return };
    let shim = Shim::build(token.home(), &token.library);
    let environment = [vec![token.environment(), (TOKEN, CLONE.into())], shim.environment().to_vec()].concat();
    let library = shim.library.display().to_string();
    let more = format!("patience_seconds = 5\n[[hsm.more]]\nname = \"second\"\nmodule = \"{library}\"\ntoken = \"{CLONE}\"\npin_file = \"pin\"\nsessions = 2");
    let hall = Hall::over(token, &shim.library.clone(), environment, &more);
    hall.keystores();
    let desk = &hall.desk;
    let states = || {
        let status = desk.json(&["vault", "status"]);
        let state = |module: &Value| module["state"].as_str().unwrap_or_default().to_owned();
        status["modules"].as_array().map(|all| all.iter().map(state).collect::<Vec<_>>()).unwrap_or_default()
    };
    until("the clone is missed", || states() == ["up", "away"]);
    token::clone(Kind::Softhsm, hall.token.home(), CLONE);
    until("the clone joins", || states() == ["up", "up"]);
    shim.fails(EVERY, 0x32, -1, Duration::ZERO);
    for number in 0..4 {
        assert_eq!(hall.create(&format!("key-{number}"), "AES_256", &[])["state"], "ACTIVE", "nobody notices");
    }
    until("the clone is seen to fail", || states() == ["up", "failing"]);
    let text = desk.run(&["vault", "status"]).out;
    assert!(text.contains("second  failing") && text.contains("DeviceRemoved"), "{text}");
    let (ready, open, metrics) = (hall.get("/readyz"), hall.get("/v1/vault"), hall.get("/metrics"));
    assert!(ready.contains("\"ready\"") && !open.contains("DeviceRemoved") && !open.contains("second"), "{ready} {open}");
    assert!(metrics.contains("keystead_hsm_modules 2\n") && metrics.contains("keystead_hsm_modules_up 1\n"), "{metrics}");
    shim.works();
    until("the clone works again", || states() == ["up", "up"]);
}

/// Nobody is ready whose only module is gone, though nobody asks for a key.
#[test]
fn a_server_whose_module_is_gone_is_not_ready_and_does_not_say_why() {
    let Some(token) = Token::new(Kind::Softhsm) else { return };
    let shim = Shim::build(token.home(), &token.library);
    let environment = [vec![token.environment()], shim.environment().to_vec()].concat();
    let hall = Hall::over(token, &shim.library.clone(), environment, "patience_seconds = 5");
    until("it is ready", || hall.get("/readyz").contains("\"ready\""));
    shim.fails(EVERY, 0x32, -1, Duration::ZERO);
    until("it is not", || hall.get("/readyz").contains("hsm-away"));
    assert!(!hall.get("/readyz").contains("DeviceRemoved"));
    shim.works();
    until("it is again", || hall.get("/readyz").contains("\"ready\""));
}

/// A wrong PIN is tried once, and told; the server does not start with it.
#[test]
fn a_wrong_pin_is_tried_once_and_told() {
    let Some(mut hall) = Hall::new(Kind::Softhsm, "") else { return };
    hall.stop();
    hall.desk.write("pin", b"another-pin-9\n");
    // It starts, and stays sealed: a service that ended would be started again, and use up the tries.
    hall.restart();
    assert_eq!(hall.desk.json(&["vault", "status"])["sealed"], true);
    hall.stop();
    let checks: Value = serde_json::from_str(&hall.desk.run(&["doctor", "--output", "json"]).out).expect("JSON");
    assert_eq!(checks["healthy"], false, "{checks}");
    hall.desk.write("pin", format!("{PIN}\n").as_bytes());
    hall.restart();
    assert_eq!(hall.desk.json(&["vault", "status"])["sealed"], false);
}
