//! Keystores in the vault, and copies over the API.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::World;

async fn world() -> World {
    let world = World::start().await.with_keystore().await;
    let made = world.ann("POST", "/v1/keystores", Some(json!({ "name": "main", "cloud": "vault" }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!((&made.json()["cloud"], &made.json()["region"], &made.json()["external_id"]), (&json!("vault"), &json!(""), &Value::Null));
    world.done("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "main" }))).await;
    world
}

#[tokio::test]
async fn where_the_vault_is_in_a_cloud_cannot_be_said_and_where_a_keystore_is_must() {
    let world = world().await;
    for (body, field) in [
        (json!({ "name": "x", "cloud": "vault", "region": "eu-west-1" }), "region"),
        (json!({ "name": "x", "cloud": "vault", "account": "123456789012" }), "account"),
        (json!({ "name": "x", "cloud": "vault", "role_arn": "arn:aws:iam::123456789012:role/keystead" }), "role_arn"),
        (json!({ "name": "x", "cloud": "vault", "external_id": "x" }), "external_id"),
        (json!({ "name": "x", "cloud": "aws", "account": "123456789012" }), "region"),
        (json!({ "name": "x", "cloud": "aws", "region": "eu-west-1" }), "account"),
    ] {
        assert_eq!(world.ann("POST", "/v1/keystores", Some(body)).await.problem(), ("invalid-input".to_owned(), Some(field.to_owned())));
    }
    for path in ["/v1/keystores/main/check", "/v1/keys/orders/upload"] {
        assert_eq!(world.ann("POST", path, None).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
    assert_eq!(world.ann("GET", "/v1/keystores/main/policy", None).await.problem().1.as_deref(), Some("keystore"));
}

#[tokio::test]
async fn a_copy_is_asked_for_shown_and_linked_and_what_cannot_be_copied_is_named_ft_028_to_ft_035() {
    let world = world().await;
    let answer = world.ann("POST", "/v1/keys/orders/copies", Some(json!({ "to": ["eu"], "aliases": ["orders"] }))).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    let begun = answer.json()["started"][0].clone();
    let operation = format!("/v1/operations/{}?wait=60", begun["operation"]["id"].as_str().unwrap_or_default());
    assert_eq!(world.ann("GET", &operation, None).await.json()["state"], "SUCCEEDED");
    let (source, copy) = (world.ann("GET", "/v1/keys/orders", None).await.json(), world.ann("GET", "/v1/keys/orders_copy1", None).await.json());
    assert_eq!((&copy["custody"], &copy["source_key"], &copy["aliases"]), (&json!("linked"), &source["id"], &json!(["orders"])));
    assert_eq!(copy["versions"][0]["fingerprint"], source["versions"][0]["fingerprint"]);
    let links = world.ann("GET", "/v1/keys/orders/links", None).await.json();
    assert_eq!((&links["items"], &copy["links"]), (&source["links"], &source["links"]), "the same link from everywhere");
    assert_eq!((&links["items"][0]["copied_by_name"], &links["items"][0]["keystore"]), (&json!("ann"), &json!("eu")));
    for (body, field) in [(json!({ "to": ["main"] }), "to"), (json!({ "to": [] }), "to"), (json!({ "to": ["eu"], "expiry_policy": "renew" }), "expiry_policy")]
    {
        assert_eq!(world.ann("POST", "/v1/keys/orders/copies", Some(body)).await.problem().1.as_deref(), Some(field));
    }
    assert_eq!(world.ann("POST", "/v1/keys/orders_copy1/renew", None).await.problem().1.as_deref(), Some("key"));
    assert_eq!(world.ann("PATCH", "/v1/keys/orders_copy1", Some(json!({ "expiry_policy": "renew" }))).await.problem().1.as_deref(), Some("expiry_policy"));
    let left_behind = async |body: Value| {
        let rotated = world.done("POST", "/v1/keys/orders/rotate", Some(body)).await;
        rotated["warnings"].as_array().into_iter().flatten().any(|warning| warning.as_str().is_some_and(|text| text.contains("copies")))
    };
    assert!(left_behind(json!({})).await, "who rotates a source without its copies is told");
    assert!(!left_behind(json!({ "all_copies": true })).await);
    let waves = world.ann("GET", "/v1/keys/orders/waves", None).await.json();
    assert_eq!((&waves["items"][0]["name"], &waves["items"][0]["state"]), (&json!("orders_copy1"), &json!("PENDING")));
    for (body, field) in [(json!({ "all_copies": true, "copies": ["a"] }), "copies"), (json!({ "copies": ["a"] }), "copies"), (json!({ "wave": 0 }), "wave")] {
        assert_eq!(world.ann("POST", "/v1/keys/orders/rotate", Some(body)).await.problem().1.as_deref(), Some(field));
    }
    let kept = world.done("PATCH", "/v1/keys/orders", Some(json!({ "exportable": false }))).await;
    assert_eq!(kept["key"]["exportable"], false);
    for (path, body) in [("copies", json!({ "to": ["eu"] })), ("rotate", json!({ "all_copies": true })), ("rotate", json!({ "copies": ["orders_copy1"] }))] {
        assert_eq!(world.ann("POST", &format!("/v1/keys/orders/{path}"), Some(body)).await.problem().1.as_deref(), Some("key"), "{path}");
    }
    assert_eq!(world.ann("POST", "/v1/keys/orders_copy1/rotate", None).await.problem().1.as_deref(), Some("key"), "a copy cannot follow what may not leave");
    assert_eq!(world.ann("PATCH", "/v1/keys/orders", Some(json!({ "exportable": true }))).await.problem().1.as_deref(), Some("exportable"));
}
