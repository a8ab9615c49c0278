//! The schedule is fair: keys on which it always fails rest longer and longer, hold up no other keystore, and what a downtime left behind is made up for in
//! portions. On SQLite and on PostgreSQL.

use std::time::Duration;

use keystead_app::{Request, keys::update::KeyChange};
use keystead_domain::{Aliases, KeyId, LineageId, key::expiry::ExpiryPolicy, time::DAY, time::SECOND};
use keystead_store::{
    Database, Tx, attempts,
    due::Task,
    keys::{self, KeyRow},
    keystores::{self, KeystoreRow},
    lineages::{self, LineageRow},
    operations,
};

use crate::{
    alerts::{Receiver, courier_to, settings_with_hook},
    world::{Engine, World},
};

/// How many keys can never be extended: they have no material.
const FAILING: u32 = 600;
/// How many operations of the schedule may run in one keystore.
const RUNNING_MAX: usize = 32;

/// A key of 90 days that its policy extends.
async fn healthy_key(world: &World) -> KeyRow {
    world.create("healthy").await;
    let change = KeyChange { expiry_policy: Some(ExpiryPolicy::Extend), ..KeyChange::default() };
    world.house.app.update_key(&world.ann, &Request::default(), "healthy", change).await.expect("an intent");
    wait_for_all(world).await;
    world.key("healthy").await
}

fn numbered(n: u32) -> [u8; 10] {
    let mut bytes = [7; 10];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// A key like another one in another keystore, without material, due a day earlier.
fn failing_key(like: &KeyRow, keystore: &KeystoreRow, n: u32) -> KeyRow {
    KeyRow {
        id: KeyId::new(like.created_at, numbered(n)),
        lineage_id: LineageId::new(like.created_at, numbered(n)),
        keystore_id: keystore.id.clone(),
        keystore_name: keystore.name.clone(),
        name: format!("failing-{n}"),
        aliases: Aliases::default(),
        expires_at: like.expires_at.map(|end| end.plus_days(-1)),
        ..like.clone()
    }
}

fn insert(tx: &mut Tx<'_>, key: &KeyRow) -> Result<(), keystead_store::StoreError> {
    let lineage = LineageRow {
        id: key.lineage_id.clone(),
        account_id: key.account_id.clone(),
        keystore_id: key.keystore_id.clone(),
        name: key.name.clone(),
        aliases: Aliases::default(),
        current_key_id: key.id.clone(),
        created_at: key.created_at,
    };
    lineages::insert(tx, &lineage)?;
    keys::insert(tx, key)
}

/// Another keystore in which every extension fails.
async fn with_failing_keys(world: &World, like: &KeyRow) -> KeyId {
    world.make_keystore("failing").await;
    let (account, like) = (world.ann.account.clone(), like.clone());
    let made = world.store().write("test", move |tx| {
        let keystore = keystores::find(tx, &account, "failing")?.expect("was made");
        (0..FAILING).try_for_each(|n| insert(tx, &failing_key(&like, &keystore, n)))?;
        Ok::<_, keystead_store::StoreError>(failing_key(&like, &keystore, 0).id)
    });
    made.await.expect("are made")
}

async fn wait_for_all(world: &World) {
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One look, and the end of what it began; answers how many that were.
async fn look(world: &World) -> usize {
    let began = world.house.engine.look_at_expiry().await.expect("a store");
    wait_for_all(world).await;
    began
}

async fn failed_extensions(world: &World) -> i64 {
    let counts = world.store().read("test", operations::counts).await.expect("a store");
    counts.iter().find(|count| count.kind == "upload-key" && count.state == "FAILED").map_or(0, |count| count.count)
}

async fn six_hundred_failing_keys_starve_nobody(engine: Engine) {
    let world = World::new(engine).await;
    let healthy = healthy_key(&world).await;
    let one_of_them = with_failing_keys(&world, &healthy).await;
    world.sandbox.advance((85 * DAY) as u64);

    assert_eq!(look(&world).await, RUNNING_MAX + 1, "a portion of the keystore that fails, and all of the other one");
    let extended = world.key("healthy").await;
    assert!(extended.expires_at > healthy.expires_at, "the healthy key is served in the first look, although 600 were due before it");
    assert_eq!(failed_extensions(&world).await, RUNNING_MAX as i64);

    let mut looks = 1;
    while look(&world).await > 0 {
        looks += 1;
        assert!(looks < 40, "it comes to an end");
    }
    assert_eq!((looks, failed_extensions(&world).await), (FAILING.div_ceil(RUNNING_MAX as u32), i64::from(FAILING)), "each was tried once, and rests");

    world.sandbox.advance((61 * SECOND) as u64);
    assert_eq!(look(&world).await, RUNNING_MAX, "a minute later they are tried again");
    world.sandbox.advance((61 * SECOND) as u64);
    look(&world).await;
    let failures = world.store().read("test", move |tx| attempts::failures(tx, &one_of_them, Task::Expiry)).await;
    assert_eq!(failures.expect("a store"), 2, "behind a second failure a minute is not enough");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_failing_keys_starve_nobody_on_sqlite() {
    six_hundred_failing_keys_starve_nobody(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_failing_keys_starve_nobody_on_postgresql() {
    six_hundred_failing_keys_starve_nobody(Engine::Postgres).await;
}

/// The schedule itself, not a look by hand: it comes again by itself until nothing is left, and a success forgets the failures before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downtime_is_made_up_for_in_portions_and_a_success_forgets_failures() {
    let world = World::new(Engine::Sqlite).await;
    let healthy = healthy_key(&world).await;
    with_failing_keys(&world, &healthy).await;
    let (id, until) = (healthy.id.clone(), healthy.created_at);
    world.store().write("test", move |tx| attempts::rest(tx, &id, Task::Expiry, until)).await.expect("a store");
    world.sandbox.advance((85 * DAY) as u64);
    let schedule = tokio::spawn(world.house.engine.clone().run_schedule());
    for _ in 0..600 {
        if failed_extensions(&world).await >= 3 * RUNNING_MAX as i64 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    schedule.abort();
    wait_for_all(&world).await;
    assert!(failed_extensions(&world).await >= 3 * RUNNING_MAX as i64, "the next looks come long before the minute is over");
    assert!(world.key("healthy").await.expires_at > healthy.expires_at);
    let failures = world.store().read("test", move |tx| attempts::failures(tx, &healthy.id, Task::Expiry)).await;
    assert_eq!(failures.expect("a store"), 0);
}

/// Three rows that an older node could not read, or that were damaged: told in the log, and left out one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_holds_up_no_other_key_keystore_or_alert() {
    let (world, receiver) = (World::with(Engine::Sqlite, settings_with_hook()).await, Receiver::default());
    let courier = courier_to(&world.house.engine, &receiver.start().await);
    world.make_keystore("damaged").await;
    let started = world.start_create_in("damaged", "theirs").await;
    world.succeeds(started).await;
    let damaged = world.create("damaged").await;
    let healthy = healthy_key(&world).await;
    for _ in 0..2 {
        assert_eq!(world.rest(0, "POST", "/v1/alerts/test", Some(serde_json::json!({}))).await.0, 200);
    }
    let Database::Sqlite(path) = &world.database else { panic!("a world on SQLite") };
    let damage = format!(
        "UPDATE keys SET spec = 'SHA_0', expiry_policy = 'extend' WHERE id = '{}'; UPDATE keystores SET swept_at = 'today' WHERE name = 'damaged';
         UPDATE alerts SET kind = 'rumour' WHERE id = (SELECT MIN(id) FROM alerts)",
        damaged.id
    );
    rusqlite::Connection::open(path).and_then(|side| side.execute_batch(&damage)).expect("is damaged");

    world.sandbox.advance((85 * DAY) as u64);
    assert_eq!(look(&world).await, 1, "the key beside the damaged one");
    assert!(world.key("healthy").await.expires_at > healthy.expires_at);
    assert_eq!(world.house.engine.sweep_all().await, 1, "the keystore beside the damaged one");
    courier.look().await.expect("a store");
    assert_eq!(receiver.alerts().iter().filter(|alert| alert["kind"] == "test").count(), 1, "the alert beside the damaged one");
}
