//! Many at once over REST: what is refused and by which field, pages, and the same request again (CM-054 to CM-067).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Answer, World, request};

async fn world() -> World {
    let world = World::start().await.with_keystore().await;
    for name in ["orders", "bills"] {
        world.done("POST", "/v1/keys", Some(json!({ "name": name, "keystore": "eu", "tags": { "env": "test" } }))).await;
    }
    world
}

async fn begin(world: &World, body: Value) -> Answer {
    world.ann("POST", "/v1/batches", Some(body)).await
}

/// Looks until the batch has ended.
async fn ended(world: &World, id: &str) -> Value {
    for _ in 0..200 {
        world.app.look_at_batches().await.expect("a store");
        let seen = world.ann("GET", &format!("/v1/batches/{id}"), None).await.json();
        if seen["finished_at"].is_string() {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{id} does not end");
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_field_and_nothing_begins() {
    let world = world().await;
    let test = json!({ "tags": ["env=test"] });
    for (body, status, field) in [
        (json!({ "action": "deactivate", "selector": {} }), 422, "selector"),
        (json!({ "action": "deactivate", "selector": { "tags": ["env=none"] } }), 422, "selector"),
        (json!({ "action": "deactivate", "selector": { "all": true, "keys": ["orders"] } }), 422, "selector.all"),
        (json!({ "action": "deactivate", "selector": { "tagz": [] } }), 422, "selector.tagz"),
        (json!({ "action": "explode", "selector": test }), 422, "action"),
        (json!({ "action": "schedule-deletion", "days": 3, "selector": test }), 422, "days"),
        (json!({ "action": "update", "selector": test }), 422, "update"),
        (json!({ "action": "deactivate", "selector": test, "expect_keys": 3 }), 422, "expect_keys"),
        (json!({ "action": "deactivate", "selector": test, "expect_digest": "00" }), 422, "expect_digest"),
    ] {
        let answer = begin(&world, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.problem().1.as_deref()), (status, Some(field)), "{body}: {answer:?}");
    }
    for selector in [json!({ "keystores": ["us"] }), json!({ "keys": ["ledger"] })] {
        let answer = begin(&world, json!({ "action": "deactivate", "selector": selector })).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::NOT_FOUND, "not-found"), "{answer:?}");
    }
    assert_eq!(world.ann("GET", "/v1/batches", None).await.json()["items"], json!([]));
    assert_eq!(world.ann("GET", "/v1/batches/batch_1", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_batch_is_planned_begun_once_and_listed_with_its_keys() {
    let world = world().await;
    let body = json!({ "action": "deactivate", "selector": { "tags": ["env=test"], "keystores": ["eu"] }, "expect_keys": 2 });
    let plan = world.ann("POST", "/v1/batches/plan", Some(body.clone())).await.json();
    assert_eq!(
        (&plan["keys"], &plan["changes"], &plan["cost_cents_month"], &plan["prices"]["key_cents_month"]),
        (&json!(2), &json!(2), &json!(0), &json!(100)),
        "{plan}"
    );
    assert_eq!(
        (&plan["first"][0]["name"], &plan["first"][0]["verdict"], &plan["keystores"][0]["keystore"]),
        (&json!("orders"), &json!("changes"), &json!("eu"))
    );
    let body = {
        let mut body = body;
        body["expect_digest"] = plan["digest"].clone();
        body
    };
    let keyed = async |key: &'static str, body: &Value| {
        let mut request = request("POST", "/v1/batches", Some(world.ann.expose()), Some(body.clone()));
        request.headers_mut().insert("idempotency-key", key.parse().expect("a key"));
        world.send(request).await
    };
    let begun = keyed("one", &body).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(begun.header("location"), format!("/v1/batches/{id}"));
    assert_eq!(keyed("one", &body).await.json()["id"], id.as_str(), "the same request is the same batch");
    let other = keyed("one", &json!({ "action": "activate", "selector": { "all": true } })).await;
    assert_eq!(other.problem().0, "idempotency-mismatch");
    let done = ended(&world, &id).await;
    assert_eq!((&done["state"], &done["counts"]["done"], &done["action"]), (&json!("DONE"), &json!(2), &json!("deactivate")), "{done}");
    let page = world.ann("GET", &format!("/v1/batches/{id}/items?limit=1"), None).await.json();
    assert_eq!((&page["items"][0]["name"], &page["items"][0]["state"], &page["next_cursor"]), (&json!("orders"), &json!("DONE"), &json!("1")), "{page}");
    let page = world.ann("GET", &format!("/v1/batches/{id}/items?cursor=1&state=DONE"), None).await.json();
    assert_eq!((&page["items"][0]["name"], &page["next_cursor"]), (&json!("bills"), &Value::Null), "{page}");
    assert!(page["items"][0]["operation"].is_string());
    for (query, field) in [("cursor=key_x", "cursor"), ("state=GONE", "state"), ("limit=0", "limit")] {
        let refused = world.ann("GET", &format!("/v1/batches/{id}/items?{query}"), None).await;
        assert_eq!(refused.problem().1.as_deref(), Some(field), "{refused:?}");
    }
    assert_eq!(world.ann("GET", "/v1/batches", None).await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_batch_is_stopped_once_and_by_whoever_may_manage_keys() {
    let world = world().await;
    let id = begin(&world, json!({ "action": "renew", "selector": { "all": true } })).await.json()["id"].as_str().expect("an id").to_owned();
    let stop = format!("/v1/batches/{id}/stop");
    for _ in 0..2 {
        let stopped = world.ben("POST", &stop, None).await.json();
        assert_eq!((&stopped["state"], &stopped["counts"]["skipped"]), (&json!("STOPPED"), &json!(2)), "{stopped}");
    }
    let seen = ended(&world, &id).await;
    assert_eq!(seen["counts"]["running"], 0);
    let items = world.ann("GET", &format!("/v1/batches/{id}/items"), None).await.json();
    assert!(items["items"][0]["problem"]["detail"].as_str().is_some_and(|detail| detail.contains("ben stopped")), "{items}");
}
