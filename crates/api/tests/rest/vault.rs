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
        "sealed": false, "kind": "passphrase", "shares_needed": null, "shares_have": null, "backup": null, "root_generation": 1, "root_changed": false, "rotation": null
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

/// Makes a new root of 2 of 3 shares; what the answer said of it.
async fn prepare(world: &World) -> Value {
    let body = json!({ "what": "root", "unlock": { "shares": { "count": 3, "threshold": 2 } } });
    let answer = world.ann("POST", "/v1/vault/rotate", Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["prepared"].clone()
}

async fn confirm(world: &World, rotation: &Value, shares: &[&Value]) -> Answer {
    world.ann("POST", "/v1/vault/rotate/confirm", Some(json!({ "rotation": rotation, "shares": shares }))).await
}

/// Makes a new root of 2 of 3 shares, and confirms it; its shares.
async fn rotate_to_shares(world: &World) -> Vec<Value> {
    let prepared = prepare(world).await;
    let shares = prepared["new_shares"].as_array().cloned().expect("shares");
    let confirmed = confirm(world, &prepared["rotation"], &[&shares[0], &shares[2]]).await;
    assert_eq!((confirmed.status, &confirmed.json()["kind"]), (StatusCode::OK, &json!("shares")), "{confirmed:?}");
    world.app.finish_root_rotation().await.expect("every row opens");
    shares
}

async fn show(world: &World) -> Value {
    world.send(request("GET", "/v1/vault", None, None)).await.json()
}

#[tokio::test]
async fn a_new_root_counts_when_its_shares_are_shown_and_then_opens_by_them() {
    let world = World::start().await;
    let before = show(&world).await;
    let prepared = prepare(&world).await;
    let shares = prepared["new_shares"].as_array().expect("shares");
    assert_eq!((shares.len(), &prepared["shares_needed"]), (3, &json!(2)));
    let seen = world.send(request("GET", "/v1/vault", None, None)).await;
    assert_eq!(seen.json(), before, "nothing has changed");
    for refused in [confirm(&world, &prepared["rotation"], &[&shares[0]]).await, confirm(&world, &prepared["rotation"], &[&shares[0], &shares[0]]).await] {
        assert_eq!(refused.problem(), ("invalid-input".to_owned(), Some("shares".to_owned())), "{refused:?}");
    }
    assert_eq!(confirm(&world, &json!("rotation_1"), &[&shares[0], &shares[1]]).await.problem().1.as_deref(), Some("rotation"));
    assert_eq!(show(&world).await, before, "still nothing has changed");

    let confirmed = confirm(&world, &prepared["rotation"], &[&shares[2], &shares[0]]).await;
    assert_eq!((confirmed.status, &confirmed.json()["root_generation"]), (StatusCode::OK, &json!(2)), "{confirmed:?}");
    assert_eq!(confirm(&world, &prepared["rotation"], &[&shares[2], &shares[0]]).await.problem().1.as_deref(), Some("rotation"), "it is over");
    world.app.finish_root_rotation().await.expect("every row opens");
    let after = world.send(request("GET", "/v1/vault", None, None)).await;
    assert_eq!((&after.json()["kind"], &after.json()["root_generation"], &after.json()["rotation"]), (&json!("shares"), &json!(2), &Value::Null));
    assert!(!after.text.contains(shares[0].as_str().expect("a share")));

    world.ann("POST", "/v1/vault/seal", None).await;
    let one = unseal(&world, json!({ "share": shares[2] })).await.json();
    assert_eq!((&one["sealed"], &one["shares_have"], &one["shares_needed"]), (&json!(true), &json!(1), &json!(2)));
    assert_eq!(unseal(&world, json!({ "share": shares[0] })).await.json()["sealed"], false);
}

#[tokio::test]
async fn shares_that_nobody_shows_in_time_count_for_nothing() {
    let world = World::start().await;
    let prepared = prepare(&world).await;
    let all = prepared["new_shares"].as_array().expect("shares");
    let newer = prepare(&world).await;
    assert_eq!(confirm(&world, &prepared["rotation"], &[&all[0], &all[1]]).await.problem().1.as_deref(), Some("rotation"), "another was begun behind it");
    assert_eq!(confirm(&world, &newer["rotation"], &[&all[0], &all[1]]).await.problem().1.as_deref(), Some("shares"), "of another root");
    world.sandbox.advance(15 * 60 * 1_000_000);
    let all = newer["new_shares"].as_array().expect("shares");
    assert_eq!(confirm(&world, &newer["rotation"], &[&all[0], &all[1]]).await.problem().1.as_deref(), Some("rotation"), "it is too late");
    let last = prepare(&world).await;
    let all = last["new_shares"].as_array().expect("shares");
    world.ann("POST", "/v1/vault/seal", None).await;
    assert_eq!(confirm(&world, &last["rotation"], &[&all[0], &all[1]]).await.problem().0, "vault-sealed");
    assert_eq!(unseal(&world, json!({ "passphrase": PASSPHRASE })).await.json()["root_generation"], 1, "the old secret opens it as before");
    assert_eq!(confirm(&world, &last["rotation"], &[&all[0], &all[1]]).await.problem().1.as_deref(), Some("rotation"), "sealing forgot the new root");
}

#[tokio::test]
async fn what_is_done_about_new_shares_is_told_and_no_share_with_it() {
    let world = World::start().await;
    let shares = rotate_to_shares(&world).await;
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await;
    let actions: Vec<Value> = log.json()["items"].as_array().expect("entries").iter().rev().map(|item| item["entry"]["action"].clone()).collect();
    assert_eq!(actions.iter().filter(|action| *action == "vault.prepare-root" || *action == "vault.rotate-root").count(), 2, "{actions:?}");
    assert!(shares.iter().all(|share| !log.text.contains(share.as_str().expect("a share"))));
}

#[tokio::test]
async fn a_share_that_is_none_of_the_roots_is_refused_and_the_keepers_go_on() {
    let world = World::start().await;
    let sets = [rotate_to_shares(&world).await, rotate_to_shares(&world).await];
    world.ann("POST", "/v1/vault/seal", None).await;
    assert_eq!(unseal(&world, json!({ "share": sets[1][0] })).await.json()["shares_have"], 1);
    for (foreign, at) in [(&sets[0], 0), (&sets[0], 1)] {
        let refused = unseal(&world, json!({ "share": foreign[at] })).await;
        assert_eq!((refused.status, refused.problem().1.as_deref()), (StatusCode::UNPROCESSABLE_ENTITY, Some("share")));
        let set = sets[1][0].as_str().and_then(|share| share.split('-').nth(4)).expect("a set").to_owned();
        assert!(!refused.text.contains(&set), "the refusal does not name the set: {}", refused.text);
        assert_eq!(show(&world).await["shares_have"], 1);
    }
    assert_eq!(unseal(&world, json!({ "share": "keystead-share-1" })).await.problem().1.as_deref(), Some("share"), "one that is none");
    assert_eq!(unseal(&world, json!({ "share": sets[1][2] })).await.json()["sealed"], false);
}

#[tokio::test]
async fn a_new_root_of_a_passphrase_is_answered_when_it_is_stored_and_finished_behind_the_answer() {
    let world = World::start().await.with_keystore().await;
    world.done("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "eu" }))).await;
    let body = json!({ "what": "root", "unlock": { "passphrase": "one of twenty letters" } });
    let answer = world.ann("POST", "/v1/vault/rotate", Some(body)).await.json();
    assert_eq!((&answer["root_generation"], answer.get("prepared"), answer.get("rewrapped")), (&json!(2), None, None), "{answer}");
    world.app.finish_root_rotation().await.expect("every row opens");
    assert_eq!((&show(&world).await["rotation"], &show(&world).await["root_generation"]), (&Value::Null, &json!(2)));
    world.ann("POST", "/v1/vault/seal", None).await;
    assert_eq!(unseal(&world, json!({ "passphrase": "one of twenty letters" })).await.json()["sealed"], false);
}

/// While somebody tries a secret nobody else can; but what can be told without trying is told, and a database is not waited for in anybody's turn.
#[tokio::test]
async fn who_shows_what_is_no_share_needs_no_turn() {
    let world = World::start().await;
    rotate_to_shares(&world).await;
    world.ann("POST", "/v1/vault/seal", None).await;
    let offer = keystead_app::vault::Offer::Share("no share".into());
    let never = std::future::pending::<Result<(), keystead_app::Error>>();
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), world.app.unseal_in_turn(offer, None, never)).await.expect("no turn is waited for");
    assert!(matches!(told, Err(keystead_app::Error::Invalid(invalid)) if invalid.field == "share"));
}

#[tokio::test]
async fn a_new_account_key_is_made_while_the_house_goes_on() {
    let world = World::start().await;
    let rotated = world.ann("POST", "/v1/vault/rotate", Some(json!({ "what": "account-key" }))).await;
    assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
    assert!(rotated.json()["rewrapped"] == 0 && rotated.json().get("prepared").is_none());
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
