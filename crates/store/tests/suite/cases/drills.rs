//! Drills of the kill switch: due once, one at a time in a keystore, and each ends once.

use keystead_domain::{DrillId, drill::DrillState};
use keystead_store::{
    StoreError,
    drills::{self, DrillCounts, DrillPolicyRow, DrillRow},
    page::Page,
};

use crate::world::*;

fn id(n: u8) -> DrillId {
    DrillId::new(NOW, [n; 10])
}

fn policy(next: i64) -> DrillPolicyRow {
    DrillPolicyRow { keystore_id: keystore_id(1), every: 7, within: 5, next_at: NOW.plus_micros(next), set_at: NOW, set_by: "user_1".to_owned() }
}

pub(super) fn row(n: u8) -> DrillRow {
    DrillRow {
        id: id(n),
        keystore_id: keystore_id(1),
        key_id: Some(key_id(1)),
        state: DrillState::Killing,
        kill_id: Some(operation_id(1)),
        operation_id: Some(operation_id(1)),
        within: 5,
        begun_at: NOW,
        next_at: NOW,
        dark: None,
        why: None,
        ended_at: None,
    }
}

pub async fn a_keystore_is_drilled_when_its_time_has_come_and_none_runs(world: World) {
    let world = world.with_keys(1..=1).await;
    assert_eq!(world.read(|tx| drills::policy_of(tx, &keystore_id(1))).await, Ok(None));
    world.write(|tx| drills::set_policy(tx, &DrillPolicyRow { every: 9, ..policy(3) })).await.expect("is set");
    world.write(|tx| drills::set_policy(tx, &policy(5))).await.expect("is set anew");
    assert_eq!(world.read(|tx| drills::policy_of(tx, &keystore_id(1))).await, Ok(Some(policy(5))));
    let due = |at: i64| world.read(move |tx| drills::due(tx, NOW.plus_micros(at)));
    assert_eq!((due(4).await, due(5).await), (Ok(vec![]), Ok(vec![policy(5)])));
    let take = || world.write(|tx| drills::take(tx, &keystore_id(1), NOW.plus_micros(5), NOW.plus_micros(12)));
    take().await.expect("is taken");
    assert_eq!(take().await, Err(StoreError::MovedOn("drill")), "by one node");
    world.write(|tx| drills::insert(tx, &row(1))).await.expect("is kept");
    assert_eq!(due(20).await, Ok(vec![]), "one runs");
    world.write(|tx| drills::end(tx, &id(1), DrillState::Slow, Some(6), Some("6 > 5"), NOW)).await.expect("ends");
    assert_eq!(due(20).await.map(|due| due.len()), Ok(1));
    world.write(|tx| drills::clear_policy(tx, &keystore_id(1))).await.expect("no more");
    assert_eq!(due(20).await, Ok(vec![]));
}

pub async fn a_drill_is_read_as_it_was_written_and_ends_once(world: World) {
    let world = world.with_keys(1..=1).await;
    world.write(|tx| drills::insert(tx, &row(1))).await.expect("is kept");
    assert_eq!(world.read(|tx| drills::open(tx, NOW)).await, Ok(vec![row(1)]));
    let begin = || world.write(|tx| drills::restoring(tx, &row(1), &operation_id(2)));
    begin().await.expect("is begun");
    assert_eq!(begin().await, Err(StoreError::MovedOn("drill")), "one restore behind one kill");
    let restoring = DrillRow { state: DrillState::Restoring, operation_id: Some(operation_id(2)), ..row(1) };
    assert_eq!(world.read(|tx| drills::open(tx, NOW)).await, Ok(vec![restoring.clone()]));
    world.write(|tx| drills::rest(tx, &id(1), NOW.plus_micros(9))).await.expect("rests");
    assert_eq!(world.read(|tx| drills::open(tx, NOW.plus_micros(8))).await, Ok(vec![]));
    let end = || world.write(|tx| drills::end(tx, &id(1), DrillState::Succeeded, Some(4), None, NOW.plus_micros(1)));
    end().await.expect("ends");
    assert_eq!(end().await, Err(StoreError::MovedOn("drill")));
    let failed =
        DrillRow { key_id: None, state: DrillState::Failed, kill_id: None, operation_id: None, why: Some("none".to_owned()), ended_at: Some(NOW), ..row(2) };
    let kept = failed.clone();
    world.write(move |tx| drills::insert(tx, &kept)).await.expect("one that could not begin");
    let page = world.read(|tx| drills::list(tx, &keystore_id(1), &Page { after: None, limit: 1 })).await.expect("a page");
    assert_eq!((page.rows, &page.next), (vec![failed], &Some(id(2).to_string())), "the newest first");
    let rest = world.read(move |tx| drills::list(tx, &keystore_id(1), &Page { after: page.next.clone(), limit: 1 })).await.expect("a page");
    let ended = DrillRow { state: DrillState::Succeeded, dark: Some(4), next_at: NOW.plus_micros(9), ended_at: Some(NOW.plus_micros(1)), ..restoring };
    assert_eq!((rest.rows, rest.next), (vec![ended], None));
}

pub async fn the_last_success_of_a_drill_is_known_and_counted(world: World) {
    let world = world.with_keys(1..=1).await;
    assert_eq!(world.read(drills::counts).await, Ok(DrillCounts::default()));
    world.write(|tx| drills::set_policy(tx, &policy(5))).await.expect("is set");
    assert_eq!(world.read(drills::counts).await, Ok(DrillCounts { drilled: 1, without_success: 1, oldest_success: None }));
    assert_eq!(world.read(|tx| drills::last_success(tx, &keystore_id(1))).await, Ok(None));
    for (n, state) in [(1, DrillState::Succeeded), (2, DrillState::Slow), (3, DrillState::Failed)] {
        let ended = DrillRow { state, ended_at: Some(NOW.plus_micros(i64::from(n))), ..row(n) };
        world.write(move |tx| drills::insert(tx, &ended)).await.expect("is kept");
    }
    let last = Some(NOW.plus_micros(1));
    assert_eq!(world.read(|tx| drills::last_success(tx, &keystore_id(1))).await, Ok(last), "what was slow was no success");
    assert_eq!(world.read(drills::counts).await, Ok(DrillCounts { drilled: 1, without_success: 0, oldest_success: last }));
}

pub async fn what_a_drill_has_killed_is_known_as_it_stood(world: World) {
    let world = world.with_keys(1..=3).await;
    let killed = [key_id(1), key_id(2)];
    world.write(|tx| drills::insert(tx, &row(1))).await.expect("is kept");
    let note = || {
        let killed = killed.clone();
        world.write(move |tx| drills::note_victims(tx, &id(1), killed.iter()))
    };
    note().await.expect("are noted");
    let is_as_noted = |n: u64| world.read(move |tx| drills::is_as_noted(tx, &id(1), &key_id(n)));
    assert_eq!((is_as_noted(1).await, is_as_noted(2).await, is_as_noted(3).await), (Ok(true), Ok(true), Ok(false)));
    world.aside(&format!("UPDATE keys SET revision = revision + 1 WHERE id = '{}'", key_id(1)));
    assert_eq!((is_as_noted(1).await, is_as_noted(2).await), (Ok(false), Ok(true)), "somebody has changed it");
    note().await.expect("are noted anew");
    assert_eq!(is_as_noted(1).await, Ok(true));
    let of = |n: u64| world.read(move |tx| drills::open_with(tx, &key_id(n)));
    assert_eq!((of(2).await, of(3).await), (Ok(vec![row(1)]), Ok(vec![])));
    let victims = || world.read(|tx| drills::open_victims(tx, &keystore_id(1)));
    assert_eq!(victims().await, Ok(killed.to_vec()));
    world.write(|tx| drills::end(tx, &id(1), DrillState::Failed, None, Some("overruled"), NOW)).await.expect("ends");
    assert_eq!((of(2).await, victims().await), (Ok(vec![]), Ok(vec![])));
}

pub async fn the_canaries_of_a_keystore_are_those_that_were_set_last(world: World) {
    let world = world.with_keys(1..=3).await;
    for keys in [vec![key_id(1), key_id(2)], vec![key_id(3)], vec![]] {
        let set = keys.clone();
        world.write(move |tx| drills::set_canaries(tx, &keystore_id(1), set.iter())).await.expect("are set");
        assert_eq!(world.read(|tx| drills::canaries(tx, &keystore_id(1))).await, Ok(keys.into_iter().collect()));
    }
}

pub async fn a_drill_that_cannot_be_read_holds_up_no_other(world: World) {
    let world = world.with_keys(1..=1).await;
    world.write(|tx| [row(1), row(2)].iter().try_for_each(|row| drills::insert(tx, row))).await.expect("are kept");
    world.aside(&format!("UPDATE drills SET state = 'PLAYING' WHERE id = '{}'", id(1)));
    assert_eq!(world.read(|tx| drills::open(tx, NOW)).await, Ok(vec![row(2)]));
}
