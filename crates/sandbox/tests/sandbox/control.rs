//! The control plane.

use serde_json::{Value, json};

use crate::client::{ACCOUNT, DAY_MICROS, start};

#[tokio::test]
async fn health_clock_and_advance() {
    let (sandbox, client) = start().await;
    assert_eq!(client.control("GET", "health", &Value::Null).await.json()["status"], json!("ok"));
    let moved = client.control("POST", "advance", &json!({"micros": DAY_MICROS})).await.json();
    assert_eq!(moved["offset_micros"], json!(DAY_MICROS));
    assert_eq!(sandbox.clock().offset_micros(), 86_400_000_000);
    for wrong in [json!({"micros": -1}), json!({"seconds": 1}), json!([])] {
        let answer = client.control("POST", "advance", &wrong).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.json()["error"].as_str().expect("a reason").contains("documented form"));
    }
}

#[tokio::test]
async fn lost_material_empties_a_key_and_the_same_bytes_restore_it() {
    let (_sandbox, client) = start().await;
    let key = client.filled_key(&[3; 32]).await;
    let sealed = client.ok("Encrypt", &json!({"KeyId": key, "Plaintext": "aGVsbG8="})).await;
    let lost = client.control("POST", "lose-material", &json!({"key": key})).await.json();
    assert_eq!(lost, json!({"keys": [format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key}")]}));
    assert_eq!(client.state(&key).await, "PendingImport", "CM-037: KMS lost the material");
    client.refused("KMSInvalidStateException", "Decrypt", &json!({"CiphertextBlob": sealed["CiphertextBlob"]})).await;
    let other = client.import_request(&key, &[4; 32]).await;
    client.refused("IncorrectKeyMaterialException", "ImportKeyMaterial", &other).await;
    client.import(&key, &[3; 32]).await;
    assert_eq!(client.state(&key).await, "Enabled", "CM-056: the material was uploaded again");
    let opened = client.ok("Decrypt", &json!({"CiphertextBlob": sealed["CiphertextBlob"]})).await;
    assert_eq!(opened["Plaintext"], json!("aGVsbG8="));
    let nobody = client.control("POST", "lose-material", &json!({"key": "nobody"})).await;
    assert_eq!(nobody.status, 404);
}

#[tokio::test]
async fn the_state_shows_every_key_but_never_its_material() {
    let (_sandbox, client) = start().await;
    let key = client.filled_key(b"0123456789abcdef0123456789abcdef").await;
    client.ok("CreateAlias", &json!({"AliasName": "alias/shown", "TargetKeyId": key})).await;
    client.ok("TagResource", &json!({"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]})).await;
    let empty = client.in_region("us-east-1").external_key().await;
    let answer = client.control("GET", "state", &Value::Null).await;
    let keys = answer.json()["keys"].as_array().expect("a list").clone();
    assert_eq!(keys.iter().map(|key| key["id"].clone()).collect::<Vec<_>>(), [json!(key), json!(empty)]);
    let shown = |name: &str| keys[0][name].clone();
    assert_eq!((shown("state"), shown("region"), shown("has_material")), (json!("Enabled"), json!("eu-west-1"), json!(true)));
    assert_eq!((shown("aliases"), shown("tags")), (json!(["alias/shown"]), json!({"a": "b"})));
    assert_eq!((keys[1]["state"].clone(), keys[1]["has_material"].clone()), (json!("PendingImport"), json!(false)));
    for secret in ["0123456789abcdef", &hex::encode("0123456789abcdef"), "MDEyMzQ1Njc4OWFiY2RlZ"] {
        assert!(!answer.body.contains(secret), "{secret}");
    }
    assert_eq!(client.control("GET", &format!("material?key={key}"), &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_forced_state_makes_rare_states_testable() {
    let (_sandbox, client) = start().await;
    let key = client.filled_key(&[3; 32]).await;
    for (state, reason) in [("Unavailable", "is unavailable."), ("Creating", "is creating.")] {
        client.control("POST", "force-state", &json!({"key": key, "state": state})).await;
        let answer = client.refused("KMSInvalidStateException", "Encrypt", &json!({"KeyId": key, "Plaintext": "eA=="})).await;
        assert!(answer.body.contains(reason), "{}", answer.body);
    }
    client.control("POST", "force-state", &json!({"key": key, "state": null})).await;
    assert_eq!(client.state(&key).await, "Enabled");
}

#[tokio::test]
async fn users_roles_and_settings_change_at_run_time() {
    let (sandbox, client) = start().await;
    let user = json!({"name": "bob", "account": "999999999999", "access_key": "AKIABOB", "secret_key": "s", "allow": ["kms:Describe*", "kms:ListKeys"]});
    assert_eq!(client.control("POST", "users", &user).await.status, 200);
    let bob = crate::client::Client { access_key: "AKIABOB".to_owned(), secret: "s".to_owned(), ..client.clone() };
    bob.ok("ListKeys", &json!({})).await;
    let refused = bob.refused("AccessDeniedException", "CreateKey", &json!({})).await;
    let expected = "User: arn:aws:iam::999999999999:user/bob is not authorized to perform: kms:CreateKey on resource: * \
                    because no identity-based policy allows the kms:CreateKey action";
    assert_eq!(refused.json()["message"], json!(expected));
    let foreign = client.external_key().await;
    bob.refused("NotFoundException", "DescribeKey", &json!({"KeyId": foreign})).await;
    let wrong = client.control("POST", "roles", &json!({"arn": "arn:aws:iam::1:role/x", "trusted": []})).await;
    assert_eq!((wrong.status, wrong.body.contains("account")), (400, true), "{}", wrong.body);
    let changed = client.control("POST", "config", &json!({"latency_ms": 1, "visibility_ms": 2})).await.json();
    assert_eq!((changed["latency_ms"].clone(), changed["visibility_ms"].clone(), changed["quotas"].clone()), (json!(1), json!(2), json!(false)));
    assert_eq!(sandbox.settings().visibility_ms, 2);
    assert_eq!(client.control("GET", "nothing", &Value::Null).await.status, 404);
    assert_eq!(client.control("GET", "events?since=x", &Value::Null).await.status, 400);
}

#[tokio::test]
async fn only_loopback_is_listened_on_and_a_stopped_sandbox_is_gone() {
    let bind = "0.0.0.0:0".parse().expect("an address");
    let open = keystead_sandbox::Sandbox::start(keystead_sandbox::Config { bind, ..Default::default() }).await;
    assert!(matches!(open, Err(keystead_sandbox::StartError::NotLoopback(_))));
    let (sandbox, client) = start().await;
    client.external_key().await;
    sandbox.shutdown().await;
    assert!(tokio::net::TcpStream::connect(&client.addr).await.is_err());
}

#[tokio::test]
async fn keys_are_made_in_plenty_shown_as_asked_for_and_ended() {
    let (_sandbox, client) = start().await;
    let order = json!({"account": ACCOUNT, "region": "eu-west-1", "stem": "app", "count": 1_200, "tags": {"team": "pay"}});
    assert_eq!(client.control("POST", "keys", &order).await.json(), json!({"keys": 1_200}));
    let order =
        json!({"account": ACCOUNT, "region": "eu-west-1", "stem": "odd", "count": 1, "shown_spec": "ML_DSA_44", "replicas": ["us-east-1"], "exact": true});
    client.control("POST", "keys", &order).await;
    let first = client.ok("ListKeys", &json!({"Limit": 1_000})).await;
    let rest = client.ok("ListKeys", &json!({"Limit": 1_000, "Marker": first["NextMarker"]})).await;
    assert_eq!((first["Keys"].as_array().map(Vec::len), rest["Keys"].as_array().map(Vec::len)), (Some(1_000), Some(201)));
    let metadata = client.ok("DescribeKey", &json!({"KeyId": "alias/app-000007"})).await["KeyMetadata"].clone();
    assert_eq!((&metadata["Origin"], &metadata["KeyState"], &metadata["Description"]), (&json!("AWS_KMS"), &json!("Enabled"), &json!("app-000007")));
    client.ok("Encrypt", &json!({"KeyId": metadata["KeyId"], "Plaintext": "aGVsbG8="})).await;
    let odd = client.ok("DescribeKey", &json!({"KeyId": "alias/odd"})).await["KeyMetadata"].clone();
    assert_eq!((&odd["KeySpec"], &odd["MultiRegionConfiguration"]["MultiRegionKeyType"]), (&json!("ML_DSA_44"), &json!("PRIMARY")));
    assert_eq!(client.control("DELETE", "keys", &json!({"key": metadata["KeyId"]})).await.status, 200);
    client.refused("NotFoundException", "DescribeKey", &json!({"KeyId": metadata["KeyId"]})).await;
    let calls = client.control("GET", "calls", &Value::Null).await.json();
    assert_eq!((&calls["calls"]["ListKeys"], &calls["calls"]["DescribeKey"]), (&json!(2), &json!(3)));
}
