//! The schema, and what a transaction promises: whole or not at all, alone in its failure, kept when it is answered.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use keystead_domain::KeyState;
use keystead_store::{CarriesStoreError, SCHEMA_VERSION, Store, StoreError, Tx, accounts, audit, keys, lineages, users};

use crate::world::*;

/// An error of a caller's own, as `app` has one.
#[derive(Debug, PartialEq)]
enum Refusal {
    NotToday,
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl CarriesStoreError for Refusal {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            Self::NotToday => None,
        }
    }
}

pub async fn the_schema_is_made_once_and_a_newer_one_is_refused(world: World) {
    world.write(|tx| accounts::insert(tx, &account(), "home", NOW)).await.expect("is kept");
    assert_eq!(world.ask("SELECT MAX(version) FROM schema_version"), SCHEMA_VERSION);
    let world = world.reopen().expect("a known schema opens again");
    assert_eq!(world.read(accounts::first).await, Ok(Some(account())));
    assert_eq!(world.ask("SELECT COUNT(*) FROM schema_version"), SCHEMA_VERSION);
    world.aside(&format!("INSERT INTO schema_version (version) VALUES ({})", SCHEMA_VERSION + 1));
    let refused = world.reopen().err();
    assert_eq!(refused, Some(StoreError::UnknownSchema { found: SCHEMA_VERSION + 1, known: SCHEMA_VERSION }));
}

/// A database of schema 8, in which a lineage had one alias at most; one that has ended keeps none.
pub async fn an_alias_of_an_older_schema_is_brought_along(world: World) {
    let world = world.with_keys(1..=3).await;
    world
        .write(|tx| keys::transition(tx, &key_id(3), KeyState::Active, KeyState::Deleted, NOW).and_then(|()| lineages::end_if_all_deleted(tx, &lineage_id(3))))
        .await
        .expect("ends");
    let of = |n: u64| lineage_id(n).to_string();
    // Back to where that schema was; what came behind it goes first.
    world.aside(&format!(
        "DROP INDEX operations_by_end; ALTER TABLE keystores DROP COLUMN alert_channels; ALTER TABLE operations DROP COLUMN turn_asked; DROP TABLE key_uses; DROP TABLE drill_victims; DROP TABLE drill_canaries; DROP TABLE drills; DROP TABLE drill_policies; DROP TABLE rehearsals; DROP TABLE keystore_checks; ALTER TABLE keys DROP COLUMN awaits_policy; ALTER TABLE quota_slots DROP COLUMN minute; ALTER TABLE quota_slots DROP COLUMN spent; ALTER TABLE quota_slots DROP COLUMN spent_before; DROP TABLE estate_waits; DROP TABLE estate_items; DROP TABLE estate_applies; DROP TABLE wakes; DROP TABLE cloud_events; DROP TABLE event_queues; DROP TABLE restore_keys; DROP TABLE restores; DROP TABLE warm_parameters; DROP TABLE warm_keystores; DROP TABLE batch_items; DROP TABLE batches; DROP TABLE drifts; DROP TABLE drift_policies; ALTER TABLE cloud_views DROP COLUMN baseline; DROP INDEX sync_aliases_by_alias;
         DROP TABLE ceremony_components; DROP TABLE ceremonies; DROP TABLE aliases; ALTER TABLE lineages ADD COLUMN alias TEXT; CREATE UNIQUE INDEX lineages_alias ON lineages (keystore_id, alias) WHERE live = 1;
         UPDATE lineages SET alias = 'team/orders' WHERE id IN ('{}', '{}'); DELETE FROM schema_version WHERE version >= 9;",
        of(1),
        of(3)
    ));
    let world = world.reopen().expect("is brought up to date");
    let aliases_of = async |n: u64| world.read(move |tx| lineages::by_id(tx, &lineage_id(n))).await.expect("is read").expect("is there").aliases;
    assert_eq!((aliases_of(1).await, aliases_of(2).await, aliases_of(3).await), (aliases("team/orders"), aliases(""), aliases("")));
    assert_eq!(world.read(|tx| keys::by_id(tx, &key_id(1))).await.expect("is read").expect("is there").aliases, aliases("team/orders"));
}

pub async fn a_transaction_is_kept_whole_or_not_at_all(world: World) {
    let world = world.with_house().await;
    let refused: Result<(), Refusal> = world
        .store
        .write("test", |tx| {
            users::insert(tx, &user_row(1, "ana"), "h1", None)?;
            tx.audit(entry(1, 1));
            Err(Refusal::NotToday)
        })
        .await;
    assert_eq!(refused, Err(Refusal::NotToday));
    let unique = world
        .write(|tx| {
            users::insert(tx, &user_row(1, "ana"), "h1", None)?;
            tx.audit(entry(1, 1));
            users::insert(tx, &user_row(2, "ana"), "h2", None)
        })
        .await;
    assert_eq!(unique, taken("users", "name"));
    let moved_on = world
        .write(|tx| {
            users::insert(tx, &user_row(1, "ana"), "h1", None)?;
            users::set_state(tx, &user_id(9), "DISABLED")
        })
        .await;
    assert_eq!(moved_on, Err(StoreError::MovedOn("user")));
    assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 0);
    assert_eq!(world.read(audit::head).await, Ok((0, String::new())));
}

/// Writes `count` users at once while the writer is held, each with an audit entry; `spoil` is run behind each. Answers the answers in order.
pub async fn write_in_one_batch<E: CarriesStoreError + Send + 'static>(
    store: &Store,
    count: u64,
    spoil: fn(u64, &mut Tx<'_>) -> Result<(), E>,
) -> Vec<Result<(), E>> {
    let holding = pause_in(store, |_| Ok(())).await;
    let mut waiting = Vec::new();
    for n in 1..=count {
        let store = store.clone();
        waiting.push(tokio::spawn(async move {
            let write = move |tx: &mut Tx<'_>| {
                users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)?;
                tx.audit(entry(n, n));
                spoil(n, tx)
            };
            store.write("test", write).await
        }));
    }
    // Long enough for all of them to stand in the queue; were it not, there would be two batches, and the promises are the same.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    holding.go_on().await.expect("is kept");
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(answer.await.expect("no panic"));
    }
    answers
}

pub async fn a_refusal_takes_only_its_own_transaction_back(world: World) {
    let world = world.with_house().await;
    let spoil = |n: u64, tx: &mut Tx<'_>| match n % 5 {
        1 => Err(Refusal::NotToday),
        2 => Ok(users::insert(tx, &user_row(100 + n, &format!("user-{n}")), "other", None)?),
        3 => Ok(users::set_state(tx, &user_id(999), "DISABLED")?),
        _ => Ok(()),
    };
    let answers = write_in_one_batch(&world.store, 50, spoil).await;
    for (n, answer) in (1..).zip(answers) {
        let expected = match n % 5 {
            1 => Err(Refusal::NotToday),
            2 => Err(StoreError::Unique { table: "users".to_owned(), column: "name".to_owned() }.into()),
            3 => Err(StoreError::MovedOn("user").into()),
            _ => Ok(()),
        };
        assert_eq!(answer, expected, "transaction {n}");
    }
    assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 20);
    assert_eq!(super::audit::verified_log(&world.store).await.len(), 20, "only what was kept is in the log");
}

pub async fn a_swallowed_error_takes_the_transaction_back(world: World) {
    let world = world.with_house().await;
    let answers = write_in_one_batch(&world.store, 10, |n, tx| {
        if n == 5 {
            // PostgreSQL runs nothing more in this transaction, SQLite would: both must refuse it.
            let _ = users::insert(tx, &user_row(5, "ana"), "other", None);
        }
        Ok::<_, StoreError>(())
    })
    .await;
    assert_eq!(answers[4], taken("users", "id"));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 9, "the neighbours are kept");
    assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 9);
}

pub async fn a_panic_ends_its_own_transaction_only(world: World) {
    let world = world.with_house().await;
    let answers = write_in_one_batch(&world.store, 10, |n, _| {
        assert_ne!(n, 5, "a fault in a transaction: this panic is part of the test");
        Ok::<_, StoreError>(())
    })
    .await;
    assert!(matches!(&answers[4], Err(StoreError::Database(_))), "{:?}", answers[4]);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 9, "the neighbours are kept");
    for _ in 0..8 {
        let read: Result<(), _> = world.read(|_| panic!("a fault in a reading function: this panic is part of the test")).await;
        assert!(matches!(read, Err(StoreError::Database(_))), "{read:?}");
    }
    assert_eq!(world.read(accounts::first).await, Ok(Some(account())), "the readers live");
}

pub async fn a_read_sees_one_snapshot(world: World) {
    let world = world.with_house().await;
    let (looked, first_look) = tokio::sync::oneshot::channel();
    let (written, go_on) = mpsc::channel::<()>();
    let (store, mut looked) = (world.store.clone(), Some(looked));
    let reading = tokio::spawn(async move {
        let look_twice = move |tx: &mut Tx<'_>| {
            let before = users::find(tx, &account(), "ana")?;
            looked.take().map(|looked| looked.send(()));
            let _ = go_on.recv();
            Ok::<_, StoreError>((before, users::find(tx, &account(), "ana")?))
        };
        store.read("test", look_twice).await
    });
    first_look.await.expect("the reader has looked");
    world.write(|tx| users::insert(tx, &user_row(1, "ana"), "h1", None)).await.expect("a reader holds no writer up");
    drop(written);
    assert_eq!(reading.await.expect("no panic"), Ok((None, None)));
    assert_eq!(world.read(|tx| users::find(tx, &account(), "ana")).await, Ok(Some(user_row(1, "ana"))));
}

pub async fn a_read_cannot_write(world: World) {
    let world = world.with_house().await;
    assert!(world.read(|tx| users::insert(tx, &user_row(1, "ana"), "h1", None)).await.is_err());
    let audited = world
        .read(|tx| {
            tx.audit(entry(1, 1));
            Ok(())
        })
        .await;
    assert!(audited.is_err(), "an entry that nobody would keep is not accepted in silence");
    assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 0);
}

pub async fn what_was_answered_is_there_after_a_restart(world: World) {
    let world = world.with_keys(1..=3).await;
    world
        .write(|tx| {
            tx.audit(entry(1, 1));
            Ok(())
        })
        .await
        .expect("is kept");
    let world = world.reopen().expect("opens again");
    assert_eq!(world.read(|tx| keys::by_id(tx, &key_id(2))).await, Ok(Some(key_row(2, "key-2"))));
    world
        .write(|tx| {
            tx.audit(entry(2, 1));
            Ok(())
        })
        .await
        .expect("the log goes on");
    assert_eq!(super::audit::verified_log(&world.store).await.len(), 2);
}

pub async fn many_writers_leave_one_log(world: World) {
    const WRITERS: u64 = 64;
    const EACH: u64 = 6;
    let world = world.with_house().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, runs) = (world.store.clone(), runs.clone());
            tokio::spawn(async move {
                for n in writer * EACH..(writer + 1) * EACH {
                    let runs = runs.clone();
                    let write = move |tx: &mut Tx<'_>| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)?;
                        tx.audit(entry(n, n));
                        Ok::<_, StoreError>(())
                    };
                    store.write("test", write).await.expect("is kept");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert_eq!(runs.load(Ordering::Relaxed) as u64, WRITERS * EACH, "nobody else was there to meet");
    assert_eq!(world.ask("SELECT COUNT(*) FROM users"), (WRITERS * EACH) as i64);
    let mut ids: Vec<String> = super::audit::verified_log(&world.store).await.into_iter().map(|entry| entry.id).collect();
    let mut expected: Vec<String> = (0..WRITERS * EACH).map(|n| entry_id(n).to_string()).collect();
    ids.sort();
    expected.sort();
    assert_eq!(ids, expected, "each entry once");
}
