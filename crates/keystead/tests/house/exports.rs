//! A prepared export is believed only if its preparer had it sealed by the vault and may still prepare one: what somebody wrote into the database hands nothing out.

use keystead_domain::{KeyId, time::DAY};
use keystead_store::{exports, exports::ExportRow};
use serde_json::{Value, json};

use crate::{
    matrix::public_key,
    refusals::{Told, answer, told},
    world::{Engine, World},
};

/// A public key of somebody who can write to the database.
const THEIRS: &str = include_str!("../../../vault/tests/keys/rsa2048.spki.pem");

async fn prepare(world: &World, key: &str) -> ExportRow {
    let (status, body) = world.rest(0, "POST", &format!("/v1/keys/{key}/export/prepare"), Some(json!({"public_key": public_key()}))).await;
    assert_eq!(status, 200, "{body}");
    row_of(world, &world.key(key).await.id).await.expect("a preparation")
}

async fn row_of(world: &World, key: &KeyId) -> Option<ExportRow> {
    let key = key.clone();
    world.store().read("test", move |tx| exports::of_key(tx, &key)).await.expect("a store")
}

async fn write(world: &World, row: ExportRow) {
    let written = world.store().write("test", move |tx| exports::prepare(tx, &row));
    written.await.expect("a store");
}

async fn refused(world: &World, person: usize, key: &str) -> Told {
    told(answer(world, &world.tokens[person], "POST", &format!("/v1/keys/{key}/export/download"), None, &[]).await)
}

/// Which rule the newest entry about a key names, when it is the refusal of a download.
async fn refused_by(world: &World, key: &str) -> Value {
    let (_, page) = world.rest(0, "GET", &format!("/v1/keys/{key}/history?limit=1"), None).await;
    let newest = &page["items"][0]["entry"];
    assert_eq!((&newest["action"], &newest["outcome"]), (&json!("key.download-export"), &json!("refused")), "{newest}");
    newest["rule"].clone()
}

async fn what_was_changed_in_the_database(engine: Engine) {
    let world = World::new(engine).await;
    let (orders, bills) = (world.create("orders").await, world.create("bills").await);
    let honest = prepare(&world, "orders").await;
    let of_bills = prepare(&world, "bills").await;
    let (_, bob) = world.rest(1, "GET", "/v1/me", None).await;
    let bob = bob["id"].as_str().expect("an id").to_owned();
    let bent = |at: usize| {
        let mut seal = honest.seal.clone();
        seal[at] ^= 1;
        ExportRow { seal, ..honest.clone() }
    };
    for (who, changed) in [
        (1, ExportRow { public_key: THEIRS.to_owned(), ..honest.clone() }),
        (1, ExportRow { public_key: "no key at all".to_owned(), ..honest.clone() }),
        // Whoever prepared it could then download it alone.
        (0, ExportRow { prepared_by: bob, ..honest.clone() }),
        (1, ExportRow { prepared_at: honest.prepared_at.plus_micros(-1), ..honest.clone() }),
        (1, ExportRow { key_id: orders.id.clone(), ..of_bills.clone() }),
        (1, bent(0)),
        (1, bent(31)),
        (1, ExportRow { seal: Vec::new(), ..honest.clone() }),
    ] {
        write(&world, changed.clone()).await;
        let told = refused(&world, who, "orders").await;
        assert_eq!((told.status, told.slug.as_str()), (409, "export-not-authentic"), "{changed:?}");
        assert_eq!(refused_by(&world, "orders").await, json!("as-prepared"));
        assert_eq!(row_of(&world, &orders.id).await, Some(changed), "it is not used up: whoever looks into it finds it");
    }
    prepare(&world, "orders").await;
    let (status, body) = world.rest(1, "POST", "/v1/keys/orders/export/download", None).await;
    assert_eq!(status, 200, "a preparation after that serves: {body}");
    let (status, body) = world.rest(1, "POST", "/v1/keys/bills/export/download", None).await;
    assert_eq!((status, body["key"].as_str()), (200, Some(bills.id.as_str())), "{body}");
}

async fn who_prepared_it_is_locked_out(engine: Engine) {
    let world = World::new(engine).await;
    world.create("orders").await;
    prepare(&world, "orders").await;
    let (status, body) = world.rest(1, "POST", "/v1/users/ann/disable", None).await;
    assert_eq!(status, 200, "{body}");
    let told = refused(&world, 1, "orders").await;
    assert_eq!((told.status, told.slug.as_str()), (409, "export-preparer-inactive"));
    let (_, page) = world.rest(1, "GET", "/v1/keys/orders/history?limit=1", None).await;
    let newest = &page["items"][0]["entry"];
    assert_eq!((&newest["action"], &newest["rule"], &newest["outcome"]), (&json!("key.download-export"), &json!("preparer-is-active"), &json!("refused")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_that_was_changed_in_the_database_hands_nothing_out_on_sqlite_cm_065() {
    what_was_changed_in_the_database(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_that_was_changed_in_the_database_hands_nothing_out_on_postgresql_cm_065() {
    what_was_changed_in_the_database(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_somebody_who_is_locked_out_hands_nothing_out_on_sqlite_cm_065() {
    who_prepared_it_is_locked_out(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_somebody_who_is_locked_out_hands_nothing_out_on_postgresql_cm_065() {
    who_prepared_it_is_locked_out(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_outlives_both_rotations_and_no_more_than_a_day() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    prepare(&world, "orders").await;
    for body in [json!({"what": "account-key"}), json!({"what": "root", "unlock": {"passphrase": "one of twenty letters"}})] {
        let (status, body) = world.rest(0, "POST", "/v1/vault/rotate", Some(body)).await;
        assert_eq!(status, 200, "{body}");
    }
    world.house.app.finish_root_rotation().await.expect("every row opens");
    let (status, body) = world.rest(1, "POST", "/v1/keys/orders/export/download", None).await;
    assert_eq!(status, 200, "{body}");
    prepare(&world, "orders").await;
    world.sandbox.advance(DAY as u64);
    assert_eq!(refused(&world, 1, "orders").await.slug, "export-not-prepared");
}
