//! Batches: an action on many keys, and what became of each.

use std::collections::BTreeMap;

use keystead_domain::{
    BatchId,
    batch::{BatchState, ItemState},
};
use keystead_store::{
    StoreError,
    batches::{self, BatchRow, Item, ItemRow},
    operations,
    page::Page,
};

use crate::world::*;

fn batch_id(n: u8) -> BatchId {
    BatchId::new(NOW, [n; 10])
}

fn row(n: u8) -> BatchRow {
    BatchRow {
        id: batch_id(n),
        account_id: account(),
        action: r#"{"action":"deactivate"}"#.to_owned(),
        selector: r#"{"tags":["env=test"]}"#.to_owned(),
        state: BatchState::Running,
        created_by: "user_1".to_owned(),
        created_by_name: "ann".to_owned(),
        created_at: NOW,
        finished_at: None,
    }
}

fn item(n: u8, position: u32) -> ItemRow {
    ItemRow {
        batch_id: batch_id(n),
        position,
        key_id: key_id(u64::from(position)),
        keystore_id: keystore_id(1),
        state: ItemState::Waiting,
        operation_id: None,
        problem: None,
        not_before: NOW,
    }
}

fn shown(row: ItemRow) -> Item {
    let key = format!("key-{}", row.position);
    Item { row, key, keystore: "main".to_owned(), operation: None, operation_problem: None }
}

/// A house with three keys, an operation, and a batch of the three.
async fn with_batch(world: World) -> World {
    let world = world.with_keys(1..=3).await;
    let begun = world.write(|tx| {
        operations::insert(tx, &operation_row(1), NOW, None)?;
        batches::insert(tx, &row(1))?;
        (1..=3).try_for_each(|position| batches::insert_item(tx, &item(1, position)))
    });
    begun.await.expect("a batch begins");
    world
}

async fn states(world: &World) -> BTreeMap<ItemState, u64> {
    world.read(|tx| batches::counts(tx, &batch_id(1))).await.expect("counts")
}

pub async fn a_batch_is_read_as_it_was_written_and_belongs_to_one_account(world: World) {
    let world = with_batch(world).await;
    world.write(|tx| batches::insert(tx, &row(2))).await.expect("a second one");
    assert_eq!(world.read(|tx| batches::find(tx, &account(), batch_id(1).as_str())).await, Ok(Some(row(1))));
    assert_eq!(world.read(|tx| batches::find(tx, &account_id(9), batch_id(1).as_str())).await, Ok(None));
    let page = world.read(|tx| batches::list(tx, &account(), &Page { after: None, limit: 1 })).await.expect("a page");
    assert_eq!((page.rows, page.next), (vec![row(1)], Some(batch_id(1).to_string())));
    assert!(world.read(|tx| batches::list(tx, &account_id(9), &Page::first())).await.expect("a page").rows.is_empty());
    let items = world.read(|tx| batches::items(tx, &batch_id(1), None, &Page { after: Some("1".to_owned()), limit: 1 })).await.expect("a page");
    assert_eq!((items.rows, items.next), (vec![shown(item(1, 2))], Some("2".to_owned())), "behind the cursor");
    assert_eq!(states(&world).await, BTreeMap::from([(ItemState::Waiting, 3)]));
    assert_eq!(world.read(batches::open).await, Ok(vec![row(1), row(2)]));
    assert_eq!(world.read(|tx| batches::waits_in(tx, &batch_id(1))).await, Ok(vec![keystore_id(1)]));
    assert_eq!(world.read(|tx| batches::waits_in(tx, &batch_id(2))).await, Ok(vec![]));
}

pub async fn a_key_of_a_batch_is_begun_once_and_rests_when_it_must(world: World) {
    let world = with_batch(world).await;
    let next = async |later: i64| {
        let found = world.read(move |tx| batches::next(tx, &batch_id(1), &keystore_id(1), NOW.plus_micros(later), 2)).await.expect("what is next");
        found.into_iter().map(|item| item.row.position).collect::<Vec<_>>()
    };
    assert_eq!(next(0).await, [1, 2]);
    world.write(|tx| batches::rest_item(tx, &batch_id(1), 2, NOW.plus_micros(5), "held")).await.expect("rests");
    assert_eq!((next(0).await, next(5).await), (vec![1, 3], vec![1, 2]), "one that rests holds up nobody behind it");
    world.write(|tx| batches::begin_item(tx, &batch_id(1), 1, &operation_id(1))).await.expect("begins");
    let again = world.write(|tx| batches::begin_item(tx, &batch_id(1), 1, &operation_id(1))).await;
    assert_eq!(again, Err(StoreError::MovedOn("batch item")));
    assert_eq!(next(5).await, [2, 3]);
    assert_eq!(world.read(batches::in_flight).await, Ok(BTreeMap::from([(keystore_id(1), 1)])));
    assert_eq!(world.read(|tx| batches::ended(tx, &batch_id(1))).await, Ok(vec![]), "its operation runs");
    world.aside("UPDATE operations SET state = 'FAILED', problem = 'why'");
    let ended = world.read(|tx| batches::ended(tx, &batch_id(1))).await.expect("what has ended");
    assert_eq!((ended.len(), ended[0].operation.as_deref(), ended[0].operation_problem.as_deref()), (1, Some("FAILED"), Some("why")));
    let end = |to| move |tx: &mut keystead_store::Tx<'_>| batches::end_item(tx, &batch_id(1), 1, ItemState::Running, to, Some("why"));
    world.write(end(ItemState::Failed)).await.expect("ends");
    assert_eq!(world.write(end(ItemState::Done)).await, Err(StoreError::MovedOn("batch item")), "once");
    let failed = world.read(|tx| batches::items(tx, &batch_id(1), Some(ItemState::Failed), &Page::first())).await.expect("a page").rows;
    assert_eq!((failed.len(), failed[0].row.problem.as_deref()), (1, Some("why")));
}

pub async fn a_batch_that_is_stopped_begins_nothing_and_ends_with_what_runs(world: World) {
    let world = with_batch(world).await;
    world.write(|tx| batches::begin_item(tx, &batch_id(1), 1, &operation_id(1))).await.expect("begins");
    assert_eq!(world.write(|tx| batches::finish(tx, &batch_id(1), NOW)).await, Ok(false), "keys wait");
    assert_eq!(world.write(|tx| batches::stop(tx, &batch_id(1), "stopped")).await, Ok(2));
    assert_eq!(world.write(|tx| batches::stop(tx, &batch_id(1), "stopped")).await, Err(StoreError::MovedOn("batch")));
    assert_eq!(states(&world).await, BTreeMap::from([(ItemState::Running, 1), (ItemState::Skipped, 2)]));
    let begun = world.write(|tx| batches::begin_item(tx, &batch_id(1), 2, &operation_id(1))).await;
    assert_eq!(begun, Err(StoreError::MovedOn("batch")));
    assert_eq!(world.write(|tx| batches::finish(tx, &batch_id(1), NOW)).await, Ok(false), "one runs");
    assert_eq!(world.read(batches::open).await.expect("open").len(), 1);
    world.write(|tx| batches::end_item(tx, &batch_id(1), 1, ItemState::Running, ItemState::Done, None)).await.expect("ends");
    assert_eq!(world.write(|tx| batches::finish(tx, &batch_id(1), NOW)).await, Ok(true));
    assert_eq!(world.write(|tx| batches::finish(tx, &batch_id(1), NOW)).await, Ok(false), "once");
    let found = world.read(|tx| batches::find(tx, &account(), batch_id(1).as_str())).await.expect("a store").expect("is there");
    assert_eq!((found.state, found.finished_at), (BatchState::Stopped, Some(NOW)));
    assert_eq!(world.read(batches::open).await, Ok(vec![]));
}

pub async fn a_batch_in_which_everything_has_its_outcome_is_done(world: World) {
    let world = with_batch(world).await;
    let skipped =
        world.write(|tx| (1..=3).try_for_each(|position| batches::end_item(tx, &batch_id(1), position, ItemState::Waiting, ItemState::Skipped, Some("so"))));
    skipped.await.expect("are skipped");
    assert_eq!(world.write(|tx| batches::finish(tx, &batch_id(1), NOW)).await, Ok(true));
    let found = world.read(|tx| batches::find(tx, &account(), batch_id(1).as_str())).await.expect("a store").expect("is there");
    assert_eq!(found.state, BatchState::Done);
}

pub async fn a_kill_takes_from_batches_what_would_bring_its_key_back(world: World) {
    let world = with_batch(world).await;
    const ACTIVATE: &str = r#"{"action":"activate"}"#;
    const UPLOAD: &str = r#"{"action":"upload"}"#;
    let activating = |n| BatchRow { action: ACTIVATE.to_owned(), ..row(n) };
    let begun = world.write(move |tx| {
        batches::insert(tx, &activating(2))?;
        batches::insert_item(tx, &item(2, 1))?;
        batches::insert_item(tx, &item(2, 2))
    });
    begun.await.expect("a batch that activates");
    let awaited = async || world.read(|tx| batches::awaited(tx, [ACTIVATE, UPLOAD])).await.expect("are read");
    assert_eq!(awaited().await, [key_id(1), key_id(2)], "of a batch that takes out of use, none");
    let take = async |key| world.write(move |tx| batches::take_out(tx, &key, [ACTIVATE, UPLOAD], "out")).await;
    assert_eq!((take(key_id(9)).await, take(key_id(1)).await, take(key_id(1)).await), (Ok(0), Ok(1), Ok(0)), "its own, once");
    let failed = world.read(|tx| batches::items(tx, &batch_id(2), Some(ItemState::Failed), &Page::first())).await.expect("a page").rows;
    assert_eq!((failed.len(), failed[0].row.position, failed[0].row.problem.as_deref()), (1, 1, Some("out")));
    assert_eq!(awaited().await, [key_id(2)]);
    assert_eq!(states(&world).await, BTreeMap::from([(ItemState::Waiting, 3)]), "a batch that takes out of use goes on");
}
