//! A root moves under a running server, as an operator does it with the binary: out of a key file into a token, inside it with a copy for keepers, to another maker's token.
//! Keys work at the simulated AWS all the while, a person opens what was exported, and at the end the last token alone is enough.

use std::{fs, path::PathBuf, sync::Arc};

use keystead_testkit::token::{Kind, LABEL, PIN, Token};
use serde_json::{Value, json};

use crate::{
    desk::{Desk, Terminal, free_port, sandbox, slug, until},
    refusals::openssl,
};

/// An installation that opens by a key file, and knows a token of each kind.
pub struct Site {
    /// Shared with whoever works beside the operator.
    pub desk: Arc<Desk>,
    pub tokens: [Token; 2],
    /// The line of `[store]`.
    store: &'static str,
    port: u16,
    endpoint: String,
    _aws: Terminal,
    pub server: Option<Terminal>,
}

impl Site {
    /// Makes it, and serves it; `None` when a token is missing here.
    pub fn new() -> Option<Self> {
        Self::over(None)
    }

    /// The same over a PostgreSQL.
    fn over(postgres: Option<&str>) -> Option<Self> {
        let tokens = [Token::new(Kind::Kryoptic)?, Token::new(Kind::Softhsm)?];
        let desk = Desk::in_environment(tokens.iter().map(Token::environment).collect());
        let (aws, endpoint) = sandbox(&desk);
        desk.write("secret", b"test-secret\n");
        desk.write("pin", format!("{PIN}\n").as_bytes());
        desk.write("postgres-url", postgres.unwrap_or_default().as_bytes());
        let store = if postgres.is_some() { "postgres_url_file = \"postgres-url\"" } else { "sqlite = \"keystead.db\"" };
        let mut site = Self { desk: Arc::new(desk), store, tokens, port: free_port(), endpoint, _aws: aws, server: None };
        let opens = "[vault]\nkey_file = \"root.key\"\n";
        site.configure(opens, &[]);
        let made = site.desk.json(&["init", "--user", "ann", "--root", "key-file", "--key-file", "root.key"]);
        let profile = format!("url = \"http://127.0.0.1:{}\"\ntoken = \"{}\"\n", site.port, made["token"].as_str().expect("a token"));
        site.desk.write("keystead-profile.toml", profile.as_bytes());
        site.configure(opens, &[("first", 0), ("second", 1)]);
        site.serve();
        Some(site)
    }

    /// Writes the configuration anew: what opens the vault, and which tokens the server knows.
    fn configure(&self, vault: &str, modules: &[(&str, usize)]) {
        self.configure_as("keystead.toml", self.port, vault, modules);
    }

    /// The same for another node.
    fn configure_as(&self, file: &str, port: u16, vault: &str, modules: &[(&str, usize)]) {
        let sections = modules.iter().enumerate().map(|(at, (name, token))| {
            let (head, library) = (if at == 0 { "[hsm]" } else { "[[hsm.more]]" }, self.tokens[*token].library.display().to_string());
            format!("{head}\nname = \"{name}\"\nmodule = \"{library}\"\ntoken = \"{LABEL}\"\npin_file = \"pin\"\nsessions = 2\nallow = [\"host-wrap\"]\n")
        });
        let (store, endpoint, sections) = (self.store, &self.endpoint, sections.collect::<String>());
        let aws = format!(
            "[clouds.aws]\naccess_key_id = \"AKIATESTKEYSTEAD0001\"\nsecret_access_key_file = \"secret\"\nkms_endpoint = \"{endpoint}\"\nsts_endpoint = \"{endpoint}\"\n"
        );
        self.desk.write(file, format!("[http]\nlisten = \"127.0.0.1:{port}\"\n[store]\n{store}\n{vault}{sections}{aws}").as_bytes());
    }

    pub fn serve(&mut self) {
        self.server = Some(Terminal::start(self.desk.command(&["serve"])));
        until("the server", || self.desk.run(&["status"]).code == 0);
    }

    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            assert_eq!(server.interrupt(), Some(0));
        }
    }

    pub fn keystores(&self) {
        self.desk.json(&["keystore", "create", "payments-eu", "--cloud", "aws", "--region", "eu-west-1", "--account", "123456789012"]);
        self.desk.json(&["keystore", "create", "main", "--cloud", "vault"]);
    }

    pub fn vault(&self) -> Value {
        self.desk.json(&["vault", "status"])
    }

    /// Shares in files, as their keepers have them.
    fn keep(&self, shares: &Value) -> Vec<PathBuf> {
        let shares = shares.as_array().expect("shares");
        let keep = |(at, share): (usize, &Value)| {
            let name = format!("share-{at}");
            self.desk.write(&name, share.as_str().expect("a share").as_bytes());
            self.desk.path(&name)
        };
        shares.iter().enumerate().map(keep).collect()
    }

    fn works(&self, name: &str) {
        assert_eq!(self.desk.json(&["key", "deactivate", name])["state"], "INACTIVE");
        assert_eq!(self.desk.json(&["key", "activate", name])["state"], "ACTIVE", "its material is imported again");
    }

    fn fingerprints(&self) -> Vec<Value> {
        NAMES.iter().map(|name| self.desk.json(&["key", "show", name])["versions"][0]["fingerprint"].clone()).collect()
    }
}

/// One key of each kind that moves differently.
const KINDS: [(&str, &str, &[&str]); 5] =
    [("orders", "AES_256", &[]), ("codes", "HMAC_384", &[]), ("notes", "RSA_2048", &["--usage", "sign"]), ("seals", "EC_P256", &[]), ("pins", "HMAC_224", &[])];
const NAMES: [&str; 6] = ["orders", "codes", "notes", "seals", "pins", "known"];

fn rotated(vault: &Value, generation: u32) {
    assert_eq!(
        (&vault["sealed"], &vault["kind"], &vault["root_generation"], &vault["rotation"]),
        (&json!(false), &json!("hsm"), &json!(generation), &Value::Null)
    );
}

/// What bob downloads is what was imported.
fn opens_for_a_person(site: &Site, bob: &str) {
    site.desk.json(&["key", "export", "download", "known", "--out", "wrapped", "--token", bob]);
    let private = site.desk.path("me.key");
    let private = private.to_str().expect("a path");
    let options = ["pkeyutl", "-decrypt", "-inkey", private, "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
    assert_eq!(openssl(&options, &fs::read(site.desk.path("wrapped")).expect("the file")), (1..33).collect::<Vec<u8>>());
    fs::remove_file(site.desk.path("wrapped")).expect("removed");
}

/// CM-036, FX-007, FX-065, AW-026.
#[test]
fn a_root_moves_into_a_token_inside_it_and_to_another_while_keys_are_used() {
    let Some(mut site) = Site::new() else { return };
    site.keystores();
    let desk = &site.desk;
    for (name, spec, more) in KINDS {
        desk.json(&[&["key", "create", name, "--keystore", "payments-eu", "--spec", spec][..], more].concat());
    }
    desk.write("known.bin", &(1..33).collect::<Vec<u8>>());
    desk.json(&["key", "import", "known", "--keystore", "main", "--file", "known.bin", "--format", "raw"]);
    let bob = desk.json(&["user", "create", "bob"])["token"].as_str().expect("a token").to_owned();
    desk.write("me.key", &openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], &[]));
    desk.write("me.pem", &openssl(&["pkey", "-pubout"], &fs::read(desk.path("me.key")).expect("a key")));
    desk.json(&["key", "export", "prepare", "known", "--public-key", "me.pem"]);
    let fingerprints = site.fingerprints();

    // Into the first token. A module that nobody knows is named in the refusal.
    let refused = desk.fails(2, &["vault", "rotate", "root", "--to", "hsm", "--hsm", "third"]);
    assert!(refused["mend"].as_str().is_some_and(|mend| mend.contains("first, second")), "{refused}");
    rotated(&desk.json(&["vault", "rotate", "root", "--to", "hsm", "--hsm", "first"]), 2);
    assert_eq!(site.fingerprints(), fingerprints, "a fingerprint stays");
    site.works("notes");
    opens_for_a_person(&site, &bob);
    assert_eq!(desk.json(&["key", "create", "later", "--keystore", "payments-eu"])["state"], "ACTIVE");
    let birth = desk.json(&["key", "show", "later"])["versions"][0]["birth"].clone();
    assert_eq!(birth["source"], "generated in the hardware module");
    let told = desk.json(&["audit", "list", "--limit", "100"]);
    let moved = told.as_array().and_then(|entries| entries.iter().find(|entry| entry["entry"]["action"] == "vault.rotate-root")).expect("an entry").clone();
    assert!(moved["entry"]["detail"]["module_root"].as_str().is_some_and(|root| root.starts_with("Keystead root ")), "{moved}");

    // It does not come out again, and nothing is begun by trying.
    desk.write("passphrase", b"correct horse battery staple\n");
    let refused = desk.fails(2, &["vault", "rotate", "root", "--to", "passphrase", "--passphrase-file", "passphrase"]);
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("does not come out")), "{refused}");

    // Inside the token, with a copy that keepers can restore.
    let prepared =
        desk.json(&["vault", "rotate", "root", "--to", "hsm", "--hsm", "first", "--backup", "--shares", "3", "--threshold", "2"])["prepared"].clone();
    assert_eq!(site.vault()["root_generation"], 2, "nothing has changed yet");
    let files = site.keep(&prepared["new_shares"]);
    let (rotation, paths) = (prepared["rotation"].as_str().expect("an id"), files.iter().map(|path| path.to_str().expect("a path")).collect::<Vec<_>>());
    let one = ["vault", "confirm-rotation", "--rotation", rotation, "--share-file", paths[0]];
    assert_eq!(slug(&desk.fails(2, &one)), "invalid-input");
    let two = [&one[..], &["--share-file", paths[2], "--transcript", "transcript.note"]].concat();
    rotated(&desk.json(&two), 3);
    site.works("seals");
    let vkey = desk.json(&["audit", "key"])["vkey"].as_str().expect("a key").to_owned();
    let verified = desk.json(&["audit", "verify-note", "transcript.note", "--vkey", &vkey])["text"].as_str().expect("a text").to_owned();
    for fact in
        ["a new root was made", "led by: ann (user_", "generation 3", "2 of 3 shares restore the copy of it", "are right: 1, 3", "commitment to share 3: "]
    {
        assert!(verified.contains(fact), "{fact}: {verified}");
    }
    let again = desk.fails(2, &["vault", "rehearse", "--share-file", paths[0], "--share-file", paths[2], "--transcript", "transcript.note"]);
    assert_eq!(again["field"], "transcript", "a transcript is never lost behind what it tells of: {again}");
    let forged = fs::read_to_string(desk.path("transcript.note")).expect("the note").replace("ann (", "bob (");
    desk.write("forged.note", forged.as_bytes());
    assert_eq!(slug(&desk.fails(1, &["audit", "verify-note", "forged.note", "--vkey", &vkey])), "note-not-verified");

    // The keepers rehearse. Nothing changes, and what is wrong is told.
    // What the module does meanwhile goes on.
    let standing = || Value::from_iter(site.vault().as_object().expect("a vault").clone().into_iter().filter(|(name, _)| name != "modules"));
    let status = standing();
    assert_eq!(status["backup"], json!({"shares_needed": 2, "shares": 3}));
    let rehearsed = desk.json(&["vault", "rehearse", "--share-file", paths[1], "--share-file", paths[2]]);
    assert_eq!((&rehearsed["shares_shown"], &rehearsed["shares_needed"]), (&json!([2, 3]), &json!(2)));
    assert!(rehearsed["transcript"].as_str().is_some_and(|text| text.contains("nothing was changed")), "{rehearsed}");
    let one = desk.fails(2, &["vault", "rehearse", "--share-file", paths[1]]);
    assert!(one["detail"].as_str().is_some_and(|detail| detail.contains("1 of 2")), "{one}");
    assert_eq!(standing(), status);

    // Behind the loss of the token the keepers restore the root in another maker's.
    site.stop();
    let too_few = ["restore-root", "--hsm", "second", "--share-file", paths[0]];
    let restore = [&too_few[..], &["--share-file", paths[1]]].concat();
    let refused = site.desk.fails(1, &too_few);
    assert!(refused["title"].as_str().is_some_and(|title| title.contains("1 of 2")), "{refused}");
    let restored = site.desk.json(&restore);
    assert_eq!((&restored["hsm"], &restored["root_generation"]), (&json!("second"), &json!(3)));
    let again = site.desk.fails(1, &restore);
    assert!(again["title"].as_str().is_some_and(|title| title.contains("has this root already")), "{again}");
    site.configure("", &[("second", 1)]);
    site.serve();
    rotated(&site.vault(), 3);
    site.works("seals");
    assert_eq!(site.fingerprints(), fingerprints);
    site.stop();
    site.configure("", &[("first", 0), ("second", 1)]);
    site.serve();
    let desk = &site.desk;

    // New keepers mean a new root with a new copy: the old shares restore nothing that a row lies under.
    let prepared =
        desk.json(&["vault", "rotate", "root", "--to", "hsm", "--hsm", "first", "--backup", "--shares", "2", "--threshold", "2"])["prepared"].clone();
    let old = paths.iter().map(|path| fs::read(path).expect("a share")).collect::<Vec<_>>();
    let rotation = prepared["rotation"].as_str().expect("an id").to_owned();
    let files = site.keep(&prepared["new_shares"]);
    let paths: Vec<&str> = files.iter().map(|path| path.to_str().expect("a path")).collect();
    rotated(&desk.json(&["vault", "confirm-rotation", "--rotation", &rotation, "--share-file", paths[0], "--share-file", paths[1]]), 4);
    desk.write("old", &old[0]);
    let useless = desk.fails(2, &["vault", "rehearse", "--share-file", "old", "--share-file", paths[0]]);
    assert!(useless["detail"].as_str().is_some_and(|detail| detail.contains("not one of this vault's")), "{useless}");

    // The server comes back by the token alone.
    site.stop();
    fs::remove_file(site.desk.path("root.key")).expect("the key file is not needed any more");
    site.configure("", &[("first", 0), ("second", 1)]);
    site.serve();
    rotated(&site.vault(), 4);
    site.works("orders");

    // To the token of another maker; then the first is not needed.
    rotated(&site.desk.json(&["vault", "rotate", "root", "--to", "hsm", "--hsm", "second"]), 5);
    assert_eq!(site.fingerprints(), fingerprints);
    for (name, ..) in KINDS {
        site.works(name);
    }
    site.stop();
    site.configure("", &[("second", 1)]);
    site.serve();
    rotated(&site.vault(), 5);
    site.works("notes");
    site.desk.json(&["key", "export", "prepare", "known", "--public-key", "me.pem"]);
    opens_for_a_person(&site, &bob);
    assert_eq!(site.desk.run(&["audit", "export", "--out", "audit.log"]).code, 0);
    assert_eq!(site.desk.run(&["audit", "verify", "audit.log"]).code, 0, "the log's key moved, too");
}

/// CM-009. The other node knows the module, too: it seals itself when the root moves, and opens again by itself.
#[test]
fn another_node_opens_by_itself_when_the_root_has_moved_into_a_module_that_it_knows() {
    let Some(site) = Site::over(Some(&keystead_testkit::postgres::fresh_database())) else { return };
    site.keystores();
    site.desk.json(&["key", "create", "before", "--keystore", "main"]);
    let (port, known) = (free_port(), [("first", 0), ("second", 1)]);
    site.configure_as("other.toml", port, "[vault]\nkey_file = \"root.key\"\n", &known);
    let _other = Terminal::start(site.desk.command(&["serve", "--config", "other.toml"]));
    let url = format!("http://127.0.0.1:{port}");
    let there = |args: &[&str]| site.desk.json(&[args, &["--url", &url]].concat());
    until("the other node", || site.desk.run(&["status", "--url", &url]).code == 0);
    assert_eq!(there(&["vault", "status"])["kind"], "key-file");
    rotated(&site.desk.json(&["vault", "rotate", "root", "--to", "hsm", "--hsm", "first"]), 2);
    until("the other node opens", || {
        let vault = there(&["vault", "status"]);
        vault["sealed"] == json!(false) && vault["root_generation"] == json!(2)
    });
    assert_eq!(there(&["key", "create", "after", "--keystore", "main"])["state"], "ACTIVE");
    let birth = there(&["key", "show", "after"])["versions"][0]["birth"]["source"].clone();
    assert_eq!(birth, "generated in the hardware module");
}
