//! Drills of the kill switch: canaries are killed on a schedule, timed, and always restored; nothing else is touched (FT-019).

use std::time::Duration;

use keystead_app::{Request, Started, keys::create::NewKey, keys::lifecycle::Ask};
use keystead_domain::{KeyState, Tags, drill::CANARY_TAG, drill::EVERY_MIN, drill::LATE, drill::REST, time::DAY, time::SECOND};
use keystead_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::{
    crash::subject::newest_operation,
    world::{Engine, World},
};

/// A key with the tag.
async fn create_canary(world: &World, keystore: &str, name: &str) {
    let tags = Tags::parse([(CANARY_TAG.to_owned(), "yes".to_owned())]).expect("tags");
    let made = world.house.app.create_key(&world.ann, &Request::default(), NewKey { tags, ..world.new_key(keystore, name) }).await.expect("an intent");
    world.succeeds(made).await;
}

async fn set(world: &World, keystore: &str, body: Value) -> (u16, Value) {
    world.rest(0, "PUT", &format!("/v1/keystores/{keystore}/drill"), Some(body)).await
}

async fn drilled(world: &World, keystore: &str) -> Vec<Value> {
    let (status, listed) = world.rest(0, "GET", &format!("/v1/keystores/{keystore}/drills"), None).await;
    assert_eq!(status, 200, "{listed}");
    listed["items"].as_array().cloned().expect("drills")
}

async fn look(world: &World) -> usize {
    let begun = world.house.engine.look_at_drills().await.expect("a store");
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begun
}

/// Looks until nothing is begun and nothing runs.
async fn look_through(world: &World, keystore: &str) {
    for _ in 0..20 {
        look(world).await;
        if drilled(world, keystore).await.iter().all(|drill| drill["ended_at"].is_string()) {
            return;
        }
        world.sandbox.advance((REST + SECOND) as u64);
    }
    panic!("a drill of {keystore} does not end: {:?}", drilled(world, keystore).await);
}

async fn alerts(world: &World) -> Vec<Value> {
    let (_, listed) = world.rest(0, "GET", "/v1/alerts", None).await;
    listed["items"].as_array().into_iter().flatten().filter(|alert| alert["kind"] == "drill-failed").cloned().collect()
}

/// For the crash harness: a canary of this name, and a drill that is due.
pub async fn set_up(world: &World, name: &str) {
    create_canary(world, "payments-eu", name).await;
    let (status, set) = set(world, "payments-eu", json!({"every": "365d", "within": "1d"})).await;
    assert_eq!(status, 200, "{set}");
}

/// The kill, or behind it the restore.
pub async fn begin(world: &World, name: &str) -> Started {
    assert_eq!(world.house.engine.look_at_drills().await, Ok(1), "the drill of {name}");
    newest_operation(world, world.key(name).await).await
}

/// For the crash harness: the drill ends, and the canary is in use, whatever has happened.
pub async fn check(world: &World, name: &str, told: &str) {
    look_through(world, "payments-eu").await;
    let drill = drilled(world, "payments-eu").await[0].clone();
    assert_eq!((&drill["name"], world.key(name).await.state), (&json!(name), KeyState::Active), "{told}: {drill}");
    // The drills of the runs to come shall have one canary.
    untag(world, name).await;
}

async fn untag(world: &World, name: &str) {
    let untagged = keystead_app::keys::update::KeyChange { tags: Some(Tags::default()), ..Default::default() };
    let changed = world.house.app.update_key(&world.ann, &Request::default(), name, untagged).await.expect("an intent");
    if changed.operation.is_some() {
        world.succeeds(changed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_kills_its_canaries_times_them_and_brings_them_back_and_touches_nothing_else_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    for name in ["canary", "other-canary"] {
        create_canary(&world, "payments-eu", name).await;
    }
    world.create("orders").await;
    let before = world.key("orders").await;
    let (status, policy) = set(&world, "payments-eu", json!({"every": "7d"})).await;
    assert_eq!(
        (status, &policy["canaries"], &policy["within"], &policy["last_success"]),
        (200, &json!(["canary", "other-canary"]), &json!("5m"), &json!(null))
    );
    assert_eq!(look(&world).await, 2, "a kill each");
    assert_eq!(world.key("canary").await.state, KeyState::Inactive);
    let world = world.end().await.start().await;
    look_through(&world, "payments-eu").await;
    let drills = drilled(&world, "payments-eu").await;
    assert_eq!(drills.len(), 2);
    for name in ["other-canary", "canary"] {
        // Two of one millisecond stand in whichever order.
        let drill = drills.iter().find(|drill| drill["name"] == name).expect("a drill of each");
        assert_eq!((&drill["state"], &drill["why"]), (&json!("SUCCEEDED"), &json!(null)), "{drill}");
        assert!(drill["dark_micros"].as_i64().is_some_and(|micros| (0..300 * SECOND).contains(&micros)), "{drill}");
        let key = world.key(name).await;
        assert!(key.state == KeyState::Active && key.enabled && key.material_present, "another process brings it back");
    }
    assert_eq!((world.key("orders").await, alerts(&world).await), (before, vec![]), "nothing else is touched");
    let (_, policy) = world.rest(0, "GET", "/v1/keystores/payments-eu/drill", None).await;
    assert!(policy["last_success"].is_string() && policy["next_at"].as_str() > policy["last_success"].as_str(), "{policy}");

    world.sandbox.advance((6 * DAY) as u64);
    assert_eq!(look(&world).await, 0, "not before its time");
    world.sandbox.advance((DAY + SECOND) as u64);
    assert_eq!(look(&world).await, 2);
    assert_eq!(set(&world, "payments-eu", json!({})).await.1["every"], json!(null));
    look_through(&world, "payments-eu").await;
    assert_eq!(world.key("canary").await.state, KeyState::Active, "what runs is brought back although there are no more");
    world.sandbox.advance((30 * DAY) as u64);
    assert_eq!((look(&world).await, drilled(&world, "payments-eu").await.len()), (0, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_slow_or_unfit_or_taken_away_is_told_and_a_key_without_the_tag_is_never_killed_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let (status, refused) = set(&world, "payments-eu", json!({"every": "7d"})).await;
    assert!(status == 422 && refused["mend"].as_str().is_some_and(|mend| mend.contains(CANARY_TAG)), "{refused}");
    for bad in [json!({"every": "59m"}), json!({"every": "often"}), json!({"every": "7d", "within": "0s"}), json!({"ever": "7d"})] {
        assert_eq!(set(&world, "payments-eu", bad.clone()).await.0, 422, "{bad}");
    }
    create_canary(&world, "payments-eu", "canary").await;
    world.sandbox.set_settings(keystead_sandbox::Settings { disable_lag_ms: 1500, ..world.sandbox.settings() });
    assert_eq!(set(&world, "payments-eu", json!({"every": "1h", "within": "1s"})).await.0, 200);
    look_through(&world, "payments-eu").await;
    let slow = drilled(&world, "payments-eu").await[0].clone();
    assert_eq!((&slow["state"], world.key("canary").await.state), (&json!("SLOW"), KeyState::Active), "{slow}");
    assert!(alerts(&world).await[0]["facts"]["why"].as_str().is_some_and(|why| why.contains("refused it after")), "{:?}", alerts(&world).await);

    world.sandbox.set_settings(keystead_sandbox::Settings { disable_lag_ms: 0, ..world.sandbox.settings() });
    world.sandbox.advance((EVERY_MIN + SECOND) as u64);
    assert_eq!(look(&world).await, 1);
    world.does("canary", Ask::ScheduleDeletion(keystead_domain::key::deletion::WaitingDays::SHORTEST)).await;
    look_through(&world, "payments-eu").await;
    let taken = drilled(&world, "payments-eu").await[0].clone();
    assert!(taken["state"] == "FAILED" && taken["why"].as_str().is_some_and(|why| why.contains("PENDING_DELETION")), "{taken}");
    assert_eq!(world.key("canary").await.state, KeyState::PendingDeletion, "somebody's word counts");

    world.sandbox.advance((EVERY_MIN + SECOND) as u64);
    assert_eq!(look(&world).await, 0, "there is no canary");
    let none = drilled(&world, "payments-eu").await[0].clone();
    assert!(none["state"] == "FAILED" && none["key"].is_null() && none["why"].as_str().is_some_and(|why| why.contains(CANARY_TAG)), "{none}");
    assert_eq!((alerts(&world).await.len(), world.key("orders").await.state), (3, KeyState::Active));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_does_not_bring_back_what_a_person_wants_out_of_use_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    create_canary(&world, "payments-eu", "canary").await;
    assert_eq!(set(&world, "payments-eu", json!({"every": "1h"})).await.0, 200);
    let words = ["kill", "deactivate", "of the keystore", "in between"];
    for word in words {
        assert_eq!((look(&world).await, world.key("canary").await.state), (1, KeyState::Inactive), "{word}");
        match word {
            "kill" => {
                let (status, killed) = world.rest(0, "POST", "/v1/keys/canary/kill", Some(json!({}))).await;
                assert_eq!(status, 200, "{killed}");
            }
            "deactivate" => {
                let done = world.house.app.ask(&world.ann, &Request::default(), "canary", Ask::Deactivate).await.expect("is so already");
                assert!(done.operation.is_none());
            }
            "of the keystore" => {
                let selection = keystead_app::keystores::kill::Selection { tags: Tags::default(), lineage: false };
                let (begun, left) = world.house.app.kill_keystore(&world.ann, &Request::default(), "payments-eu", &selection).await.expect("is so already");
                assert!(begun.is_empty() && left.is_empty());
            }
            _ => {
                let restored = world.house.app.restore_key(&world.ann, &Request::default(), "canary").await.expect("an intent");
                world.succeeds(restored).await;
                world.does("canary", Ask::Deactivate).await;
            }
        }
        for _ in 0..3 {
            world.sandbox.advance((REST + SECOND) as u64);
            assert_eq!((look(&world).await, world.key("canary").await.state), (0, KeyState::Inactive), "{word}");
        }
        let drill = drilled(&world, "payments-eu").await[0].clone();
        assert!(drill["state"] == "FAILED" && drill["why"].as_str().is_some_and(|why| why.contains("stays so")), "{word}: {drill}");
        world.does("canary", Ask::Activate).await;
        world.sandbox.advance((EVERY_MIN + SECOND) as u64);
    }
    assert_eq!(alerts(&world).await.len(), words.len(), "each is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_tagged_behind_the_policy_or_in_the_cloud_is_not_killed_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    create_canary(&world, "payments-eu", "canary").await;
    assert_eq!(set(&world, "payments-eu", json!({"every": "1h"})).await.0, 200);
    create_canary(&world, "payments-eu", "orders").await;
    world.seed("found", 1, json!({"aliases": 1, "exact": true, "tags": {CANARY_TAG: "yes"}})).await;
    world.sync("payments-eu").await;
    assert!(world.key("found").await.tags.get(CANARY_TAG).is_some(), "the sandbox has tagged it");
    let (_, policy) = world.rest(0, "GET", "/v1/keystores/payments-eu/drill", None).await;
    assert_eq!((&policy["canaries"], &policy["unconfirmed"]), (&json!(["canary"]), &json!(["orders"])), "{policy}");
    look_through(&world, "payments-eu").await;
    let drills = drilled(&world, "payments-eu").await;
    assert_eq!((drills.len(), &drills[0]["name"], &drills[0]["state"]), (1, &json!("canary"), &json!("SUCCEEDED")), "{drills:?}");
    let (_, set) = set(&world, "payments-eu", json!({"every": "1h"})).await;
    assert_eq!((&set["canaries"], &set["unconfirmed"]), (&json!(["canary", "orders"]), &json!([])), "confirmed, and a virtual key never is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_with_a_copy_that_has_no_tag_is_not_killed_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore_in("payments-de", "eu-central-1").await;
    create_canary(&world, "payments-eu", "canary").await;
    crate::linked::copy(&world, "canary", crate::linked::to(&["payments-de"])).await;
    let copy = world.find_key("canary_copy1").await.expect("a copy");
    untag(&world, copy.id.as_str()).await;
    assert_eq!(set(&world, "payments-eu", json!({"every": "1h"})).await.0, 200);
    assert_eq!(look(&world).await, 0);
    let drill = drilled(&world, "payments-eu").await[0].clone();
    assert!(drill["state"] == "FAILED" && drill["why"].as_str().is_some_and(|why| why.contains("canary_copy1")), "{drill}");
    assert_eq!((world.key("canary").await.state, world.key("canary_copy1").await.state), (KeyState::Active, KeyState::Active));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_fails_is_tried_on_and_a_drill_that_lasts_is_told_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    create_canary(&world, "payments-eu", "canary").await;
    assert_eq!(set(&world, "payments-eu", json!({"every": "365d"})).await.0, 200);
    assert_eq!(look(&world).await, 1);
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    world.sandbox.add_faults([Fault { operation: "ImportKeyMaterial".into(), skip: 0, count: 999, effect: denied }]);
    assert_eq!(look(&world).await, 1, "a restore");
    assert_eq!(look(&world).await, 0, "that failed, and rests");
    assert_eq!(world.key("canary").await.state, KeyState::Inactive);
    world.sandbox.advance((LATE + 301 * SECOND) as u64);
    assert_eq!(look(&world).await, 1, "another one");
    assert_eq!(alerts(&world).await.len(), 1);
    look(&world).await;
    assert_eq!(alerts(&world).await.len(), 1, "told once");
    world.sandbox.clear_faults();
    look_through(&world, "payments-eu").await;
    assert_eq!((world.key("canary").await.state, &drilled(&world, "payments-eu").await[0]["state"]), (KeyState::Active, &json!("SUCCEEDED")));
}
