//! Estates: plans that are being done, what waits for what, and what became of each change.

use std::collections::BTreeMap;

use keystead_domain::{
    ApplyId,
    batch::{BatchState, ItemState},
};
use keystead_store::{
    StoreError,
    estates::{self, AppliedChange, ApplyRow, ChangeRow},
    operations,
    page::Page,
};

use crate::world::*;

fn apply_id(n: u8) -> ApplyId {
    ApplyId::new(NOW, [n; 10])
}

fn row(n: u8) -> ApplyRow {
    ApplyRow {
        id: apply_id(n),
        account_id: account(),
        digest: "d1".to_owned(),
        state: BatchState::Running,
        created_by: "user_1".to_owned(),
        created_by_name: "ann".to_owned(),
        created_at: NOW,
        finished_at: None,
    }
}

fn change(position: u32, keystore: &str) -> ChangeRow {
    ChangeRow {
        apply_id: apply_id(1),
        position,
        path: format!("keys[{position}]"),
        action: "update-key".to_owned(),
        subject: "key".to_owned(),
        name: format!("key-{position}"),
        keystore: keystore.to_owned(),
        key_id: (position == 1).then(|| key_id(1)),
        seen_revision: (position == 1).then_some(4),
        change: r#"{"action":"activate"}"#.to_owned(),
        call_interval: 7,
        state: ItemState::Waiting,
        operation_id: None,
        problem: None,
        not_before: NOW,
    }
}

/// A house with an operation and an apply of four changes: the second waits for the first, the third for both, the fourth for nothing in no keystore.
async fn with_apply(world: World) -> World {
    let world = world.with_keys(1..=1).await;
    let begun = world.write(|tx| {
        operations::insert(tx, &operation_row(1), NOW, None)?;
        estates::insert(tx, &row(1))?;
        estates::insert_change(tx, &change(1, "main"), &[])?;
        estates::insert_change(tx, &change(2, "main"), &[1])?;
        estates::insert_change(tx, &change(3, "main"), &[1, 2])?;
        estates::insert_change(tx, &change(4, ""), &[])
    });
    begun.await.expect("an apply begins");
    world
}

async fn counts(world: &World) -> BTreeMap<ItemState, u64> {
    world.read(|tx| estates::counts(tx, &apply_id(1))).await.expect("counts")
}

async fn next(world: &World, keystore: &'static str, later: i64) -> Vec<u32> {
    let found = world.read(move |tx| estates::next(tx, &apply_id(1), keystore, NOW.plus_micros(later), 9)).await.expect("what is next");
    found.into_iter().map(|change| change.row.position).collect()
}

async fn end(world: &World, position: u32, from: ItemState, to: ItemState) -> Result<(), StoreError> {
    world.write(move |tx| estates::end_change(tx, &apply_id(1), position, from, to, Some("why"))).await
}

pub async fn an_apply_is_read_as_it_was_written_and_one_at_a_time_is_open(world: World) {
    let world = with_apply(world).await;
    assert_eq!(world.read(|tx| estates::find(tx, &account(), apply_id(1).as_str())).await, Ok(Some(row(1))));
    assert_eq!(world.read(|tx| estates::find(tx, &account_id(9), apply_id(1).as_str())).await, Ok(None));
    assert_eq!(world.read(|tx| estates::open_of(tx, &account())).await, Ok(Some(row(1))));
    assert_eq!(world.read(|tx| estates::open_of(tx, &account_id(9))).await, Ok(None));
    let second = world.write(|tx| estates::insert(tx, &row(2))).await;
    assert!(second.as_ref().is_err_and(|error| error.is_unique("estate_applies")), "{second:?}");
    let page = world.read(|tx| estates::list(tx, &account(), &Page::first())).await.expect("a page");
    assert_eq!((page.rows, page.next), (vec![row(1)], None));
    assert!(world.read(|tx| estates::list(tx, &account_id(9), &Page::first())).await.expect("a page").rows.is_empty());
    let changes = world.read(|tx| estates::changes(tx, &apply_id(1), None, &Page { after: Some("1".to_owned()), limit: 1 })).await.expect("a page");
    let shown = AppliedChange { row: change(2, "main"), operation: None, operation_problem: None };
    assert_eq!((changes.rows, changes.next), (vec![shown], Some("2".to_owned())), "behind the cursor");
    assert_eq!(counts(&world).await, BTreeMap::from([(ItemState::Waiting, 4)]));
    assert_eq!(world.read(estates::open).await, Ok(vec![row(1)]));
    assert_eq!(world.read(|tx| estates::waits_in(tx, &apply_id(1))).await, Ok(vec![String::new(), "main".to_owned()]));
}

pub async fn a_change_is_begun_once_and_behind_what_it_waits_for(world: World) {
    let world = with_apply(world).await;
    assert_eq!((next(&world, "main", 0).await, next(&world, "", 0).await), (vec![1], vec![4]));
    world.write(|tx| estates::rest_change(tx, &apply_id(1), 1, NOW.plus_micros(5), "held")).await.expect("rests");
    assert_eq!((next(&world, "main", 0).await, next(&world, "main", 5).await), (vec![], vec![1]));
    world.write(|tx| estates::begin_change(tx, &apply_id(1), 1, &operation_id(1))).await.expect("begins");
    let again = world.write(|tx| estates::begin_change(tx, &apply_id(1), 1, &operation_id(1))).await;
    assert_eq!(again, Err(StoreError::MovedOn("change of an apply")));
    assert_eq!(next(&world, "main", 5).await, [] as [u32; 0], "its operation runs");
    assert_eq!(world.read(|tx| estates::in_flight(tx, &apply_id(1))).await, Ok(BTreeMap::from([("main".to_owned(), 1)])));
    assert_eq!(world.read(|tx| estates::ended(tx, &apply_id(1))).await, Ok(vec![]));
    assert_eq!(world.read(|tx| estates::waited_until(tx, &apply_id(1), 2)).await, Ok(None));
    world.aside(&format!("UPDATE operations SET state = 'SUCCEEDED', finished_at = {}", NOW.plus_micros(3).as_micros()));
    let ended = world.read(|tx| estates::ended(tx, &apply_id(1))).await.expect("what has ended");
    assert_eq!((ended.len(), ended[0].operation.as_deref()), (1, Some("SUCCEEDED")));
    assert_eq!(world.read(|tx| estates::waited_until(tx, &apply_id(1), 2)).await, Ok(Some(NOW.plus_micros(3))));
    assert_eq!(end(&world, 1, ItemState::Running, ItemState::Done).await, Ok(()));
    assert_eq!(end(&world, 1, ItemState::Running, ItemState::Failed).await, Err(StoreError::MovedOn("change of an apply")), "once");
    assert_eq!(next(&world, "main", 5).await, [2], "the third waits for the second, too");
    assert_eq!(end(&world, 2, ItemState::Waiting, ItemState::Done).await, Ok(()));
    assert_eq!(next(&world, "main", 5).await, [3]);
    let done = world.read(|tx| estates::changes(tx, &apply_id(1), Some(ItemState::Done), &Page::first())).await.expect("a page").rows;
    assert_eq!((done.len(), done[0].row.problem.as_deref()), (2, Some("why")));
}

async fn seen(world: &World, position: u32) -> Option<i64> {
    let page = Page { after: Some((position - 1).to_string()), limit: 1 };
    world.read(move |tx| estates::changes(tx, &apply_id(1), None, &page)).await.expect("a page").rows[0].row.seen_revision
}

pub async fn a_change_expects_its_key_as_it_was_seen_and_a_kill_takes_what_would_bring_it_back(world: World) {
    let world = with_apply(world).await;
    let bring = |position, action: &str| ChangeRow { key_id: Some(key_id(1)), action: action.to_owned(), seen_revision: Some(4), ..change(position, "main") };
    let rows = [bring(5, "activate-key"), bring(6, "cancel-deletion"), bring(7, "activate-key")];
    let added = world.write(move |tx| {
        rows.iter().try_for_each(|row| estates::insert_change(tx, row, &[]))?;
        estates::begin_change(tx, &apply_id(1), 7, &operation_id(1))?;
        estates::see_again(tx, &apply_id(1), &key_id(1), 9)?;
        estates::see_again(tx, &apply_id(1), &key_id(2), 11)?;
        estates::see_again(tx, &apply_id(2), &key_id(1), 12)
    });
    added.await.expect("three changes more");
    let all = (seen(&world, 1).await, seen(&world, 2).await, seen(&world, 5).await, seen(&world, 7).await);
    assert_eq!(all, (Some(9), None, Some(9), Some(4)), "of this key, in this apply, and what waits");
    assert_eq!(world.read(estates::awaited).await, Ok(vec![key_id(1)]));
    assert_eq!(world.write(|tx| estates::take_out(tx, &key_id(2), "out")).await, Ok(0), "another key");
    assert_eq!(world.write(|tx| estates::take_out(tx, &key_id(1), "out")).await, Ok(2), "neither what runs, nor what changes it otherwise");
    assert_eq!(counts(&world).await, BTreeMap::from([(ItemState::Waiting, 4), (ItemState::Running, 1), (ItemState::Failed, 2)]));
    let failed = world.read(|tx| estates::changes(tx, &apply_id(1), Some(ItemState::Failed), &Page::first())).await.expect("a page").rows;
    assert!(failed.iter().all(|change| change.row.problem.as_deref() == Some("out")), "{failed:?}");
    assert_eq!(world.read(estates::awaited).await, Ok(vec![]), "what runs waits no more");
}

pub async fn what_waits_for_a_failure_is_hopeless(world: World) {
    let world = with_apply(world).await;
    let hopeless =
        async || world.read(|tx| estates::hopeless(tx, &apply_id(1))).await.expect("a list").into_iter().map(|change| change.row.position).collect::<Vec<_>>();
    assert_eq!(hopeless().await, [] as [u32; 0]);
    end(&world, 1, ItemState::Waiting, ItemState::Failed).await.expect("fails");
    assert_eq!(hopeless().await, [2, 3]);
    end(&world, 2, ItemState::Waiting, ItemState::Skipped).await.expect("is skipped");
    assert_eq!(hopeless().await, [3]);
    end(&world, 3, ItemState::Waiting, ItemState::Skipped).await.expect("is skipped");
    assert_eq!((hopeless().await, next(&world, "", 0).await), (vec![], vec![4]), "what waits for nothing goes on");
}

pub async fn an_apply_that_is_stopped_begins_nothing_and_ends_with_what_runs(world: World) {
    let world = with_apply(world).await;
    world.write(|tx| estates::begin_change(tx, &apply_id(1), 1, &operation_id(1))).await.expect("begins");
    assert_eq!(world.write(|tx| estates::finish(tx, &apply_id(1), NOW)).await, Ok(false), "changes wait");
    assert_eq!(world.write(|tx| estates::stop(tx, &apply_id(1), "stopped")).await, Ok(3));
    assert_eq!(world.write(|tx| estates::stop(tx, &apply_id(1), "stopped")).await, Err(StoreError::MovedOn("apply")));
    assert_eq!(world.write(|tx| estates::begin_change(tx, &apply_id(1), 2, &operation_id(1))).await, Err(StoreError::MovedOn("apply")));
    assert_eq!(world.write(|tx| estates::finish(tx, &apply_id(1), NOW)).await, Ok(false), "one runs");
    end(&world, 1, ItemState::Running, ItemState::Done).await.expect("ends");
    assert_eq!(world.write(|tx| estates::finish(tx, &apply_id(1), NOW)).await, Ok(true));
    assert_eq!(world.write(|tx| estates::finish(tx, &apply_id(1), NOW)).await, Ok(false), "once");
    let found = world.read(|tx| estates::find(tx, &account(), apply_id(1).as_str())).await.expect("a store").expect("is there");
    assert_eq!((found.state, found.finished_at), (BatchState::Stopped, Some(NOW)));
    assert_eq!((world.read(estates::open).await, world.write(|tx| estates::insert(tx, &row(2))).await), (Ok(vec![]), Ok(())), "another one may begin");
}
