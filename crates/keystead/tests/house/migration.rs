//! The migration of many keys from a key file into a token: the real process, killed ten times while it moves them and while keys are made and used. At the end every key opens
//! inside, and what a person gets of them is what was put in.

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

#[path = "../../benches/house/fill.rs"]
#[allow(dead_code)]
pub mod fill;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{SHA256, digest};
use keystead_domain::Clock as _;
use keystead_server::SystemClock;
use keystead_store::{Database, Store, accounts, keys::KeyRow, keystores, vault, versions::VersionRow};
use keystead_vault::{AccountKey, Place, RootRecord, SecretBytes, SystemRandom, UnlockSecret, Vault};
use rand::Rng as _;
use serde_json::Value;

use crate::{
    desk::{Desk, until},
    moved::Site,
    process::is_proof,
    refusals::openssl,
};

/// How much is run.
struct Plan {
    keys: u64,
    kills: usize,
    /// Fewer kills than these would prove nothing.
    kills_min: usize,
    /// Milliseconds for which it works between two kills, at least and at most.
    works: (u64, u64),
    /// How many are looked at as a person gets them.
    exports: u64,
}

impl Plan {
    fn new() -> Self {
        match is_proof() {
            true => Self { keys: 100_000, kills: 10, kills_min: 10, works: (800, 3_500), exports: 50 },
            false => Self { keys: 4_000, kills: 10, kills_min: 3, works: (100, 500), exports: 3 },
        }
    }
}

/// The material of a key by its number.
fn material(number: u64) -> Vec<u8> {
    digest(&SHA256, format!("key {number} of a migration").as_bytes()).as_ref().to_vec()
}

/// Writes the keys into the stopped house, with material under its present root.
async fn fill_house(site: &Site, count: u64) {
    let store = Store::open(&Database::Sqlite(site.desk.path("keystead.db"))).expect("the database");
    let record = store.read("vault.root", vault::root).await.expect("a store").expect("a root");
    let vault = Vault::sealed(RootRecord::from_bytes(&record).expect("a record"), Arc::new(SystemRandom));
    vault.unseal(&UnlockSecret::KeyFile(SecretBytes::from(fs::read(site.desk.path("root.key")).expect("the key file")))).expect("it opens");
    let account = store.read("accounts.first", accounts::first).await.expect("a store").expect("an account");
    let owner = account.clone();
    let keystore = store.read("keystores.find", move |tx| keystores::find(tx, &owner, "main")).await.expect("a store").expect("a keystore");
    let owner = account.clone();
    let account_key = store.read("vault.account_keys", move |tx| vault::account_keys(tx, &owner)).await.expect("a store").pop().expect("a key");
    let sealed = move |key: &KeyRow, number: u64| {
        let row = fill::version(key, number);
        let place = Place { account: &row.account_id, key: &row.key_id, version: &row.id, spec: row.spec, generation: 1 };
        let under = AccountKey { generation: account_key.generation, sealed: &account_key.sealed };
        let made = vault.take_in(&place, under, SecretBytes::from(material(number)), None).expect("sound material");
        VersionRow { sealed: Some(made.sealed.into_bytes()), fingerprint: made.fingerprint.to_string(), account_key_generation: account_key.generation, ..row }
    };
    let owner = fill::Owner { account, keystore: keystore.id, cloud: "vault", now: SystemClock.now(), cloud_keys: std::sync::Arc::new([]) };
    fill::fill(&store, &owner, count, Some(Arc::new(sealed))).await;
}

/// What went on meanwhile.
#[derive(Default)]
struct Meanwhile {
    is_over: AtomicBool,
    created: AtomicU32,
    used: AtomicU32,
}

/// Whether it was done. A server that was killed is no failure, and neither is a root that changed just then.
fn done(desk: &Desk, args: &[&str]) -> bool {
    let ran = desk.run(&[args, &["--output", "json"]].concat());
    let told: Value = serde_json::from_str(if ran.code == 0 { &ran.out } else { &ran.err }).unwrap_or_default();
    let slug = crate::desk::slug(&told);
    assert!(matches!(ran.code, 0 | 7 | 9) || matches!(slug, "moved-on" | "busy" | "wrong-state" | "hsm-away" | "name-taken" | "internal"), "{args:?}: {told}");
    ran.code == 0
}

fn create(desk: &Desk, meanwhile: &Meanwhile) {
    for number in 0.. {
        if meanwhile.is_over.load(SeqCst) {
            return;
        }
        meanwhile.created.fetch_add(u32::from(done(desk, &["key", "create", &format!("made-{number}"), "--keystore", "main"])), SeqCst);
    }
}

/// Takes the material of a key at AWS away and brings it back: it is opened in the vault for that.
fn use_it(desk: &Desk, meanwhile: &Meanwhile) {
    while !meanwhile.is_over.load(SeqCst) {
        done(desk, &["key", "deactivate", "used"]);
        meanwhile.used.fetch_add(u32::from(done(desk, &["key", "activate", "used"])), SeqCst);
        done(desk, &["key", "show", &fill::name(rand::rng().random_range(0..1_000))]);
    }
}

/// Kills the server while it moves keys, and starts it again; how often.
fn kill(site: &mut Site, plan: &Plan) -> usize {
    let mut kills = 0;
    while kills < plan.kills {
        thread::sleep(Duration::from_millis(rand::rng().random_range(plan.works.0..plan.works.1)));
        if site.vault()["rotation"].is_null() {
            return kills;
        }
        // SIGKILL.
        drop(site.server.take());
        site.serve();
        kills += 1;
    }
    kills
}

fn wait_until_moved(site: &Site) {
    let began = Instant::now();
    while !site.vault()["rotation"].is_null() {
        assert!(began.elapsed() < Duration::from_secs(3_600), "it takes too long: {}", site.vault());
        thread::sleep(Duration::from_millis(500));
    }
}

fn exported(site: &Site, number: u64, bob: &str) -> Vec<u8> {
    let name = fill::name(number);
    site.desk.json(&["key", "export", "prepare", &name, "--public-key", "me.pem"]);
    site.desk.json(&["key", "export", "download", &name, "--out", "wrapped", "--token", bob]);
    let private = site.desk.path("me.key");
    let options = ["pkeyutl", "-decrypt", "-inkey", private.to_str().expect("a path"), "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
    let plain = openssl(&options, &fs::read(site.desk.path("wrapped")).expect("the file"));
    fs::remove_file(site.desk.path("wrapped")).expect("removed");
    plain
}

/// CM-036, FX-065.
#[test]
fn many_keys_move_into_a_token_while_the_server_is_killed_and_keys_are_made_and_used() {
    let (Some(mut site), plan) = (Site::new(), Plan::new()) else { return };
    site.keystores();
    site.desk.json(&["key", "create", "used", "--keystore", "payments-eu"]);
    let bob = site.desk.json(&["user", "create", "bob"])["token"].as_str().expect("a token").to_owned();
    site.stop();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(fill_house(&site, plan.keys));
    site.serve();

    let began = Instant::now();
    site.desk.json(&["vault", "rotate", "root", "--to", "hsm", "--hsm", "first", "--no-wait"]);
    let meanwhile = Arc::new(Meanwhile::default());
    let workers = [create as fn(&Desk, &Meanwhile), use_it].map(|work| {
        let (desk, meanwhile) = (site.desk.clone(), meanwhile.clone());
        thread::spawn(move || work(&desk, &meanwhile))
    });
    let kills = kill(&mut site, &plan);
    wait_until_moved(&site);
    let seconds = began.elapsed().as_secs_f64();
    meanwhile.is_over.store(true, SeqCst);
    workers.into_iter().for_each(|worker| worker.join().expect("no worker fails"));

    let (created, used) = (meanwhile.created.load(SeqCst), meanwhile.used.load(SeqCst));
    assert!(kills >= plan.kills_min, "{kills} kills: it was over too soon");
    assert!(created > 0 && used > 0, "{created} keys made and {used} uses in the middle of it");
    until("the key at AWS", || done(&site.desk, &["key", "activate", "used"]));
    // Every one is opened once more, inside, and sealed anew under the next account key.
    let opened = site.desk.json(&["vault", "rotate", "account-key", "--timeout", "1h"])["rewrapped"].as_u64().expect("a count");
    assert!(opened > plan.keys + u64::from(created), "{opened} opened");
    site.desk.write("me.key", &openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"], &[]));
    site.desk.write("me.pem", &openssl(&["pkey", "-pubout"], &fs::read(site.desk.path("me.key")).expect("a key")));
    for at in 0..plan.exports {
        let number = at * (plan.keys - 1) / plan.exports;
        assert_eq!(exported(&site, number, &bob), material(number), "key {number}");
    }
    assert_eq!(site.desk.run(&["audit", "export", "--out", "audit.log"]).code, 0);
    assert_eq!(site.desk.run(&["audit", "verify", "audit.log"]).code, 0);
    println!(
        "migration: {} keys moved from a key file into a token in {seconds:.0} s, killed {kills} times in the middle; {created} keys made and {used} used meanwhile; {opened} opened \
         inside at the end, {} seen as a person gets them",
        plan.keys, plan.exports
    );
}
