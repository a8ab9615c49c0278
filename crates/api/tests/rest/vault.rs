//! The vault over the API: who opens it, what is refused, and its keys made new.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{Answer, PASSPHRASE, World, request};

async fn unseal(world: &World, body: Value) -> Answer {
    world.send(request("POST", "/v1/vault/unseal", None, Some(body))).await
}

#[tokio::test]
async fn whoever_knows_the_secret_opens_the_vault_and_nobody_else() {
    let world = World::start().await;
    world.ann("POST", "/v1/vault/seal", None).await;
    let wrong = unseal(&world, json!({ "passphrase": "S3CRET but not the one" })).await;
    assert_eq!((wrong.status, wrong.problem().0.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-input"));
    assert!(!wrong.text.contains("S3CRET"));
    for several in [json!({}), json!({ "passphrase": "a", "share": "b" })] {
        assert_eq!(unseal(&world, several).await.problem().1.as_deref(), Some("body"));
    }
    let vault = unseal(&world, json!({ "passphrase": PASSPHRASE })).await.json();
    let expected = json!({
        "sealed": false, "kind": "passphrase", "shares_needed": null, "shares_have": null, "root_generation": 1, "root_changed": false, "rotation": null
    });
    assert_eq!(vault, expected);
}

#[tokio::test]
async fn an_open_vault_is_no_oracle_for_secrets() {
    let world = World::start().await;
    let right = unseal(&world, json!({ "passphrase": PASSPHRASE })).await;
    let wrong = unseal(&world, json!({ "passphrase": "another one" })).await;
    assert_eq!((right.status, right.text), (wrong.status, wrong.text));
}

#[tokio::test]
async fn a_new_root_opens_by_its_shares_and_they_are_shown_once() {
    let world = World::start().await;
    let body = json!({ "what": "root", "unlock": { "shares": { "count": 3, "threshold": 2 } } });
    let rotated = world.ann("POST", "/v1/vault/rotate", Some(body)).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    let rotated = rotated.json();
    assert_eq!((&rotated["kind"], &rotated["root_generation"], &rotated["rotation"]), (&json!("shares"), &json!(2), &Value::Null));
    let shares: Vec<String> = rotated["new_shares"].as_array().expect("shares").iter().map(|share| share.as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(shares.len(), 3);
    assert!(!world.send(request("GET", "/v1/vault", None, None)).await.text.contains(&shares[0]));

    world.ann("POST", "/v1/vault/seal", None).await;
    let one = unseal(&world, json!({ "share": shares[2] })).await.json();
    assert_eq!((&one["sealed"], &one["shares_have"], &one["shares_needed"]), (&json!(true), &json!(1), &json!(2)));
    assert_eq!(unseal(&world, json!({ "share": shares[0] })).await.json()["sealed"], false);
}

#[tokio::test]
async fn a_share_that_is_none_of_the_roots_is_refused_and_the_keepers_go_on() {
    let world = World::start().await;
    let mut sets = Vec::new();
    for _ in 0..2 {
        let body = json!({ "what": "root", "unlock": { "shares": { "count": 3, "threshold": 2 } } });
        let rotated = world.ann("POST", "/v1/vault/rotate", Some(body)).await.json();
        sets.push(rotated["new_shares"].as_array().cloned().expect("shares"));
    }
    world.ann("POST", "/v1/vault/seal", None).await;
    assert_eq!(unseal(&world, json!({ "share": sets[1][0] })).await.json()["shares_have"], 1);
    for (foreign, at) in [(&sets[0], 0), (&sets[0], 1)] {
        let refused = unseal(&world, json!({ "share": foreign[at] })).await;
        assert_eq!((refused.status, refused.problem().1.as_deref()), (StatusCode::UNPROCESSABLE_ENTITY, Some("share")));
        let set = sets[1][0].as_str().and_then(|share| share.split('-').nth(4)).expect("a set").to_owned();
        assert!(!refused.text.contains(&set), "the refusal does not name the set: {}", refused.text);
        assert_eq!(world.send(request("GET", "/v1/vault", None, None)).await.json()["shares_have"], 1);
    }
    assert_eq!(unseal(&world, json!({ "share": sets[1][2] })).await.json()["sealed"], false);
}

#[tokio::test]
async fn a_new_account_key_is_made_while_the_house_goes_on() {
    let world = World::start().await;
    let rotated = world.ann("POST", "/v1/vault/rotate", Some(json!({ "what": "account-key" }))).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    assert!(rotated.json()["rewrapped"] == 0 && rotated.json().get("new_shares").is_none());
}

#[tokio::test]
async fn a_rotation_that_makes_no_sense_is_refused_by_field() {
    let world = World::start().await;
    for (body, field) in [
        (json!({ "what": "everything" }), "what"),
        (json!({ "what": "root" }), "unlock"),
        (json!({ "what": "root", "unlock": {} }), "unlock"),
        (json!({ "what": "account-key", "unlock": { "passphrase": "twelve characters" } }), "unlock"),
        (json!({ "what": "root", "unlock": { "passphrase": "short" } }), "passphrase"),
        (json!({ "what": "root", "unlock": { "key_file": "AAAA" } }), "key_file"),
        (json!({ "what": "root", "unlock": { "shares": { "count": 1, "threshold": 2 } } }), "shares"),
    ] {
        let answer = world.ann("POST", "/v1/vault/rotate", Some(body)).await;
        assert_eq!(answer.problem(), ("invalid-input".to_owned(), Some(field.to_owned())), "{answer:?}");
    }
}

#[tokio::test]
async fn what_needs_the_vault_is_refused_while_it_is_sealed() {
    let world = World::start().await.with_keystore().await;
    world.ann("POST", "/v1/vault/seal", None).await;
    let answer = world.ann("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "eu" }))).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "vault-sealed"));
    assert_eq!(world.ann("GET", "/v1/keys", None).await.status, StatusCode::OK);
}
