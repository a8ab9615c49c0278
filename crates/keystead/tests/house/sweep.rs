//! The sweep of leftovers must never touch a living key: not one of another keystore in the same place, and not one that was finished while it looked.

use keystead_app::Request;
use keystead_operations::Point;
use keystead_sandbox::{Effect, Fault};
use serde_json::Value;

use crate::world::{Engine, World};

async fn raw_states(world: &World) -> Vec<String> {
    let mut states: Vec<String> = world.cloud_keys().await.iter().map(|key| key["state"].as_str().unwrap_or_default().to_owned()).collect();
    states.sort();
    states
}

/// CM-049: several keystores may be in one account and Region, only to group keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keystores_in_one_place_do_not_sweep_each_other() {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore("payments-too").await;
    world.create("ours").await;
    let theirs = world.start_create_in("payments-too", "theirs").await;
    world.succeeds(theirs).await;
    // An answer is lost for good: a leftover in each keystore.
    for keystore in ["payments-eu", "payments-too"] {
        world.sandbox.add_faults([Fault { operation: "CreateKey".into(), skip: 0, count: 1, effect: Effect::Duplicate }]);
        let started = world.start_create_in(keystore, &world.fresh_name("twice")).await;
        world.succeeds(started).await;
    }
    assert_eq!(raw_states(&world).await, ["Enabled", "Enabled", "Enabled", "Enabled", "PendingImport", "PendingImport"]);
    assert_eq!(world.house.engine.sweep_all().await, 2);
    assert_eq!(raw_states(&world).await, ["Enabled", "Enabled", "Enabled", "Enabled", "PendingDeletion", "PendingDeletion"]);
}

/// Deleting a keystore sweeps at once; its neighbour's keys stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_keystore_leaves_its_neighbour_alone() {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore("short-lived").await;
    world.create("stays").await;
    let refused = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    world.sandbox.add_faults([Fault { operation: "CreateKey".into(), skip: 0, count: 9, effect: refused }]);
    let failed = world.start_create_in("short-lived", "never").await;
    assert_eq!(world.ended(&failed).await.state, "FAILED");
    world.sandbox.clear_faults();
    let deleted = world.house.app.delete_keystore(&world.ann, &Request::default(), "short-lived").await.expect("an intent");
    world.succeeds(deleted).await;
    let key = world.key("stays").await;
    let there: Option<Value> = world.cloud_key(&key).await;
    assert_eq!(there.map(|there| there["state"].clone()), Some(Value::from("Enabled")));
}

/// A keystore that was named wrongly, whose role never worked, can go: nobody was ever asked for anything there, so nothing can be left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_keystore_that_was_never_used_calls_no_cloud_cm_062() {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore("never-used").await;
    world.make_keystore("used").await;
    let created = world.start_create_in("used", "orders").await;
    world.succeeds(created).await;
    let before = world.requests().await;
    let deleted = world.house.app.delete_keystore(&world.ann, &Request::default(), "never-used").await.expect("an intent");
    world.succeeds(deleted).await;
    assert_eq!(world.requests().await, before, "no cloud was called");
    let (status, keystores) = world.rest(0, "GET", "/v1/keystores?limit=1000", None).await;
    let state = |name: &str| keystores["items"].as_array().expect("a list").iter().find(|one| one["name"] == name).map(|one| one["state"].clone());
    assert_eq!((status, state("never-used"), state("used")), (200, Some(Value::from("DELETED")), Some(Value::from("ACTIVE"))));
    // The counter is not blind: a look at the other keystore is seen by it.
    world.house.engine.sweep_all().await;
    assert!(world.requests().await > before);
}

/// Sweeps and creations side by side: a key that becomes whole between the list and the look is nobody's leftover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_finished_during_a_sweep_stays() {
    let world = World::new(Engine::Sqlite).await;
    let sweeps = async {
        for _ in 0..40 {
            world.house.engine.sweep_all().await;
        }
    };
    let creations = async {
        for round in 0..30 {
            world.create(&format!("side-by-side-{round}")).await;
        }
    };
    tokio::join!(sweeps, creations);
    assert!(raw_states(&world).await.iter().all(|state| state == "Enabled"), "{:?}", raw_states(&world).await);
    assert!(world.hooks.seen().iter().any(|point| matches!(point, Point::AfterWrite("operation.conclude"))));
}
