//! A COMMIT whose answer is lost on the way: the store says that it does not know, and goes on with a new connection.

use keystead_store::{CarriesStoreError, Database, Store, StoreError, Tx, users};
use keystead_testkit::wire::{Break, Wire};

use crate::{
    cases::{verified_log, write_in_one_batch},
    world::*,
};

/// A world on PostgreSQL, and a store that reaches the same database over a wire that breaks.
async fn world_with_wire() -> Option<(World, Wire, Store)> {
    let world = World::postgres()?.with_house().await;
    let Database::Postgres(url) = &world.database else { unreachable!("a world on PostgreSQL") };
    let wire = Wire::to(url);
    let store = Store::open(&Database::Postgres(wire.url().to_owned())).expect("opens over the wire");
    Some((world, wire, store))
}

fn add_user(n: u64) -> impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send {
    move |tx| {
        tx.audit(entry(n, n));
        users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_commit_is_told_as_unknown_and_the_transaction_is_whole_or_not_there() {
    let Some((world, wire, store)) = world_with_wire().await else { return };
    let mut kept = 0;
    for (n, at) in (1..).zip([Break::BehindCommit, Break::BeforeCommit, Break::BehindCommit]) {
        wire.break_at(at, 0);
        let told = store.write("test", add_user(n)).await;
        assert!(matches!(told, Err(StoreError::OutcomeUnknown(_))), "{at:?}: {told:?}");
        kept += i64::from(at == Break::BehindCommit);
        assert_eq!(world.ask("SELECT COUNT(*) FROM users"), kept, "{at:?}: it ran once");
        assert_eq!(verified_log(&world.store).await.len() as i64, kept, "{at:?}");
        store.write("test", add_user(10 + n)).await.expect("the next one has a new connection");
        kept += 1;
        assert_eq!(verified_log(&world.store).await.len() as i64, kept, "the log goes on from what was kept");
    }
}

/// An error of a caller's own.
#[derive(Debug)]
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

#[tokio::test(flavor = "multi_thread")]
async fn who_was_refused_in_a_batch_whose_answer_is_lost_is_told_so() {
    let Some((world, wire, store)) = world_with_wire().await else { return };
    // The first COMMIT is that of the transaction behind which the batch gathers.
    wire.break_at(Break::BehindCommit, 1);
    let spoil = |n: u64, tx: &mut Tx<'_>| match n % 3 {
        1 => Err(Refusal::NotToday),
        2 => Ok(users::set_state(tx, &user_id(999), "DISABLED")?),
        _ => Ok(()),
    };
    let answers = write_in_one_batch(&store, 30, spoil).await;
    let mut unknown = 0;
    for (n, answer) in (1u64..).zip(answers) {
        match (n % 3, answer) {
            (1, Err(Refusal::NotToday)) => {}
            // A straggler may stand in a batch of its own, whose commit was answered.
            (2, Err(Refusal::Store(StoreError::Unavailable(_) | StoreError::MovedOn("user")))) | (0, Ok(())) => {}
            (0, Err(Refusal::Store(StoreError::OutcomeUnknown(_)))) => unknown += 1,
            (_, answer) => panic!("{n}: {answer:?}"),
        }
    }
    assert!(unknown > 0 && !wire.is_armed());
    assert_eq!(world.ask("SELECT COUNT(*) FROM users"), 10, "each kept, as it happens");
}

/// What one transaction refuses in its own words because a neighbour in its batch took the name: whether that neighbour exists nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_neighbour_took_whose_commit_is_lost_is_not_told_as_taken() {
    let Some((_world, wire, store)) = world_with_wire().await else { return };
    wire.break_at(Break::BehindCommit, 1);
    let take_name = |n: u64, tx: &mut Tx<'_>| users::insert(tx, &user_row(500 + n, "the same"), &format!("same-{n}"), None).map_err(|_| Refusal::NotToday);
    let answers = write_in_one_batch(&store, 30, take_name).await;
    assert!(!wire.is_armed());
    let unknown = answers.iter().filter(|answer| matches!(answer, Err(Refusal::Store(StoreError::OutcomeUnknown(_))))).count();
    let unavailable = answers.iter().filter(|answer| matches!(answer, Err(Refusal::Store(StoreError::Unavailable(_))))).count();
    assert!(unknown > 0 && unavailable > 0, "{answers:?}");
}

/// Makes the COMMIT behind a new user fail with this code, as a deferred constraint does.
fn raise_at_commit(world: &World, code: &str) {
    world.aside(&format!(
        "CREATE OR REPLACE FUNCTION raise_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           RAISE EXCEPTION 'raised by the test' USING ERRCODE = '{code}';
         END $$;
         DROP TRIGGER IF EXISTS raise_late ON users;
         CREATE CONSTRAINT TRIGGER raise_late AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_late()"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_server_refuses_is_no_unknown() {
    let Some(world) = World::postgres() else { return };
    let world = world.with_house().await;
    type Expected = fn(&StoreError) -> bool;
    let is_unknown: Expected = |error| matches!(error, StoreError::OutcomeUnknown(_));
    let codes: [(&str, Expected); 7] = [
        ("23514", |error| matches!(error, StoreError::Database(_))),
        ("40001", |error| matches!(error, StoreError::Collided(_))),
        ("53100", |error| *error == StoreError::Full),
        ("57014", |error| matches!(error, StoreError::Unavailable(_))),
        ("57P01", is_unknown),
        ("08007", is_unknown),
        ("40003", is_unknown),
    ];
    for (code, expected) in codes {
        raise_at_commit(&world, code);
        let told = world.write(add_user(1)).await.expect_err("is not answered well");
        assert!(expected(&told), "{code}: {told:?}");
    }
    world.aside("DROP TRIGGER raise_late ON users");
    world.write(add_user(1)).await.expect("nothing of the others was kept");
    assert_eq!(verified_log(&world.store).await.len(), 1);
}
