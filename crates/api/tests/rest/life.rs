//! Keys over the API, against the simulated AWS: their life, what an answer says of it, and what a repeated request does.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::StatusCode;
use keystead_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::{
    log,
    world::{AWS_ACCOUNT, Answer, World, request},
};

/// A key of 32 counting bytes, in hexadecimal.
const MATERIAL: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn world() -> World {
    World::start().await.with_keystore().await
}

fn orders() -> Value {
    json!({ "name": "orders", "keystore": "eu", "aliases": ["orders"], "tags": { "team": "pay" }, "expires": "90d" })
}

fn name(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string: {value}")).to_owned()
}

#[tokio::test]
async fn a_key_lives_from_its_creation_to_its_deletion_cm_053_to_cm_061() {
    let world = world().await;
    let made = world.done("POST", "/v1/keys", Some(orders())).await;
    let key = &made["key"];
    assert_eq!((&key["state"], &key["region"], &key["keystore"], &key["origin"]), (&json!("ACTIVE"), &json!("eu-west-1"), &json!("eu"), &json!("generated")));
    assert!(name(&key["cloud_arn"]).contains(AWS_ACCOUNT) && key["enabled"] == true && key["material_present"] == true && key["is_current"] == true);
    assert_eq!((&made["operation"]["kind"], &made["operation"]["step_name"], &made["no_op"]), (&json!("create-key"), &json!("done"), &json!(false)));

    for (action, state) in [("deactivate", "INACTIVE"), ("activate", "ACTIVE"), ("upload", "ACTIVE")] {
        assert_eq!(world.done("POST", &format!("/v1/keys/orders/{action}"), None).await["key"]["state"], state, "{action}");
    }
    let change = json!({ "description": "Orders at rest", "tags": { "team": "shop" } });
    let changed = world.done("PATCH", "/v1/keys/orders", Some(change)).await;
    assert_eq!((&changed["key"]["description"], &changed["key"]["tags"]), (&json!("Orders at rest"), &json!({ "team": "shop" })));

    let doomed = world.done("POST", "/v1/keys/orders/schedule-deletion", Some(json!({ "days": 7 }))).await;
    assert!(doomed["key"]["state"] == "PENDING_DELETION" && doomed["key"]["deletion_date"].is_string());
    assert_eq!(world.done("POST", "/v1/keys/orders/cancel-deletion", None).await["key"]["state"], "INACTIVE");
    world.done("POST", "/v1/keys/orders/schedule-deletion", Some(json!({ "days": 7 }))).await;
    world.sandbox.advance(8 * 86_400_000_000);
    world.app.engine().clean_up().await.expect("a look");
    let operations = world.ann("GET", "/v1/operations?key=orders&limit=1", None).await.json();
    let id = name(&operations["items"][0]["id"]);
    let ended = world.ann("GET", &format!("/v1/operations/{id}?wait=60"), None).await.json();
    assert_eq!((&ended["kind"], &ended["state"], &ended["created_by"]), (&json!("clean-up-key"), &json!("SUCCEEDED"), &json!("system")));
    let gone = world.ann("GET", "/v1/keys/orders", None).await.json();
    assert!(gone["state"] == "DELETED" && gone["versions"][0]["destroyed_at"].is_string(), "{gone}");
    assert_eq!(world.done("DELETE", "/v1/keystores/eu", None).await["key"], Value::Null);
    assert_eq!(world.ann("GET", "/v1/keystores", None).await.json()["items"][0]["state"], "DELETED");
}

#[tokio::test]
async fn a_key_of_the_clouds_own_is_found_adopted_and_forgotten_ft_051_ft_067_ft_079() {
    let world = world().await;
    world.sandbox.seed_keys(AWS_ACCOUNT, "eu-west-1", "legacy", 2).expect("keys");
    let synced = world.done("POST", "/v1/keystores/eu/sync", None).await;
    assert_eq!((&synced["operation"]["kind"], &synced["key"]), (&json!("sync-keystore"), &Value::Null));
    let sync = &synced["operation"]["sync"];
    assert_eq!((&sync["found"], &sync["new"], &sync["unknown_keys"]), (&json!(2), &json!(2), &json!([])), "{sync}");
    let listed = world.ann("GET", "/v1/keys?custody=native", None).await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(world.ann("GET", "/v1/keys?custody=borrowed", None).await.json()["field"], "custody");
    let shown = world.ann("GET", "/v1/keys/legacy-000001", None).await.json();
    let (key, view) = (&shown["custody"], &shown["view"]);
    assert_eq!((key, &shown["origin"], &view["origin"], &view["grants"]), (&json!("native"), &json!("cloud"), &json!("AWS_KMS"), &json!(0)), "{shown}");
    assert!(name(&view["policy"]).contains("key-default-1") && name(&view["policy_sha256"]).len() == 64, "FT-059");
    let adopted = world.done("POST", "/v1/keys/legacy-000001/adopt", Some(json!({ "expires": "90d" }))).await;
    assert_eq!((&adopted["key"]["origin"], &adopted["key"]["custody"]), (&json!("adopted"), &json!("own")), "FT-080");
    let own = world.ann("GET", "/v1/keys/legacy-000001", None).await.json();
    assert_eq!((&own["adopted_from"], &own["predecessor"]), (&shown["cloud_arn"], &shown["id"]));
    let mut early = request("POST", "/v1/keys/legacy-000000/forget", Some(world.ann.expose()), None);
    early.headers_mut().insert("prefer", "wait=60".parse().expect("a value"));
    let early = world.send(early).await.json();
    assert!(early["operation"]["state"] == "FAILED" && name(&early["operation"]["problem"]["type"]).ends_with("cloud-key-still-there"), "{early}");
    world.done("POST", "/v1/keys/legacy-000000/schedule-deletion", Some(json!({ "days": 7 }))).await;
    world.sandbox.advance(8 * 86_400_000_000);
    let forgotten = world.done("POST", "/v1/keys/legacy-000000/forget", None).await;
    assert_eq!((&forgotten["operation"]["state"], &forgotten["key"]["state"]), (&json!("SUCCEEDED"), &json!("DELETED")));
    let native = world.ann("GET", "/v1/keystores/eu/policy?native=true", None).await.json();
    let plain = world.ann("GET", "/v1/keystores/eu/policy", None).await.json();
    assert!(native.to_string().contains("ManageNativeKeys") && !plain.to_string().contains("ManageNativeKeys"), "FT-017");
    assert_eq!(world.ann("GET", "/v1/keystores/eu/policy?native=perhaps", None).await.json()["field"], "native");
}

#[tokio::test]
async fn a_key_that_is_gone_is_made_anew_once_and_what_cannot_come_back_is_told_fx_003() {
    let world = world().await;
    let first = world.done("POST", "/v1/keys", Some(json!({ "name": "seal", "keystore": "eu", "spec": "HMAC_256" }))).await["key"].clone();
    let ask = async || {
        let mut asked = request("POST", "/v1/keys/seal/recreate", Some(world.ann.expose()), None);
        asked.headers_mut().insert("prefer", "wait=60".parse().expect("a value"));
        asked.headers_mut().insert("idempotency-key", "recreate-1".parse().expect("a value"));
        world.send(asked).await.json()
    };
    let plan = world.ann("GET", "/v1/keys/seal/recreate", None).await.json();
    assert!(
        plan["old_arn"] == first["cloud_arn"] && plan["state"] == "INACTIVE" && name(&plan["next"]).contains("put-key-policy"),
        "no sync has seen its policy: {plan}"
    );
    world.deletes_in_cloud(&first["cloud_key_id"]).await;
    world.sandbox.advance(300_000_000);
    let refused = ask().await;
    assert!(refused["detail"].to_string().contains("no sync has missed it"), "{refused}");
    world.done("POST", "/v1/keystores/eu/sync", None).await;
    let made = ask().await;
    assert_eq!(
        (&made["operation"]["kind"], &made["operation"]["state"], &made["key"]["state"]),
        (&json!("recreate-key"), &json!("SUCCEEDED"), &json!("INACTIVE")),
        "{made}"
    );
    assert!(made["key"]["predecessor"] == first["id"] && made["warnings"].to_string().contains("grants"), "{made}");
    let again = ask().await;
    assert_eq!(again["operation"]["id"], made["operation"]["id"], "the same request is the same operation");
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await.json();
    let told = log["items"].as_array().into_iter().flatten().filter(|item| item["entry"]["action"] == "key.recreate").count();
    assert!(told >= 3, "the decision, and the end of each of both keys: {told}");
}

#[tokio::test]
async fn behind_a_renewal_the_answers_key_is_the_successor_cm_057() {
    let world = world().await;
    let first = world.done("POST", "/v1/keys", Some(orders())).await["key"].clone();
    let renewed = world.done("POST", "/v1/keys/orders/renew", None).await;
    let second = &renewed["key"];
    assert_eq!(renewed["operation"]["key"], first["id"]);
    assert_eq!(
        (&second["predecessor"], &second["aliases"], &second["state"], &second["is_current"]),
        (&first["id"], &json!(["orders"]), &json!("ACTIVE"), &json!(true))
    );
    let old = world.ann("GET", &format!("/v1/keys/{}", name(&first["id"])), None).await.json();
    assert_eq!((&old["state"], &old["successor"], &old["aliases"], &old["enabled"]), (&json!("REPLACED"), &second["id"], &json!([]), &json!(true)));
    // CM-025, lifted: the undo is one call.
    let reverted = world.done("POST", "/v1/keys/orders/revert", None).await;
    assert_eq!((&reverted["key"]["id"], &reverted["key"]["state"]), (&second["id"], &json!("REPLACED")));
    let now = world.ann("GET", "/v1/keys/orders", None).await.json();
    assert_eq!((&now["id"], &now["aliases"]), (&first["id"], &json!(["orders"])));
}

#[tokio::test]
async fn without_a_wait_the_operation_is_answered_while_it_runs() {
    let world = world().await;
    let answer = world.ann("POST", "/v1/keys", Some(orders())).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let operation = answer.json()["operation"].clone();
    assert_eq!(answer.header("location"), format!("/v1/operations/{}", name(&operation["id"])));
    assert_eq!((&operation["state"], &answer.json()["key"]["state"], answer.header("preference-applied")), (&json!("RUNNING"), &json!("CREATING"), ""));
    let shown = world.ann("GET", &format!("{}?wait=60", answer.header("location")), None).await.json();
    assert_eq!(shown["state"], "SUCCEEDED");
    let journal = shown["journal"].as_array().expect("a journal");
    assert!(journal.iter().any(|line| line["phase"] == "about") && journal.iter().any(|line| line["phase"] == "done"));
    assert_eq!(world.ann("POST", &format!("{}/wake", answer.header("location")), None).await.json()["state"], "SUCCEEDED");
}

#[tokio::test]
async fn a_granted_wait_is_told_and_what_is_already_so_is_no_operation() {
    let world = world().await;
    world.done("POST", "/v1/keys", Some(orders())).await;
    let mut wait = request("POST", "/v1/keys/orders/deactivate", Some(world.ann.expose()), None);
    wait.headers_mut().insert("prefer", "wait=600".parse().expect("a value"));
    let answer = world.send(wait).await;
    assert_eq!((answer.status, answer.header("preference-applied")), (StatusCode::OK, "wait=60"));
    let again = world.ann("POST", "/v1/keys/orders/deactivate", None).await;
    assert_eq!((again.status, &again.json()["operation"], &again.json()["no_op"]), (StatusCode::OK, &Value::Null, &json!(true)));
    assert_eq!(again.json()["key"]["state"], "INACTIVE");
}

#[tokio::test]
async fn a_failed_operation_is_an_answer_with_its_problem_inside() {
    let world = world().await;
    let code = Effect::Error { code: "LimitExceededException".into(), status: 400, message: "too many keys".into() };
    world.sandbox.add_faults([Fault { operation: "CreateKey".into(), skip: 0, count: 1, effect: code }]);
    let mut request = request("POST", "/v1/keys", Some(world.ann.expose()), Some(orders()));
    request.headers_mut().insert("prefer", "wait=60".parse().expect("a value"));
    let answer = world.send(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = answer.json();
    assert_eq!((&answer["operation"]["state"], &answer["key"]), (&json!("FAILED"), &Value::Null));
    let problem = &answer["operation"]["problem"];
    assert_eq!((&problem["type"], &problem["cloud_code"]), (&json!("https://keystead.dev/problems/cloud-limit"), &json!("LimitExceededException")));
    assert!(problem["mend"].is_string() && problem["cloud_request"].is_string());
}

#[tokio::test]
async fn the_lifecycles_refusals_are_conflicts_cm_068() {
    let world = world().await;
    world.done("POST", "/v1/keys", Some(orders())).await;
    let refused = |answer: Answer| (answer.status.as_u16(), answer.problem().0);
    assert_eq!(refused(world.ann("POST", "/v1/keys/orders/cancel-deletion", None).await), (409, "wrong-state".into()));
    assert_eq!(refused(world.ann("DELETE", "/v1/keystores/eu", None).await), (409, "keystore-not-empty".into()));
    let same = json!({ "name": "orders", "keystore": "eu" });
    assert_eq!(refused(world.ann("POST", "/v1/keys", Some(same)).await), (409, "name-taken".into()));
    let other = json!({ "name": "others", "keystore": "eu", "aliases": ["orders"] });
    assert_eq!(refused(world.ann("POST", "/v1/keys", Some(other)).await), (409, "alias-taken".into()));
    let days = world.ann("POST", "/v1/keys/orders/schedule-deletion", Some(json!({ "days": 6 }))).await;
    assert_eq!(days.problem(), ("invalid-input".into(), Some("days".into())));
    let revert = world.ann("POST", "/v1/keys/orders/revert", None).await;
    assert_eq!(revert.problem(), ("invalid-input".into(), Some("key".into())));
}

#[tokio::test]
async fn a_key_that_an_operation_holds_is_busy_and_names_the_operation() {
    let world = world().await;
    world.done("POST", "/v1/keys", Some(orders())).await;
    world.sandbox.set_settings(keystead_sandbox::Settings { latency_ms: 300, ..world.sandbox.settings() });
    let running = world.ann("POST", "/v1/keys/orders/renew", None).await.json();
    let busy = world.ann("POST", "/v1/keys/orders/deactivate", None).await;
    assert_eq!((busy.status.as_u16(), busy.problem().0.as_str()), (409, "busy"));
    assert!(busy.text.contains(&name(&running["operation"]["id"])));
}

fn keyed(world: &World, key: &str, path: &str, body: Value) -> axum::http::Request<axum::body::Body> {
    let mut request = request("POST", path, Some(world.ann.expose()), Some(body));
    request.headers_mut().insert("idempotency-key", key.parse().expect("a key"));
    request
}

#[tokio::test]
async fn the_same_request_again_is_the_same_operation_and_another_one_is_refused() {
    let world = world().await;
    let first = world.send(keyed(&world, "k-1", "/v1/keys", orders())).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    // The same fields in another order and with more space are the same request.
    let mut same = keyed(&world, "k-1", "/v1/keys", Value::Null);
    *same.body_mut() = r#"{ "tags": {"team":"pay"}, "name": "orders", "keystore":"eu", "expires":"90d", "aliases":["orders"] }"#.into();
    assert_eq!(world.send(same).await.json()["operation"]["id"], first.json()["operation"]["id"]);
    let mut other = orders();
    other["tags"]["team"] = json!("shop");
    for refused in [keyed(&world, "k-1", "/v1/keys", other), keyed(&world, "k-1", "/v1/keys/orders/renew", json!({}))] {
        let refused = world.send(refused).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (422, ("idempotency-mismatch".into(), Some("Idempotency-Key".into()))));
    }
    let bad = world.send(keyed(&world, "", "/v1/keys", orders())).await;
    assert_eq!(bad.problem(), ("invalid-input".into(), Some("Idempotency-Key".into())));
    // The key is Ann's: Ben's is another one.
    let mut bens = keyed(&world, "k-1", "/v1/keys", orders());
    bens.headers_mut().insert("authorization", format!("Bearer {}", world.ben.expose()).parse().expect("a header"));
    assert_eq!(world.send(bens).await.problem().0, "alias-taken");
}

/// All files of the database, one behind the other.
fn database(world: &World) -> Vec<u8> {
    let files = std::fs::read_dir(world.directory.path()).expect("a directory");
    files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes")).collect()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn material_that_is_brought_in_leaves_no_plain_trace_and_no_check_value() {
    log::record();
    let world = world().await;
    let body = json!({ "name": "own", "keystore": "eu", "material": { "format": "hex", "data": MATERIAL } });
    let text = body.to_string();
    let first = world.send(keyed(&world, "k-2", "/v1/keys", body.clone())).await;
    let id = name(&first.json()["operation"]["id"]);
    world.ann("GET", &format!("/v1/operations/{id}?wait=60"), None).await;
    let again = world.send(keyed(&world, "k-2", "/v1/keys", body)).await.json();
    assert_eq!((&again["operation"]["id"], &again["operation"]["state"], &again["key"]["origin"]), (&json!(id), &json!("SUCCEEDED"), &json!("imported")));

    let bytes = hex::decode(MATERIAL).expect("hexadecimal");
    let hash = |text: &[u8]| hex::encode(digest(&SHA256, text)).into_bytes();
    let traces =
        [bytes.clone(), MATERIAL.into(), hash(&bytes), hash(MATERIAL.as_bytes()), hash(text.as_bytes()), hash(format!("POST /v1/keys\n{text}").as_bytes())];
    let logged = log::recorded();
    assert!(holds(&logged, b"/v1/keys") && holds(&logged, b"request_id"), "the log is that of the API");
    let told = [world.ann("GET", "/v1/keys/own", None).await.text, world.ann("GET", "/v1/audit", None).await.text];
    for place in [logged, database(&world), told.concat().into_bytes()] {
        assert!(!traces.iter().any(|trace| holds(&place, trace)));
    }
    let key = world.ann("GET", "/v1/keys/own", None).await.json();
    assert!(name(&key["versions"][0]["birth"]["source"]).contains("import"), "{key}");
}

#[tokio::test]
async fn a_change_is_seen_through_when_its_caller_hangs_up() {
    let world = world().await;
    let mut call = Box::pin(world.send(request("POST", "/v1/keys", Some(world.ann.expose()), Some(orders()))));
    assert!(futures::poll!(&mut call).is_pending());
    drop(call);
    let begun = async {
        loop {
            let operations = world.ann("GET", "/v1/operations", None).await.json();
            if let Some(id) = operations["items"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let operation = tokio::time::timeout(Duration::from_secs(30), begun).await.expect("the change goes on");
    assert_eq!(world.ann("GET", &format!("/v1/operations/{operation}?wait=60"), None).await.json()["state"], "SUCCEEDED");
}

#[tokio::test]
async fn lists_are_paged_and_narrowed() {
    let world = world().await;
    for key in ["one", "two", "three"] {
        world.done("POST", "/v1/keys", Some(json!({ "name": key, "keystore": "eu" }))).await;
    }
    world.done("POST", "/v1/keys/two/deactivate", None).await;
    let mut names = Vec::new();
    let mut path = "/v1/keys?limit=2".to_owned();
    loop {
        let page = world.ann("GET", &path, None).await.json();
        names.extend(page["items"].as_array().expect("items").iter().map(|key| name(&key["name"])));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/keys?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["one", "two", "three"]);
    let inactive = world.ann("GET", "/v1/keys?state=INACTIVE&keystore=eu", None).await.json();
    assert_eq!((inactive["items"].as_array().map(Vec::len), &inactive["items"][0]["name"]), (Some(1), &json!("two")));
    assert_eq!(world.ann("GET", "/v1/keys?name=one", None).await.json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(world.ann("GET", "/v1/keys?keystore=nowhere", None).await.problem().0, "not-found");
}

#[tokio::test]
async fn an_export_takes_two_people_and_serves_once_cm_063_to_cm_066() {
    let world = world().await;
    world.done("POST", "/v1/keys", Some(orders())).await;
    let unprepared = world.ben("POST", "/v1/keys/orders/export/download", None).await;
    assert_eq!((unprepared.status.as_u16(), unprepared.problem().0.as_str()), (409, "export-not-prepared"));
    let weak = world.ann("POST", "/v1/keys/orders/export/prepare", Some(json!({ "public_key": "no key" }))).await;
    assert_eq!(weak.problem(), ("invalid-input".into(), Some("public_key".into())));
    let pem = include_str!("public_key.pem");
    let prepared = world.ann("POST", "/v1/keys/orders/export/prepare", Some(json!({ "public_key": pem }))).await;
    assert_eq!(prepared.status, StatusCode::OK, "{prepared:?}");
    let same = world.ann("POST", "/v1/keys/orders/export/download", None).await;
    assert_eq!((same.status.as_u16(), same.problem().0.as_str()), (403, "same-person"));
    let download = world.ben("POST", "/v1/keys/orders/export/download", None).await.json();
    assert_eq!((&download["algorithm"], &download["public_key_fingerprint"]), (&json!("RSAES_OAEP_SHA_256"), &prepared.json()["public_key_fingerprint"]));
    assert_eq!(name(&download["wrapped"]).len(), 344);
    assert_eq!(world.ben("POST", "/v1/keys/orders/export/download", None).await.problem().0, "export-not-prepared");
}

#[tokio::test]
async fn a_keystores_policy_is_json_and_its_check_finds_what_is_too_much_cm_070() {
    let world = world().await;
    let policy = world.ann("GET", "/v1/keystores/eu/policy", None).await.json();
    assert_eq!(policy["trust_policy"]["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"], policy["external_id"]);
    assert!(policy["permission_policy"]["Statement"].is_array() && policy["steps"][0].is_string());
    let check = world.ann("POST", "/v1/keystores/eu/check", None).await.json();
    assert_eq!((&check["account"], &check["sufficient"]), (&json!(AWS_ACCOUNT), &json!(true)));
    // The sandbox's role allows all of KMS.
    assert!(check["findings"].as_array().is_some_and(|findings| findings.iter().any(|finding| finding["standing"] == "excess")));
    let keystore = world.ann("GET", "/v1/keystores/eu", None).await.json();
    assert_eq!((&keystore["partition"], &keystore["deleted_at"]), (&json!("aws"), &Value::Null));
}

#[tokio::test]
async fn the_audit_log_tells_it_all_and_its_export_verifies() {
    let world = world().await;
    world.done("POST", "/v1/keys", Some(orders())).await;
    world.ann("POST", "/v1/keys/orders/cancel-deletion", None).await;
    let history = world.ann("GET", "/v1/keys/orders/history?limit=1", None).await.json();
    let newest = &history["items"][0];
    assert_eq!((&newest["entry"]["action"], &newest["entry"]["outcome"]), (&json!("key.cancel-deletion"), &json!("refused")));
    assert!(history["next_cursor"].is_string() && name(&newest["at"]).ends_with('Z'));
    let all = world.ann("GET", "/v1/audit?key=orders", None).await.json();
    assert!(all["items"].as_array().is_some_and(|entries| entries.iter().any(|entry| entry["entry"]["action"] == "key.create")));

    let vkey = name(&world.ann("GET", "/v1/audit/key", None).await.json()["vkey"]);
    let export = world.ann("GET", "/v1/audit/export", None).await;
    assert_eq!(export.header("content-type"), "text/plain; charset=utf-8");
    let checkpoint = world.ann("GET", "/v1/audit/checkpoint", None).await;
    assert!(checkpoint.text.starts_with("keystead.test/log\n") && checkpoint.header("content-type").starts_with("text/plain"));
    let verdict = keystead_audit::verify_export(export.text.as_bytes(), Some(&vkey), Some(&checkpoint.text));
    assert!(verdict.is_ok(), "{verdict:?}");
}

#[tokio::test]
async fn the_same_request_twice_at_once_is_one_operation() {
    let world = world().await;
    let send = || world.send(keyed(&world, "k-3", "/v1/keys", orders()));
    let (one, other) = futures::join!(send(), send());
    assert_eq!(one.json()["operation"]["id"], other.json()["operation"]["id"], "{one:?} {other:?}");
}
