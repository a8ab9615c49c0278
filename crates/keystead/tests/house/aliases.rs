//! Keys with several aliases: given at birth and later, moved together, and none of them taken from anybody (FT-034, FT-039, FT-022).

use keystead_app::keys::lifecycle::Ask;
use keystead_sandbox::{Effect, Fault};
use keystead_store::keys::KeyRow;
use serde_json::{Value, json};

use crate::{
    application::Application,
    world::{Engine, World},
};

async fn in_cloud(world: &World, key: &KeyRow) -> Vec<String> {
    let there = world.cloud_key(key).await.expect("is in the cloud");
    there["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

async fn patch(world: &World, name: &str, change: Value) -> Value {
    let (status, answer) = world.rest(0, "PATCH", &format!("/v1/keys/{name}"), Some(change)).await;
    assert!(status < 300 && answer["operation"]["state"] != "FAILED", "{status} {answer}");
    answer["key"]["aliases"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_several_aliases_and_all_of_them_move_ft_039_ft_022() {
    let (world, body) =
        (World::new(Engine::Sqlite).await, json!({ "name": "orders", "keystore": "payments-eu", "aliases": ["orders", "alias/trade", "orders"] }));
    let app = Application::new(&world).await;
    let (status, made) = world.rest(0, "POST", "/v1/keys", Some(body)).await;
    assert_eq!((status, &made["key"]["aliases"]), (200, &json!(["orders", "trade"])), "{made}");
    let first = world.key("orders").await;
    assert_eq!(in_cloud(&world, &first).await, ["alias/orders", "alias/trade"]);
    let sealed = app.encrypt("alias/trade", b"by the second").await;
    assert_eq!(Some(&sealed.key_arn), first.cloud_arn.as_ref());

    assert_eq!(patch(&world, "orders", json!({ "add_aliases": ["pay/orders"], "remove_aliases": ["alias/orders"] })).await, json!(["trade", "pay/orders"]));
    assert_eq!(in_cloud(&world, &first).await, ["alias/pay/orders", "alias/trade"]);
    assert_eq!(patch(&world, "orders", json!({ "add_aliases": ["trade"] })).await, json!(["trade", "pay/orders"]), "it has it already");

    world.does("orders", Ask::Renew).await;
    let second = world.key("orders").await;
    assert_eq!((in_cloud(&world, &first).await.len(), in_cloud(&world, &second).await), (0, vec!["alias/pay/orders".into(), "alias/trade".into()]));
    for alias in ["alias/trade", "alias/pay/orders"] {
        assert_eq!(Some(&app.encrypt(alias, b"today").await.key_arn), second.cloud_arn.as_ref(), "{alias}");
    }
    assert_eq!(app.decrypt(&sealed.blob).await, b"by the second");
    world.does("orders", Ask::Revert).await;
    assert_eq!((in_cloud(&world, &first).await.len(), in_cloud(&world, &second).await.len()), (2, 0));

    assert_eq!(patch(&world, "orders", json!({ "aliases": ["last"] })).await, json!(["last"]));
    assert_eq!(patch(&world, "orders", json!({ "aliases": [] })).await, json!([]));
    assert_eq!(in_cloud(&world, &first).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_of_aliases_is_refused_and_changes_nothing_ft_039() {
    let world = World::new(Engine::Sqlite).await;
    let (orders, bills) = (world.create("orders").await, world.create("bills").await);
    let many: Vec<String> = (0..50).map(|number| format!("many/{number}")).collect();
    for (change, field, word) in [
        (json!({ "add_aliases": ["fresh", "bills/more"] }), "aliases", "alias/bills/more"),
        (json!({ "aliases": ["bills"] }), "aliases", "alias/bills"),
        (json!({ "remove_aliases": ["other"] }), "remove_aliases", "does not have"),
        (json!({ "add_aliases": ["x"], "remove_aliases": ["x"] }), "remove_aliases", "as well"),
        (json!({ "aliases": ["orders"], "remove_aliases": ["orders"] }), "remove_aliases", "as well"),
        (json!({ "add_aliases": many }), "aliases", "52 at a time, and AWS allows 50"),
        (json!({ "aliases": many }), "aliases", "52 at a time, and AWS allows 50"),
        (json!({ "add_aliases": ["a b"] }), "add_aliases", "character"),
        (json!({ "aliases": ["aws/s3"] }), "aliases", "AWS keeps"),
    ] {
        let (status, problem) = world.rest(0, "PATCH", "/v1/keys/orders", Some(change.clone())).await;
        assert!(
            [409, 422].contains(&status) && problem["field"] == field && problem["detail"].as_str().unwrap_or_default().contains(word),
            "{change} {problem}"
        );
    }
    world.does("orders", Ask::Renew).await;
    let (status, problem) = world.rest(0, "PATCH", &format!("/v1/keys/{}", orders.id), Some(json!({ "add_aliases": ["fresh"] }))).await;
    assert!(status >= 400 && problem["mend"].is_string(), "aliases belong to the current key: {problem}");
    assert_eq!(world.key("orders").await.aliases, orders.aliases);
    assert_eq!((in_cloud(&world, &world.key("orders").await).await.len(), in_cloud(&world, &bills).await.len()), (2, 2));
    let (status, _) = world.rest(0, "POST", "/v1/keys", Some(json!({ "name": "free", "keystore": "payments-eu", "aliases": ["fresh", "free"] }))).await;
    assert_eq!(status, 200, "what was refused has taken no alias");
}

/// What a key gives up stays its own until the operation has succeeded: nobody can take it before, and it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_a_failed_update_would_have_removed_is_still_there_ft_039() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    let refusal = |operation: &str| Fault {
        operation: operation.into(),
        skip: 0,
        count: 0,
        effect: Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "Not now.".into() },
    };
    world.sandbox.add_faults([refusal("ImportKeyMaterial")]);
    let change = json!({ "remove_aliases": ["orders"], "add_aliases": ["fresh"], "expires": "200d" });
    let (_, failed) = world.rest(0, "PATCH", "/v1/keys/orders", Some(change)).await;
    assert_eq!(failed["operation"]["state"], "FAILED", "{failed}");
    world.sandbox.clear_faults();
    assert_eq!((world.key("orders").await.aliases, in_cloud(&world, &key).await.len()), (key.aliases.clone(), 2));

    // While it runs, both the old and the new ones are taken.
    world.sandbox.add_faults([Fault {
        count: 8,
        effect: Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Later.".into() },
        ..refusal("DeleteAlias")
    }]);
    let started = world.http.patch(format!("{}/v1/keys/orders", world.url)).bearer_auth(&world.tokens[0]);
    let started = started.json(&json!({ "remove_aliases": ["orders"], "add_aliases": ["fresh"] })).send().await.expect("an answer");
    assert!(started.status().is_success());
    for taken in ["orders", "fresh"] {
        let (status, problem) = world.rest(0, "POST", "/v1/keys", Some(json!({ "name": "other", "keystore": "payments-eu", "aliases": [taken] }))).await;
        assert_eq!(status, 409, "{taken} {problem}");
    }
    world.sandbox.clear_faults();
    world.settle().await;
    assert_eq!(world.key("orders").await.aliases.to_strings(), ["orders/more", "fresh"]);
    let (status, made) = world.rest(0, "POST", "/v1/keys", Some(json!({ "name": "other", "keystore": "payments-eu", "aliases": ["orders"] }))).await;
    assert_eq!(status, 200, "{made}");
}

/// An alias that somebody pointed elsewhere meanwhile is theirs: an undo leaves it there, and the key is not stuck.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_points_elsewhere_does_not_hold_up_an_undo_ft_039() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let (key, bills) = (world.create("orders").await, world.create("bills").await);
    app.unpoint("alias/orders").await;
    app.point("alias/orders", bills.cloud_arn.as_deref().expect("an ARN")).await;
    // The second removal is refused; the first had nothing to do.
    let effect = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "Not now.".into() };
    world.sandbox.add_faults([Fault { operation: "DeleteAlias".into(), skip: 0, count: 0, effect }]);
    let (_, failed) = world.rest(0, "PATCH", "/v1/keys/orders", Some(json!({ "aliases": [] }))).await;
    assert_eq!(failed["operation"]["state"], "FAILED", "{failed}");
    world.sandbox.clear_faults();
    assert_eq!(in_cloud(&world, &bills).await, ["alias/bills", "alias/bills/more", "alias/orders"]);
    assert_eq!(world.key("orders").await.aliases, key.aliases);
    world.does("orders", Ask::Deactivate).await;
}

/// The clouds' limit is for what is asked; a key that has more of them is adopted and changed all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_more_aliases_than_are_usual_is_changed_and_adopted_ft_079() {
    let world = World::new(Engine::Sqlite).await;
    world.seed("app", 1, json!({ "aliases": 60, "exact": true })).await;
    world.sync("payments-eu").await;
    let key = world.natives().await.into_iter().next().expect("is found");
    assert_eq!(key.aliases.len(), 60);
    let (_, changed) = world.rest(0, "PATCH", &format!("/v1/keys/{}", key.name), Some(json!({ "description": "ours" }))).await;
    assert_eq!(changed["operation"]["state"], "SUCCEEDED", "{changed}");
    let first = key.aliases.first().expect("one").to_string();
    assert_eq!(patch(&world, &key.name, json!({ "remove_aliases": [first] })).await.as_array().map(Vec::len), Some(59));
    world.sandbox_does(reqwest::Method::POST, "config", json!({ "aliases_per_key_max": 100 })).await;
    let (_, adopted) = world.rest(0, "POST", &format!("/v1/keys/{}/adopt", key.name), None).await;
    assert_eq!(adopted["operation"]["state"], "SUCCEEDED", "{adopted}");
    assert_eq!(world.key(&key.name).await.aliases.len(), 59);
}

/// An alias that somebody gave the key in the cloud stays where it is until it is taken over, and stays, too, when that is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_from_elsewhere_is_told_and_can_be_taken_over_ft_039_cm_018() {
    let world = World::new(Engine::Sqlite).await;
    let app = Application::new(&world).await;
    let key = world.create("orders").await;
    app.point("alias/by-hand", key.cloud_arn.as_deref().expect("an ARN")).await;
    app.point("alias/taken", world.create("bills").await.cloud_arn.as_deref().expect("an ARN")).await;
    assert_eq!(world.sync("payments-eu").await.counts.different, 2);
    let (_, shown) = world.rest(0, "GET", "/v1/keys/orders", None).await;
    assert_eq!((&shown["view"]["aliases"], &shown["view"]["differences"]), (&json!(["by-hand"]), &json!(["alias-added"])), "{shown}");
    let (_, rotation) = world.rest(0, "GET", "/v1/rotation-policies/key:orders", None).await;
    assert!(rotation["warnings"].to_string().contains("stay at the predecessor"), "{rotation}");

    // The second alias points at another key, which nobody here knows: the operation is taken back, and takes nothing with it that was there before.
    let change = json!({ "add_aliases": ["by-hand", "taken"] });
    let (_, failed) = world.rest(0, "PATCH", "/v1/keys/orders", Some(change)).await;
    assert_eq!(failed["operation"]["state"], "FAILED", "{failed}");
    assert_eq!(world.key("orders").await.aliases, key.aliases);
    assert_eq!(in_cloud(&world, &key).await, ["alias/by-hand", "alias/orders", "alias/orders/more"]);

    assert_eq!(patch(&world, "orders", json!({ "add_aliases": ["by-hand"] })).await, json!(["orders", "orders/more", "by-hand"]));
    assert_eq!(world.sync("payments-eu").await.counts.different, 1, "only the other key's");
    world.does("orders", Ask::Renew).await;
    assert_eq!(in_cloud(&world, &key).await.len(), 0, "it moves now");
}

/// FT-034: a creation that fails at its second alias leaves none behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_fails_at_its_second_alias_leaves_none_behind_ft_034() {
    let world = World::new(Engine::Sqlite).await;
    let effect = Effect::Error { code: "LimitExceededException".into(), status: 400, message: "Too many aliases.".into() };
    world.sandbox.add_faults([Fault { operation: "CreateAlias".into(), skip: 1, count: 1, effect }]);
    let started = world.start_create("orders").await;
    assert_eq!(world.ended(&started).await.state, "FAILED");
    assert!(world.find_key("orders").await.is_none());
    assert!(world.cloud_keys().await.iter().all(|there| there["aliases"] == json!([])), "{:?}", world.cloud_keys().await);
    world.sandbox.clear_faults();
    world.create("orders").await;
}
