//! What time does: visibility, expiry, rotations that take a while, and the trail of it all.

use keystead_sandbox::Settings;
use serde_json::{Value, json};

use crate::client::{DAY_MICROS, start};

fn slow_to_show() -> Settings {
    Settings { visibility_ms: 3_600_000, ..Settings::default() }
}

#[tokio::test]
async fn a_new_key_and_alias_show_after_the_visibility_delay() {
    let (sandbox, client) = start().await;
    sandbox.set_settings(slow_to_show());
    let key = client.external_key().await;
    client.refused("NotFoundException", "DescribeKey", &json!({"KeyId": key})).await;
    let wanted = json!({"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"});
    client.refused("NotFoundException", "GetParametersForImport", &wanted).await;
    assert_eq!(client.key_count().await, 0);
    sandbox.advance(3_601_000_000);
    assert_eq!(client.state(&key).await, "PendingImport");
    client.ok("CreateAlias", &json!({"AliasName": "alias/slow", "TargetKeyId": key})).await;
    client.refused("NotFoundException", "DescribeKey", &json!({"KeyId": "alias/slow"})).await;
    client.refused("AlreadyExistsException", "CreateAlias", &json!({"AliasName": "alias/slow", "TargetKeyId": key})).await;
    sandbox.advance(3_601_000_000);
    client.ok("DescribeKey", &json!({"KeyId": "alias/slow"})).await;
}

#[tokio::test]
async fn a_moved_alias_shows_its_old_target_for_a_while() {
    let (sandbox, client) = start().await;
    let (old, new) = (client.external_key().await, client.external_key().await);
    client.ok("CreateAlias", &json!({"AliasName": "alias/a", "TargetKeyId": old})).await;
    sandbox.set_settings(slow_to_show());
    client.ok("UpdateAlias", &json!({"AliasName": "alias/a", "TargetKeyId": new})).await;
    for expected in [&old, &new] {
        let seen = client.ok("DescribeKey", &json!({"KeyId": "alias/a"})).await;
        assert_eq!(seen["KeyMetadata"]["KeyId"], **expected);
        for key in [&old, &new] {
            let listed = client.ok("ListAliases", &json!({"KeyId": key})).await;
            assert_eq!(listed["Aliases"].as_array().expect("a list").len(), usize::from(key == expected));
        }
        sandbox.advance(3_601_000_000);
    }
}

#[tokio::test]
async fn one_expired_old_material_stops_the_whole_key() {
    let (sandbox, client) = start().await;
    let key = client.external_key().await;
    let end = sandbox.clock().now_micros() / 1_000_000 + 10 * 86_400;
    let mut first = client.import_request(&key, &[1; 32]).await;
    (first["ExpirationModel"], first["ValidTo"]) = (json!("KEY_MATERIAL_EXPIRES"), json!(end));
    client.ok("ImportKeyMaterial", &first).await;
    let mut second = client.import_request(&key, &[2; 32]).await;
    second["ImportType"] = json!("NEW_KEY_MATERIAL");
    client.ok("ImportKeyMaterial", &second).await;
    client.ok("RotateKeyOnDemand", &json!({"KeyId": key})).await;
    sandbox.advance(10 * DAY_MICROS + 1_000_000);
    assert_eq!(client.state(&key).await, "PendingImport");
    let mut again = client.import_request(&key, &[1; 32]).await;
    again["ImportType"] = json!("EXISTING_KEY_MATERIAL");
    client.ok("ImportKeyMaterial", &again).await;
    assert_eq!(client.state(&key).await, "Enabled");
}

#[tokio::test]
async fn a_rotation_under_way_shows_and_refuses_a_second_one() {
    let (sandbox, client) = start().await;
    let key = client.filled_key(&[1; 32]).await;
    let mut second = client.import_request(&key, &[2; 32]).await;
    second["ImportType"] = json!("NEW_KEY_MATERIAL");
    client.ok("ImportKeyMaterial", &second).await;
    sandbox.set_settings(slow_to_show());
    client.ok("RotateKeyOnDemand", &json!({"KeyId": key})).await;
    client.refused("ConflictException", "RotateKeyOnDemand", &json!({"KeyId": key})).await;
    let status = client.ok("GetKeyRotationStatus", &json!({"KeyId": key})).await;
    assert!(status["OnDemandRotationStartDate"].is_number(), "{status}");
    sandbox.advance(3_601_000_000);
    let status = client.ok("GetKeyRotationStatus", &json!({"KeyId": key})).await;
    assert!(status.get("OnDemandRotationStartDate").is_none(), "{status}");
    let rotations = client.ok("ListKeyRotations", &json!({"KeyId": key})).await;
    assert_eq!(rotations["Rotations"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn the_trail_tells_calls_errors_and_what_the_cloud_did_itself_but_no_secret() {
    let (sandbox, client) = start().await;
    let key = client.external_key().await;
    let end = sandbox.clock().now_micros() / 1_000_000 + 10 * 86_400;
    let mut import = client.import_request(&key, &[0x5a; 32]).await;
    (import["ExpirationModel"], import["ValidTo"]) = (json!("KEY_MATERIAL_EXPIRES"), json!(end));
    client.ok("ImportKeyMaterial", &import).await;
    client.ok("Encrypt", &json!({"KeyId": key, "Plaintext": "cGxhaW4=", "EncryptionContext": {"Purpose": "Test"}})).await;
    client.refused("NotFoundException", "DescribeKey", &json!({"KeyId": "alias/nobody"})).await;
    client.ok("ScheduleKeyDeletion", &json!({"KeyId": key, "PendingWindowInDays": 20})).await;
    sandbox.advance(21 * DAY_MICROS);
    let answer = client.control("GET", "events?since=0", &Value::Null).await;
    let events = answer.json()["events"].as_array().expect("a list").clone();
    let names: Vec<&str> = events.iter().map(|event| event["eventName"].as_str().expect("a name")).collect();
    let expected =
        ["CreateKey", "GetParametersForImport", "ImportKeyMaterial", "Encrypt", "DescribeKey", "ScheduleKeyDeletion", "DeleteExpiredKeyMaterial", "DeleteKey"];
    assert_eq!(names, expected, "CM-006");
    assert_eq!((events[1]["readOnly"].clone(), events[2]["readOnly"].clone()), (json!(true), json!(false)));
    assert_eq!(events[3]["requestParameters"]["encryptionContext"], json!({"Purpose": "Test"}));
    assert_eq!(events[4]["errorCode"], json!("NotFoundException"));
    assert_eq!(events[6]["eventType"], json!("AwsServiceEvent"));
    assert!(events[2]["resources"][0]["ARN"].as_str().expect("an ARN").ends_with(&key));
    for secret in [import["ImportToken"].as_str(), import["EncryptedKeyMaterial"].as_str(), Some("cGxhaW4=")] {
        assert!(!answer.body.contains(secret.expect("text")));
    }
    let later = client.control("GET", "events?since=6", &Value::Null).await.json();
    assert_eq!((later["events"].as_array().map(Vec::len), later["last"].clone()), (Some(2), json!(8)));
}
