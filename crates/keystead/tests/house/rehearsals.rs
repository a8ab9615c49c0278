//! Rehearsed deletions: a key is disabled for a while and comes back by itself, whatever becomes of everybody else (AW-045).

use std::time::Duration;

use keystead_app::{Request, Started, keys::lifecycle::Ask};
use keystead_domain::{KeyState, rehearsal::OVERDUE, rehearsal::SPAN_MIN, rehearsal::WATCH, time::SECOND};
use keystead_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::{
    application::Application,
    drift::{Deed, Meddler},
    world::{Engine, World},
};

/// Disables a key for so many microseconds.
pub async fn begin(world: &World, name: &str, span: i64) -> Started {
    world.house.app.rehearse_deletion(&world.ann, &Request::default(), name, span).await.expect("an intent")
}

async fn look(world: &World) {
    world.house.engine.look_at_rehearsals().await.expect("a store");
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn newest(world: &World, name: &str) -> Value {
    let (status, listed) = world.rest(0, "GET", &format!("/v1/keys/{name}/rehearsals"), None).await;
    assert_eq!(status, 200, "{listed}");
    listed["items"][0].clone()
}

async fn raw_state(world: &World, name: &str) -> String {
    let there = world.cloud_key(&world.key(name).await).await.expect("is in the cloud");
    there["state"].as_str().unwrap_or_default().to_owned()
}

async fn alerts(world: &World, kind: &str) -> Vec<Value> {
    let (_, listed) = world.rest(0, "GET", "/v1/alerts", None).await;
    listed["items"].as_array().into_iter().flatten().filter(|alert| alert["kind"] == kind).cloned().collect()
}

/// For the crash harness: the key is in use again a few minutes later, whatever has happened, and it is known how that came.
pub async fn check(world: &World, name: &str, was_begun: bool, ended: &str, told: &str) {
    if was_begun {
        let wanted = if ended == "SUCCEEDED" { "Disabled" } else { "Enabled" };
        assert_eq!(raw_state(world, name).await, wanted, "{told}");
    }
    for _ in 0..3 {
        world.sandbox.advance((2 * SPAN_MIN) as u64);
        look(world).await;
    }
    assert!(raw_state(world, name).await == "Enabled" && world.key(name).await.enabled, "{told}: comes back by itself");
    world.sandbox.advance((WATCH + SECOND) as u64);
    look(world).await;
    let wanted = if was_begun && ended != "SUCCEEDED" { "FAILED" } else { "ENDED" };
    assert_eq!(newest(world, name).await["state"], wanted, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_comes_back_by_itself_behind_the_end_of_the_server_and_who_used_it_is_told_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let arn = world.key("orders").await.cloud_arn.expect("an ARN");
    let here = Application::new(&world).await;
    here.encrypt(&arn, b"before").await;
    let (status, answer) = world.rest(0, "POST", "/v1/keys/orders/rehearse-deletion", Some(json!({"for": "15m"}))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((raw_state(&world, "orders").await.as_str(), world.key("orders").await.state), ("Disabled", KeyState::Active));
    assert_eq!(here.refused(&arn).await.as_deref(), Some("DisabledException"), "whoever needs it finds out");
    let (_, shown) = world.rest(0, "GET", "/v1/keys/orders", None).await;
    assert_eq!(shown["health"]["status"], "ok", "it is as it shall be: {shown}");

    world.sandbox.advance((14 * 60 * SECOND) as u64);
    look(&world).await;
    assert_eq!(raw_state(&world, "orders").await, "Disabled", "not before its time");
    let world = world.end().await.start().await;
    let here = Application::new(&world).await;
    world.sandbox.advance((61 * SECOND) as u64);
    look(&world).await;
    assert_eq!(raw_state(&world, "orders").await, "Enabled", "another process ends it");
    here.encrypt(&arn, b"after").await;
    assert_eq!(newest(&world, "orders").await["state"], "WATCHING");
    world.sandbox.advance((WATCH + SECOND) as u64);
    look(&world).await;
    let rehearsal = newest(&world, "orders").await;
    assert_eq!(
        (&rehearsal["state"], &rehearsal["begun_by"], &rehearsal["used_before"]["operation"]),
        (&json!("ENDED"), &json!("ann"), &json!("Encrypt")),
        "{rehearsal}"
    );
    assert!(rehearsal["used_after"]["at"].as_str() > rehearsal["ends_at"].as_str(), "{rehearsal}");
    let told = alerts(&world, "rehearsal-ended").await;
    assert!(told.len() == 1 && told[0]["facts"]["why"].as_str().is_some_and(|why| why.contains("(Encrypt)")), "{told:?}");
    let (_, history) = world.rest(0, "GET", "/v1/keys/orders/history", None).await;
    for action in ["key.rehearse-deletion", "key.end-rehearsal"] {
        assert!(history.to_string().contains(action), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_takes_out_of_use_meanwhile_is_not_enabled_and_what_was_renewed_is_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    for name in ["killed", "deactivated", "going", "renewed", "restored"] {
        world.create(name).await;
        let begun = begin(&world, name, SPAN_MIN).await;
        world.succeeds(begun).await;
    }
    world.kills("killed").await;
    world.does("deactivated", Ask::Deactivate).await;
    world.does("going", Ask::ScheduleDeletion(keystead_domain::key::deletion::WaitingDays::SHORTEST)).await;
    world.does("renewed", Ask::Renew).await;
    world.kills("restored").await;
    let restored = world.house.app.restore_key(&world.ann, &Request::default(), "restored").await.expect("an intent");
    world.succeeds(restored).await;
    world.sandbox.advance((SPAN_MIN + SECOND) as u64);
    look(&world).await;
    for (name, raw) in [("killed", "PendingImport"), ("deactivated", "PendingImport"), ("going", "PendingDeletion")] {
        assert_eq!((raw_state(&world, name).await.as_str(), &newest(&world, name).await["state"]), (raw, &json!("OVERTAKEN")), "{name}");
    }
    let old = world.key("renewed").await.predecessor_id.expect("was renewed").to_string();
    assert_eq!((raw_state(&world, &old).await.as_str(), &newest(&world, &old).await["state"]), ("Enabled", &json!("WATCHING")), "it decrypts");
    assert_eq!((raw_state(&world, "restored").await.as_str(), &newest(&world, "restored").await["state"]), ("Enabled", &json!("WATCHING")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_does_not_let_enable_is_tried_on_and_told_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let begun = begin(&world, "orders", SPAN_MIN).await;
    world.succeeds(begun).await;
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized".into() };
    world.sandbox.add_faults([Fault { operation: "EnableKey".into(), skip: 0, count: 999, effect: denied }]);
    world.sandbox.advance((SPAN_MIN + SECOND) as u64);
    look(&world).await;
    assert_eq!((newest(&world, "orders").await["tries"].as_u64(), alerts(&world, "rehearsal-overdue").await.len()), (Some(1), 0));
    assert_eq!(alerts(&world, "operation-failed").await.len(), 1, "that it failed is told at once");
    world.sandbox.advance((OVERDUE + SECOND) as u64);
    look(&world).await;
    let overdue = alerts(&world, "rehearsal-overdue").await;
    assert!(overdue.len() == 1 && overdue[0]["facts"]["mend"].as_str().is_some_and(|mend| mend.contains("operation list")), "{overdue:?}");
    world.sandbox.clear_faults();
    world.sandbox.advance((61 * SECOND) as u64);
    look(&world).await;
    assert_eq!((raw_state(&world, "orders").await.as_str(), alerts(&world, "rehearsal-overdue").await.len()), ("Enabled", 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rehearsal_is_ended_early_once_and_what_cannot_be_rehearsed_is_refused_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.make_vault_keystore("main").await;
    let kept = world.start_create_in_vault("main", "kept").await;
    world.succeeds(kept).await;
    world.create("orders").await;
    let ask = async |key: &str, verb: &str, body: Option<Value>| world.rest(0, "POST", &format!("/v1/keys/{key}/{verb}"), body).await;
    let minute = || Some(json!({"for": "1m"}));
    assert_eq!(ask("orders", "end-rehearsal", None).await.0, 422, "nothing is rehearsed");
    for bad in [json!({"for": "59s"}), json!({"for": "25h"}), json!({"for": "soon"}), json!({}), json!({"for": "1m", "more": 1})] {
        assert_eq!(ask("orders", "rehearse-deletion", Some(bad.clone())).await.0, 422, "{bad}");
    }
    assert_eq!(ask("kept", "rehearse-deletion", minute()).await.0, 422, "it is in no cloud");
    assert_eq!(ask("orders", "rehearse-deletion", minute()).await.0, 200);
    let (status, twice) = ask("orders", "rehearse-deletion", minute()).await;
    assert!(status == 422 && twice["mend"].as_str().is_some_and(|mend| mend.contains("end-rehearsal")), "{twice}");
    assert_eq!(ask("orders", "end-rehearsal", None).await.0, 200);
    assert_eq!(raw_state(&world, "orders").await, "Enabled");
    assert_eq!(ask("orders", "end-rehearsal", None).await.0, 422, "it has ended");
    world.does("orders", Ask::Deactivate).await;
    let (status, refused) = ask("orders", "rehearse-deletion", minute()).await;
    assert!(status == 409 && refused["detail"].as_str().is_some_and(|detail| detail.contains("rehearse")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_the_cloud_meanwhile_finds_nothing_wrong_aw_045_cm_018() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    world.seed("found", 1, json!({"aliases": 1, "exact": true})).await;
    world.sync("payments-eu").await;
    for name in ["orders", "found"] {
        let begun = begin(&world, name, SPAN_MIN).await;
        world.succeeds(begun).await;
    }
    world.sandbox.advance(SECOND as u64);
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await.len(), 0, "disabled is what is wanted");
    assert_eq!(world.key("found").await.state, KeyState::Active, "a key of the cloud's own is in use, too");
    world.sandbox.advance((SPAN_MIN + SECOND) as u64);
    look(&world).await;
    for name in ["orders", "found"] {
        assert_eq!(raw_state(&world, name).await, "Enabled", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_disabled_in_the_cloud_is_not_rehearsed_and_stays_disabled_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    Meddler::new(&world).does(Deed::Disable, &world.key("orders").await).await;
    let begun = begin(&world, "orders", SPAN_MIN).await;
    let ended = world.ended(&begun).await;
    assert!(ended.state == "FAILED" && ended.problem.as_deref().is_some_and(|problem| problem.contains("disabled-in-cloud")), "{ended:?}");
    for _ in 0..2 {
        assert_eq!((raw_state(&world, "orders").await.as_str(), &newest(&world, "orders").await["state"]), ("Disabled", &json!("FAILED")), "it is contained");
        world.sandbox.advance((2 * SPAN_MIN) as u64);
        look(&world).await;
    }
    world.sync("payments-eu").await;
    let (status, refused) = world.rest(0, "POST", "/v1/keys/orders/rehearse-deletion", Some(json!({"for": "1m"}))).await;
    assert!(status == 422 && refused["mend"].as_str().is_some_and(|mend| mend.contains("drift list")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_not_disabled_any_more_when_its_rehearsal_is_over_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let slow = Effect::Error { code: "ThrottlingException".into(), status: 400, message: "slow down".into() };
    world.sandbox.add_faults([Fault { operation: "DisableKey".into(), skip: 0, count: 999, effect: slow }]);
    let begun = begin(&world, "orders", SPAN_MIN).await;
    world.sandbox.advance((SPAN_MIN + SECOND) as u64);
    let ended = world.ended(&begun).await;
    assert!(ended.state == "FAILED" && ended.problem.as_deref().is_some_and(|problem| problem.contains("too-late")), "{ended:?}");
    assert_eq!((raw_state(&world, "orders").await.as_str(), &newest(&world, "orders").await["state"]), ("Enabled", &json!("FAILED")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_is_not_deleted_while_a_key_in_it_comes_back_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.seed("found", 1, json!({"aliases": 1, "exact": true})).await;
    world.sync("payments-eu").await;
    let begun = begin(&world, "found", SPAN_MIN).await;
    world.succeeds(begun).await;
    let delete = async || world.rest(0, "DELETE", "/v1/keystores/payments-eu", None).await;
    let (status, refused) = delete().await;
    assert!(status == 422 && refused["mend"].as_str().is_some_and(|mend| mend.contains("end-rehearsal found")), "{refused}");
    world.sandbox.advance((SPAN_MIN + SECOND) as u64);
    look(&world).await;
    assert_eq!(raw_state(&world, "found").await, "Enabled", "it came back");
    assert_eq!(delete().await.0, 200);
}
