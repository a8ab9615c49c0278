//! What only SQLite has: one file, one process, a write-ahead log.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use keystead_store::{
    Database, Store, StoreError, Tx, accounts,
    engine::{Connection, sqlite::Sqlite},
    users,
};

use crate::{cases, world::*};

fn sqlite() -> World {
    World::sqlite().expect("SQLite is always there")
}

fn path(world: &World) -> &Path {
    match &world.database {
        Database::Sqlite(path) => path,
        Database::Postgres(_) => unreachable!("a world on SQLite"),
    }
}

#[test]
fn two_processes_cannot_open_one_sqlite_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = Database::Sqlite(directory.path().join("keystead.db"));
    let first = Store::open(&file).expect("the first opens");
    assert!(first.is_exclusive());
    assert!(matches!(Store::open(&file), Err(StoreError::InUse(_))));
    let second_handle = first.clone();
    drop(first);
    assert!(matches!(Store::open(&file), Err(StoreError::InUse(_))), "the store lives as long as somebody has it");
    drop(second_handle);
    assert!(open_when_free(&file).is_ok());
}

#[test]
fn what_is_no_database_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = Database::Sqlite(directory.path().join("missing").join("keystead.db"));
    assert!(matches!(Store::open(&missing), Err(StoreError::Unavailable(_))));
    let text = directory.path().join("text.db");
    fs::write(&text, "This is no database, but long enough to be taken for the header of one.".repeat(100)).expect("is written");
    assert!(matches!(Store::open(&Database::Sqlite(text)), Err(StoreError::Unavailable(_))));
}

/// An acknowledged key is on disk: WAL with `synchronous=FULL` (2) syncs the log at every commit.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_in_wal_mode_and_the_writer_syncs_every_commit() {
    let world = sqlite().with_house().await;
    let mode: String = rusqlite::Connection::open(path(&world)).and_then(|side| side.query_row("PRAGMA journal_mode", (), |row| row.get(0))).expect("a mode");
    assert_eq!(mode, "wal");
    // The other settings belong to a connection, not to the file: ask one that was opened as the store opens its own.
    let mut writer = Sqlite::open_writer(path(&world)).expect("opens");
    let mut pragma = |name: &str| writer.query(&format!("PRAGMA {name}"), &[]).expect("is asked").remove(0).read().int();
    assert_eq!(pragma("synchronous"), Ok(2));
    assert_eq!(pragma("foreign_keys"), Ok(1));
    assert_eq!(pragma("secure_delete"), Ok(1), "destroyed material is overwritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_opens_before_anybody_has_written() {
    let world = sqlite().with_house().await.reopen().expect("opens again");
    assert_eq!(world.read(accounts::first).await, Ok(Some(account())));
}

/// How many commits stand in the write-ahead log (SQLite file format, section 4.1: a frame of a commit tells the size of the database, others 0).
fn commits_in_wal(world: &World) -> usize {
    let log = fs::read(path(world).with_extension("db-wal")).expect("the log is there");
    let (head, frames) = log.split_at(32);
    let page = u32::from_be_bytes(head[8..12].try_into().expect("four bytes")) as usize;
    frames.chunks_exact(24 + page).filter(|frame| frame[8..16] == head[16..24] && frame[4..8] != [0; 4]).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_wait_share_a_commit() {
    let world = sqlite().with_house().await;
    let before = commits_in_wal(&world);
    let answers = cases::write_in_one_batch(&world.store, 64, |_, _| Ok::<_, StoreError>(())).await;
    assert!(answers.iter().all(Result::is_ok));
    let commits = commits_in_wal(&world) - before;
    // One, if all 64 were in the queue in time; a slow machine may need a few more.
    assert!((1..=8).contains(&commits), "{commits} commits for 64 transactions");
}

/// Somebody has the file open beside us and writes between our look and our write: SQLite calls that SQLITE_BUSY_SNAPSHOT, and only another try can help.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_on_the_file_makes_a_transaction_run_again() {
    let world = sqlite().with_house().await;
    let file = path(&world).to_owned();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let write = move |tx: &mut Tx<'_>| {
        let seen = users::find(tx, &account(), "stranger")?;
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            let sql = format!("INSERT INTO users VALUES ('{}', '{}', NULL, 'stranger', 'h9', 'ACTIVE', {}, NULL)", user_id(9), account(), NOW.as_micros());
            rusqlite::Connection::open(&file).and_then(|side| side.execute_batch(&sql)).expect("the stranger writes");
        }
        users::insert(tx, &user_row(1, "ana"), "h1", None)?;
        tx.audit(entry(1, 1));
        Ok(seen)
    };
    let seen = world.write(write).await;
    assert_eq!(seen, Ok(Some(user_row(9, "stranger"))), "the second run sees what the stranger wrote");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(cases::verified_log(&world.store).await.len(), 1);
}
