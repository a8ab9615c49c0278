//! Estates over REST: mistakes with their paths, a plan, an apply that does it and nothing else, and the export of which a plan is empty.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Answer, World};

async fn world() -> World {
    let world = World::start().await.with_keystore().await;
    for name in ["orders", "bills"] {
        world.done("POST", "/v1/keys", Some(json!({ "name": name, "keystore": "eu", "aliases": [name], "tags": { "env": "test" } }))).await;
    }
    world
}

async fn plan(world: &World, estate: &Value) -> Value {
    let answer = world.ann("POST", "/v1/estate/plans", Some(estate.clone())).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

async fn apply(world: &World, estate: &Value, plan: &Value) -> Answer {
    world.ann("POST", "/v1/estate/applies", Some(json!({ "estate": estate, "digest": plan["digest"], "seen": plan["seen"] }))).await
}

/// Looks until the apply has ended.
async fn ended(world: &World, id: &str) -> Value {
    for _ in 0..300 {
        world.app.look_at_applies().await.expect("a store");
        let seen = world.ann("GET", &format!("/v1/estate/applies/{id}"), None).await.json();
        if seen["finished_at"].is_string() {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{id} does not end");
}

fn actions(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().expect("changes");
    changes.iter().map(|change| format!("{} {}", change["action"].as_str().unwrap_or_default(), change["name"].as_str().unwrap_or_default())).collect()
}

#[tokio::test]
async fn what_exists_is_exported_and_a_plan_of_it_is_empty() {
    let world = world().await;
    let exported = world.ann("GET", "/v1/estate", None).await.json();
    assert_eq!(exported["keys"].as_array().map(Vec::len), Some(2), "{exported}");
    let planned = plan(&world, &exported).await;
    assert_eq!((&planned["changes"], &planned["unchanged"]), (&json!([]), &json!(3)), "{planned}");
    assert_eq!(world.ann("GET", "/v1/estate?keystore=mars", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plan_is_done_and_then_nothing_is_left_to_do() {
    let world = world().await;
    let estate = json!({
        "keystores": [{ "name": "eu", "warm": true, "rotation": { "every": "90d" } }, { "name": "safe", "cloud": "vault" }],
        "keys": [
            { "name": "orders", "aliases": ["bills"], "tags": { "team": "pay" }, "state": "INACTIVE" },
            { "name": "bills", "aliases": ["orders"], "expires": "90d", "expiry_policy": "extend" },
            { "name": "ledger", "keystore": "eu", "aliases": ["ledger"], "rotation": { "strategy": "none" } },
            { "name": "deep", "keystore": "safe" }
        ]
    });
    let planned = plan(&world, &estate).await;
    let expected = [
        "set-warm eu",
        "set-rotation eu",
        "create-keystore safe",
        "update-key orders",
        "update-key bills",
        "update-key orders",
        "deactivate-key orders",
        "update-key bills",
        "create-key ledger",
        "set-rotation ledger",
        "create-key deep",
    ];
    assert_eq!(actions(&planned), expected, "{planned:#}");
    assert_eq!((&planned["cost_cents_month"], planned["prices"]["date"].is_string()), (&json!(100), true), "one key more in a cloud: {planned:#}");
    assert!(planned["takes_seconds"].as_u64().is_some_and(|seconds| seconds > 0) && planned["dangerous"].as_u64() >= Some(3), "{planned:#}");

    let begun = apply(&world, &estate, &planned).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{begun:?}");
    let id = begun.json()["id"].as_str().expect("an id").to_owned();
    let another = apply(&world, &estate, &planned).await;
    assert_eq!(another.problem().0, "apply-runs", "{another:?}");
    let done = ended(&world, &id).await;
    let changes = world.ann("GET", &format!("/v1/estate/applies/{id}/changes?limit=1000"), None).await.json();
    assert_eq!((&done["state"], &done["counts"]["done"]), (&json!("DONE"), &json!(11)), "{changes:#}");
    assert_eq!(plan(&world, &estate).await["changes"], json!([]), "nothing is left to do");
    let orders = world.ann("GET", "/v1/keys/orders", None).await.json();
    assert_eq!((&orders["state"], &orders["aliases"], &orders["tags"]), (&json!("INACTIVE"), &json!(["bills"]), &json!({ "team": "pay" })), "{orders:#}");
    let stopped = world.ann("POST", &format!("/v1/estate/applies/{id}/stop"), None).await;
    assert_eq!((stopped.status.as_u16(), stopped.problem().1.as_deref()), (422, Some("apply")), "what has ended is not stopped");
    assert_eq!(world.ann("GET", "/v1/estate/applies", None).await.json()["items"][0]["id"], id.as_str());
}

#[tokio::test]
async fn a_stale_plan_and_a_wrong_digest_are_refused_and_nothing_begins() {
    let world = world().await;
    let estate = json!({ "keys": [{ "name": "orders", "description": "new" }] });
    let planned = plan(&world, &estate).await;
    world.done("PATCH", "/v1/keys/orders", Some(json!({ "tags": { "env": "live" } }))).await;
    let refused = apply(&world, &estate, &planned).await;
    assert_eq!((refused.status, refused.problem().0.as_str()), (StatusCode::CONFLICT, "plan-stale"));
    assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.contains("changed since: orders.")), "{refused:?}");
    let another = json!({ "keys": [{ "name": "orders", "description": "other" }] });
    let refused = apply(&world, &another, &plan(&world, &estate).await).await;
    assert_eq!(refused.problem().0, "plan-stale", "an estate of another plan: {refused:?}");
    assert_eq!(world.ann("GET", "/v1/estate/applies", None).await.json()["items"], json!([]));
    assert_eq!(world.ann("GET", "/v1/keys/orders", None).await.json()["description"], "");
    assert_eq!(world.ann("GET", "/v1/estate/applies/apply_1", None).await.status, StatusCode::NOT_FOUND);
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await.json();
    let told = |item: &&Value| item["entry"]["action"] == "estate.apply" && item["entry"]["outcome"] == "refused";
    assert_eq!(log["items"].as_array().expect("entries").iter().filter(told).count(), 2, "what was refused is told, too");
}

/// What a digest binds beside the changes: the key whose rotation changes, and the keystore itself, not its name.
#[tokio::test]
async fn a_plan_is_stale_when_its_key_moved_or_its_keystore_is_another_one() {
    let world = world().await;
    let estate = json!({ "keys": [{ "name": "orders", "rotation": { "every": "30d" } }] });
    let planned = plan(&world, &estate).await;
    assert_eq!((&planned["changes"][0]["key"], &planned["seen"][0]["name"]), (&planned["seen"][0]["key"], &json!("orders")), "{planned:#}");
    assert_eq!(planned["changes"][0]["dangers"][0]["kind"], "rotates-keys", "{planned:#}");
    world.done("PATCH", "/v1/keys/orders", Some(json!({ "description": "moved" }))).await;
    assert_eq!(apply(&world, &estate, &planned).await.problem().0, "plan-stale");

    let make = async || assert_eq!(world.ann("POST", "/v1/keystores", Some(json!({ "name": "safe", "cloud": "vault" }))).await.status, StatusCode::CREATED);
    make().await;
    let estate = json!({ "keystores": [{ "name": "safe", "rotation": { "every": "30d" } }] });
    let planned = plan(&world, &estate).await;
    world.done("DELETE", "/v1/keystores/safe", None).await;
    make().await;
    assert_eq!(apply(&world, &estate, &planned).await.problem().0, "plan-stale", "it is another one of this name");

    let seen: Vec<Value> = (0..=100_000).map(|at| json!({ "key": at.to_string(), "revision": 1 })).collect();
    let refused = apply(&world, &estate, &json!({ "digest": planned["digest"], "seen": seen })).await;
    assert_eq!((refused.status.as_u16(), refused.problem().1.as_deref()), (422, Some("seen")), "{refused:?}");
}

#[tokio::test]
async fn mistakes_are_told_all_at_once_each_with_its_path() {
    let world = world().await;
    let fields = async |keys: Value| {
        let answer = world.ann("POST", "/v1/estate/plans", Some(json!({ "keys": keys }))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().0.as_str()), (422, "estate-mistakes"), "{answer:?}");
        let mistakes = answer.json()["mistakes"].as_array().cloned().expect("mistakes");
        assert!(mistakes.iter().all(|mistake| mistake["mend"].as_str().is_some_and(|mend| mend.ends_with(['.', '`']))), "{mistakes:?}");
        mistakes.iter().map(|mistake| mistake["field"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(fields(json!([{ "name": "a b" }, { "name": "orders", "spec": "AES" }])).await, ["keys[0].name", "keys[1].spec"], "values");
    assert_eq!(fields(json!([{ "name": "orders" }, { "name": "orders" }])).await, ["keys[1].name"], "a name twice");
    assert_eq!(fields(json!([{ "name": "orders", "aliases": ["x"] }, { "name": "bills", "aliases": ["x"] }])).await, ["keys[1].aliases[0]"], "an alias twice");
    assert_eq!(fields(json!([{ "name": "orders", "spec": "HMAC_256" }])).await, ["keys[0].spec"], "it cannot change");
    assert_eq!(fields(json!([{ "name": "orders", "expires": "400d" }])).await, ["keys[0].expires"], "the rule of the command itself");
    assert_eq!(fields(json!([{ "name": "orders", "aliases": ["bills"] }])).await, ["keys[0].aliases[0]"], "nobody gives it up");
    assert_eq!(fields(json!([{ "name": "new", "keystore": "eu", "tags": { "aws:x": "1" } }])).await, ["keys[0].tags.aws:x"]);
    let unknown = world.ann("POST", "/v1/estate/plans", Some(json!({ "keys": [{ "name": "orders", "alias": "x" }] }))).await;
    assert_eq!((unknown.status.as_u16(), unknown.problem().1.as_deref()), (422, Some("keys[0].alias")), "{unknown:?}");
    assert_eq!(world.ann("GET", "/v1/keys", None).await.json()["items"].as_array().map(Vec::len), Some(2), "nothing is touched");
}

#[tokio::test]
async fn the_same_request_again_is_the_same_apply() {
    let world = world().await;
    let estate = json!({ "keys": [{ "name": "orders", "description": "new" }] });
    let planned = plan(&world, &estate).await;
    let body = json!({ "estate": estate, "digest": planned["digest"] });
    let again = async || {
        let mut request = crate::world::request("POST", "/v1/estate/applies", Some(world.ann.expose()), Some(body.clone()));
        request.headers_mut().insert("idempotency-key", "k1".parse().expect("a value"));
        world.send(request).await.json()["id"].clone()
    };
    let first = again().await;
    assert!(first.is_string());
    ended(&world, first.as_str().expect("an id")).await;
    assert_eq!(again().await, first);
}
