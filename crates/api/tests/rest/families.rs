//! Families of Regions over REST: made, promoted, refused by field, and told to the audit log (FT-046 to FT-049, FT-060).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{AWS_ACCOUNT, Answer, World, request};

/// The keystores `eu` and `us`, and the primary `orders` in the first.
async fn world() -> World {
    let world = World::start().await.with_keystore().await;
    let us = json!({ "name": "us", "cloud": "aws", "region": "us-east-1", "account": AWS_ACCOUNT });
    let made = world.ann("POST", "/v1/keystores", Some(us)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = world.done("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "eu", "aliases": ["orders"], "multi_region": true }))).await;
    assert_eq!((&made["key"]["region_role"], &made["key"]["state"]), (&json!("primary"), &json!("ACTIVE")), "{made}");
    world
}

async fn keyed(world: &World, key: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request = request("POST", path, Some(world.ann.expose()), body);
    request.headers_mut().insert("idempotency-key", key.parse().expect("a key"));
    request.headers_mut().insert("prefer", "wait=20".parse().expect("a wish"));
    world.send(request).await
}

async fn entries(world: &World, action: &str, outcome: &str) -> usize {
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await.json();
    let all = log["items"].as_array().expect("entries").iter();
    all.filter(|item| item["entry"]["action"] == action && item["entry"]["outcome"] == outcome).count()
}

#[tokio::test]
async fn a_replica_is_made_once_for_the_same_request() {
    let world = world().await;
    let ask = async || keyed(&world, "one", "/v1/keys/orders/replicas", Some(json!({ "keystore": "us" }))).await;
    let (first, again) = (ask().await, ask().await);
    assert_eq!((first.status, again.status), (StatusCode::OK, StatusCode::OK), "{first:?}");
    assert_eq!(first.json()["operation"]["id"], again.json()["operation"]["id"]);
    assert_eq!(first.json()["key"]["name"], "orders_us-east-1");
    assert_eq!(entries(&world, "key.replicate", "allowed").await, 1);
    assert_eq!(entries(&world, "key.replicate", "succeeded").await, 2, "in the history of the replica, and in its primary's");

    let promote = async || keyed(&world, "two", "/v1/keys/orders_us-east-1/promote", None).await;
    let (first, again) = (promote().await, promote().await);
    assert_eq!((first.status, &first.json()["operation"]["id"]), (StatusCode::OK, &again.json()["operation"]["id"]), "{again:?}");
    assert_eq!(entries(&world, "key.promote", "allowed").await, 1);
    let family = world.ann("GET", "/v1/keys/orders/family", None).await.json();
    assert_eq!((&family["primary"]["name"], &family["replicas"][0]["primary_key"]), (&json!("orders_us-east-1"), &family["primary"]["id"]));
    let shown = world.ann("GET", "/v1/keys/orders", None).await.json();
    assert_eq!((&shown["family"][0]["region"], &shown["family"][0]["cloud_arn"]), (&json!("us-east-1"), &family["primary"]["cloud_arn"]), "{shown}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_field_and_told_to_the_audit_log() {
    let world = world().await;
    let refused = async |path: &str, body: Option<Value>| world.ann("POST", path, body).await.problem();
    let invalid = |field: &str| ("invalid-input".to_owned(), Some(field.to_owned()));
    assert_eq!(refused("/v1/keys/orders/replicas", Some(json!({ "keystore": "eu" }))).await, invalid("keystore"));
    assert_eq!(refused("/v1/keys/orders/replicas", Some(json!({ "keystore": "nowhere" }))).await.0, "not-found");
    assert_eq!(refused("/v1/keys/orders/replicas", Some(json!({ "keystore": "us", "name": "a b" }))).await, invalid("name"));
    assert_eq!(refused("/v1/keys/orders/replicas", Some(json!({ "keystore": "us", "name": "orders" }))).await.0, "name-taken");
    world.done("POST", "/v1/keys/orders/replicas", Some(json!({ "keystore": "us" }))).await;
    assert_eq!(refused("/v1/keys/orders_us-east-1/deactivate", None).await, invalid("key"));
    assert_eq!(refused("/v1/keys/orders/schedule-deletion", Some(json!({ "days": 7 }))).await, invalid("key"));
    assert_eq!(entries(&world, "key.replicate", "refused").await, 2, "the Region, and the name");
    assert_eq!(entries(&world, "key.deactivate", "refused").await, 1);
    assert_eq!(entries(&world, "key.schedule-deletion", "refused").await, 1);
}
