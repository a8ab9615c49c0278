//! Rotation: policies by scope, plans of lineages, and what is due by them.

use keystead_domain::{
    KeyId, KeyState, Timestamp,
    rotation::{Scope, Strategy, Wish},
    time::DAY,
};
use keystead_store::{
    due::{self, Position, Task},
    keys::{self, KeyRow},
    keystores, lineages,
    page::Page,
    rotations::{self, PolicyRow},
};

use crate::world::*;

fn policy(scope: Scope, days: i64) -> PolicyRow {
    let wish = Wish { every: Some(days * DAY), ..Wish::default() };
    PolicyRow { account_id: account(), scope, name: String::new(), wish, set_at: NOW, set_by: user_id(1).to_string() }
}

async fn set(world: &World, scope: Scope, days: i64) {
    world.write(move |tx| rotations::set(tx, &policy(scope.clone(), days))).await.expect("is set");
}

async fn key(world: &World, n: u64) -> KeyRow {
    world.read(move |tx| keys::by_id(tx, &key_id(n))).await.expect("is read").expect("is there")
}

async fn nearest_days(world: &World, n: u64) -> Option<i64> {
    let key = key(world, n).await;
    let policy = world.read(move |tx| rotations::nearest(tx, &key)).await.expect("is read");
    policy.and_then(|policy| policy.wish.every).map(|every| every / DAY)
}

async fn unplanned(world: &World) -> Vec<KeyId> {
    world.read(|tx| rotations::unplanned(tx, 99)).await.expect("are listed").into_iter().map(|key| key.id).collect()
}

/// Plans key `n`'s lineage.
async fn plan(world: &World, n: u64, at: Option<Timestamp>, notice: Option<Timestamp>) {
    world.write(move |tx| rotations::plan(tx, &lineage_id(n), at, notice)).await.expect("is planned");
}

async fn due_for(world: &World, task: Task, now: Timestamp) -> Vec<KeyId> {
    let rows = world.read(move |tx| due::keys(tx, task, &keystore_id(1), now, None, 99)).await.expect("are listed");
    let keystores = world.read(move |tx| due::keystores(tx, task, now)).await.expect("are listed");
    assert_eq!(keystores.len(), usize::from(!rows.is_empty()), "a keystore is named when something in it is due");
    rows.into_iter().map(|key| key.id).collect()
}

pub async fn a_rotation_policy_is_read_as_it_was_written_and_listed(world: World) {
    let world = world.with_keys(1..=2).await;
    let wish = Wish {
        off: false,
        strategy: Strategy::InPlace,
        every: None,
        cron: Some("0 3 1 * *".to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
        start: Some(NOW.plus_days(3)),
        window: Some("sat@02:00-04:00".to_owned()),
        notice: Some(7 * DAY),
        grace: Some(DAY),
    };
    let written = PolicyRow { wish, name: "key-1".to_owned(), ..policy(Scope::Key(lineage_id(1)), 1) };
    let row = written.clone();
    world.write(move |tx| rotations::set(tx, &row)).await.expect("is set");
    let of = |scope: Scope| world.read(move |tx| rotations::of(tx, &account(), &scope));
    assert_eq!(of(Scope::Key(lineage_id(1))).await, Ok(Some(written.clone())));
    assert_eq!(of(Scope::Key(lineage_id(2))).await, Ok(None));
    for scope in [Scope::Keystore(keystore_id(1)), Scope::Default] {
        set(&world, scope, 30).await;
    }
    let list = |page: Page| world.read(move |tx| rotations::list(tx, &account(), &page));
    let all = list(Page::first()).await.expect("are listed");
    let names: Vec<(&str, String)> = all.rows.iter().map(|policy| (policy.scope.as_str(), policy.name.clone())).collect();
    assert_eq!(names, [("default", String::new()), ("keystore", "main".to_owned()), ("key", "key-1".to_owned())]);
    let mut after = None;
    for expected in &all.rows {
        let page = list(Page { after, limit: 1 }).await.expect("a page");
        assert_eq!(page.rows, std::slice::from_ref(expected));
        after = page.next;
    }
    assert_eq!(after, None);
    world.aside(&format!("UPDATE lineages SET live = 0 WHERE id = '{}'", lineage_id(1)));
    assert_eq!(list(Page::first()).await.expect("are listed").rows.len(), 2, "the policy of what is gone is not shown");
}

pub async fn the_nearest_rotation_policy_counts(world: World) {
    let world = world.with_keys(1..=2).await;
    assert_eq!(nearest_days(&world, 1).await, None);
    set(&world, Scope::Default, 300).await;
    assert_eq!(nearest_days(&world, 1).await, Some(300));
    set(&world, Scope::Keystore(keystore_id(1)), 90).await;
    set(&world, Scope::Key(lineage_id(1)), 30).await;
    assert_eq!((nearest_days(&world, 1).await, nearest_days(&world, 2).await), (Some(30), Some(90)));
    set(&world, Scope::Key(lineage_id(1)), 31).await;
    assert_eq!(nearest_days(&world, 1).await, Some(31), "a new one takes the place of the old one");
    let clear = |scope: Scope| world.write(move |tx| rotations::clear(tx, &account(), &scope));
    assert_eq!(clear(Scope::Key(lineage_id(1))).await, Ok(true));
    assert_eq!(clear(Scope::Key(lineage_id(1))).await, Ok(false));
    assert_eq!(clear(Scope::Keystore(keystore_id(1))).await, Ok(true));
    assert_eq!(nearest_days(&world, 1).await, Some(300));
}

pub async fn a_policy_governs_the_lineages_that_have_no_nearer_one(world: World) {
    let world = world.with_keys(1..=3).await;
    let governed = async |scope: Scope| world.read(move |tx| rotations::governed(tx, &account(), &scope)).await;
    assert_eq!(governed(Scope::Default).await, Ok(vec![(keystore_id(1), 3)]));
    set(&world, Scope::Key(lineage_id(2)), 30).await;
    assert_eq!(governed(Scope::Default).await, Ok(vec![(keystore_id(1), 2)]), "the key has its own");
    assert_eq!(governed(Scope::Keystore(keystore_id(1))).await, Ok(vec![(keystore_id(1), 2)]));
    assert_eq!(governed(Scope::Key(lineage_id(2))).await, Ok(vec![(keystore_id(1), 1)]));
    set(&world, Scope::Keystore(keystore_id(1)), 30).await;
    assert_eq!(governed(Scope::Default).await, Ok(Vec::new()), "the keystore has its own");
}

pub async fn a_changed_policy_makes_the_plans_under_it_out_of_date(world: World) {
    let world = world.with_keys(1..=3).await;
    let elsewhere = world.write(|tx| {
        keystores::insert(tx, &keystore_row(2, "other"))?;
        insert_key(tx, &KeyRow { keystore_id: keystore_id(2), ..key_row(4, "theirs") })?;
        insert_key(tx, &KeyRow { state: KeyState::Creating, ..key_row(5, "not-yet") })
    });
    elsewhere.await.expect("are made");
    assert_eq!(unplanned(&world).await, [1, 2, 3, 4].map(key_id), "every new key, once it is one");
    for n in 1..=4 {
        plan(&world, n, None, None).await;
    }
    assert_eq!(unplanned(&world).await, []);
    set(&world, Scope::Key(lineage_id(2)), 30).await;
    assert_eq!(unplanned(&world).await, [key_id(2)]);
    set(&world, Scope::Keystore(keystore_id(1)), 30).await;
    assert_eq!(unplanned(&world).await, [1, 2, 3].map(key_id));
    world.write(|tx| rotations::replan(tx, &account(), &Scope::Default)).await.expect("is noted");
    assert_eq!(unplanned(&world).await, [1, 2, 3, 4].map(key_id));
    for n in 1..=4 {
        plan(&world, n, None, None).await;
    }
    world.write(|tx| rotations::reconsider(tx, &key_id(3))).await.expect("is noted");
    assert_eq!(unplanned(&world).await, [key_id(3)]);
}

pub async fn a_rotation_is_due_when_its_time_has_come(world: World) {
    let world = world.with_keys(1..=5).await;
    for (n, days) in [(1, 0), (2, -3), (3, 1), (4, -1), (5, -2)] {
        plan(&world, n, Some(NOW.plus_days(days)), None).await;
    }
    world.aside(&format!("UPDATE keys SET state = 'INACTIVE' WHERE id = '{}'", key_id(4)));
    world.aside(&format!("UPDATE keys SET state = 'DELETED' WHERE id = '{}'", key_id(5)));
    assert_eq!(due_for(&world, Task::Rotation, NOW).await, [2, 4, 1].map(key_id), "one that is not in use too: that it is not rotated has to be told");
    let first = key(&world, 2).await;
    assert_eq!(first.rotation.planned, Some(NOW.plus_days(-3)));
    let behind = Position::of(Task::Rotation, &first);
    let rest = world.read(move |tx| due::keys(tx, Task::Rotation, &keystore_id(1), NOW, Some(&behind), 99)).await.expect("a page");
    assert_eq!(rest.into_iter().map(|key| key.id).collect::<Vec<_>>(), [4, 1].map(key_id), "a page begins behind its position");
    let succeeded = world.write(|tx| {
        keys::insert(tx, &KeyRow { lineage_id: lineage_id(2), is_current: false, ..key_row(12, "key-2") })?;
        lineages::set_current(tx, &lineage_id(2), &key_id(2), &key_id(12))?;
        rotations::rotated(tx, &lineage_id(2), NOW)
    });
    succeeded.await.expect("is rotated");
    assert_eq!(due_for(&world, Task::Rotation, NOW).await, [4, 1].map(key_id));
    assert_eq!(unplanned(&world).await, [key_id(12)], "its next turn is to be planned");
    let dates = key(&world, 12).await.rotation;
    assert_eq!((dates.planned, dates.last), (None, Some(NOW)));
    assert_eq!(key(&world, 2).await.rotation.last, None, "it is told of the current key");
    world.write(|tx| rotations::rotated(tx, &lineage_id(2), NOW.plus_days(-9))).await.expect("is rotated");
    assert_eq!(key(&world, 12).await.rotation.last, Some(NOW), "a clock that was set back makes no rotation older");
}

pub async fn a_rotation_is_told_once(world: World) {
    let world = world.with_keys(1..=2).await;
    let at = NOW.plus_days(7);
    plan(&world, 1, Some(at), Some(NOW)).await;
    plan(&world, 2, Some(at), Some(NOW.plus_days(1))).await;
    let to_tell = || async { world.read(|tx| rotations::to_tell(tx, NOW, 9)).await.expect("are listed").into_iter().map(|key| key.id).collect::<Vec<_>>() };
    assert_eq!(to_tell().await, [key_id(1)]);
    assert_eq!(world.write(move |tx| rotations::told(tx, &lineage_id(1), at.plus_days(1))).await, Ok(false), "it is planned otherwise");
    assert_eq!(world.write(move |tx| rotations::told(tx, &lineage_id(1), at)).await, Ok(true));
    assert_eq!(world.write(move |tx| rotations::told(tx, &lineage_id(1), at)).await, Ok(false));
    assert_eq!(to_tell().await, []);
    plan(&world, 1, Some(at), Some(NOW)).await;
    assert_eq!(to_tell().await, [], "the same plan again is no news");
    plan(&world, 1, Some(at.plus_days(1)), Some(NOW)).await;
    assert_eq!(to_tell().await, [key_id(1)], "another time is");
}

pub async fn a_replaced_key_retires_while_its_successor_is_in_use(world: World) {
    let world = world.with_keys(1..=1).await;
    let succeeded = world.write(|tx| {
        keys::insert(tx, &KeyRow { lineage_id: lineage_id(1), is_current: false, ..key_row(2, "key-1") })?;
        lineages::set_current(tx, &lineage_id(1), &key_id(1), &key_id(2))?;
        keys::transition(tx, &key_id(1), KeyState::Active, KeyState::Replaced, NOW)?;
        keys::set_retirement(tx, &key_id(1), Some(NOW))
    });
    succeeded.await.expect("is rotated");
    assert_eq!(due_for(&world, Task::Retirement, NOW.plus_micros(-1)).await, []);
    assert_eq!(due_for(&world, Task::Retirement, NOW).await, [key_id(1)]);
    let retiring = key(&world, 1).await;
    assert_eq!(retiring.rotation.retires, Some(NOW));
    let behind = Position::of(Task::Retirement, &retiring);
    assert_eq!(world.read(move |tx| due::keys(tx, Task::Retirement, &keystore_id(1), NOW, Some(&behind), 9)).await, Ok(Vec::new()));
    world.write(|tx| keys::transition(tx, &key_id(2), KeyState::Active, KeyState::Inactive, NOW)).await.expect("moves");
    assert_eq!(due_for(&world, Task::Retirement, NOW).await, [], "nothing else would be left in use");
    world.write(|tx| keys::transition(tx, &key_id(2), KeyState::Inactive, KeyState::Active, NOW)).await.expect("moves");
    world.write(|tx| keys::set_retirement(tx, &key_id(1), None)).await.expect("is reverted");
    assert_eq!(due_for(&world, Task::Retirement, NOW).await, []);
}
