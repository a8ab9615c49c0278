//! Scripted faults, as a client meets them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, start};

const CREATE: &str = "CreateKey";

async fn script(client: &Client, faults: Value) {
    let answer = client.control("POST", "faults", &json!({"faults": faults})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn external() -> Value {
    json!({"Origin": "EXTERNAL"})
}

#[tokio::test]
async fn a_lost_answer_has_had_its_effect_and_a_dropped_request_has_not() {
    let (_sandbox, client) = start().await;
    script(&client, json!([{"operation": CREATE, "fault": "lost"}, {"operation": CREATE, "fault": "drop"}])).await;
    assert!(client.try_kms(CREATE, &external()).await.is_none(), "not one byte of an answer");
    assert_eq!(client.key_count().await, 1);
    assert!(client.try_kms(CREATE, &external()).await.is_none());
    assert_eq!(client.key_count().await, 1);
    client.ok(CREATE, &external()).await;
    assert_eq!(client.key_count().await, 2);
}

#[tokio::test]
async fn a_late_effect_comes_after_further_calls() {
    let (_sandbox, client) = start().await;
    script(&client, json!([{"operation": CREATE, "fault": "late", "calls": 2}])).await;
    assert!(client.try_kms(CREATE, &external()).await.is_none());
    // The effect follows the second call: that call itself does not see it yet.
    assert_eq!([client.key_count().await, client.key_count().await, client.key_count().await], [0, 0, 1]);
}

#[tokio::test]
async fn a_late_effect_comes_after_some_time() {
    let (_sandbox, client) = start().await;
    script(&client, json!([{"operation": CREATE, "fault": "late", "millis": 60}])).await;
    assert!(client.try_kms(CREATE, &external()).await.is_none());
    assert_eq!(client.key_count().await, 0);
    let deadline = Instant::now() + Duration::from_secs(5);
    while client.key_count().await == 0 {
        assert!(Instant::now() < deadline, "the effect never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_duplicate_makes_two_keys_and_answers_with_the_second() {
    let (_sandbox, client) = start().await;
    script(&client, json!([{"operation": CREATE, "fault": "duplicate"}])).await;
    client.external_key().await;
    assert_eq!(client.key_count().await, 2, "CreateKey has no idempotency token");
}

#[tokio::test]
async fn errors_and_bare_500s_have_no_effect_and_delays_are_kept() {
    let (_sandbox, client) = start().await;
    let plan = json!([
        {"operation": CREATE, "fault": "error", "code": "KMSInternalException", "status": 500, "message": "scripted"},
        {"operation": "*", "fault": "http_500"},
        {"operation": CREATE, "fault": "delay", "millis": 80},
        {"operation": "GetCallerIdentity", "fault": "error", "code": "Throttling"}
    ]);
    script(&client, plan).await;
    let scripted = client.kms(CREATE, &external()).await;
    assert_eq!((scripted.status, scripted.error().as_str()), (500, "KMSInternalException"));
    let bare = client.kms(CREATE, &external()).await;
    assert_eq!((bare.status, bare.body.as_str()), (500, "Internal Server Error"));
    let before = Instant::now();
    client.external_key().await;
    assert!(before.elapsed() >= Duration::from_millis(80));
    assert_eq!(client.key_count().await, 1);
    let throttled = client.sts("Action=GetCallerIdentity&Version=2011-06-15").await;
    assert!(throttled.status == 400 && throttled.body.contains("<Code>Throttling</Code>"), "{}", throttled.body);
}

#[tokio::test]
async fn the_plan_can_be_read_and_cleared() {
    let (_sandbox, client) = start().await;
    script(&client, json!([{"operation": CREATE, "skip": 1, "fault": "drop"}])).await;
    let left = client.control("GET", "faults", &Value::Null).await.json();
    assert_eq!(left, json!({"faults": [{"operation": CREATE, "skip": 1, "count": 1, "fault": "drop"}]}));
    assert_eq!(client.control("DELETE", "faults", &Value::Null).await.json(), json!({"faults": []}));
    let nonsense = client.control("POST", "faults", &json!({"faults": [{"operation": CREATE, "fault": "explode"}]})).await;
    assert_eq!(nonsense.status, 400);
    assert!(nonsense.body.contains("explode"), "{}", nonsense.body);
}

#[tokio::test]
async fn an_import_whose_answer_was_lost_can_be_repeated_with_the_same_material() {
    let (_sandbox, client) = start().await;
    let key = client.external_key().await;
    let request = client.import_request(&key, &[7; 32]).await;
    script(&client, json!([{"operation": "ImportKeyMaterial", "fault": "lost"}])).await;
    assert!(client.try_kms("ImportKeyMaterial", &request).await.is_none());
    assert_eq!(client.state(&key).await, "Enabled");
    client.import(&key, &[7; 32]).await;
}
