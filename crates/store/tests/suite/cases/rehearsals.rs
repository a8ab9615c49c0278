//! Rehearsed deletions: one a key, each moved from the state that is expected.

use keystead_domain::{RehearsalId, rehearsal::RehearsalState};
use keystead_store::{
    StoreError,
    page::Page,
    rehearsals::{self, RehearsalRow},
};

use crate::world::*;

fn id(n: u8) -> RehearsalId {
    RehearsalId::new(NOW, [n; 10])
}

pub(super) fn row(n: u8, key: u64) -> RehearsalRow {
    RehearsalRow {
        id: id(n),
        account_id: account(),
        key_id: key_id(key),
        state: RehearsalState::Running,
        begun_by: "user_1".to_owned(),
        begun_by_name: "ann".to_owned(),
        begun_at: NOW,
        ends_at: NOW.plus_micros(60),
        next_at: NOW.plus_micros(60),
        tries: 0,
        used_before: "{}".to_owned(),
        used_after: None,
        enabling_at: None,
        ended_at: None,
    }
}

pub async fn a_rehearsal_is_read_as_it_was_written_and_a_key_has_one(world: World) {
    let world = world.with_keys(1..=2).await;
    world.write(|tx| rehearsals::insert(tx, &row(1, 1))).await.expect("is kept");
    assert_eq!(world.read(|tx| rehearsals::open_of(tx, &key_id(1))).await, Ok(Some(row(1, 1))));
    assert_eq!(
        world.read(|tx| Ok::<_, StoreError>((rehearsals::holds_disabled(tx, &key_id(1))?, rehearsals::holds_disabled(tx, &key_id(2))?))).await,
        Ok((true, false))
    );
    let twice = world.write(|tx| rehearsals::insert(tx, &row(2, 1))).await.expect_err("one a key");
    assert!(twice.is_unique("rehearsals"), "{twice:?}");
    assert_eq!(world.read(|tx| rehearsals::due(tx, NOW, 9)).await, Ok(vec![]));
    assert_eq!(world.read(|tx| rehearsals::due(tx, NOW.plus_micros(60), 9)).await, Ok(vec![row(1, 1)]));
}

pub async fn a_rehearsal_moves_from_the_state_that_is_expected_and_ends_once(world: World) {
    use RehearsalState::{Ended, Ending, Running, Watching};
    let world = world.with_keys(1..=2).await;
    world.write(|tx| [row(1, 1), row(2, 2)].iter().try_for_each(|row| rehearsals::insert(tx, row))).await.expect("are kept");
    let begin = || world.write(|tx| rehearsals::ending(tx, &id(1), NOW, NOW.plus_micros(70)));
    begin().await.expect("moves");
    assert_eq!(begin().await, Err(StoreError::MovedOn("rehearsal")), "one node begins it");
    world.write(|tx| rehearsals::failed(tx, &id(1), NOW.plus_micros(80))).await.expect("is tried again");
    let again = RehearsalRow { enabling_at: Some(NOW), tries: 1, next_at: NOW.plus_micros(80), ..row(1, 1) };
    assert_eq!(world.read(|tx| rehearsals::open_of(tx, &key_id(1))).await, Ok(Some(again)));
    assert_eq!(world.write(|tx| rehearsals::failed(tx, &id(1), NOW)).await, Err(StoreError::MovedOn("rehearsal")), "nothing was begun");
    world.write(|tx| rehearsals::rest(tx, &id(1), Ending, NOW)).await.expect("stands otherwise, and is left");
    world.write(|tx| rehearsals::rest(tx, &id(1), Running, NOW.plus_micros(90))).await.expect("rests");
    assert_eq!(world.read(|tx| rehearsals::due(tx, NOW.plus_micros(89), 9)).await.map(|due| due.len()), Ok(1), "the other one");
    world.write(|tx| rehearsals::ending(tx, &id(1), NOW.plus_micros(5), NOW.plus_micros(70))).await.expect("moves");
    world.write(|tx| rehearsals::transition(tx, &id(1), Ending, Watching, NOW)).await.expect("moves");
    assert_eq!(world.read(|tx| rehearsals::holds_disabled(tx, &key_id(1))).await, Ok(false));
    let due = world.read(|tx| rehearsals::due(tx, NOW.plus_micros(90), 1)).await.expect("are due");
    assert_eq!(due, vec![row(2, 2)], "what keeps a key disabled comes first, whatever is due longer");
    let watching = world.read(|tx| rehearsals::open_of(tx, &key_id(1))).await.expect("is read");
    assert_eq!(watching.and_then(|row| row.enabling_at), Some(NOW), "the first attempt counts");
    let end = || world.write(|tx| rehearsals::end(tx, &id(1), Watching, Ended, Some("{\"at\":1}"), NOW));
    end().await.expect("ends");
    assert_eq!(end().await, Err(StoreError::MovedOn("rehearsal")));
    assert_eq!(world.read(|tx| rehearsals::open_of(tx, &key_id(1))).await, Ok(None));
    world.write(|tx| rehearsals::insert(tx, &row(3, 1))).await.expect("another one may come");
    let page = world.read(|tx| rehearsals::list(tx, &key_id(1), &Page { after: None, limit: 1 })).await.expect("a page");
    assert_eq!((page.rows, page.next.is_some()), (vec![row(3, 1)], true), "the newest first");
    let rest = world.read(move |tx| rehearsals::list(tx, &key_id(1), &Page { after: page.next.clone(), limit: 1 })).await.expect("a page");
    let ended = &rest.rows[0];
    assert_eq!((&ended.id, ended.used_after.as_deref(), ended.ended_at, rest.next), (&id(1), Some("{\"at\":1}"), Some(NOW), None));
}

pub async fn a_rehearsal_that_cannot_be_read_holds_up_no_other(world: World) {
    let world = world.with_keys(1..=2).await;
    world.write(|tx| [row(1, 1), row(2, 2)].iter().try_for_each(|row| rehearsals::insert(tx, row))).await.expect("are kept");
    world.aside(&format!("UPDATE rehearsals SET state = 'DREAMING' WHERE id = '{}'", id(1)));
    assert_eq!(world.read(|tx| rehearsals::due(tx, NOW.plus_days(1), 9)).await, Ok(vec![row(2, 2)]));
}
