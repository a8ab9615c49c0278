//! Import without keeping a copy: the vault has the material until the cloud has confirmed it, and no longer (FT-037 to FT-046).

use keystead_app::{
    Error, Request,
    keys::{
        copy::NewCopies,
        create::{Material, NewKey, Terms},
        lifecycle::Ask,
        update::KeyChange,
    },
};
use keystead_domain::{Aliases, Custody, KeyState, key::deletion::WaitingDays, key::expiry::ExpiryPolicy, time::DAY};
use keystead_vault::SecretBytes;
use serde_json::{Value, json};

use crate::{
    application::Application,
    linked::version,
    matrix::public_key,
    world::{Engine, World},
};

/// A key whose material is brought along and not kept.
fn brought(world: &World, name: &str) -> NewKey {
    let material = Material::Raw(SecretBytes::from(rand::random::<[u8; 32]>().to_vec()));
    NewKey { material, terms: Terms { kept: false, ..Terms::default() }, ..world.new_key("payments-eu", name) }
}

async fn import(world: &World, name: &str) {
    let started = world.house.app.create_key(&world.ann, &Request::default(), brought(world, name)).await.expect("an intent");
    world.succeeds(started).await;
}

/// The field and the reason of a refusal.
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> (String, String) {
    match answer {
        Err(Error::Invalid(invalid)) => (invalid.field, invalid.reason),
        other => panic!("{other:?}"),
    }
}

async fn raw_state(world: &World, name: &str) -> (Value, Value) {
    let there = world.cloud_key(&world.key(name).await).await.expect("is there");
    (there["state"].clone(), there["has_material"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_keeps_a_record_and_no_material_and_the_key_is_of_use_ft_037_ft_041() {
    let world = World::new(Engine::Sqlite).await;
    import(&world, "theirs").await;
    let key = world.key("theirs").await;
    assert_eq!((key.state, key.ties.custody, key.origin.as_str(), key.material_present), (KeyState::Active, Custody::Native, "imported", true));
    let kept = version(&world, &key).await;
    assert!(kept.sealed.is_none() && kept.destroyed_at.is_some(), "{kept:?}");
    assert!(!kept.fingerprint.is_empty() && kept.birth.contains("imported"), "the record stays");
    let app = Application::new(&world).await;
    assert_eq!(app.decrypt(&app.encrypt("alias/theirs", b"of use").await.blob).await, b"of use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn such_a_key_is_disabled_and_never_emptied_because_its_material_could_not_come_back() {
    let world = World::new(Engine::Sqlite).await;
    import(&world, "theirs").await;
    world.does("theirs", Ask::Deactivate).await;
    assert_eq!((world.key("theirs").await.state, raw_state(&world, "theirs").await), (KeyState::Inactive, (json!("Disabled"), json!(true))));
    world.does("theirs", Ask::Activate).await;
    assert_eq!((world.key("theirs").await.state, raw_state(&world, "theirs").await), (KeyState::Active, (json!("Enabled"), json!(true))));
    world.does("theirs", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.does("theirs", Ask::CancelDeletion).await;
    assert_eq!((world.key("theirs").await.state, raw_state(&world, "theirs").await), (KeyState::Inactive, (json!("Disabled"), json!(true))));
    world.does("theirs", Ask::Activate).await;
    let id = world.key("theirs").await.id;
    world.does("theirs", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.sandbox.advance((9 * DAY) as u64);
    assert_eq!(world.house.engine.clean_up().await, Ok(1));
    world.settle().await;
    assert_eq!(world.key(id.as_str()).await.state, KeyState::Deleted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_the_material_is_refused_and_says_why() {
    let world = World::new(Engine::Sqlite).await;
    import(&world, "theirs").await;
    let app = &world.house.app;
    for ask in [Ask::Upload, Ask::Renew, Ask::Rotate] {
        let (field, reason) = refused(app.ask(&world.ann, &Request::default(), "theirs", ask).await);
        assert!(field == "key" && reason.contains("keeps no copy"), "{ask:?}: {reason}");
    }
    let copies = NewCopies { to: vec!["payments-eu".into()], ..NewCopies::default() };
    assert!(refused(app.copy_key(&world.ann, &Request::default(), "theirs", copies).await).1.contains("keeps no copy"), "FT-033");
    assert!(refused(app.prepare_export(&world.ann, "theirs", &public_key()).await).1.contains("keeps no copy"));
    let wrapped = Material::Wrapped { wrapped: vec![0; 40], unwrap_with: "theirs".into(), method: None };
    let under_it = NewKey { material: wrapped, ..world.new_key("payments-eu", "other") };
    assert_eq!(refused(app.create_key(&world.ann, &Request::default(), under_it).await).0, "material.unwrap_with");
    for (change, field) in [
        (KeyChange { expires: Some(Some(world.now().plus_days(200))), ..KeyChange::default() }, "expires"),
        (KeyChange { expires: Some(None), ..KeyChange::default() }, "expires"),
        (KeyChange { expiry_policy: Some(ExpiryPolicy::Extend), ..KeyChange::default() }, "expiry_policy"),
        (KeyChange { expiry_policy: Some(ExpiryPolicy::Renew), ..KeyChange::default() }, "expiry_policy"),
    ] {
        assert_eq!(refused(app.update_key(&world.ann, &Request::default(), "theirs", change).await).0, field);
    }
    for (new, field) in [
        (NewKey { material: Material::Generate, ..brought(&world, "a") }, "keep"),
        (NewKey { expiry_policy: ExpiryPolicy::Extend, ..brought(&world, "a") }, "expiry_policy"),
    ] {
        assert_eq!(refused(app.create_key(&world.ann, &Request::default(), new).await).0, field);
    }
    world.make_vault_keystore("main").await;
    let there = NewKey { keystore: "main".into(), aliases: Aliases::default(), expires: None, ..brought(&world, "a") };
    assert_eq!(refused(app.create_key(&world.ann, &Request::default(), there).await).0, "keep");
    let wish = keystead_domain::rotation::Wish { every: Some(30 * DAY), ..Default::default() };
    assert_eq!(refused(app.set_rotation(&world.ann, &keystead_app::keys::rotation::Target::Key("theirs".into()), wish).await).0, "key");
    let described = KeyChange { description: Some("theirs".into()), ..KeyChange::default() };
    let started = app.update_key(&world.ann, &Request::default(), "theirs", described).await.expect("an intent");
    world.succeeds(started).await;
}
