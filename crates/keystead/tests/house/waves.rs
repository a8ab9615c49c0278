//! A source is rotated, and its copies behind it: first one, then the others in waves (FT-016, FT-022, FT-074, FT-078).

use keystead_app::{
    Error, Request,
    keys::{
        copy::NewCopies,
        lifecycle::Ask,
        rotation::Target,
        update::KeyChange,
        waves::{Copies, RotateCopies},
    },
};
use keystead_domain::{Aliases, KeyState, Name, rotation::Wish, time::DAY};
use keystead_sandbox::{Effect, Fault};
use keystead_store::{keys::KeyRow, page::Page, waves::Wave};
use serde_json::json;

use crate::{
    application::Application,
    linked::{copy, to, version, world_on},
    world::{Engine, World},
};

/// A world with the source `orders` and so many copies of it: `copy-0`, `copy-1`, …, each with an alias.
async fn with_copies(count: usize) -> World {
    with_copies_on(Engine::Sqlite, count).await
}

async fn with_copies_on(engine: Engine, count: usize) -> World {
    let world = world_on(engine).await;
    for n in 0..count {
        let name = format!("copy-{n}");
        let new = NewCopies { name: Name::parse(&name).ok(), aliases: Aliases::parse([&name]).expect("an alias"), ..to(&["payments-eu"]) };
        copy(&world, "orders", new).await;
    }
    world
}

async fn rotate(world: &World, copies: Copies, wave: u32) {
    let asked = RotateCopies { strategy: None, copies, wave };
    let started = world.house.app.rotate_key(&world.ann, &Request::default(), "orders", &asked).await.expect("an intent");
    world.succeeds(started).await;
}

/// One look at the waves, and the end of what it begins.
async fn look(world: &World) -> usize {
    let begun = world.house.engine.look_at_waves().await.expect("a store");
    world.settle().await;
    begun
}

async fn waves(world: &World) -> Vec<Wave> {
    world.house.app.rotation_waves(&world.ann, "orders", Page::first()).await.expect("waves").rows
}

async fn states(world: &World) -> Vec<(u32, &'static str)> {
    waves(world).await.iter().map(|wave| (wave.row.wave, wave.row.state.as_str())).collect()
}

/// The copy has the material of the source as it is now.
async fn follows(world: &World, copy: &KeyRow) -> bool {
    let source = world.key("orders").await;
    copy.ties.source == Some(source.id.clone()) && version(world, copy).await.fingerprint == version(world, &source).await.fingerprint
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_follow_their_source_one_first_and_then_in_waves_ft_016_ft_022_ft_074() {
    let world = with_copies(6).await;
    let app = Application::new(&world).await;
    let before = app.encrypt("alias/copy-0", b"before").await;
    let old = world.key("copy-0").await;
    rotate(&world, Copies::All, 2).await;
    assert_eq!(states(&world).await, [(1, "PENDING"), (2, "PENDING"), (2, "PENDING"), (3, "PENDING"), (3, "PENDING"), (4, "PENDING")]);
    let mut begun = Vec::new();
    for _ in 0..5 {
        begun.push(look(&world).await);
    }
    assert_eq!(begun, [1, 2, 2, 1, 0], "the canary, then waves of two");
    assert!(states(&world).await.iter().all(|(_, state)| *state == "DONE"));
    for n in 0..6 {
        let copy = world.key(&format!("copy-{n}")).await;
        assert!(follows(&world, &copy).await, "{n}");
        assert_eq!(copy.state, KeyState::Active);
    }
    let new = world.key("copy-0").await;
    assert_eq!((&new.predecessor_id, world.key(old.id.as_str()).await.state), (&Some(old.id.clone()), KeyState::Replaced));
    let after = app.encrypt("alias/copy-0", b"after").await;
    assert_ne!(before.key_arn, after.key_arn, "FT-022: the alias moved");
    assert_eq!(app.decrypt(&before.blob).await, b"before", "and the old copy still decrypts");
    let links = world.house.app.key_links(&world.ann, "orders", Page::first()).await.expect("links").rows;
    assert_eq!((links.len(), links[0].row.copied_by_name.as_str()), (6, "ann"), "linked to the new source");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_stops_what_has_not_begun_and_is_told_and_who_was_left_behind_can_follow() {
    let world = with_copies(3).await;
    rotate(&world, Copies::All, 1).await;
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized to perform".into() };
    world.sandbox.add_faults([Fault { operation: "CreateKey".into(), skip: 0, count: 9, effect: denied }]);
    assert_eq!(look(&world).await, 1, "the canary");
    world.sandbox.clear_faults();
    assert_eq!(look(&world).await, 0);
    assert_eq!(states(&world).await, [(1, "FAILED"), (2, "STOPPED"), (3, "STOPPED")]);
    assert_eq!(look(&world).await, 0, "and nothing comes behind");
    assert!(!follows(&world, &world.key("copy-1").await).await);
    let (_, history) = world.rest(0, "GET", "/v1/keys/orders/history?limit=1", None).await;
    let entry = &history["items"][0]["entry"];
    assert_eq!((&entry["action"], &entry["outcome"]), (&json!("key.rotate-copies"), &json!("failed")), "{history}");
    assert_eq!((&entry["detail"]["why"], &entry["detail"]["stopped"]), (&json!("not rotated: copy-0"), &json!("copy-1, copy-2")));
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts", None).await;
    let told = |operation: &str| alerts["items"].as_array().expect("alerts").iter().filter(|alert| alert["facts"]["operation_kind"] == operation).count();
    assert_eq!((told("rotate-copies"), told("renew-key")), (1, 1), "{alerts}");

    for name in ["copy-0", "copy-1"] {
        world.does(name, Ask::Rotate).await;
        assert!(follows(&world, &world.key(name).await).await, "{name} follows by hand");
    }
    let again = world.house.app.ask(&world.ann, &Request::default(), "copy-0", Ask::Renew).await;
    assert!(matches!(again, Err(Error::Invalid(invalid)) if invalid.field == "key" && invalid.mend.contains("key rotate orders --copies copy-0")));
    rotate(&world, Copies::All, 10).await;
    assert_eq!((look(&world).await, look(&world).await, look(&world).await), (1, 2, 0), "one that is left behind comes with the next rotation");
    for name in ["copy-0", "copy-1", "copy-2"] {
        assert!(follows(&world, &world.key(name).await).await, "{name}");
    }
}

/// There is no operation whose failure would be told, and nothing behind it that could be stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_copy_that_is_not_in_use_in_its_turn_is_told_of_too() {
    let world = with_copies(1).await;
    rotate(&world, Copies::All, 10).await;
    world.does("copy-0", Ask::Deactivate).await;
    assert_eq!((look(&world).await, look(&world).await), (0, 0));
    assert_eq!(states(&world).await, [(1, "FAILED")]);
    let (_, history) = world.rest(0, "GET", "/v1/keys/orders/history?limit=1", None).await;
    assert_eq!(history["items"][0]["entry"]["detail"]["why"], "not rotated: copy-0", "{history}");
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts", None).await;
    let told = alerts["items"].as_array().expect("alerts").iter().filter(|alert| alert["facts"]["operation_kind"] == "rotate-copies").count();
    assert_eq!(told, 1, "{alerts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_copies_that_are_chosen_follow_and_others_are_refused_by_name_ft_074() {
    let world = with_copies(2).await;
    for (names, wave, field) in
        [(vec!["copy-9"], 10, "copies"), (vec!["copy-0", "copy-0"], 10, "copies"), (vec!["copy-0"], 0, "wave"), (vec!["copy-0"], 101, "wave")]
    {
        let asked = RotateCopies { strategy: None, copies: Copies::Named(names.iter().map(|name| (*name).to_owned()).collect()), wave };
        let refused = world.house.app.rotate_key(&world.ann, &Request::default(), "orders", &asked).await;
        assert!(matches!(refused, Err(Error::Invalid(invalid)) if invalid.field == field), "{names:?} {wave}");
    }
    rotate(&world, Copies::Named(vec!["copy-1".into()]), 10).await;
    assert_eq!((look(&world).await, look(&world).await), (1, 0));
    assert!(follows(&world, &world.key("copy-1").await).await && !follows(&world, &world.key("copy-0").await).await);
    rotate(&world, Copies::None, 10).await;
    assert!(waves(&world).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_not_in_use_any_more_stops_its_waves() {
    let world = with_copies(2).await;
    rotate(&world, Copies::All, 10).await;
    world.does("orders", Ask::Revert).await;
    assert_eq!(look(&world).await, 0);
    let reverted = world.key("orders").await.successor_id;
    assert_eq!(reverted, None);
    for n in 0..2 {
        assert_eq!(world.key(&format!("copy-{n}")).await.predecessor_id, None, "nothing was rotated");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_material_of_a_source_that_is_not_exportable_any_more_goes_to_no_copy_ft_032() {
    let world = with_copies(2).await;
    rotate(&world, Copies::All, 10).await;
    let change = KeyChange { exportable: Some(false), ..KeyChange::default() };
    let started = world.house.app.update_key(&world.ann, &Request::default(), "orders", change).await.expect("an intent");
    world.succeeds(started).await;
    assert_eq!((look(&world).await, look(&world).await), (0, 0), "promised between the plan and the turn");
    assert_eq!(states(&world).await, [(1, "FAILED"), (2, "STOPPED")]);
    let wish = Wish { every: Some(30 * DAY), ..Wish::default() };
    world.house.app.set_rotation(&world.ann, &Target::Key("orders".into()), wish).await.expect("a policy");
    world.sandbox.advance((31 * DAY) as u64);
    assert_eq!(world.house.engine.look_at_rotation().await, Ok(1), "the source is rotated");
    world.settle().await;
    assert!(waves(&world).await.is_empty() && look(&world).await == 0, "and no copy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_of_the_source_rotates_all_its_copies_ft_076_ft_078() {
    let world = with_copies(2).await;
    let wish = Wish { every: Some(30 * DAY), grace: Some(DAY), ..Wish::default() };
    world.house.app.set_rotation(&world.ann, &Target::Key("orders".into()), wish).await.expect("a policy");
    world.sandbox.advance((31 * DAY) as u64);
    assert_eq!(world.house.engine.look_at_rotation().await, Ok(1), "the source");
    world.settle().await;
    assert_eq!((look(&world).await, look(&world).await, look(&world).await), (1, 1, 0));
    for n in 0..2 {
        let copy = world.key(&format!("copy-{n}")).await;
        assert!(follows(&world, &copy).await, "{n}");
        let old = world.key(copy.predecessor_id.expect("one").as_str()).await;
        assert_eq!((old.state, old.rotation.retires.is_some()), (KeyState::Replaced, true), "FT-077: the grace is the source's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_looks_at_once_begin_a_copy_once_on_postgresql() {
    let world = with_copies_on(Engine::Postgres, 1).await;
    rotate(&world, Copies::All, 10).await;
    let (one, other) = tokio::join!(world.house.engine.look_at_waves(), world.house.engine.look_at_waves());
    assert_eq!(one.expect("a store") + other.expect("a store"), 1);
    world.settle().await;
    assert!(follows(&world, &world.key("copy-0").await).await);
}
