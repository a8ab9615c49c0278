//! The same request again under the same idempotency key, where no operation is begun: nothing is done twice, and no secret is kept to be answered again.

use axum::http::StatusCode;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::{Answer, World, request};

const DOWNLOAD: &str = "/v1/keys/orders/export/download";

/// A request under an idempotency key.
async fn keyed(world: &World, token: &str, key: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request = request("POST", path, Some(token), body);
    request.headers_mut().insert("idempotency-key", key.parse().expect("a key"));
    world.send(request).await
}

/// Asserts that this says: it is done already; answers what it says to do.
fn done_already(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.problem().0.as_str()), (StatusCode::CONFLICT, "already-done"), "{answer:?}");
    for secret in ["kst_A", "keystead-share", "\"token\"", "\"wrapped\"", "\"new_shares\""] {
        assert!(!answer.text.contains(secret), "{secret}: {answer:?}");
    }
    answer.json()["mend"].as_str().expect("a mend").to_owned()
}

fn mismatch(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.problem()), (422, ("idempotency-mismatch".into(), Some("Idempotency-Key".into()))), "{answer:?}");
}

/// How many entries of the audit log have this action and succeeded.
async fn entries(world: &World, action: &str) -> usize {
    let log = world.ann("GET", "/v1/audit?limit=1000", None).await.json();
    let all = log["items"].as_array().expect("entries").iter();
    all.filter(|item| item["entry"]["action"] == action && item["entry"]["outcome"] == "succeeded").count()
}

#[tokio::test]
async fn a_user_is_made_once_and_the_way_to_a_lost_token_is_told() {
    let world = World::start().await;
    let ask = async |key: &'static str, name: &str| keyed(&world, world.ann.expose(), key, "/v1/users", Some(json!({ "name": name }))).await;
    assert_eq!(ask("one", "cid").await.status, StatusCode::CREATED);
    let again = ask("one", "cid").await;
    assert!(done_already(&again).contains("`keystead user token cid`"), "{again:?}");
    assert!(again.json()["detail"].as_str().is_some_and(|text| text.contains("the user cid was made")));
    mismatch(&ask("one", "dan").await);
    assert_eq!(ask("two", "cid").await.problem().0, "name-taken", "a fresh key is a new request");
    assert_eq!(entries(&world, "user.create").await, 1);
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    let world = World::start().await;
    let ask = async || keyed(&world, world.ann.expose(), "one", DOWNLOAD, None).await;
    assert_eq!((ask().await.problem().0, ask().await.problem().0), ("not-found".into(), "not-found".into()));
    let make = async || keyed(&world, world.ann.expose(), "two", "/v1/users", Some(json!({ "name": "ben" }))).await;
    assert_eq!((make().await.problem().0, make().await.problem().0), ("name-taken".into(), "name-taken".into()));
}

#[tokio::test]
async fn an_idempotency_key_serves_one_request_whether_it_begins_an_operation_or_not() {
    let world = World::start().await.with_keystore().await;
    let orders = json!({ "name": "orders", "keystore": "eu" });
    let user = json!({ "name": "cid" });
    let ann = world.ann.expose();
    assert_eq!(keyed(&world, ann, "one", "/v1/keys", Some(orders.clone())).await.status, StatusCode::ACCEPTED);
    mismatch(&keyed(&world, ann, "one", "/v1/users", Some(user.clone())).await);
    assert_eq!(keyed(&world, ann, "two", "/v1/users", Some(user)).await.status, StatusCode::CREATED);
    mismatch(&keyed(&world, ann, "two", "/v1/keys/orders/renew", None).await);
    mismatch(&keyed(&world, ann, "two", "/v1/users/ben/token", None).await);
    assert_eq!(keyed(&world, world.ben.expose(), "two", "/v1/users/cid/token", None).await.status, StatusCode::OK, "another person's key is another key");
}

#[tokio::test]
async fn a_token_is_replaced_once_and_the_one_that_was_answered_stays_good() {
    let world = World::start().await;
    let ask = async |key: &'static str| keyed(&world, world.ann.expose(), key, "/v1/users/ben/token", None).await;
    let token = ask("one").await.json()["token"].as_str().expect("a token").to_owned();
    assert!(done_already(&ask("one").await).contains("a fresh key"));
    assert_eq!(world.send(request("GET", "/v1/me", Some(&token), None)).await.status, StatusCode::OK, "the repeated request has not ended it");
    assert_eq!(ask("two").await.status, StatusCode::OK);
    assert_eq!(world.send(request("GET", "/v1/me", Some(&token), None)).await.status, StatusCode::UNAUTHORIZED);
}

async fn with_a_prepared_export() -> World {
    let world = World::start().await.with_keystore().await;
    world.done("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "eu" }))).await;
    prepare(&world).await;
    world
}

async fn prepare(world: &World) {
    let body = json!({ "public_key": include_str!("public_key.pem") });
    assert_eq!(world.ann("POST", "/v1/keys/orders/export/prepare", Some(body)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_export_is_downloaded_once_and_then_has_to_be_prepared_again_cm_066() {
    let world = with_a_prepared_export().await;
    let ask = async |key: &'static str| keyed(&world, world.ben.expose(), key, DOWNLOAD, None).await;
    assert_eq!(ask("one").await.status, StatusCode::OK);
    assert!(done_already(&ask("one").await).contains("`keystead key export prepare orders`"));
    prepare(&world).await;
    done_already(&ask("one").await);
    assert_eq!(ask("two").await.status, StatusCode::OK, "the repeated request has used nothing up");
    assert_eq!(entries(&world, "key.download-export").await, 2);
}

#[tokio::test]
async fn the_account_key_is_made_once_and_the_repeated_request_answers_like_the_first() {
    let world = with_a_prepared_export().await;
    let ask = async |key: &'static str| keyed(&world, world.ann.expose(), key, "/v1/vault/rotate", Some(json!({ "what": "account-key" }))).await;
    assert_eq!((ask("one").await.json()["rewrapped"].clone(), entries(&world, "vault.rotate-account-key").await), (json!(1), 1));
    let again = ask("one").await;
    assert_eq!((again.status, &again.json()["rewrapped"], &again.json()["sealed"]), (StatusCode::OK, &json!(0), &json!(false)), "{again:?}");
    assert_eq!(entries(&world, "vault.rotate-account-key").await, 1);
    assert_eq!(ask("two").await.json()["rewrapped"], 1);
    assert_eq!(entries(&world, "vault.rotate-account-key").await, 2);
}

#[tokio::test]
async fn the_root_is_rotated_once_and_no_passphrase_is_remembered() {
    let world = World::start().await;
    let ask = async |key: &'static str, unlock: Value| {
        keyed(&world, world.ann.expose(), key, "/v1/vault/rotate", Some(json!({ "what": "root", "unlock": unlock }))).await
    };
    let passphrase = |text: &str| json!({ "passphrase": text });
    assert_eq!(ask("one", passphrase("one of twenty letters")).await.json()["root_generation"], 2);
    let again = ask("one", passphrase("one of twenty letters")).await;
    assert!(done_already(&again).contains("rotate again with a fresh key while the vault is open"), "{again:?}");
    assert!(again.json()["detail"].as_str().is_some_and(|text| text.contains("generation 2")));
    // Of a secret only the length is remembered: it must not seem as if this other one opened the vault.
    done_already(&ask("one", passphrase("two of twenty letters")).await);
    mismatch(&ask("one", json!({ "shares": { "count": 3, "threshold": 2 } })).await);
    world.app.finish_root_rotation().await.expect("every row opens");
    assert_eq!(world.ann("GET", "/v1/vault", None).await.json()["root_generation"], 2);
}

#[tokio::test]
async fn shares_are_made_anew_by_the_repeated_request_and_confirmed_once() {
    let world = World::start().await;
    let shares = json!({ "what": "root", "unlock": { "shares": { "count": 3, "threshold": 2 } } });
    let prepare = async || keyed(&world, world.ann.expose(), "one", "/v1/vault/rotate", Some(shares.clone())).await.json()["prepared"].clone();
    let (lost, prepared) = (prepare().await, prepare().await);
    let of = |prepared: &Value| json!({ "rotation": prepared["rotation"], "shares": [prepared["new_shares"][0], prepared["new_shares"][1]] });
    let confirm = async |body: Value| keyed(&world, world.ann.expose(), "two", "/v1/vault/rotate/confirm", Some(body)).await;
    assert_eq!(confirm(of(&lost)).await.problem().1.as_deref(), Some("rotation"));
    assert_eq!((confirm(of(&prepared)).await.status, confirm(of(&prepared)).await.status), (StatusCode::OK, StatusCode::OK), "answered like the first");
    mismatch(&confirm(of(&lost)).await);
    assert_eq!(entries(&world, "vault.rotate-root").await, 1);
}

#[tokio::test]
async fn of_the_same_request_many_times_at_once_one_is_done() {
    let world = with_a_prepared_export().await;
    for (token, key, path, body) in [
        (world.ann.expose(), "a", "/v1/users", Some(json!({ "name": "cid" }))),
        (world.ann.expose(), "b", "/v1/users/cid/token", None),
        (world.ben.expose(), "c", DOWNLOAD, None),
        (world.ann.expose(), "d", "/v1/vault/rotate", Some(json!({ "what": "root", "unlock": { "passphrase": "one of twenty letters" } }))),
    ] {
        let answers = join_all((0..5).map(|_| keyed(&world, token, key, path, body.clone()))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status.is_success()).count(), 1, "{path}: {answers:?}");
        answers.iter().filter(|answer| !answer.status.is_success()).for_each(|answer| drop(done_already(answer)));
    }
    let rotate = || keyed(&world, world.ann.expose(), "e", "/v1/vault/rotate", Some(json!({ "what": "account-key" })));
    let answers = join_all((0..5).map(|_| rotate())).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{answers:?}");
    assert_eq!(entries(&world, "vault.rotate-account-key").await, 1);
}

#[tokio::test]
async fn no_token_that_was_answered_lies_in_the_database() {
    let world = World::start().await;
    let made = keyed(&world, world.ann.expose(), "one", "/v1/users", Some(json!({ "name": "cid" }))).await.json();
    let token = made["token"].as_str().expect("a token").as_bytes().to_vec();
    let files = std::fs::read_dir(world.directory.path()).expect("a directory");
    let database: Vec<u8> = files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes")).collect();
    assert!(database.windows(3).any(|window| window == b"cid"), "the database was read");
    assert!(!database.windows(token.len()).any(|window| window == token));
}
