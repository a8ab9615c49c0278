//! Keys that live in the vault alone: the same life as in a cloud, without one.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use keystead_app::{
    Error, Request,
    keys::{
        create::{Material, NewKey, Terms},
        lifecycle::Ask,
        update::{AliasChange, KeyChange},
    },
    keystores::NewKeystore,
};
use keystead_domain::{Alias, Aliases, KeySpec, KeyState, Name, key::deletion::WaitingDays, keystore::AwsLocation, time::DAY};
use keystead_store::versions;
use keystead_vault::SecretBytes;
use serde_json::json;

use crate::{
    matrix::public_key,
    world::{Engine, World},
};

async fn world() -> World {
    let world = World::new(Engine::Sqlite).await;
    world.make_vault_keystore("main").await;
    world
}

async fn create(world: &World, name: &str) {
    let started = world.start_create_in_vault("main", name).await;
    world.succeeds(started).await;
}

/// The field that a refusal names.
fn field<T: std::fmt::Debug>(refused: Result<T, Error>) -> String {
    match refused {
        Err(Error::Invalid(invalid)) => invalid.field,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_vault_lives_its_whole_life_without_a_call_to_a_cloud() {
    let world = world().await;
    create(&world, "orders").await;
    let key = world.key("orders").await;
    assert_eq!((key.state, key.cloud.as_str(), key.enabled, key.material_present, key.cloud_key_id), (KeyState::Active, "vault", true, true, None));
    world.does("orders", Ask::Deactivate).await;
    let out_of_use = world.key("orders").await;
    assert_eq!((out_of_use.state, out_of_use.enabled, out_of_use.material_present), (KeyState::Inactive, false, true), "the vault keeps the material");
    world.does("orders", Ask::Activate).await;
    assert!(world.key("orders").await.enabled);
    world.does("orders", Ask::Renew).await;
    let (old, new) = (world.key(key.id.as_str()).await, world.key("orders").await);
    assert_eq!((old.state, new.state, new.predecessor_id), (KeyState::Replaced, KeyState::Active, Some(old.id.clone())));
    assert!(old.enabled && new.enabled);
    world.does("orders", Ask::Revert).await;
    assert_eq!(world.key("orders").await.id, key.id);
    world.does("orders", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    let counted = world.key(key.id.as_str()).await;
    assert_eq!(counted.state, KeyState::PendingDeletion);
    let days = (counted.deletion_at.expect("a date").as_micros() - key.created_at.as_micros()) / DAY;
    assert_eq!(days, 7);
    world.does(key.id.as_str(), Ask::CancelDeletion).await;
    let back = world.key(key.id.as_str()).await;
    assert_eq!((back.state, back.deletion_at, back.enabled), (KeyState::Inactive, None, false));
    world.does(key.id.as_str(), Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    assert_eq!(world.house.engine.clean_up().await, Ok(0), "not yet");
    world.sandbox.advance((8 * DAY) as u64);
    assert_eq!(world.house.engine.clean_up().await, Ok(1));
    world.settle().await;
    let gone = world.key(key.id.as_str()).await;
    assert_eq!((gone.state, gone.material_present), (KeyState::Deleted, false));
    let id = gone.id.clone();
    let version = world.store().read("test", move |tx| versions::current(tx, &id)).await.expect("a store").expect("its record stays");
    assert!(version.sealed.is_none() && !version.fingerprint.is_empty());
    assert_eq!(world.requests().await, 0, "no cloud was called");
    let keystore = world.house.app.keystore(&world.ann, "main").await.expect("a keystore");
    world.house.engine.sweep_keystore(&keystore).await.expect("nothing to look for");
    world.does(new.id.as_str(), Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.sandbox.advance((8 * DAY) as u64);
    assert_eq!(world.house.engine.clean_up().await, Ok(1));
    world.settle().await;
    let started = world.house.app.delete_keystore(&world.ann, &Request::default(), "main").await.expect("an intent");
    world.succeeds(started).await;
    assert_eq!(world.requests().await, 0, "nor for the keystore");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_a_cloud_is_refused_by_name_in_the_vault() {
    let world = world().await;
    let app = &world.house.app;
    let elsewhere = NewKeystore {
        name: Name::parse("second").expect("a name"),
        cloud: "vault".into(),
        location: AwsLocation { region: "eu-west-1".into(), ..AwsLocation::nowhere() },
        alert_channels: keystead_domain::AlertChannels::All,
    };
    assert_eq!(field(app.create_keystore(&world.ann, elsewhere).await), "region");
    let with_alias = NewKey { expires: None, ..world.new_key("main", "a") };
    assert_eq!(field(app.create_key(&world.ann, &Request::default(), with_alias).await), "aliases");
    let with_end = NewKey { aliases: Aliases::default(), ..world.new_key("main", "a") };
    assert_eq!(field(app.create_key(&world.ann, &Request::default(), with_end).await), "expires");
    create(&world, "orders").await;
    let aliases = AliasChange { add: Alias::parse("orders").expect("an alias").into(), ..AliasChange::default() };
    let change = KeyChange { aliases, ..KeyChange::default() };
    assert_eq!(field(app.update_key(&world.ann, &Request::default(), "orders", change).await), "aliases");
    assert_eq!(field(app.ask(&world.ann, &Request::default(), "orders", Ask::Upload).await), "key");
    assert_eq!(field(app.check_keystore(&world.ann, "main").await), "keystore");
    assert_eq!(field(app.keystore_policy(&world.ann, "main", false).await), "keystore");
    let described = KeyChange { description: Some("ledger".into()), tags: Some(Default::default()), ..KeyChange::default() };
    let started = app.update_key(&world.ann, &Request::default(), "orders", described).await.expect("an intent");
    world.succeeds(started).await;
    assert_eq!(world.key("orders").await.description, "ledger");
    assert_eq!(world.requests().await, 0, "no cloud was called");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_vault_opens_wrapped_material_and_every_kind_can_be_kept_ft_036_ft_042() {
    let world = world().await;
    let make = async |new: NewKey| {
        let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
        world.succeeds(started).await;
    };
    let (kek, inner): ([u8; 32], [u8; 32]) = (rand::random(), rand::random());
    make(NewKey { aliases: Aliases::default(), expires: None, material: Material::Raw(SecretBytes::from(kek.to_vec())), ..world.new_key("main", "transport") })
        .await;
    let wrapping = AesKek::new(&AES_256, &kek).expect("a key");
    let mut room = [0; 48];
    let wrapped = wrapping.wrap_with_padding(&inner, &mut room).expect("is wrapped").to_vec();
    let material = Material::Wrapped { wrapped, unwrap_with: "transport".into(), method: None };
    make(NewKey { material, ..world.new_key("payments-eu", "brought") }).await;
    make(NewKey { aliases: Aliases::default(), expires: None, material: Material::Raw(SecretBytes::from(inner.to_vec())), ..world.new_key("main", "same") })
        .await;
    assert_eq!(fingerprint(&world, "brought").await, fingerprint(&world, "same").await, "what was wrapped is what came out");
    for spec in [KeySpec::EcP256, KeySpec::Hmac512] {
        let name = world.fresh_name("kind");
        make(NewKey { aliases: Aliases::default(), expires: None, spec, usage: spec.usages().first().copied(), ..world.new_key("main", &name) }).await;
    }
}

async fn fingerprint(world: &World, name: &str) -> String {
    let id = world.key(name).await.id;
    world.store().read("test", move |tx| versions::current(tx, &id)).await.expect("a store").expect("a version").fingerprint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn material_that_is_not_exportable_leaves_the_vault_for_its_own_keystore_only_ft_032() {
    let world = world().await;
    let app = &world.house.app;
    let kept = NewKey { terms: Terms { exportable: false, ..Terms::default() }, ..world.new_key("payments-eu", "kept") };
    let started = app.create_key(&world.ann, &Request::default(), kept).await.expect("an intent");
    world.succeeds(started).await;
    assert!(world.key("kept").await.material_present, "the way into its own keystore is no export");
    let public_key = public_key();
    let (status, refused) = world.rest(0, "POST", "/v1/keys/kept/export/prepare", Some(json!({ "public_key": public_key }))).await;
    assert_eq!((status, refused["field"].as_str()), (422, Some("key")), "{refused}");
    let (_, history) = world.rest(0, "GET", "/v1/keys/kept/history?limit=1", None).await;
    assert_eq!(
        (history["items"][0]["entry"]["action"].as_str(), history["items"][0]["entry"]["outcome"].as_str()),
        (Some("key.prepare-export"), Some("refused")),
        "{history}"
    );
    let change = |exportable| KeyChange { exportable: Some(exportable), ..KeyChange::default() };
    assert_eq!(field(app.update_key(&world.ann, &Request::default(), "kept", change(true)).await), "exportable");
    world.does("kept", Ask::Renew).await;
    assert!(!world.key("kept").await.ties.is_exportable, "a successor promises the same");
    world.create("orders").await;
    let (status, prepared) = world.rest(0, "POST", "/v1/keys/orders/export/prepare", Some(json!({ "public_key": public_key }))).await;
    assert_eq!(status, 200, "{prepared}");
    let started = app.update_key(&world.ann, &Request::default(), "orders", change(false)).await.expect("an intent");
    world.succeeds(started).await;
    let (status, refused) = world.rest(1, "POST", "/v1/keys/orders/export/download", None).await;
    assert_eq!((status, refused["field"].as_str()), (422, Some("key")), "what was prepared before counts no more: {refused}");
}
