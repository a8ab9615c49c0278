//! Linked keys: copies of a key in other keystores, with its material, and what becomes of them.

use std::time::Duration;

use keystead_app::{
    Error, Request, Started,
    keys::{copy::NewCopies, create::NewKey, create::Terms, lifecycle::Ask, update::KeyChange},
    keystores::NewKeystore,
};
use keystead_domain::{
    Aliases, Custody, KeyState, Name, key::deletion::WaitingDays, key::expiry::ExpiryPolicy, keystore::AwsLocation, rotation::Wish, time::DAY,
};
use keystead_sandbox::{Effect, Fault};
use keystead_store::{keys::KeyRow, operations::Idempotency, page::Page, versions, versions::VersionRow};
use serde_json::{Value, json};

use crate::{
    application::Application,
    world::{CUSTOMER, Engine, ROLE, World},
};

/// A world with a source in the vault, and two keystores in different Regions.
pub async fn world() -> World {
    world_on(Engine::Sqlite).await
}

pub async fn world_on(engine: Engine) -> World {
    let world = World::new(engine).await;
    world.make_vault_keystore("main").await;
    keystore_in(&world, "payments-us", "us-east-1").await;
    let started = world.start_create_in_vault("main", "orders").await;
    world.succeeds(started).await;
    world
}

pub async fn keystore_in(world: &World, name: &str, region: &str) {
    // Roles do not cross partitions.
    let role_arn = (!region.starts_with("cn-")).then(|| ROLE.to_owned());
    let location = AwsLocation { region: region.into(), account: CUSTOMER.into(), role_arn, external_id: Some("test-id".into()) };
    let new = NewKeystore { name: Name::parse(name).expect("a name"), cloud: "aws".into(), location, alert_channels: keystead_domain::AlertChannels::All };
    world.house.app.create_keystore(&world.ann, new).await.expect("a keystore");
}

pub fn to(keystores: &[&str]) -> NewCopies {
    NewCopies { to: keystores.iter().map(|name| (*name).to_owned()).collect(), ..NewCopies::default() }
}

async fn begin(world: &World, key: &str, new: NewCopies) -> Vec<Started> {
    world.house.app.copy_key(&world.ann, &Request::default(), key, new).await.unwrap_or_else(|error| panic!("{error:?}"))
}

pub async fn copy(world: &World, key: &str, new: NewCopies) -> Vec<KeyRow> {
    let mut keys = Vec::new();
    for started in begin(world, key, new).await {
        let id = started.key.as_ref().expect("a key").id.clone();
        world.succeeds(started).await;
        keys.push(world.key(id.as_str()).await);
    }
    keys
}

/// The field that a refusal names, and nothing has begun.
async fn refused(world: &World, key: &str, new: NewCopies) -> String {
    let before = crate::refusals::everything(world).await;
    let told = match world.house.app.copy_key(&world.ann, &Request::default(), key, new).await {
        Err(Error::Invalid(invalid)) => format!("{}: {} {}", invalid.field, invalid.reason, invalid.mend),
        Err(Error::Taken { field, value }) => format!("{field} {value} is taken"),
        Err(Error::NotFound { what, name }) => format!("no {what} {name}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(crate::refusals::everything(world).await, before, "{told}");
    told
}

pub async fn version(world: &World, key: &KeyRow) -> VersionRow {
    let id = key.id.clone();
    world.store().read("test", move |tx| versions::current(tx, &id)).await.expect("a store").expect("a version")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_have_the_material_of_their_source_and_a_link_to_it_ft_015_ft_027_to_ft_030_ft_035() {
    let world = world().await;
    let aliases = Aliases::parse(["orders", "orders/more"]).expect("are aliases");
    let copies = copy(&world, "orders", NewCopies { aliases, ..to(&["payments-eu", "payments-us"]) }).await;
    let source = world.key("orders").await;
    let names: Vec<(&str, &str)> = copies.iter().map(|key| (key.name.as_str(), key.region.as_str())).collect();
    assert_eq!(names, [("orders_copy1", "eu-west-1"), ("orders_copy2", "us-east-1")], "FT-030");
    for key in &copies {
        assert_eq!((key.state, key.ties.custody, &key.ties.source), (KeyState::Active, Custody::Linked, &Some(source.id.clone())));
        let (ours, theirs) = (version(&world, key).await, version(&world, &source).await);
        assert_eq!((&ours.fingerprint, ours.sealed.is_none(), &ours.source_id), (&theirs.fingerprint, true, &Some(theirs.id)), "one material, sealed once");
        assert!(ours.material_id.is_some());
    }
    assert_ne!(version(&world, &copies[0]).await.material_id, version(&world, &copies[1]).await.material_id, "each cloud key has an id of its own for it");
    let app = Application::new(&world).await;
    let sealed = app.encrypt("alias/orders", b"at rest").await;
    assert_eq!(app.decrypt(&sealed.blob).await, b"at rest");

    let links = world.house.app.key_links(&world.ann, "orders", Page::first()).await.expect("links").rows;
    assert_eq!(links.len(), 2);
    let (_, shown) = world.rest(0, "GET", "/v1/keys/orders_copy2", None).await;
    let link = &shown["links"][0];
    assert_eq!((&link["copied_by_name"], &link["keystore"], &link["source_name"]), (&json!("ann"), &json!("payments-us"), &json!("orders")), "FT-029: {shown}");
    assert_eq!((&link["source_key"], link["copied_at"].is_string()), (&json!(source.id.as_str()), true));
    let (_, shown) = world.rest(0, "GET", "/v1/keys/orders", None).await;
    assert_eq!(shown["links"].as_array().map(Vec::len), Some(2), "the source knows its copies: {shown}");
    let (_, history) = world.rest(0, "GET", "/v1/keys/orders/history?limit=2", None).await;
    assert_eq!(history["items"][0]["entry"]["action"], "key.copy", "and its history tells of them: {history}");

    let again = copy(&world, "orders_copy1", to(&["payments-us"])).await;
    assert_eq!((again[0].name.as_str(), &again[0].ties.source), ("orders_copy1_copy1", &Some(source.id.clone())), "links have one level");
    assert_eq!(version(&world, &again[0]).await.source_id, Some(version(&world, &source).await.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_is_checked_for_every_target_before_anything_begins_ft_031_to_ft_033() {
    let world = world().await;
    let two = || to(&["payments-eu", "payments-us"]);
    let name = |text: &str| Name::parse(text).ok();
    for (new, told) in [
        (to(&[]), "to: names 0 keystores"),
        (to(&["payments-eu", "nowhere"]), "no keystore nowhere"),
        (to(&["payments-eu", "main"]), "to: names main, which is in the vault: the material is there already"),
        (to(&["payments-eu", "payments-eu"]), "to: names the keystore payments-eu twice"),
        (NewCopies { name: name("one"), ..two() }, "name: is given for several copies"),
        (NewCopies { name: name("orders"), ..to(&["payments-eu"]) }, "name orders is taken"),
        (NewCopies { expiry_policy: Some(ExpiryPolicy::Renew), ..two() }, "expiry_policy: cannot be renew"),
        (NewCopies { expires: Some(world.now().plus_days(-1)), ..two() }, "expires: "),
    ] {
        let refusal = refused(&world, "orders", new).await;
        assert!(refusal.starts_with(told), "{refusal}");
    }
    world.create("bills").await;
    let taken = NewCopies { aliases: Aliases::parse(["fresh", "bills"]).expect("are aliases"), ..to(&["payments-us", "payments-eu"]) };
    assert_eq!(refused(&world, "orders", taken).await, "aliases alias/bills is taken", "in the second keystore, and the first got nothing");

    keystore_in(&world, "china", "cn-north-1").await;
    let kept = NewKey { aliases: Aliases::default(), expires: None, terms: Terms { exportable: false, ..Terms::default() }, ..world.new_key("main", "kept") };
    let started = world.house.app.create_key(&world.ann, &Request::default(), kept).await.expect("an intent");
    world.succeeds(started).await;
    let refusal = refused(&world, "orders", to(&["payments-eu", "china"])).await;
    assert!(refusal.starts_with("to: names china, where spec"), "FT-031, by the cloud's own rule: {refusal}");
    let refusal = refused(&world, "kept", to(&["payments-eu"])).await;
    assert!(refusal.starts_with("key: is not exportable"), "FT-032: {refusal}");
    world.does("kept", Ask::Deactivate).await;
    assert!(refused(&world, "kept", to(&["payments-eu"])).await.starts_with("key: is INACTIVE"));
}

/// The promise holds for the material: whichever of the keys that have it was marked, none of them lets it out (FT-032).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promise_of_a_copy_binds_its_source_and_the_other_copies() {
    let world = world().await;
    copy(&world, "orders", NewCopies { name: Name::parse("eu").ok(), ..to(&["payments-eu"]) }).await;
    copy(&world, "orders", NewCopies { name: Name::parse("us").ok(), ..to(&["payments-us"]) }).await;
    let change = KeyChange { exportable: Some(false), ..KeyChange::default() };
    let started = world.house.app.update_key(&world.ann, &Request::default(), "eu", change).await.expect("an intent");
    world.succeeds(started).await;
    for name in ["eu", "orders", "us"] {
        assert!(refused(&world, name, to(&["payments-us"])).await.starts_with("key: is not exportable"), "{name}");
        let body = json!({ "public_key": crate::matrix::public_key() });
        let (status, answer) = world.rest(0, "POST", &format!("/v1/keys/{name}/export/prepare"), Some(body)).await;
        assert!(status == 422 && answer["detail"].as_str().is_some_and(|detail| detail.contains("not exportable")), "{name}: {status} {answer}");
    }
    world.does("orders", Ask::Rotate).await;
    world.does("us", Ask::Rotate).await;
    world.does("eu", Ask::Rotate).await;
    assert!(!world.key("eu").await.ties.is_exportable, "its successor promises the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_lives_by_itself_and_shared_material_goes_with_the_last_key_ft_017_to_ft_024_ft_069_to_ft_072() {
    let world = world().await;
    copy(&world, "orders", NewCopies { name: Name::parse("eu").ok(), ..to(&["payments-eu"]) }).await;
    copy(&world, "orders", NewCopies { name: Name::parse("us").ok(), ..to(&["payments-us"]) }).await;
    world.does("eu", Ask::Deactivate).await;
    let state = world.cloud_key(&world.key("eu").await).await.expect("is there");
    assert_eq!((state["state"].as_str(), state["has_material"].as_bool()), (Some("PendingImport"), Some(false)), "FT-019, FT-071");
    assert!(world.key("us").await.enabled && world.key("orders").await.enabled, "the others are as they were");
    world.does("eu", Ask::Activate).await;
    assert!(world.key("eu").await.material_present, "FT-072: it comes back with the material that is its source's");
    world.does("eu", Ask::Upload).await;
    for ask in [Ask::Renew, Ask::Rotate] {
        let refused = world.house.app.ask(&world.ann, &Request::default(), "eu", ask).await;
        assert!(matches!(refused, Err(Error::Invalid(invalid)) if invalid.field == "key" && invalid.mend.contains("key rotate orders --copies eu")));
    }
    let renew = KeyChange { expiry_policy: Some(ExpiryPolicy::Renew), ..KeyChange::default() };
    let refused = world.house.app.update_key(&world.ann, &Request::default(), "eu", renew).await;
    assert!(matches!(refused, Err(Error::Invalid(invalid)) if invalid.field == "expiry_policy"));

    let holder = version(&world, &world.key("orders").await).await.id;
    let is_held = async || {
        let id = holder.clone();
        world.store().read("test", move |tx| versions::by_id(tx, &id)).await.expect("a store").expect("a version").sealed.is_some()
    };
    for name in ["orders", "eu", "us"] {
        assert!(is_held().await, "FT-069: {name} still needs it");
        let id = world.key(name).await.id;
        world.does(id.as_str(), Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
        world.sandbox.advance((9 * DAY) as u64);
        assert!(world.house.engine.clean_up().await.expect("a store") > 0);
        world.settle().await;
        assert_eq!(world.key(id.as_str()).await.state, KeyState::Deleted);
        if name == "orders" {
            world.does("eu", Ask::Upload).await;
        }
    }
    assert!(!is_held().await, "gone with the last one");
}

/// The source is gone while its only copy is still being made, and that is taken back: nobody is left who has the material.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn material_goes_with_the_last_copy_that_was_never_made() {
    let world = world().await;
    let every_import = |code: &str| {
        let effect = Effect::Error { code: code.into(), status: 400, message: "no".into() };
        [Fault { operation: "ImportKeyMaterial".into(), skip: 0, count: 0, effect }]
    };
    world.sandbox.add_faults(every_import("ThrottlingException"));
    let copy = begin(&world, "orders", to(&["payments-eu"])).await.remove(0);
    let source = world.key("orders").await.id;
    world.does("orders", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.sandbox.advance((8 * DAY) as u64);
    assert_eq!(world.house.engine.clean_up().await, Ok(1));
    while world.key(source.as_str()).await.state != KeyState::Deleted {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let held = async || world.store().read("test", versions::progress).await.expect("a store").1;
    assert_eq!(held().await, 1, "the copy may still come");
    world.sandbox.clear_faults();
    world.sandbox.add_faults(every_import("AccessDeniedException"));
    assert_eq!(world.ended(&copy).await.state, "FAILED");
    assert_eq!(held().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_policy_rotates_a_copy_by_itself() {
    let world = world().await;
    copy(&world, "orders", NewCopies { name: Name::parse("eu").ok(), ..to(&["payments-eu"]) }).await;
    let wish = Wish { every: Some(30 * DAY), ..Wish::default() };
    let app = &world.house.app;
    let refused = app.set_rotation(&world.ann, &keystead_app::keys::rotation::Target::Key("eu".into()), wish.clone()).await;
    assert!(matches!(refused, Err(Error::Invalid(invalid)) if invalid.field == "key"));
    app.set_rotation(&world.ann, &keystead_app::keys::rotation::Target::Keystore("payments-eu".into()), wish).await.expect("a policy");
    world.sandbox.advance((40 * DAY) as u64);
    world.house.engine.look_at_rotation().await.expect("a store");
    world.settle().await;
    assert_eq!((world.key("eu").await.predecessor_id, world.key("eu").await.rotation.planned), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_for_several_copies_makes_them_once() {
    let world = world().await;
    let request = Request { idempotency: Some(Idempotency { key: "ann:1".into(), request_hash: "h".into() }), item: None };
    let ids = |started: Vec<Started>| started.iter().map(|one| one.operation.as_ref().map(|operation| operation.id.clone())).collect::<Vec<_>>();
    let two = || to(&["payments-eu", "payments-us"]);
    let first = ids(world.house.app.copy_key(&world.ann, &request, "orders", two()).await.expect("intents"));
    let again = ids(world.house.app.copy_key(&world.ann, &request, "orders", two()).await.expect("the same"));
    assert_eq!((first.len(), &first), (2, &again));
    world.settle().await;
    assert_eq!(ids(world.house.app.copy_key(&world.ann, &request, "orders", two()).await.expect("the same")), first);
    assert!(world.find_key("orders_copy3").await.is_none());
    let other = Request { idempotency: Some(Idempotency { key: "ann:1".into(), request_hash: "other".into() }), item: None };
    assert_eq!(world.house.app.copy_key(&world.ann, &other, "orders", two()).await.err(), Some(Error::IdempotencyMismatch));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_asked_for_over_rest_and_answered_together() {
    let world = world().await;
    let body = json!({ "to": ["payments-eu", "payments-us"], "aliases": ["orders", "trade"], "expires": "90d", "expiry_policy": "extend" });
    let (status, answer) = world.rest(0, "POST", "/v1/keys/orders/copies", Some(body)).await;
    assert_eq!(status, 200, "{answer}");
    for one in answer["started"].as_array().expect("a list") {
        assert_eq!((&one["operation"]["kind"], &one["operation"]["state"], &one["no_op"]), (&json!("create-key"), &json!("SUCCEEDED"), &json!(false)));
        assert_eq!(
            (&one["key"]["custody"], &one["key"]["aliases"], &one["key"]["expiry_policy"]),
            (&json!("linked"), &json!(["orders", "trade"]), &json!("extend"))
        );
    }
    let (status, refusal) = world.rest(0, "POST", "/v1/keys/orders/copies", Some(json!({ "to": ["main"] }))).await;
    assert_eq!((status, &refusal["field"]), (422, &json!("to")), "{refusal}");
    let (_, links) = world.rest(0, "GET", "/v1/keys/orders/links?limit=1", None).await;
    assert_eq!((links["items"].as_array().map(Vec::len), links["next_cursor"] != Value::Null), (Some(1), true), "{links}");
}
