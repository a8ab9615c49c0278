//! What is refused, found or already so is told to the audit log, and no secret with it.

use std::net::SocketAddr;

use axum::{body::Body, extract::ConnectInfo, http::Request};
use keystead_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::world::{AWS_ACCOUNT, World, request};

/// The audit log's entries of this action, oldest first.
async fn entries(world: &World, action: &str) -> Vec<Value> {
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await.json();
    let all = log["items"].as_array().expect("entries").iter().rev().map(|item| item["entry"].clone());
    all.filter(|entry| entry["action"] == action).collect()
}

fn from(mut request: Request<Body>, address: [u8; 4]) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 40_000))));
    request
}

const WRONG: &str = "kst_S3CRETAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn failed_logins_are_told_once_a_minute_with_their_number_and_address() {
    let world = World::start().await;
    for _ in 0..5 {
        world.send(from(request("GET", "/v1/me", Some(WRONG), None), [192, 0, 2, 7])).await;
    }
    let told = entries(&world, "user.authenticate").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["outcome"], &told[0]["actor"]["kind"], &told[0]["rule"]), (&json!("refused"), &json!("anonymous"), &json!("token-is-known")));
    assert_eq!((&told[0]["detail"]["from"], &told[0]["detail"]["count"]), (&json!("192.0.2.7"), &json!("1")));
    world.sandbox.advance(61_000_000);
    world.app.tell_knocks(false).await.expect("a store");
    let told = entries(&world, "user.authenticate").await;
    assert_eq!((told.len(), &told[1]["detail"]["count"], &told[1]["detail"]["shown"]), (2, &json!("4"), &told[0]["detail"]["shown"]));
    world.app.tell_knocks(true).await.expect("a store");
    assert_eq!(entries(&world, "user.authenticate").await.len(), 2, "what is told is told once");
    assert!(!world.ann("GET", "/v1/audit?limit=1000", None).await.text.contains("S3CRET"));
}

#[tokio::test]
async fn who_is_locked_out_is_named_when_they_try_and_who_shows_nothing_makes_no_entry() {
    let world = World::start().await;
    world.ann("POST", "/v1/users/ben/disable", None).await;
    world.ben("GET", "/v1/me", None).await;
    let told = entries(&world, "user.authenticate").await;
    assert_eq!((told.len(), &told[0]["rule"], &told[0]["subject"][0]["name"]), (1, &json!("user-is-active"), &json!("ben")), "{told:?}");
    world.send(request("GET", "/v1/me", None, None)).await;
    world.send(request("GET", "/v1/me", Some(&"x".repeat(500)), None)).await;
    let told = entries(&world, "user.authenticate").await;
    assert_eq!((told.len(), &told[1]["detail"]["shown"]), (2, &json!("not a token")), "no header is no attempt: {told:?}");
}

#[tokio::test]
async fn a_flood_of_wrong_tokens_leaves_few_entries_and_loses_none_of_the_count() {
    let world = World::start().await;
    for n in 0..100u8 {
        world.send(from(request("GET", "/v1/me", Some(&format!("kst_wrong{n}")), None), [192, 0, 2, n / 50])).await;
    }
    assert!(entries(&world, "user.authenticate").await.len() <= 20);
    world.app.tell_knocks(true).await.expect("a store");
    let counts = entries(&world, "user.authenticate").await;
    let counted: u32 = counts.iter().map(|entry| entry["detail"]["count"].as_str().expect("a count").parse::<u32>().expect("a number")).sum();
    assert_eq!(counted, 100);
}

#[tokio::test]
async fn failed_unsealings_are_told_without_what_was_tried() {
    let world = World::start().await;
    world.ann("POST", "/v1/vault/seal", None).await;
    for secret in ["S3CRET but not the one", "S3CRET and not this either"] {
        world.send(from(request("POST", "/v1/vault/unseal", None, Some(json!({ "passphrase": secret }))), [192, 0, 2, 7])).await;
    }
    world.app.tell_knocks(true).await.expect("a store");
    let told = entries(&world, "vault.unseal").await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["outcome"], &told[0]["actor"]["kind"]), (&json!("refused"), &json!("anonymous")));
    assert_eq!(told[0]["detail"], json!({ "count": "1", "from": "192.0.2.7", "shown": "a passphrase" }));
    assert!(!world.ann("GET", "/v1/audit?limit=1000", None).await.text.contains("S3CRET"));
}

#[tokio::test]
async fn names_that_are_taken_are_told_with_who_wanted_them() {
    let world = World::start().await.with_keystore().await;
    for name in ["orders", "bills"] {
        world.done("POST", "/v1/keys", Some(json!({ "name": name, "keystore": "eu", "aliases": [name] }))).await;
    }
    let keystore = json!({ "name": "eu", "cloud": "aws", "region": "eu-west-1", "account": AWS_ACCOUNT });
    for (method, path, body, action, field, taken) in [
        ("POST", "/v1/users", json!({ "name": "ben" }), "user.create", "name", "ben"),
        ("POST", "/v1/keystores", keystore, "keystore.create", "name", "eu"),
        ("POST", "/v1/keys", json!({ "name": "orders", "keystore": "eu" }), "key.create", "name", "orders"),
        ("POST", "/v1/keys", json!({ "name": "fresh", "keystore": "eu", "aliases": ["orders"] }), "key.create", "aliases", "alias/orders"),
        ("PATCH", "/v1/keys/bills", json!({ "name": "orders" }), "key.update", "name", "orders"),
        ("PATCH", "/v1/keys/bills", json!({ "aliases": ["orders"] }), "key.update", "aliases", "alias/orders"),
    ] {
        assert_eq!(world.ann(method, path, Some(body)).await.status.as_u16(), 409, "{path}");
        let all = entries(&world, action).await;
        let told = all.last().unwrap_or_else(|| panic!("{action}"));
        assert_eq!((&told["outcome"], &told["rule"], &told["actor"]["name"]), (&json!("refused"), &json!("names-are-unique"), &json!("ann")), "{told}");
        assert_eq!((&told["detail"]["field"], &told["detail"]["taken"]), (&json!(field), &json!(taken)), "{told}");
    }
}

#[tokio::test]
async fn what_a_check_found_is_told_also_when_it_could_not_be_told_cm_070() {
    let world = World::start().await.with_keystore().await;
    let found = world.ann("POST", "/v1/keystores/eu/check", None).await.json();
    let told = entries(&world, "keystore.check").await;
    assert_eq!((&told[0]["outcome"], &told[0]["subject"][0]["name"]), (&json!("succeeded"), &json!("eu")));
    assert_eq!((&told[0]["detail"]["sufficient"], &told[0]["detail"]["identity"]), (&json!("true"), &found["identity"]));
    assert!(told[0]["detail"]["excess"].as_str().is_some_and(|actions| actions.contains("kms:")), "{told:?}");
    let refused = Effect::Error { code: "AccessDenied".into(), status: 403, message: "no".into() };
    world.sandbox.add_faults([Fault { operation: "*".into(), skip: 0, count: 9, effect: refused }]);
    assert_eq!(world.ann("POST", "/v1/keystores/eu/check", None).await.status.as_u16(), 502);
    let told = entries(&world, "keystore.check").await;
    assert_eq!((told.len(), &told[1]["outcome"]), (2, &json!("failed")));
    assert!(told[1]["detail"]["problem"].is_string() && told[1]["detail"]["cloud_code"].is_string(), "{told:?}");
}

#[tokio::test]
async fn who_would_lock_themselves_out_and_a_keystore_that_has_keys_are_told_cm_038() {
    let world = World::start().await.with_keystore().await;
    world.done("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "eu" }))).await;
    assert_eq!(world.ann("DELETE", "/v1/keystores/eu", None).await.problem().0, "keystore-not-empty");
    let told = entries(&world, "keystore.delete").await;
    assert_eq!((&told[0]["outcome"], &told[0]["rule"], &told[0]["detail"]["keys"]), (&json!("refused"), &json!("keystore-is-empty"), &json!("1")), "{told:?}");
    assert_eq!(world.ann("POST", "/v1/users/ann/disable", None).await.problem().0, "same-person");
    let told = entries(&world, "user.disable").await;
    assert_eq!((&told[0]["outcome"], &told[0]["subject"][0]["name"]), (&json!("refused"), &json!("ann")), "{told:?}");
}

#[tokio::test]
async fn what_was_already_so_is_told_too() {
    let world = World::start().await.with_keystore().await;
    world.done("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "eu", "description": "x" }))).await;
    assert_eq!(world.done("PATCH", "/v1/keys/orders", Some(json!({ "description": "x" }))).await["no_op"], true);
    let told = entries(&world, "key.update").await;
    assert_eq!((told.len(), &told[0]["detail"]["no_op"], &told[0]["subject"][0]["name"]), (1, &json!("true"), &json!("orders")), "{told:?}");

    let keystore = json!({ "name": "unused", "cloud": "aws", "region": "eu-west-1", "account": AWS_ACCOUNT });
    let id = world.ann("POST", "/v1/keystores", Some(keystore)).await.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/keystores/{id}");
    assert_eq!(world.done("DELETE", &path, None).await["no_op"], false);
    assert_eq!(world.done("DELETE", &path, None).await["no_op"], true);
    let told = entries(&world, "keystore.delete").await;
    assert_eq!((&told.last().expect("an entry")["detail"]["no_op"], &told[0]["detail"]["no_op"]), (&json!("true"), &Value::Null), "{told:?}");
}
