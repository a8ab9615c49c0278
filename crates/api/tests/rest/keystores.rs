//! Keystores over REST: which channels hear of them (FX-043).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::World;

const EU: &str = "/v1/keystores/eu";

async fn world() -> World {
    World::with_channels(&["mail:ops@example.com", "pager"]).await.with_keystore().await
}

async fn channels(world: &World) -> Value {
    world.ann("GET", EU, None).await.json()["alert_channels"].clone()
}

#[tokio::test]
async fn a_keystore_names_the_channels_that_hear_of_it_and_the_audit_log_says_so_fx_043() {
    let world = world().await;
    assert_eq!(channels(&world).await, json!(null), "every one, where nobody said anything");
    for wanted in [json!(["pager"]), json!(["mail:ops@example.com", "pager"]), json!(null)] {
        let changed = world.ann("PATCH", EU, Some(json!({ "alert_channels": wanted }))).await;
        assert_eq!((changed.status, &changed.json()["alert_channels"]), (StatusCode::OK, &wanted), "{changed:?}");
        assert_eq!(channels(&world).await, wanted);
        let again = world.ann("PATCH", EU, Some(json!({ "alert_channels": wanted }))).await;
        assert_eq!((again.status, &again.json()["alert_channels"]), (StatusCode::OK, &wanted), "the same again changes nothing");
    }
    assert_eq!(world.ann("PATCH", EU, Some(json!({}))).await.status, StatusCode::OK, "what is left out stays");
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await.json();
    let told = |item: &Value| (item["entry"]["action"] == "keystore.update").then(|| item["entry"]["detail"].clone());
    let told: Vec<Value> = log["items"].as_array().expect("entries").iter().rev().filter_map(told).collect();
    let set = |names: &str| json!({ "alert_channels": names });
    let no_op = || json!({ "no_op": "true" });
    assert_eq!(told, [set("pager"), no_op(), set("mail:ops@example.com, pager"), no_op(), set("all"), no_op(), no_op()]);
}

#[tokio::test]
async fn a_keystore_is_made_with_its_channels() {
    let world = world().await;
    let body = json!({ "name": "safe", "cloud": "vault", "alert_channels": ["pager"] });
    let made = world.ann("POST", "/v1/keystores", Some(body)).await;
    assert_eq!((made.status, &made.json()["alert_channels"]), (StatusCode::CREATED, &json!(["pager"])), "{made:?}");
    let strange = json!({ "name": "other", "cloud": "vault", "alert_channels": ["beeper"] });
    assert_eq!(world.ann("POST", "/v1/keystores", Some(strange)).await.problem().1.as_deref(), Some("alert_channels"));
    assert_eq!(world.ann("GET", "/v1/keystores/other", None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_channel_and_a_list_of_none_are_refused_with_the_mend_and_change_nothing() {
    let world = world().await;
    for (given, field, mend) in [
        (json!(["pager", "beeper"]), "alert_channels", "mail:ops@example.com, pager"),
        (json!([]), "alert_channels", "null means every channel"),
        (json!(["pager", "pager"]), "alert_channels[1]", "once"),
        (json!(["*"]), "alert_channels", "mail:ops@example.com, pager"),
        (json!("pager"), "alert_channels", "Give"),
    ] {
        let refused = world.ann("PATCH", EU, Some(json!({ "alert_channels": given }))).await;
        assert_eq!(refused.problem().1.as_deref(), Some(field), "{given}: {refused:?}");
        assert!(refused.json()["mend"].as_str().is_some_and(|text| text.contains(mend)), "{given}: {refused:?}");
    }
    assert_eq!(channels(&world).await, json!(null));
    let none = World::start().await.with_keystore().await;
    let refused = none.ann("PATCH", EU, Some(json!({ "alert_channels": ["pager"] }))).await;
    assert!(refused.json()["mend"].as_str().is_some_and(|mend| mend.contains("[[alerts.webhook]]")), "{refused:?}");
    assert_eq!(none.ann("PATCH", "/v1/keystores/mars", Some(json!({ "alert_channels": null }))).await.status, StatusCode::NOT_FOUND);
}

/// What is exported says who hears of it, and a plan is bound to who hears of it now.
#[tokio::test]
async fn an_estate_says_who_hears_of_a_keystore_and_an_older_plan_is_stale_fx_010() {
    let world = world().await;
    let keystore = |alerts: Value| json!({ "keystores": [{ "name": "eu", "alerts": alerts }] });
    let plan = async |estate: &Value| world.ann("POST", "/v1/estate/plans", Some(estate.clone())).await;
    let refused = plan(&keystore(json!(["beeper"]))).await;
    let mistake = &refused.json()["mistakes"][0];
    assert_eq!(mistake["field"], "keystores[0].alerts", "{refused:?}");
    assert!(mistake["mend"].as_str().is_some_and(|mend| mend.contains("mail:ops@example.com, pager")), "{refused:?}");

    let wanted = keystore(json!(["pager"]));
    let planned = plan(&wanted).await.json();
    let change = &planned["changes"][0];
    assert_eq!((&change["action"], &change["dangers"][0]["kind"]), (&json!("set-alert-channels"), &json!("tells-fewer")), "{planned:#}");
    assert_eq!(change["fields"], json!([{ "field": "alerts", "from": "all", "to": "pager" }]));
    world.ann("PATCH", EU, Some(json!({ "alert_channels": ["mail:ops@example.com"] }))).await;
    let order = |digest: &Value| json!({ "estate": wanted, "digest": digest });
    assert_eq!(world.ann("POST", "/v1/estate/applies", Some(order(&planned["digest"]))).await.problem().0, "plan-stale");

    let planned = plan(&wanted).await.json();
    assert_eq!(planned["changes"][0]["fields"][0]["from"], "mail:ops@example.com", "{planned:#}");
    assert_eq!(world.ann("POST", "/v1/estate/applies", Some(order(&planned["digest"]))).await.status, StatusCode::CREATED);
    world.app.look_at_applies().await.expect("a store");
    assert_eq!(channels(&world).await, json!(["pager"]));
    let exported = world.ann("GET", "/v1/estate", None).await.json();
    assert_eq!(exported["keystores"][0]["alerts"], json!(["pager"]), "{exported:#}");
    assert_eq!(plan(&exported).await.json()["changes"], json!([]), "{exported:#}");
    let all = plan(&keystore(json!(["*"]))).await.json();
    assert_eq!((&all["changes"][0]["fields"][0]["to"], &all["changes"][0]["dangers"]), (&json!("all"), &json!([])), "{all:#}");
}
