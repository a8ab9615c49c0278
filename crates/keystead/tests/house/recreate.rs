//! Keys that somebody deleted at the cloud are made anew: what comes back, what does not, and what waits for a person (FX-003).

use aws_sdk_kms::{
    primitives::Blob,
    types::{EncryptionAlgorithmSpec, MacAlgorithmSpec},
};
use keystead_app::{Request, keys::lifecycle::Ask};
use keystead_domain::{
    KeyState,
    key::deletion::WaitingDays,
    time::{DAY, SECOND},
};
use keystead_store::{
    keys::{self, CloudFacts, KeyRow},
    versions,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    drift::{Deed, Meddler},
    families, linked,
    world::{Engine, World},
};

impl World {
    async fn is_deleted_behind_our_back(&self, key: &KeyRow) {
        // Of a new key, "not found" may be the cloud's delay.
        self.sandbox.advance((300 * SECOND) as u64);
        self.sandbox_does(Method::DELETE, "keys", json!({ "key": key.cloud_key_id })).await;
    }

    /// The same, and a sync has missed it.
    async fn is_missed(&self, key: &KeyRow) {
        self.is_deleted_behind_our_back(key).await;
        self.sync(&key.keystore_name).await;
    }

    /// Why making a key anew failed; nothing was made.
    async fn fails_to_recreate(&self, name: &str) -> String {
        let (before, old) = (self.cloud_keys().await.len(), self.key(name).await);
        let started = self.house.app.recreate_key(&self.ann, &Request::default(), name).await.expect("an intent");
        let ended = self.ended(&started).await;
        assert_eq!((ended.state.as_str(), self.cloud_keys().await.len(), self.key(name).await.id), ("FAILED", before, old.id), "{ended:?}");
        ended.problem.expect("a problem")
    }

    /// Alone and in a batch.
    async fn waits_for_its_policy(&self, name: &str) {
        let (status, refused) = self.rest(0, "POST", &format!("/v1/keys/{name}/activate"), None).await;
        let mends = ["put-key-policy", "keystead keystore sync payments-eu", "keystead drift accept"];
        assert!((400..500).contains(&status) && mends.iter().all(|mend| refused.to_string().contains(mend)), "{status} {refused}");
        let plan = json!({"action": "activate", "selector": {"keystores": ["payments-eu"]}});
        let (status, planned) = self.rest(0, "POST", "/v1/batches/plan", Some(plan)).await;
        assert!(status < 500 && planned.to_string().contains("drift accept"), "{status} {planned}");
        assert!(!self.key(name).await.material_present);
    }

    async fn recreates(&self, name: &str) -> KeyRow {
        let started = self.house.app.recreate_key(&self.ann, &Request::default(), name).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        self.succeeds(started).await;
        self.key(name).await
    }

    async fn refuses(&self, name: &str, words: &str) {
        let (status, refused) = self.rest(0, "POST", &format!("/v1/keys/{name}/recreate"), None).await;
        assert!((400..500).contains(&status) && refused.to_string().contains(words), "{name}: {words}: {status} {refused}");
    }

    async fn has_material(&self, key: &KeyRow) -> bool {
        let id = key.id.clone();
        let rows = self.store().read("test", move |tx| versions::of_key(tx, &id)).await.expect("a store");
        rows.iter().any(|row| row.sealed.is_some())
    }
}

fn material(text: &[u8]) -> Blob {
    Blob::new(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mac_key_that_is_gone_comes_back_with_its_material_and_its_alias_fx_003() {
    let world = World::new(Engine::Sqlite).await;
    let body = json!({"name": "seal", "keystore": "payments-eu", "aliases": ["seal"], "spec": "HMAC_256", "usage": "mac", "description": "Seals", "tags": {"team": "pay"}});
    let (status, made) = world.rest(0, "POST", "/v1/keys", Some(body)).await;
    assert_eq!(status, 200, "{made}");
    let old = world.key("seal").await;
    world.sync("payments-eu").await;
    let kms = &Meddler::new(&world).kms;
    let mac = async || {
        let made = kms.generate_mac().key_id("alias/seal").message(material(b"text")).mac_algorithm(MacAlgorithmSpec::HmacSha256).send().await;
        made.expect("a MAC").mac.expect("a MAC").into_inner()
    };
    let before = mac().await;
    world.is_deleted_behind_our_back(&old).await;
    world.sync("payments-eu").await;
    let (_, plan) = world.rest(0, "GET", "/v1/keys/seal/recreate", None).await;
    assert!(plan["gone_since"].is_string() && plan["state"] == "ACTIVE" && plan["policy"].is_string() && plan["next"].is_null(), "{plan}");
    assert!(plan["regained"].to_string().contains("codes") && !plan["lost"].to_string().contains("ciphertexts"), "{plan}");
    let (status, answer) = world.rest(0, "POST", "/v1/keys/seal/recreate", None).await;
    assert!(
        status == 200 && answer["key"]["name"] == "seal" && answer["key"]["state"] == "ACTIVE" && answer["warnings"].to_string().contains("ARN"),
        "{answer}"
    );
    let new = world.key("seal").await;
    assert_eq!((new.state, new.predecessor_id.as_ref(), new.description.as_str(), &new.tags), (KeyState::Active, Some(&old.id), "Seals", &old.tags));
    assert!(new.cloud_arn != old.cloud_arn && new.enabled && new.material_present);
    let gone = world.key(old.id.as_str()).await;
    assert_eq!((gone.state, gone.successor_id.as_ref()), (KeyState::Deleted, Some(&new.id)));
    assert_eq!(mac().await, before, "the same material, by the same alias");
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await, Vec::<Value>::new(), "nothing differs any more");
    assert_eq!(world.open_drift("&state=REPAIRED").await.len(), 1);
    // It lives a life of its own, and the material goes with it.
    world.does("seal", Ask::Deactivate).await;
    world.does("seal", Ask::Activate).await;
    assert!(world.has_material(&old).await);
    world.does("seal", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.sandbox.advance((8 * DAY) as u64);
    assert_eq!(world.house.engine.clean_up().await, Ok(1));
    world.settle().await;
    assert!(world.key(new.id.as_str()).await.state == KeyState::Deleted && !world.has_material(&old).await && !world.has_material(&new).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_encrypted_stays_closed_and_that_is_told_before() {
    let world = World::new(Engine::Sqlite).await;
    let old = world.create("orders").await;
    world.sync("payments-eu").await;
    let kms = &Meddler::new(&world).kms;
    let encrypted = kms.encrypt().key_id("alias/orders").plaintext(material(b"text")).send().await.expect("encrypts").ciphertext_blob.expect("a ciphertext");
    world.is_deleted_behind_our_back(&old).await;
    // Nobody has looked yet.
    let (_, plan) = world.rest(0, "GET", "/v1/keys/orders/recreate", None).await;
    assert!(plan["gone_since"].is_null() && plan["lost"].to_string().contains("ciphertexts"), "{plan}");
    world.refuses("orders", "keystead keystore sync payments-eu").await;
    world.sync("payments-eu").await;
    let new = world.recreates("orders").await;
    let opened =
        kms.decrypt().ciphertext_blob(encrypted).key_id(new.cloud_arn.clone().expect("an ARN")).encryption_algorithm(EncryptionAlgorithmSpec::SymmetricDefault);
    assert!(opened.send().await.is_err(), "AWS opens it with no other key");
    assert_eq!(new.expires_at.map(|end| end.as_secs()), old.expires_at.map(|end| end.as_secs()), "its end is where it was");
}

/// At no time does the material stand under a wider policy than before, and Keystead writes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn material_waits_until_somebody_has_put_a_policy_of_their_own_back() {
    let world = World::new(Engine::Sqlite).await;
    let old = world.create("orders").await;
    let meddler = Meddler::new(&world);
    meddler.does(Deed::ChangePolicy, &old).await;
    // What the first sync sees is wanted.
    world.sync("payments-eu").await;
    let (_, plan) = world.rest(0, "GET", "/v1/keys/orders/recreate", None).await;
    let wanted = plan["policy"].as_str().expect("a policy").to_owned();
    world.is_missed(&old).await;
    let new = world.recreates("orders").await;
    assert_eq!((new.state, new.enabled, new.material_present), (KeyState::Inactive, false, false));
    let there = world.cloud_key(&new).await.expect("a cloud key");
    assert_eq!((&there["has_material"], &there["state"]), (&json!(false), &json!("PendingImport")), "{there}");
    assert_eq!(there["aliases"], json!(["alias/orders", "alias/orders/more"]));
    world.sync("payments-eu").await;
    let open = world.open_drift("").await;
    assert_eq!((open.len(), &open[0]["attribute"], &open[0]["key"]), (1, &json!("policy"), &json!(new.id.as_str())), "the old one's is wanted: {open:?}");
    world.waits_for_its_policy("orders").await;
    meddler.kms.put_key_policy().key_id(new.cloud_key_id.clone().expect("an id")).policy(wanted).send().await.expect("is put back");
    world.waits_for_its_policy("orders").await;
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await, Vec::<Value>::new());
    world.does("orders", Ask::Activate).await;
    assert_eq!(world.key("orders").await.state, KeyState::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_there_is_not_made_twice_and_what_cannot_be_made_anew_is_refused_with_its_way_out() {
    let world = linked::world().await;
    let key = world.create("bills").await;
    world.refuses("bills", "no sync has missed it").await;
    world.does("bills", Ask::Renew).await;
    world.refuses(key.id.as_str(), "REPLACED").await;
    world.does("bills", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.refuses("bills", "ACTIVE, INACTIVE").await;
    families::make_primary(&world, "family").await;
    world.refuses("family", "key renew").await;
    let in_vault = world.start_create_in_vault("main", "inner").await;
    world.succeeds(in_vault).await;
    world.refuses("inner", "lives in the vault").await;
    let copies = linked::copy(&world, "inner", linked::to(&["payments-eu"])).await;
    world.refuses(copies[0].id.as_str(), "key copy SOURCE").await;
    world.seed("legacy", 1, json!({"exact": true})).await;
    world.sync("payments-eu").await;
    world.refuses("legacy", "the vault has none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_copies_are_those_of_the_new_key_and_a_kill_reaches_them() {
    let world = linked::world().await;
    let old = world.create("bills").await;
    let copies = linked::copy(&world, "bills", linked::to(&["payments-us"])).await;
    world.sync("payments-eu").await;
    world.is_missed(&old).await;
    let new = world.recreates("bills").await;
    assert_eq!(world.key(copies[0].id.as_str()).await.ties.source, Some(new.id.clone()));
    world.kills("bills").await;
    assert_eq!(world.key(copies[0].id.as_str()).await.state, KeyState::Inactive);
    assert_eq!(world.key("bills").await.state, KeyState::Inactive);
    // One that is out of use and gone is made anew, and stays out of use.
    world.is_missed(&new).await;
    let newest = world.recreates("bills").await;
    assert_eq!((newest.state, newest.material_present), (KeyState::Inactive, false));
    world.does("bills", Ask::Activate).await;
    assert!(world.key("bills").await.material_present);
}

/// The row of an old backup names the wrong cloud key: what is there under another name is not made twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_there_under_another_name_than_its_row_has_is_told_and_none_is_made() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    let wrong = "00000000-0000-4000-8000-000000000000".to_owned();
    let arn = key.cloud_arn.clone().expect("an ARN");
    let identity = Some((wrong.clone(), arn.replace(key.cloud_key_id.as_deref().expect("an id"), &wrong)));
    let (id, now) = (key.id.clone(), world.house.engine.now());
    let facts = CloudFacts { identity, ..CloudFacts::default() };
    world.store().write("test", move |tx| keys::keep_facts(tx, &id, &facts, now)).await.expect("a store");
    world.sync("payments-eu").await;
    let problem = world.fails_to_recreate("orders").await;
    assert!(problem.contains("cloud-key-still-there"), "it is new: {problem}");
    world.sandbox.advance((300 * SECOND) as u64);
    let problem = world.fails_to_recreate("orders").await;
    assert!(problem.contains("stray-cloud-key") && problem.contains(&arn), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_is_another_keys_by_now_is_told_before_anything_is_made() {
    let world = World::new(Engine::Sqlite).await;
    let (old, other) = (world.create("orders").await, world.create("bills").await);
    world.is_missed(&old).await;
    let kms = &Meddler::new(&world).kms;
    kms.create_alias().alias_name("alias/orders").target_key_id(other.cloud_key_id.clone().expect("an id")).send().await.expect("an alias");
    let problem = world.fails_to_recreate("orders").await;
    assert!(problem.contains("alias-taken") && problem.contains("alias/orders"), "{problem}");
    kms.delete_alias().alias_name("alias/orders").send().await.expect("no alias");
    world.recreates("orders").await;
}

/// What no sync has seen is known to nobody: a person decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_policy_nobody_knows_waits_until_somebody_accepts_the_one_that_it_has() {
    let world = World::new(Engine::Sqlite).await;
    let old = world.create("orders").await;
    world.is_missed(&old).await;
    let (_, plan) = world.rest(0, "GET", "/v1/keys/orders/recreate", None).await;
    assert!(plan["policy"].is_null() && plan["state"] == "INACTIVE", "{plan}");
    world.recreates("orders").await;
    world.sync("payments-eu").await;
    world.sync("payments-eu").await;
    world.waits_for_its_policy("orders").await;
    let open = world.open_drift("").await;
    let drift = open.iter().find(|drift| drift["attribute"] == "policy").expect("a difference")["id"].as_str().expect("an id").to_owned();
    let (status, accepted) = world.rest(0, "PUT", &format!("/v1/drifts/{drift}/acceptance"), Some(json!({"reason": "It is ours."}))).await;
    assert_eq!(status, 200, "{accepted}");
    world.does("orders", Ask::Activate).await;
    assert!(world.key("orders").await.material_present);
}
