//! Rates, limits, and many callers at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use keystead_sandbox::Settings;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::start;

#[tokio::test]
async fn quotas_throttle_at_aws_s_rates_and_time_refills_them() {
    let (sandbox, client) = start().await;
    sandbox.set_settings(Settings { quotas: true, quota_overrides: BTreeMap::from([("ListKeys".to_owned(), 0.0)]), ..Settings::default() });
    let mut made = 0;
    for _ in 0..20 {
        let answer = client.kms("CreateKey", &json!({"Origin": "EXTERNAL"})).await;
        if answer.status == 200 {
            made += 1;
            continue;
        }
        assert_eq!(answer.error(), "ThrottlingException");
        let message = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.";
        assert_eq!(answer.json()["message"], json!(message));
    }
    // Five a second; slow machines may let a few more through while the test runs.
    assert!((5..15).contains(&made), "{made}");
    client.refused("ThrottlingException", "ListKeys", &json!({})).await;
    sandbox.advance(1_000_000);
    client.external_key().await;
}

#[tokio::test]
async fn an_account_has_only_so_many_keys_in_a_region() {
    let (sandbox, client) = start().await;
    sandbox.set_settings(Settings { keys_max: 2, ..Settings::default() });
    for _ in 0..2 {
        client.external_key().await;
    }
    client.refused("LimitExceededException", "CreateKey", &json!({})).await;
    client.in_region("us-east-1").external_key().await;
}

#[tokio::test]
async fn latency_is_kept_and_calls_wait_side_by_side() {
    let (sandbox, client) = start().await;
    sandbox.set_settings(Settings { latency_ms: 150, ..Settings::default() });
    let before = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let client = client.clone();
        calls.spawn(async move { client.ok("ListKeys", &json!({})).await });
    }
    assert_eq!(calls.join_all().await.len(), 8);
    assert!(before.elapsed() >= Duration::from_millis(150));
    assert!(before.elapsed() < Duration::from_millis(8 * 150), "the lock is not held while a call waits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_imports_at_once_into_an_empty_key_one_binds_it() {
    let (_sandbox, client) = start().await;
    let key = client.external_key().await;
    let mut imports = JoinSet::new();
    for byte in 1..=6 {
        let request = client.import_request(&key, &[byte; 32]).await;
        let client = client.clone();
        imports.spawn(async move { client.kms("ImportKeyMaterial", &request).await.error() });
    }
    let mut outcomes = imports.join_all().await;
    outcomes.sort();
    assert_eq!(outcomes[0], "");
    assert!(outcomes[1..].iter().all(|error| error == "IncorrectKeyMaterialException"), "{outcomes:?}");
    assert_eq!(client.state(&key).await, "Enabled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_keys_are_listed_in_pages_without_a_gap() {
    let (_sandbox, client) = start().await;
    let mut makers = JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        makers.spawn(async move {
            for _ in 0..500 {
                client.external_key().await;
            }
        });
    }
    makers.join_all().await;
    let (mut ids, mut marker) = (Vec::new(), Value::Null);
    loop {
        let page = client.ok("ListKeys", &json!({"Limit": 300, "Marker": marker})).await;
        ids.extend(page["Keys"].as_array().expect("a list").iter().map(|key| key["KeyId"].to_string()));
        marker = page.get("NextMarker").cloned().unwrap_or(Value::Null);
        if marker.is_null() {
            break;
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 2_000);
}
