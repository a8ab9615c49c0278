//! Rotation in place: new material under the same ARN, every material kept alive, the 25 counted, and the successor behind them (FT-073, FX-044, FX-048).

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use keystead_app::{
    Error, Request,
    keys::{create::NewKey, lifecycle::Ask, rotation::Target},
};
use keystead_domain::{
    KeySpec, KeyState,
    key::expiry::ExpiryPolicy,
    rotation::{Strategy, Wish},
    time::DAY,
};
use keystead_sandbox::{Effect, Fault};
use keystead_store::{journal, keys::KeyRow, versions, versions::VersionRow};
use serde_json::{Value, json};

use crate::{
    application::Application,
    refusals::openssl,
    world::{Engine, World},
};

async fn lasting_key(world: &World, name: &str) -> KeyRow {
    let new = NewKey { expiry_policy: ExpiryPolicy::Extend, ..world.new_key("payments-eu", name) };
    let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
    world.succeeds(started).await;
    world.key(name).await
}

async fn versions_of(world: &World, key: &KeyRow) -> Vec<VersionRow> {
    let id = key.id.clone();
    world.store().read("test", move |tx| versions::of_key(tx, &id)).await.expect("a store")
}

/// The materials of a key as the simulated cloud has them: part, and whether it is there.
async fn materials_there(world: &World, key: &KeyRow) -> Vec<(String, bool)> {
    let there = world.cloud_key(key).await.expect("the cloud key");
    let materials = there["materials"].as_array().cloned().unwrap_or_default();
    materials.iter().map(|held| (held["part"].as_str().unwrap_or_default().to_owned(), held["present"] == true)).collect()
}

/// One look at ends and one at turns, each with the end of what it began: a key that is being extended misses the turn of this look.
async fn look(world: &World) {
    world.house.engine.look_at_expiry().await.expect("a store");
    settled(world).await;
    world.house.engine.look_at_rotation().await.expect("a store");
    settled(world).await;
}

async fn settled(world: &World) {
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn parts(parts: &[(&str, bool)]) -> Vec<(String, bool)> {
    parts.iter().map(|(part, is_there)| ((*part).to_owned(), *is_there)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_in_place_keeps_the_arn_and_every_ciphertext_opens_fx_048() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let key = world.create("orders").await;
    let mut blobs = vec![app.encrypt("alias/orders", b"of the first").await.blob];
    for rotation in 1..=2 {
        let (status, answer) = world.rest(0, "POST", "/v1/keys/orders/rotate", Some(json!({ "strategy": "in-place" }))).await;
        assert_eq!((status, &answer["key"]["id"]), (200, &json!(key.id.as_str())), "{answer}");
        assert!(answer["warnings"].to_string().contains("cannot be undone"), "{answer}");
        blobs.push(app.encrypt("alias/orders", b"of the next").await.blob);
        assert_eq!(versions_of(&world, &key).await.len(), rotation + 1);
    }
    let now = world.key("orders").await;
    assert_eq!((&now.cloud_arn, now.state, now.is_current), (&key.cloud_arn, KeyState::Active, true));
    assert_eq!(materials_there(&world, &now).await, parts(&[("NON_CURRENT", true), ("NON_CURRENT", true), ("CURRENT", true)]));
    let versions = versions_of(&world, &now).await;
    assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(versions[2].material_id, now.material_id, "what the cloud shows is what was imported last");
    assert!(versions.iter().all(|version| !version.is_pending && version.sealed.is_some()));
    let shown = world.rest(0, "GET", "/v1/keys/orders", None).await.1;
    assert_eq!(shown["versions"].as_array().map(Vec::len), Some(3), "{shown}");
    assert!(shown["last_rotation"].is_string(), "{shown}");
    for (blob, text) in blobs.iter().zip([b"of the first".as_slice(), b"of the next", b"of the next"]) {
        assert_eq!(app.decrypt(blob).await, text);
    }
    let refused = world.house.app.ask(&world.ann, &Request::default(), "orders", Ask::Revert).await.err();
    assert!(matches!(&refused, Some(Error::Invalid(invalid)) if invalid.mend.contains("no way back")), "{refused:?}");
}

/// FT-070 to FT-072 with several materials: all go, all come back, and old ciphertext opens again. One that the cloud lost alone takes the key away, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_materials_are_removed_and_brought_back_together() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let key = world.create("orders").await;
    let old = app.encrypt("alias/orders", b"old").await.blob;
    world.does("orders", Ask::RotateInPlace).await;
    world.does("orders", Ask::Deactivate).await;
    assert_eq!(materials_there(&world, &key).await, parts(&[("NON_CURRENT", false), ("CURRENT", false)]));
    world.does("orders", Ask::Activate).await;
    assert_eq!(materials_there(&world, &key).await, parts(&[("NON_CURRENT", true), ("CURRENT", true)]));
    assert_eq!(app.decrypt(&old).await, b"old");
    let lost = world.http.post(format!("{}/_sandbox/lose-material", world.sandbox.endpoint())).json(&json!({ "key": key.cloud_key_id })).send().await;
    assert!(lost.expect("the sandbox").status().is_success());
    assert_eq!(world.cloud_key(&key).await.expect("the cloud key")["state"], "PendingImport");
    world.does("orders", Ask::Upload).await;
    assert_eq!(world.cloud_key(&key).await.expect("the cloud key")["state"], "Enabled");
    assert_eq!(app.decrypt(&old).await, b"old");
}

/// Every material counts: the end of the oldest is the end of the key, and an extension moves all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_key_is_the_end_of_its_first_material_to_end() {
    let world = World::new(Engine::Sqlite).await;
    let key = lasting_key(&world, "orders").await;
    world.sandbox.advance((40 * DAY) as u64);
    world.does("orders", Ask::RotateInPlace).await;
    let rotated = world.key("orders").await;
    assert_eq!(rotated.expires_at, key.expires_at, "the older material ends as before");
    let ends: Vec<_> = versions_of(&world, &key).await.into_iter().map(|version| version.expires_at).collect();
    assert!(ends[0] == key.expires_at && ends[1] > ends[0], "{ends:?}");
    world.sandbox.advance((44 * DAY) as u64);
    look(&world).await;
    let extended = world.key("orders").await;
    assert!(extended.expires_at > key.expires_at.map(|end| end.plus_days(80)));
    assert!(versions_of(&world, &key).await.iter().all(|version| version.expires_at == extended.expires_at), "both live as long now");
    world.sandbox.advance((60 * DAY) as u64);
    assert_eq!(world.cloud_key(&key).await.expect("the cloud key")["state"], "Enabled", "behind the first end of both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_rotates_in_place_25_times_and_then_a_successor_takes_over_the_alias() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let key = lasting_key(&world, "orders").await;
    let first = app.encrypt("alias/orders", b"of the first day").await.blob;
    let wish = Wish { every: Some(30 * DAY), strategy: Strategy::InPlace, ..Wish::default() };
    let target = Target::Key("orders".to_owned());
    let set = world.house.app.set_rotation(&world.ann, &target, wish).await.expect("a policy");
    assert_eq!((set.strategy, set.in_place_left), (Some(Strategy::InPlace), Some(25)));
    look(&world).await;
    for rotation in 1..=25u32 {
        world.sandbox.advance((30 * DAY) as u64);
        look(&world).await;
        let shown = world.house.app.show_rotation(&world.ann, &target, None).await.expect("is shown");
        assert_eq!(shown.in_place_left, Some(25 - rotation));
        let is_told = shown.warnings.iter().any(|warning| warning.contains("successor takes over"));
        assert_eq!(is_told, rotation >= 22, "{rotation}: {:?}", shown.warnings);
    }
    let all_used = world.key("orders").await;
    assert_eq!((&all_used.id, &all_used.cloud_arn), (&key.id, &key.cloud_arn));
    let refused = world.house.app.ask(&world.ann, &Request::default(), "orders", Ask::RotateInPlace).await.err();
    assert!(matches!(&refused, Some(Error::Invalid(invalid)) if invalid.field == "strategy" && invalid.reason.contains("25")), "{refused:?}");

    world.sandbox.advance((30 * DAY) as u64);
    look(&world).await;
    let successor = world.key("orders").await;
    assert_eq!((successor.predecessor_id.as_ref(), successor.state), (Some(&key.id), KeyState::Active));
    assert_ne!(successor.cloud_arn, key.cloud_arn);
    let shown = world.house.app.show_rotation(&world.ann, &target, None).await.expect("is shown");
    assert_eq!((shown.strategy, shown.in_place_left), (Some(Strategy::InPlace), Some(25)), "the successor begins anew");
    assert_eq!(app.decrypt(&first).await, b"of the first day", "26 turns later");
    world.sandbox.advance((30 * DAY) as u64);
    look(&world).await;
    assert_eq!((world.key("orders").await.id, versions_of(&world, &successor).await.len()), (successor.id.clone(), 2));
}

/// The cloud says that its limit is reached, because somebody rotated there: all is taken back, in the cloud and in the vault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_reached_in_the_cloud_is_told_and_leaves_nothing_behind() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    let limit = Effect::Error { code: "LimitExceededException".into(), status: 400, message: "The on-demand rotations limit has been reached".into() };
    world.sandbox.add_faults([Fault { operation: "RotateKeyOnDemand".into(), skip: 0, count: 1, effect: limit }]);
    let started = world.start("orders", Ask::RotateInPlace).await;
    let ended = world.ended(&started).await;
    assert_eq!(ended.state, "FAILED");
    assert_eq!(materials_there(&world, &key).await, parts(&[("CURRENT", true)]));
    assert_eq!(versions_of(&world, &key).await.len(), 1);
    world.does("orders", Ask::RotateInPlace).await;
}

/// A denial is believed once the key's tag has counted for long.
fn a_while_passes(world: &World) {
    world.sandbox.advance(DAY as u64 / 24);
}

/// The cloud refuses the rotation and then the way back, and somebody rotates the waiting material in there: the vault keeps it, or nothing would ever open again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_material_that_somebody_rotated_in_meanwhile_is_kept() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let key = world.create("orders").await;
    let old = app.encrypt("alias/orders", b"old").await.blob;
    a_while_passes(&world);
    let denied = || Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    world.sandbox.add_faults(["RotateKeyOnDemand", "DeleteImportedKeyMaterial"].map(|operation| Fault {
        operation: operation.into(),
        skip: 0,
        count: 50,
        effect: denied(),
    }));
    let started = world.start("orders", Ask::RotateInPlace).await;
    let id = started.operation.as_ref().expect("an operation").id.clone();
    let held = async || world.operation(&id).await.is_some_and(|operation| operation.direction == "undo" && operation.attempts > 0);
    while !held().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.sandbox.clear_faults();
    app.rotate(key.cloud_key_id.as_deref().expect("an id")).await;
    let new = app.encrypt("alias/orders", b"new").await.blob;
    world.house.app.wake_operation(&world.ann, id.as_str()).await.expect("wakes");
    assert_eq!(world.ended(&started).await.state, "FAILED", "Keystead did not do it");
    let versions = versions_of(&world, &key).await;
    assert!(versions.len() == 2 && versions.iter().all(|version| version.sealed.is_some() && !version.is_pending), "{versions:?}");
    assert_eq!(world.key("orders").await.material_id, versions[1].material_id);
    world.does("orders", Ask::Deactivate).await;
    world.does("orders", Ask::Activate).await;
    assert_eq!((app.decrypt(&old).await, app.decrypt(&new).await), (b"old".to_vec(), b"new".to_vec()));
    world.does("orders", Ask::RotateInPlace).await;
}

/// A key at which a material waits under the name of a version that is gone: an order that arrived when everything had been taken back already.
async fn with_stray() -> (World, KeyRow) {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    a_while_passes(&world);
    let late = Effect::Late { calls: None, millis: Some(3_000) };
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    world.sandbox.add_faults([(1, late), (50, denied)].map(|(count, effect)| Fault { operation: "ImportKeyMaterial".into(), skip: 0, count, effect }));
    let started = world.start("orders", Ask::RotateInPlace).await;
    assert_eq!(world.ended(&started).await.state, "FAILED");
    world.sandbox.clear_faults();
    assert_eq!((versions_of(&world, &key).await.len(), materials_there(&world, &key).await.len()), (1, 1), "all is taken back");
    while materials_there(&world, &key).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (world, key)
}

/// What waits under the name of a version that is gone is taken away, because the cloud takes no other material beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_under_the_name_of_no_version_is_taken_away() {
    let (world, key) = with_stray().await;
    world.does("orders", Ask::RotateInPlace).await;
    assert_eq!(materials_there(&world, &key).await, parts(&[("NON_CURRENT", true), ("CURRENT", true)]));
}

/// The order to take it away reaches the cloud twice, and the second finds nothing: what was wanted is so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stray_that_the_cloud_does_not_know_any_more_is_gone_and_no_failure() {
    let (world, key) = with_stray().await;
    world.sandbox.add_faults([Fault { operation: "DeleteImportedKeyMaterial".into(), skip: 0, count: 1, effect: Effect::Duplicate }]);
    let started = world.start("orders", Ask::RotateInPlace).await;
    let operation = started.operation.clone().expect("an operation").id;
    world.succeeds(started).await;
    assert_eq!(materials_there(&world, &key).await, parts(&[("NON_CURRENT", true), ("CURRENT", true)]));
    let journal = world.store().read("test", move |tx| journal::of_operation(tx, &operation)).await.expect("a store");
    let failed: Vec<_> = journal.iter().filter(|line| line.phase == "failed" || line.phase == "refused").collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_rotated_in_place_is_refused_by_the_clouds_own_rule_before_anything_starts() {
    let world = World::new(Engine::Sqlite).await;
    for (name, spec, usage) in [("codes", "HMAC_256", "mac"), ("signer", "EC_P256", "sign")] {
        let key = json!({ "name": name, "keystore": "payments-eu", "spec": spec, "usage": usage, "aliases": [name] });
        assert_eq!(world.rest(0, "POST", "/v1/keys", Some(key)).await.0, 200);
        let before = world.requests().await;
        let by_hand = world.rest(0, "POST", &format!("/v1/keys/{name}/rotate"), Some(json!({ "strategy": "in-place" }))).await;
        let policy = json!({ "every": "30d", "strategy": "in-place" });
        let by_policy = world.rest(0, "PUT", &format!("/v1/rotation-policies/key:{name}"), Some(policy.clone())).await;
        for (status, problem) in [by_hand, by_policy] {
            let says_why = problem["detail"].as_str().is_some_and(|text| text.contains("AWS rotates symmetric encryption keys"));
            assert!(status == 422 && problem["field"] == "strategy" && says_why, "{problem}");
        }
        assert_eq!(world.requests().await, before, "nothing was sent");
        // As the wish of a whole keystore it is none: a key that cannot gets a successor.
        let (status, set) = world.rest(0, "PUT", "/v1/rotation-policies/keystore:payments-eu", Some(policy)).await;
        assert_eq!((status, &set["policy"]["strategy"]), (200, &json!("in-place")), "{set}");
        let shown: Value = world.rest(0, "GET", &format!("/v1/rotation-policies/key:{name}"), None).await.1;
        assert_eq!((&shown["next_strategy"], &shown["in_place_left"]), (&json!("new-key"), &json!(0)), "{shown}");
    }
    assert_eq!(KeySpec::ALL.len(), 12, "a new kind of key needs a rule");
}

/// CM-064 for a key with several materials: each can be rescued, and which one is said. A version that is not there leaves the preparation as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_is_exported_by_its_number() {
    let world = World::new(Engine::Sqlite).await;
    let known: Vec<u8> = (0..32).map(|n| n * 7 + 3).collect();
    let brought = BASE64_STANDARD.encode(&known);
    let key =
        json!({ "name": "orders", "keystore": "payments-eu", "spec": "AES_256", "aliases": ["orders"], "material": { "format": "base64", "data": brought } });
    let (status, made) = world.rest(0, "POST", "/v1/keys", Some(key)).await;
    assert_eq!(status, 200, "{made}");
    world.does("orders", Ask::RotateInPlace).await;
    let private = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], b"");
    let public = String::from_utf8(openssl(&["pkey", "-pubout"], &private)).expect("PEM");
    let file = world.directory.path().join("private.pem");
    std::fs::write(&file, private).expect("a file");
    let mut opened = Vec::new();
    for (version, told) in [(Some(1), 1), (Some(2), 2), (None, 2)] {
        let (status, _) = world.rest(0, "POST", "/v1/keys/orders/export/prepare", Some(json!({ "public_key": public }))).await;
        assert_eq!(status, 200);
        let (status, refused) = world.rest(1, "POST", "/v1/keys/orders/export/download", Some(json!({ "version": 3 }))).await;
        assert_eq!((status, &refused["field"]), (422, &json!("version")), "{refused}");
        let (status, answer) = world.rest(1, "POST", "/v1/keys/orders/export/download", Some(json!({ "version": version }))).await;
        assert_eq!((status, &answer["version"]), (200, &json!(told)), "{answer}");
        let wrapped = BASE64_STANDARD.decode(answer["wrapped"].as_str().expect("base64")).expect("base64");
        let oaep = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
        opened.push(openssl(&[&["pkeyutl", "-decrypt", "-inkey", file.to_str().expect("a path")], &oaep[..]].concat(), &wrapped));
    }
    assert_eq!(opened[0], known);
    assert!(opened[1] == opened[2] && opened[1] != opened[0] && opened[1].len() == 32);
}
