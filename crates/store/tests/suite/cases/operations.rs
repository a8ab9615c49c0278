//! Operations: one at a time holds a key, one node at a time holds an operation, and one request makes one.

use keystead_domain::{KeystoreId, OperationId, Timestamp};
use keystead_store::{
    StoreError, Tx,
    journal::{self, JournalRow},
    keystores, locks,
    operations::{self, Count, Idempotency, OperationRow, Progress},
    page::Page,
};

use crate::world::*;

const NEVER: Timestamp = Timestamp::from_micros(0);

async fn operation(world: &World, n: u64) -> OperationRow {
    world.read(move |tx| operations::by_id(tx, &operation_id(n))).await.expect("is read").expect("is there")
}

/// Leases what is due at `now` for a minute and answers the ids in order.
async fn lease(world: &World, owner: &'static str, now: Timestamp, limit: u32) -> Vec<OperationId> {
    let leased = world.write(move |tx| operations::lease_due(tx, owner, now, now.plus_micros(60_000_000), limit)).await.expect("are leased");
    assert!(leased.iter().all(|row| row.lease_owner.as_deref() == Some(owner)));
    leased.into_iter().map(|row| row.id).collect()
}

fn progress_to(step: u32, lease_until: Timestamp) -> Progress {
    Progress { step, direction: "forward", attempts: 1, problem: Some("{}".to_owned()), run_at: NOW.plus_days(1), lease_until }
}

pub async fn an_operation_is_read_as_it_was_written(world: World) {
    let world = world.with_house().await;
    let row = OperationRow { key_id: None, lease_owner: Some("node-1".to_owned()), fence: 1, params: r#"{"v":1,"name":"ä"}"#.to_owned(), ..operation_row(1) };
    let written = row.clone();
    world.write(move |tx| operations::insert(tx, &written, NOW.plus_days(1), None)).await.expect("is made");
    assert_eq!(operation(&world, 1).await, row);
    assert_eq!(world.read(|tx| operations::find(tx, &account(), &operation_id(1))).await, Ok(Some(row)));
    assert_eq!(world.read(|tx| operations::find(tx, &account_id(2), &operation_id(1))).await, Ok(None), "inside the account only");
    assert_eq!(world.read(|tx| operations::by_id(tx, &operation_id(9))).await, Ok(None));
}

pub async fn one_operation_at_a_time_holds_a_key(world: World) {
    let world = world.with_operations(1..=2).await;
    let take = |subject: u64, n: u64| move |tx: &mut Tx<'_>| locks::take(tx, key_id(subject).as_str(), &operation_id(n));
    let holder = async |subject: u64| world.read(move |tx| locks::holder(tx, key_id(subject).as_str())).await;
    assert_eq!(world.write(take(1, 1)).await, Ok(()));
    assert_eq!(world.write(take(1, 2)).await, taken("locks", "subject_id"));
    assert!(world.write(take(1, 2)).await.is_err_and(|error| error.is_unique("locks")));
    assert_eq!(world.write(take(2, 1)).await, Ok(()), "an operation may hold several");
    assert_eq!(world.write(take(3, 2)).await, Ok(()));
    assert_eq!(holder(1).await, Ok(Some(operation_id(1))));
    world.write(|tx| locks::release(tx, &operation_id(1))).await.expect("are given back");
    assert_eq!((holder(1).await, holder(2).await, holder(3).await), (Ok(None), Ok(None), Ok(Some(operation_id(2)))));
    assert_eq!(world.write(take(1, 2)).await, Ok(()));
}

pub async fn due_operations_are_leased_once(world: World) {
    let world = world.with_operations(1..=5).await;
    let (early, late) = (NOW.plus_micros(3), NOW.plus_days(1));
    let used = operation(&world, 1).await.keystore_id;
    let unused = KeystoreId::new(NOW, [9; 10]);
    assert_eq!(world.read(move |tx| operations::any_in_keystore(tx, &used)).await, Ok(true));
    assert_eq!(world.read(move |tx| operations::any_in_keystore(tx, &unused)).await, Ok(false));
    assert_eq!(world.read(|tx| operations::any_due(tx, NOW)).await, Ok(false));
    assert_eq!(world.read(move |tx| operations::any_due(tx, early)).await, Ok(true));
    assert_eq!(lease(&world, "node-1", early, 2).await, [operation_id(1), operation_id(2)], "the oldest first");
    assert_eq!(lease(&world, "node-2", early, 9).await, [operation_id(3)], "what is held or not yet due is left alone");
    assert_eq!(world.read(move |tx| operations::any_due(tx, early)).await, Ok(false));
    assert_eq!(lease(&world, "node-2", late, 9).await, (1..=5).map(operation_id).collect::<Vec<_>>(), "leases that have ended are taken over");
    assert_eq!((operation(&world, 1).await.fence, operation(&world, 4).await.fence), (2, 1), "each lease has a number of its own");
}

/// Safety of the lease: whoever holds an older one cannot write any more.
pub async fn an_older_lease_cannot_write(world: World) {
    let world = world.with_operations(1..=1).await;
    let (soon, later) = (NOW.plus_micros(1), NOW.plus_days(1));
    lease(&world, "node-1", soon, 1).await;
    let keep = |fence: i64| move |tx: &mut Tx<'_>| operations::progress(tx, &operation_id(1), fence, &progress_to(1, later));
    assert_eq!(world.write(keep(1)).await, Ok(()));
    let kept = operation(&world, 1).await;
    assert_eq!((kept.step, kept.attempts, kept.problem.as_deref(), kept.run_at), (1, 1, Some("{}"), later));
    lease(&world, "node-2", later, 1).await;
    let held = async |fence: i64, until| world.read(move |tx| operations::is_held(tx, &operation_id(1), fence, until)).await;
    assert_eq!((held(1, later).await, held(2, later).await, held(2, later.plus_days(9)).await), (Ok(false), Ok(true), Ok(false)));
    assert_eq!(world.write(|tx| operations::let_go(tx, &operation_id(1), 1, NOW)).await, Ok(0), "an older lease lets nothing go");
    assert_eq!(world.write(keep(1)).await, Err(StoreError::MovedOn("operation lease")));
    let end = |fence: i64| move |tx: &mut Tx<'_>| operations::finish(tx, &operation_id(1), fence, "SUCCEEDED", None, NOW);
    assert_eq!(world.write(end(1)).await, Err(StoreError::MovedOn("operation lease")));
    assert_eq!(world.write(end(2)).await, Ok(()));
    let ended = operation(&world, 1).await;
    assert_eq!((ended.state.as_str(), ended.finished_at, ended.lease_owner, ended.problem), ("SUCCEEDED", Some(NOW), None, None));
    assert_eq!(world.write(end(2)).await, Err(StoreError::MovedOn("operation lease")), "an ending is final");
    assert_eq!(world.write(keep(2)).await, Err(StoreError::MovedOn("operation lease")));
    assert!(lease(&world, "node-1", later.plus_days(1), 9).await.is_empty());
}

pub async fn leases_are_renewed_let_go_and_freed(world: World) {
    let world = world.with_operations(1..=4).await;
    let (soon, later) = (NOW.plus_micros(9), NOW.plus_days(1));
    assert_eq!(lease(&world, "node-1", soon, 3).await.len(), 3);
    assert_eq!(lease(&world, "node-2", soon, 3).await.len(), 1);
    let let_go = world.write(|tx| {
        operations::progress(tx, &operation_id(2), 1, &Progress { run_at: NOW, ..progress_to(0, NEVER) })?;
        operations::finish(tx, &operation_id(3), 1, "FAILED", Some(r#"{"kind":"x"}"#), NOW)
    });
    let_go.await.expect("are let go");
    assert_eq!(operation(&world, 3).await.problem.as_deref(), Some(r#"{"kind":"x"}"#));
    assert_eq!(
        world.write(move |tx| operations::renew_leases(tx, "node-1", &(1..=5).map(operation_id).collect::<Vec<_>>(), later.plus_days(1))).await,
        Ok(1),
        "only what is still its own"
    );
    assert_eq!(world.write(move |tx| operations::renew_leases(tx, "node-1", &[], later.plus_days(1))).await, Ok(0), "only what it has in hand");
    assert_eq!(lease(&world, "node-3", later, 9).await, [operation_id(2), operation_id(4)], "renewed ones stay, let go and ended ones are taken");
    assert_eq!(world.write(operations::free_all_leases).await, Ok(3));
    assert_eq!(operation(&world, 1).await.lease_owner, None);
    assert_eq!(lease(&world, "node-4", soon, 9).await, [operation_id(2), operation_id(1), operation_id(4)], "in the order in which they fell due");
}

pub async fn a_waiting_operation_is_woken(world: World) {
    let world = world.with_operations(1..=2).await;
    let wait = |n: u64| move |tx: &mut Tx<'_>| operations::progress(tx, &operation_id(n), 0, &progress_to(1, NEVER));
    world.write(wait(1)).await.expect("waits");
    world.write(move |tx| wait(2)(tx).and_then(|()| operations::finish(tx, &operation_id(2), 0, "FAILED", None, NOW))).await.expect("ends");
    assert_eq!(world.read(|tx| operations::any_due(tx, NOW)).await, Ok(false));
    world.write(|tx| (1..=2).try_for_each(|n| operations::wake(tx, &operation_id(n), NOW))).await.expect("are woken");
    assert_eq!(lease(&world, "node-1", NOW, 9).await, [operation_id(1)], "what has ended does not wake");
    world.write(|tx| operations::wake(tx, &operation_id(1), NOW.plus_days(3))).await.expect("is no harm");
    assert_eq!(operation(&world, 1).await.run_at, NOW, "waking puts nothing off");
    world.write(|tx| operations::insert(tx, &operation_row(3), NEVER, None)).await.expect("is made");
    assert_eq!(world.write(|tx| operations::wake_all(tx, NOW)).await, Ok(2), "those that run, waiting or about to");
    assert_eq!((operation(&world, 3).await.run_at, operation(&world, 2).await.run_at), (NOW, NOW.plus_days(1)));
}

pub async fn a_running_operation_is_asked_once_to_turn_round_and_runs_then(world: World) {
    let world = world.with_operations(1..=2).await;
    world.write(|tx| operations::progress(tx, &operation_id(1), 0, &progress_to(1, NEVER))).await.expect("waits");
    world.write(|tx| operations::finish(tx, &operation_id(2), 0, "SUCCEEDED", None, NOW)).await.expect("ends");
    let asked = async |n: u64| world.read(move |tx| operations::is_asked_to_turn(tx, &operation_id(n))).await.expect("is read");
    assert!(!asked(1).await);
    let ask = async |n: u64| world.write(move |tx| operations::ask_to_turn(tx, &operation_id(n), NOW)).await.expect("is asked");
    assert_eq!((ask(1).await, ask(1).await, ask(2).await), (true, false, false), "once, and one that runs");
    assert_eq!((asked(1).await, asked(2).await), (true, false));
    assert_eq!(lease(&world, "node-1", NOW, 9).await, [operation_id(1)], "it waits no longer");
}

/// A person mends the reason while the step is still failing for it: the waking and the pause meet in the row, whichever comes first.
pub async fn what_is_woken_during_a_step_does_not_wait_behind_it(world: World) {
    let world = world.with_operations(1..=2).await;
    let soon = NOW.plus_micros(9);
    let pause = |n: u64, fence: i64| move |tx: &mut Tx<'_>| operations::progress(tx, &operation_id(n), fence, &progress_to(0, NEVER));
    lease(&world, "node-1", soon, 9).await;
    world.write(move |tx| operations::wake(tx, &operation_id(1), soon)).await.expect("is woken");
    for n in 1..=2 {
        world.write(pause(n, 1)).await.expect("waits");
    }
    assert_eq!(lease(&world, "node-1", soon, 9).await, [operation_id(1)], "the other one waits for its time");
    world.write(pause(1, 2)).await.expect("waits");
    assert_eq!(lease(&world, "node-1", soon, 9).await, [], "woken once, tried once");
    world.write(move |tx| operations::wake_all(tx, soon)).await.expect("are woken");
    assert_eq!(lease(&world, "node-1", soon, 9).await, [operation_id(1), operation_id(2)]);
    world.write(move |tx| operations::wake_all(tx, soon).map(drop)).await.expect("are woken");
    world
        .write(move |tx| operations::progress(tx, &operation_id(1), 3, &Progress { run_at: soon, ..progress_to(1, soon.plus_days(1)) }))
        .await
        .expect("goes on");
    world.write(pause(1, 3)).await.expect("waits");
    world.write(pause(2, 2)).await.expect("waits");
    assert_eq!(lease(&world, "node-1", soon, 9).await, [operation_id(2)], "a step that began behind the waking fails for itself");
}

pub async fn operations_are_counted_by_kind_and_state_and_by_keystore(world: World) {
    let world = world.with_operations(1..=3).await;
    let made = world.write(|tx| {
        keystores::insert(tx, &keystore_row(2, "other"))?;
        for (n, keystore, by) in [(4, 2, "system"), (5, 2, "ann"), (6, 2, "system")] {
            let row = OperationRow { kind: "renew-key".to_owned(), keystore_id: keystore_id(keystore), created_by: by.to_owned(), ..operation_row(n) };
            operations::insert(tx, &row, NEVER, None)?;
        }
        operations::finish(tx, &operation_id(3), 0, "FAILED", None, NOW)?;
        operations::finish(tx, &operation_id(6), 0, "SUCCEEDED", None, NOW)
    });
    made.await.expect("are made");
    let count = |kind: &str, state: &str, count: i64| Count { kind: kind.to_owned(), state: state.to_owned(), count };
    let counts = [count("create-key", "FAILED", 1), count("create-key", "RUNNING", 2), count("renew-key", "RUNNING", 2), count("renew-key", "SUCCEEDED", 1)];
    assert_eq!(world.read(operations::counts).await, Ok(counts.to_vec()));
    let by_themselves = [(keystore_id(1), 2), (keystore_id(2), 1)];
    assert_eq!(world.read(operations::running_by_themselves).await, Ok(by_themselves.into()), "what people asked for, or what has ended, does not count");
}

pub async fn an_idempotency_key_names_one_operation(world: World) {
    let world = world.with_house().await;
    let same = |text: &str| Idempotency { key: text.to_owned(), request_hash: format!("hash of {text}") };
    let insert = |n: u64, idempotency: Option<Idempotency>| move |tx: &mut Tx<'_>| operations::insert(tx, &operation_row(n), NOW, idempotency.as_ref());
    assert_eq!(world.write(insert(1, Some(same("a")))).await, Ok(()));
    assert_eq!(world.write(insert(2, Some(same("a")))).await, taken("operations", "idempotency_key"));
    assert_eq!(world.write(insert(2, Some(same("b")))).await, Ok(()));
    assert_eq!(world.write(insert(3, None)).await, Ok(()));
    assert_eq!(world.write(insert(4, None)).await, Ok(()), "any number has none");
    assert_eq!(world.read(|tx| operations::by_idempotency(tx, &account(), "a")).await, Ok(Some((operation_row(1), "hash of a".to_owned()))));
    assert_eq!(world.read(|tx| operations::by_idempotency(tx, &account(), "c")).await, Ok(None));
    assert_eq!(world.read(|tx| operations::by_idempotency(tx, &account_id(2), "a")).await, Ok(None), "inside the account only");
    let listed = world.read(|tx| operations::list(tx, &account(), Some(&key_id(1)), &Page::first())).await.expect("are listed");
    assert_eq!(listed.rows, [operation_row(1)]);
}

pub async fn two_runners_cannot_both_write_the_journal(world: World) {
    let world = world.with_operations(1..=2).await;
    let line = |seq: i64, phase: &str| JournalRow {
        seq,
        at: NOW.plus_micros(seq),
        step: 2,
        name: "import-material".to_owned(),
        phase: phase.to_owned(),
        record: "{\"request\":\"ä\"}".to_owned(),
    };
    let append = |n: u64, line: JournalRow| move |tx: &mut Tx<'_>| journal::append(tx, &operation_id(n), &line);
    for (seq, phase) in [(2, "done"), (1, "about"), (10, "about")] {
        world.write(append(1, line(seq, phase))).await.expect("is written");
    }
    assert_eq!(world.write(append(1, line(2, "failed"))).await, taken("journal", "seq"));
    world.write(append(2, line(2, "failed"))).await.expect("each operation counts for itself");
    assert_eq!(world.read(|tx| journal::of_operation(tx, &operation_id(1))).await, Ok(vec![line(1, "about"), line(2, "done"), line(10, "about")]));
    assert_eq!(world.read(|tx| journal::of_operation(tx, &operation_id(9))).await, Ok(Vec::new()));
}
