//! What belongs to another account is not there, however well its id is guessed.

use keystead_domain::{AccountId, UserId};
use keystead_store::{StoreError, accounts, users};
use serde_json::{Value, json};

use crate::{
    matrix::public_key,
    refusals::{answer, everything, told},
    world::{Engine, World},
};

/// A user of another account, who has guessed every id there is.
async fn another_account(engine: Engine) {
    let world = World::new(engine).await;
    let key = world.create("orders").await;
    let (account, user, now) = (AccountId::new(world.now(), [9; 10]), UserId::new(world.now(), [9; 10]), world.now());
    let token = keystead_identity::Token::new([9; 32]);
    let row = users::UserRow { id: user, account_id: account.clone(), name: "eve".into(), state: "ACTIVE".into(), created_at: now };
    let hash = token.hash();
    let insert = move |tx: &mut keystead_store::Tx<'_>| {
        accounts::insert(tx, &account, "other", now)?;
        users::insert(tx, &row, &hash, None)?;
        Ok::<_, StoreError>(())
    };
    world.store().write("test.another_account", insert).await.expect("a store");
    let before = everything(&world).await;
    let (_, operations) = world.rest(0, "GET", "/v1/operations", None).await;
    let operation = operations["items"][0]["id"].as_str().expect("an id").to_owned();
    let never = keystead_domain::KeyId::new(world.now(), [1; 10]).to_string();
    let paths = |key: &str, keystore: &str, operation: &str| -> Vec<(&'static str, String, Option<Value>)> {
        let mut all = vec![
            ("GET", format!("/v1/keys/{key}"), None),
            ("GET", format!("/v1/keys/{key}/history"), None),
            ("GET", format!("/v1/audit?key={key}"), None),
            ("GET", format!("/v1/operations?key={key}"), None),
            ("PATCH", format!("/v1/keys/{key}"), Some(json!({"description": "mine"}))),
            ("POST", format!("/v1/keys/{key}/schedule-deletion"), Some(json!({"days": 7}))),
            ("POST", format!("/v1/keys/{key}/export/prepare"), Some(json!({"public_key": public_key()}))),
            ("POST", format!("/v1/keys/{key}/export/download"), None),
            ("GET", format!("/v1/keystores/{keystore}"), None),
            ("GET", format!("/v1/keystores/{keystore}/policy"), None),
            ("POST", format!("/v1/keystores/{keystore}/check"), None),
            ("DELETE", format!("/v1/keystores/{keystore}"), None),
            ("GET", format!("/v1/operations/{operation}"), None),
            ("POST", format!("/v1/operations/{operation}/wake"), None),
        ];
        let verbs = ["deactivate", "activate", "upload", "renew", "revert", "cancel-deletion"];
        all.extend(verbs.map(|verb| ("POST", format!("/v1/keys/{key}/{verb}"), None)));
        all
    };
    let guessed = paths(key.id.as_str(), key.keystore_id.as_str(), &operation);
    let made_up = paths(&never, &never.replace("key_", "keystore_"), &never.replace("key_", "op_"));
    for ((method, path, body), (_, no_such_path, _)) in guessed.into_iter().zip(made_up) {
        let of = async |path: &str| told(answer(&world, token.expose(), method, path, body.clone(), &[]).await);
        let (there, nowhere) = (of(&path).await, of(&no_such_path).await);
        assert_eq!((there.status, there.slug.as_str()), (404, "not-found"), "{method} {path}");
        let id = |text: &str| text.split_whitespace().find(|word| word.contains('_')).unwrap_or_default().trim_end_matches('.').to_owned();
        let same = there.detail.replace(&id(&there.detail), "ID") == nowhere.detail.replace(&id(&nowhere.detail), "ID");
        assert!(same && there.status == nowhere.status && there.field == nowhere.field, "{there:?} can be told from {nowhere:?}");
    }
    for list in ["keys", "keystores", "operations", "audit"] {
        let (status, _, page) = answer(&world, token.expose(), "GET", &format!("/v1/{list}"), None, &[]).await;
        assert_eq!((status, &page["items"]), (200, &json!([])), "{list}");
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_another_account_is_not_there_on_sqlite() {
    another_account(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_another_account_is_not_there_on_postgresql() {
    another_account(Engine::Postgres).await;
}
