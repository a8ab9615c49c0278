//! What Keystead does before material expires (`capabilities.md`, decision 5; CM-019, CM-020): warn, extend, renew, on the virtual clock.

use keystead_app::{Error, Request, keys::lifecycle::Ask, keys::update::KeyChange};
use keystead_domain::{KeyState, key::expiry::ExpiryPolicy, time::DAY};
use keystead_store::{audit, keys::KeyRow, page::Page};

use crate::world::{Engine, World};

/// A key of 90 days with this policy.
async fn key_with(world: &World, policy: ExpiryPolicy) -> KeyRow {
    let name = world.fresh_name(policy.as_str());
    world.create(&name).await;
    let change = KeyChange { expiry_policy: Some(policy), ..KeyChange::default() };
    let started = world.house.app.update_key(&world.ann, &Request::default(), &name, change).await.expect("an intent");
    if started.operation.is_some() {
        world.succeeds(started).await;
    }
    world.key(&name).await
}

async fn look(world: &World) -> usize {
    let started = world.house.engine.look_at_expiry().await.expect("a store");
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    started
}

async fn days_left(world: &World, key: &KeyRow) -> i64 {
    let now = world.key(key.id.as_str()).await;
    (now.expires_at.expect("it expires").as_micros() - world.now().as_micros()) / DAY
}

async fn alerts(world: &World, key: &KeyRow) -> usize {
    let (account, id) = (world.ann.account.clone(), key.id.to_string());
    let page = world.store().read("test", move |tx| audit::list(tx, &account, Some(&id), &Page::first())).await.expect("a store");
    page.rows.iter().filter(|entry| entry.body.contains("key.expiry-alert")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_policy_acts_once_a_week_before_the_end_and_the_span_does_not_grow() {
    let world = World::new(Engine::Sqlite).await;
    let (alert, extend, renew) =
        (key_with(&world, ExpiryPolicy::Alert).await, key_with(&world, ExpiryPolicy::Extend).await, key_with(&world, ExpiryPolicy::Renew).await);
    world.sandbox.advance((80 * DAY) as u64);
    assert_eq!(look(&world).await, 0, "ten days before the end nothing is due");
    assert_eq!(alerts(&world, &alert).await, 1, "of the days that have come, only the nearest is told");

    world.sandbox.advance((4 * DAY) as u64);
    assert_eq!(look(&world).await, 2, "one is extended, one is renewed");
    assert_eq!(look(&world).await, 1, "and the renewed one's material is kept alive, because it still decrypts");
    assert_eq!(look(&world).await, 0);
    assert_eq!(alerts(&world, &alert).await, 2, "a warning is given once on each day");
    assert_eq!((alerts(&world, &extend).await, alerts(&world, &renew).await), (0, 0), "of what is done in time nobody is told");
    assert_eq!((days_left(&world, &extend).await, days_left(&world, &renew).await), (89, 89), "the span is the one that was asked for");
    let successor = world.key(&renew.name).await;
    assert_ne!(successor.id, renew.id);
    assert_eq!((world.key(renew.id.as_str()).await.state, successor.state, days_left(&world, &successor).await), (KeyState::Replaced, KeyState::Active, 89));

    world.sandbox.advance((84 * DAY) as u64);
    look(&world).await;
    assert_eq!(days_left(&world, &extend).await, 89, "a second extension is no longer than the first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expired_is_shown_as_it_is_and_comes_back_by_an_upload_cm_019() {
    let world = World::new(Engine::Sqlite).await;
    let key = key_with(&world, ExpiryPolicy::Alert).await;
    world.sandbox.advance((91 * DAY) as u64);
    look(&world).await;
    let expired = world.key(key.id.as_str()).await;
    assert_eq!((expired.state, expired.enabled, expired.material_present), (KeyState::Active, false, false));
    world.does(&key.name, Ask::Upload).await;
    let back = world.key(key.id.as_str()).await;
    assert_eq!((back.enabled, back.material_present, days_left(&world, &key).await), (true, true, 89));
}

/// Asks for another end of the key's material.
async fn move_end(world: &World, key: &KeyRow, expires: Option<keystead_domain::Timestamp>) -> Result<keystead_app::Started, Error> {
    let change = KeyChange { expires: Some(expires), ..KeyChange::default() };
    world.house.app.update_key(&world.ann, &Request::default(), &key.name, change).await
}

/// A date alone would bring nothing back: the key would look as if it lived until then, and could not be used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_expired_material_is_not_moved_before_the_material_is_back_cm_019_cm_067() {
    let world = World::new(Engine::Sqlite).await;
    let key = key_with(&world, ExpiryPolicy::Alert).await;
    world.sandbox.advance((91 * DAY) as u64);
    let later = Some(world.now().plus_days(30));
    for look_first in [false, true] {
        if look_first {
            look(&world).await;
        }
        let before = world.key(&key.name).await;
        for end in [later, None] {
            let refused = move_end(&world, &key, end).await;
            let Err(Error::Invalid(invalid)) = refused else { panic!("seen to have expired: {look_first}: {refused:?}") };
            assert!(invalid.field == "expires" && invalid.mend.contains(&format!("keystead key upload {}", key.name)), "{invalid:?}");
        }
        assert_eq!(world.key(&key.name).await, before, "nothing has changed");
    }
    let change = KeyChange { description: Some("still changed".into()), ..KeyChange::default() };
    let described = world.house.app.update_key(&world.ann, &Request::default(), &key.name, change).await.expect("everything else can be changed");
    world.succeeds(described).await;

    world.does(&key.name, Ask::Upload).await;
    let moved = move_end(&world, &key, later).await.expect("the material is there");
    world.succeeds(moved).await;
    assert_eq!((days_left(&world, &key).await, world.key(&key.name).await.enabled), (29, true));
    let cloud = world.cloud_key(&world.key(&key.name).await).await.expect("a cloud key");
    assert_eq!(cloud["state"], "Enabled");
}

/// An INACTIVE key's material is away on purpose, and comes back with the date that stands there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_an_inactive_keys_material_can_be_moved_and_counts_from_its_activation() {
    let world = World::new(Engine::Sqlite).await;
    let key = key_with(&world, ExpiryPolicy::Alert).await;
    world.does(&key.name, Ask::Deactivate).await;
    let moved = move_end(&world, &key, Some(world.now().plus_days(30))).await.expect("an intent");
    world.succeeds(moved).await;
    world.does(&key.name, Ask::Activate).await;
    assert_eq!((days_left(&world, &key).await, world.key(&key.name).await.material_present), (29, true));
}
