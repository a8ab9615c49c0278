//! The lifecycle matrix of `capabilities.md`, all 50 cells, and the ten of the kill switch and of rehearsed deletions, through the REST API, on SQLite and on PostgreSQL: each checks the key's
//! state, the cloud's raw state and the audit entry (CM-053 to CM-068, FT-019).

use keystead_app::keys::lifecycle::Ask;
use keystead_domain::{KeyState, key::deletion::WaitingDays, time::DAY};
use serde_json::{Value, json};

use crate::world::{Engine, World};

/// What a cell of the matrix says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Allowed; the key then has this state, and the cloud's key this raw one.
    Ok(&'static str, &'static str),
    /// Accepted without effect.
    Nop,
    /// Refused.
    No,
}

use Cell::{No, Nop, Ok};

const STATES: [&str; 5] = ["ACTIVE", "INACTIVE", "REPLACED", "PENDING_DELETION", "DELETED"];

/// The matrix as `capabilities.md` has it: operation, audit action, and a cell a state.
#[rustfmt::skip]
const MATRIX: [(&str, &str, [Cell; 5]); 12] = [
    ("deactivate",        "key.deactivate",        [Ok("INACTIVE", "PendingImport"), Nop, No, No, No]),
    ("kill",              "key.kill",              [Ok("INACTIVE", "PendingImport"), Nop, Ok("INACTIVE", "PendingImport"), Nop, No]),
    ("activate",          "key.activate",          [Nop, Ok("ACTIVE", "Enabled"), No, No, No]),
    ("upload",            "key.upload",            [Ok("ACTIVE", "Enabled"), No, Ok("REPLACED", "Enabled"), No, No]),
    ("renew",             "key.renew",             [Ok("REPLACED", "Enabled"), No, No, No, No]),
    ("rehearse-deletion", "key.rehearse-deletion", [Ok("ACTIVE", "Disabled"), No, Ok("REPLACED", "Disabled"), No, No]),
    ("schedule-deletion", "key.schedule-deletion", [Ok("PENDING_DELETION", "PendingDeletion"), Ok("PENDING_DELETION", "PendingDeletion"), Ok("PENDING_DELETION", "PendingDeletion"), Nop, Nop]),
    ("cancel-deletion",   "key.cancel-deletion",   [No, No, No, Ok("INACTIVE", "PendingImport"), No]),
    ("clean-up",          "key.clean-up",          [Nop, Nop, Nop, Ok("DELETED", "Gone"), Nop]),
    ("export/prepare",    "key.prepare-export",    [Ok("ACTIVE", "Enabled"), Ok("INACTIVE", "PendingImport"), Ok("REPLACED", "Enabled"), Ok("PENDING_DELETION", "PendingDeletion"), No]),
    ("export/download",   "key.download-export",   [Ok("ACTIVE", "Enabled"), Ok("INACTIVE", "PendingImport"), Ok("REPLACED", "Enabled"), Ok("PENDING_DELETION", "PendingDeletion"), No]),
    ("update",            "key.update",            [Ok("ACTIVE", "Enabled"), Ok("INACTIVE", "PendingImport"), No, No, No]),
];

/// A key in a state, by its id: a name would follow the lineage.
async fn key_in(world: &World, state: &str) -> String {
    let name = world.fresh_name("cell");
    world.create(&name).await;
    let id = world.key(&name).await.id.to_string();
    match state {
        "INACTIVE" => world.does(&id, Ask::Deactivate).await,
        "REPLACED" => world.does(&id, Ask::Renew).await,
        "PENDING_DELETION" => world.does(&id, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await,
        "DELETED" => {
            world.does(&id, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
            world.sandbox.advance((8 * DAY) as u64);
            clean_up(world).await;
        }
        _ => {}
    }
    assert_eq!(world.key(&id).await.state.as_str(), state);
    id
}

/// The daily clean-up, and the end of what it starts.
async fn clean_up(world: &World) {
    world.house.engine.clean_up().await.expect("a store");
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Does an operation over REST; answers status and body.
async fn ask(world: &World, id: &str, operation: &str) -> (u16, Value) {
    let path = format!("/v1/keys/{id}/{operation}");
    match operation {
        "rehearse-deletion" => world.rest(0, "POST", &path, Some(json!({"for": "1m"}))).await,
        "schedule-deletion" => world.rest(0, "POST", &path, Some(json!({"days": 7}))).await,
        "export/prepare" => world.rest(0, "POST", &path, Some(json!({"public_key": public_key()}))).await,
        "export/download" => {
            world.rest(0, "POST", &format!("/v1/keys/{id}/export/prepare"), Some(json!({"public_key": public_key()}))).await;
            world.rest(1, "POST", &path, None).await
        }
        "update" => world.rest(0, "PATCH", &format!("/v1/keys/{id}"), Some(json!({"description": "changed by a cell"}))).await,
        _ => world.rest(0, "POST", &path, None).await,
    }
}

/// A person's RSA key of 2048 bits, the size that CM-063 names.
pub fn public_key() -> String {
    include_str!("person.pem").to_owned()
}

async fn newest_entry(world: &World, id: &str) -> Value {
    let (status, page) = world.rest(0, "GET", &format!("/v1/keys/{id}/history?limit=1"), None).await;
    assert_eq!(status, 200, "{page}");
    page["items"][0].clone()
}

async fn raw_state(world: &World, id: &str) -> String {
    let key = world.key(id).await;
    world.cloud_key(&key).await.map_or("Gone".to_owned(), |there| there["state"].as_str().unwrap_or_default().to_owned())
}

async fn check_cell(world: &World, operation: &str, action: &str, state: &str, cell: Cell) {
    let told = format!("{operation} x {state}");
    let id = key_in(world, state).await;
    let raw = raw_state(world, &id).await;
    let index = newest_entry(world, &id).await["index"].as_u64();
    if operation == "clean-up" {
        if state == "PENDING_DELETION" {
            world.sandbox.advance((8 * DAY) as u64);
        }
        clean_up(world).await;
    }
    let (status, body) = if operation == "clean-up" { (200, json!({"no_op": cell == Nop})) } else { ask(world, &id, operation).await };
    let after = world.key(&id).await;
    let entry = newest_entry(world, &id).await;
    match cell {
        Ok(wanted, wanted_raw) => {
            assert_eq!(status, 200, "{told}: {body}");
            assert_eq!((after.state.as_str(), raw_state(world, &id).await.as_str()), (wanted, wanted_raw), "{told}: {body}");
            assert_eq!((entry["entry"]["action"].as_str(), entry["entry"]["outcome"].as_str()), (Some(action), Some("succeeded")), "{told}: {entry}");
        }
        Nop => {
            assert_eq!((status, &body["no_op"]), (200, &json!(true)), "{told}: {body}");
            assert_eq!((after.state.as_str(), raw_state(world, &id).await), (state, raw), "{told}");
            // A clean-up that finds nothing to do decides nothing about the key.
            let said = entry["index"].as_u64() > index;
            assert_eq!(said, operation != "clean-up", "{told}: {entry}");
        }
        No => {
            assert_eq!(status, 409, "{told}: {body}");
            assert!(body["type"].as_str().is_some_and(|kind| kind.ends_with("/wrong-state")), "{told}: {body}");
            assert_eq!((after.state.as_str(), raw_state(world, &id).await), (state, raw), "{told}");
            assert_eq!((entry["entry"]["action"].as_str(), entry["entry"]["outcome"].as_str()), (Some(action), Some("refused")), "{told}: {entry}");
        }
    }
}

async fn every_cell(engine: Engine) {
    let world = World::new(engine).await;
    let mut cells = 0;
    for (operation, action, row) in MATRIX {
        for (state, cell) in STATES.into_iter().zip(row) {
            check_cell(&world, operation, action, state, cell).await;
            cells += 1;
        }
    }
    println!("lifecycle matrix on {engine:?}: {cells} cells");
    assert_eq!(cells, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_holds_on_sqlite_cm_053_to_cm_068() {
    every_cell(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_holds_on_postgresql_cm_053_to_cm_068() {
    every_cell(Engine::Postgres).await;
}

/// CM-021 to CM-024, FX-048: a renewal makes new material, the alias follows, and what was encrypted before still opens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_ciphertext_opens_after_a_renewal_and_the_alias_follows() {
    let world = World::new(Engine::Sqlite).await;
    let name = world.fresh_name("renewed");
    let old = world.create(&name).await;
    let application = crate::application::Application::new(&world).await;
    let before = application.encrypt(&format!("alias/{name}"), b"an order of last year").await;
    let (status, body) = world.rest(0, "POST", &format!("/v1/keys/{name}/renew"), None).await;
    assert_eq!(status, 200, "{body}");
    let new = world.key(&name).await;
    assert_ne!(new.id, old.id);
    assert_eq!((new.state, world.key(old.id.as_str()).await.state), (KeyState::Active, KeyState::Replaced));
    let after = application.encrypt(&format!("alias/{name}"), b"an order of today").await;
    assert_eq!(after.key_arn, new.cloud_arn.clone().unwrap_or_default(), "the alias points at the successor");
    assert_eq!(before.key_arn, old.cloud_arn.clone().unwrap_or_default());
    assert_eq!(application.decrypt(&before.blob).await, b"an order of last year");
    assert_eq!(application.decrypt(&after.blob).await, b"an order of today");

    let (status, body) = world.rest(0, "POST", &format!("/v1/keys/{name}/revert"), None).await;
    assert_eq!(status, 200, "{body}");
    let again = application.encrypt(&format!("alias/{name}"), b"x").await;
    assert_eq!(again.key_arn, before.key_arn, "the undo of a renewal gives the alias back");
    assert_eq!((world.key(old.id.as_str()).await.state, world.key(new.id.as_str()).await.state), (KeyState::Active, KeyState::Replaced));
    assert_eq!(application.decrypt(&after.blob).await, b"an order of today");
}

/// CM-037, CM-044, CM-056: the cloud lost the material; an upload brings the same back, and old ciphertext opens again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_material_is_uploaded_again() {
    let world = World::new(Engine::Sqlite).await;
    let name = world.fresh_name("lost");
    let key = world.create(&name).await;
    let application = crate::application::Application::new(&world).await;
    let sealed = application.encrypt(&format!("alias/{name}"), b"precious").await;
    let lost = world.http.post(format!("{}/_sandbox/lose-material", world.sandbox.endpoint())).json(&json!({"key": key.cloud_key_id})).send().await;
    assert!(lost.expect("the sandbox").status().is_success());
    assert_eq!(raw_state(&world, &name).await, "PendingImport");
    let (status, body) = world.rest(0, "POST", &format!("/v1/keys/{name}/upload"), None).await;
    assert_eq!((status, &body["key"]["state"]), (200, &json!("ACTIVE")), "{body}");
    assert_eq!(raw_state(&world, &name).await, "Enabled");
    assert_eq!(application.decrypt(&sealed.blob).await, b"precious");
}
