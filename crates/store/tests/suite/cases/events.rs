//! What the clouds tell by themselves: queues, events, and keys that are woken.

use keystead_domain::Timestamp;
use keystead_store::{
    StoreError, Tx,
    events::{self, EventRow, QueueRow, Sought},
    operations::{self, OperationRow},
    syncs,
};

use crate::world::*;

pub async fn a_queue_is_listened_to_by_one_keystore_and_says_how_it_is_heard(world: World) {
    let world = world.with_house().await;
    let of = async |n: u64| world.read(move |tx| events::queue_of(tx, &keystore_id(n))).await.expect("is read");
    assert_eq!(of(1).await, None);
    world.write(|tx| events::set_queue(tx, &keystore_id(1), "arn:one", NOW, "user_1")).await.expect("is set");
    let fresh = QueueRow {
        keystore_id: keystore_id(1),
        queue: "arn:one".into(),
        set_at: NOW,
        set_by: "user_1".into(),
        heard_at: None,
        problem: None,
        failing_since: None,
    };
    assert_eq!(of(1).await.as_ref(), Some(&fresh));
    let listener = async |n: u64| world.read(move |tx| events::listener_of(tx, "arn:one", &keystore_id(n))).await.expect("is read");
    assert_eq!((listener(1).await, listener(2).await), (None, Some((account_id(1), "main".to_owned()))));
    let heard = |days: i64, problem: Option<&'static str>| {
        let queue = fresh.clone();
        move |tx: &mut Tx<'_>| events::heard(tx, &queue, NOW.plus_days(days), problem.is_none_or(|problem| problem == "late"), problem)
    };
    for (days, problem) in [(1, None), (2, Some("denied")), (3, Some("gone"))] {
        world.write(heard(days, problem)).await.expect("is noted");
    }
    let failing = QueueRow { heard_at: Some(NOW.plus_days(1)), problem: Some("gone".into()), failing_since: Some(NOW.plus_days(2)), ..fresh.clone() };
    assert_eq!(world.read(events::queues).await.expect("are read"), vec![failing]);
    world.write(heard(3, Some("late"))).await.expect("is noted");
    assert_eq!(of(1).await.and_then(|row| row.heard_at), Some(NOW.plus_days(3)), "one that is heard late is heard");
    world.write(heard(4, None)).await.expect("is noted");
    assert_eq!(of(1).await, Some(QueueRow { heard_at: Some(NOW.plus_days(4)), ..fresh.clone() }));
    let taken = world.write(|tx| events::set_queue(tx, &keystore_id(2), "arn:one", NOW, "user_1")).await;
    assert!(taken.is_err(), "a queue is listened to by one");
    world.write(|tx| events::wake(tx, &keystore_id(1), "k-1", NOW)).await.expect("is woken");
    world.write(|tx| events::set_queue(tx, &keystore_id(1), "arn:two", NOW, "user_1")).await.expect("another");
    assert_eq!(of(1).await.map(|row| (row.queue, row.heard_at)), Some(("arn:two".into(), None)));
    // Who still listens to the one before writes nothing down as if it were this one.
    let (before, noted) = (fresh.clone(), fresh);
    assert_eq!(world.read(move |tx| events::still_listens(tx, &before)).await, Err(StoreError::MovedOn("event queue")));
    world.write(move |tx| events::heard(tx, &noted, NOW, true, None)).await.expect("is no harm");
    let now = of(1).await.expect("a queue");
    assert_eq!(now.heard_at, None);
    assert_eq!(world.read(move |tx| events::still_listens(tx, &now)).await, Ok(()));
    world.write(|tx| events::drop_queue(tx, &keystore_id(1))).await.expect("goes");
    let waiting = world.read(|tx| events::waiting(tx, &keystore_id(1))).await;
    assert_eq!((of(1).await, world.read(events::queues).await, waiting), (None, Ok(vec![]), Ok(1)), "what was told is looked at still");
}

fn event(id: &str, days: i64) -> EventRow {
    EventRow {
        keystore_id: keystore_id(1),
        cloud_key_id: "k-1".into(),
        event_id: id.into(),
        name: "DisableKey".into(),
        alias: "orders".into(),
        happened_at: NOW.plus_days(days),
        who: "arn:\"mallory'".into(),
        origin: "203.0.113.7".into(),
        request: "r-1".into(),
        is_own: days == 2,
        is_explained: days == 2,
        heard_at: NOW.plus_days(days + 10),
    }
}

pub async fn an_event_is_kept_once_and_forgotten_in_time(world: World) {
    let world = world.with_house().await;
    let keep = async |row: EventRow| world.write(move |tx| events::keep(tx, &row)).await.expect("is kept");
    for (id, days) in [("e-1", 1), ("e-2", 2), ("e-3", 3)] {
        assert!(keep(event(id, days)).await);
    }
    assert!(!keep(EventRow { name: "EnableKey".into(), ..event("e-1", 9) }).await, "what was kept stays as it is");
    assert!(keep(EventRow { cloud_key_id: "k-2".into(), ..event("e-1", 1) }).await, "an event may be of two keys");
    let newest = async |names: &'static [&'static str], alias: Option<&'static str>, since: i64, until: i64| {
        let sought = Sought { names, alias, since: NOW.plus_days(since), until: NOW.plus_days(until) };
        world.read(move |tx| events::newest(tx, &keystore_id(1), "k-1", &sought)).await.expect("is read")
    };
    let disable: &[&str] = &["EnableKey", "DisableKey"];
    assert_eq!(newest(disable, None, 0, 9).await, Some(event("e-3", 3)));
    assert_eq!((newest(disable, Some("orders"), 0, 2).await, newest(disable, Some("other"), 0, 9).await), (Some(event("e-2", 2)), None));
    assert_eq!((newest(&["EnableKey"], None, 0, 9).await, newest(disable, None, 4, 9).await), (None, None));
    assert!(keep(EventRow { is_own: true, ..event("e-0", 3) }).await);
    assert_eq!(newest(disable, None, 0, 9).await, Some(event("e-3", 3)), "of one second, another's first");
    let unexplained = async || world.read(|tx| events::unexplained(tx, &keystore_id(1), 1)).await.expect("are read");
    assert_eq!(unexplained().await, [EventRow { is_own: true, ..event("e-0", 3) }], "Keystead's own that no operation explains, the newest of them");
    let forget = async || world.write(|tx| events::forget_before(tx, NOW.plus_days(13))).await.expect("are forgotten");
    assert_eq!((forget().await, forget().await), (true, false));
    assert_eq!((newest(disable, None, 0, 2).await, newest(disable, None, 0, 9).await), (None, Some(event("e-3", 3))));
    world.write(|tx| events::forget_key(tx, &keystore_id(1), "k-1")).await.expect("is forgotten");
    assert_eq!(newest(disable, None, 0, 9).await, None);
}

pub async fn a_key_keeps_its_newest_events(world: World) {
    let world = world.with_house().await;
    let count = 250;
    let keep = move |tx: &mut Tx<'_>| {
        (0..count)
            .try_for_each(|n| events::keep(tx, &EventRow { happened_at: NOW.plus_micros(n), name: format!("E{n}"), ..event(&format!("e-{n}"), 1) }).map(drop))
    };
    world.write(keep).await.expect("are kept");
    // What nobody explains is not pushed out by others, however many there are.
    let own = EventRow { is_own: true, is_explained: false, happened_at: NOW.plus_micros(-1), ..event("own", 1) };
    world.write(move |tx| events::keep(tx, &own)).await.expect("is kept");
    world.write(|tx| events::keep(tx, &event("one-more", 3))).await.expect("is kept");
    assert_eq!(world.read(|tx| events::unexplained(tx, &keystore_id(1), 9)).await.expect("are read").len(), 1);
    let newest = async |names: &'static [&'static str]| {
        let sought = Sought { names, alias: None, since: NOW, until: NOW.plus_days(1) };
        world.read(move |tx| events::newest(tx, &keystore_id(1), "k-1", &sought)).await.expect("is read").map(|event| event.name)
    };
    assert_eq!((newest(&["E50"]).await, newest(&["E51"]).await, newest(&["E249"]).await), (None, Some("E51".into()), Some("E249".into())));
}

pub async fn a_key_is_looked_at_until_a_look_was_for_the_last_event(world: World) {
    let world = world.with_house().await;
    let wake = |key: &'static str| move |tx: &mut Tx<'_>| events::wake(tx, &keystore_id(1), key, NOW);
    world.write(wake("k-1")).await.expect("is woken");
    world.write(wake("k-2")).await.expect("is woken");
    let later = |seconds: i64| NOW.plus_micros(seconds * 1_000_000);
    let take = async |seconds: i64, of_each: u32| {
        let due = world.read(move |tx| events::any_to_wake(tx, later(seconds))).await.expect("is read");
        let taken = world.write(move |tx| events::take_to_wake(tx, later(seconds), later(seconds + 90), of_each)).await.expect("are taken");
        assert_eq!(due, !taken.is_empty());
        taken
    };
    assert_eq!(take(-1, 9).await, vec![]);
    let first = take(0, 1).await;
    assert_eq!(first.iter().map(|wake| wake.cloud_key_id.as_str()).collect::<Vec<_>>(), ["k-1"], "so many of each keystore");
    let second = take(1, 9).await;
    assert_eq!(second.iter().map(|wake| wake.cloud_key_id.as_str()).collect::<Vec<_>>(), ["k-2"], "what somebody has nobody else takes");
    assert_eq!(take(80, 9).await, vec![]);
    // While somebody looks, something more is done to the key: it is looked at again, a minute later at most.
    world.write(wake("k-1")).await.expect("is woken again");
    let (looked, failed) = (first[0].clone(), second[0].clone());
    world.write(move |tx| events::looked(tx, &looked, later(2)).and_then(|()| events::rest(tx, &failed, later(500), 3))).await.expect("are noted");
    assert_eq!(take(61, 9).await, vec![]);
    let again = take(62, 9).await;
    assert!(again.len() == 1 && again[0].asks > first[0].asks, "{again:?}");
    let looked = again[0].clone();
    world.write(move |tx| events::looked(tx, &looked, later(63))).await.expect("is noted");
    assert_eq!(world.read(|tx| events::waiting(tx, &keystore_id(1))).await, Ok(1));
    // Who was slow, and looked before that, takes away nothing that came behind.
    world.write(|tx| events::wake(tx, &keystore_id(1), "k-1", NOW.plus_days(1))).await.expect("is woken");
    let slow = again[0].clone();
    world.write(move |tx| events::looked(tx, &slow, NOW)).await.expect("is no harm");
    assert_eq!(world.read(|tx| events::waiting(tx, &keystore_id(1))).await, Ok(2));
    // A key that rests is looked at sooner when something new is done to it.
    assert_eq!(take(499, 9).await.iter().filter(|wake| wake.cloud_key_id == "k-2").count(), 0);
    world.write(wake("k-2")).await.expect("is woken");
    assert_eq!(take(60, 9).await.iter().map(|wake| (wake.cloud_key_id.as_str(), wake.tries)).collect::<Vec<_>>(), [("k-2", 0)]);
}

pub async fn where_an_alias_points_is_kept_as_it_was_seen_last(world: World) {
    let world = world.with_house().await;
    let of = async |key: &'static str| world.read(move |tx| syncs::aliases_of(tx, &keystore_id(1), key)).await.expect("is read");
    let set = |key: &'static str, aliases: &'static [&str]| {
        let aliases: Vec<String> = aliases.iter().map(ToString::to_string).collect();
        move |tx: &mut Tx<'_>| syncs::set_aliases_of(tx, &keystore_id(1), key, &aliases)
    };
    world.write(set("k-1", &["a", "b"])).await.expect("are kept");
    world.write(set("k-2", &["b", "c"])).await.expect("are kept");
    assert_eq!((of("k-1").await, of("k-2").await), (vec!["a".to_owned()], vec!["b".to_owned(), "c".to_owned()]));
    world.write(|tx| syncs::set_target_of(tx, &keystore_id(1), "c", Some("k-1"))).await.expect("is moved");
    world.write(|tx| syncs::set_target_of(tx, &keystore_id(1), "b", None)).await.expect("is gone");
    assert_eq!((of("k-1").await, of("k-2").await), (vec!["a".to_owned(), "c".to_owned()], vec![]));
    world.write(set("k-1", &[])).await.expect("are gone");
    assert_eq!(of("k-1").await, Vec::<String>::new());
}

pub async fn who_worked_on_a_key_at_some_time_is_known(world: World) {
    let world = world.with_keys(1..=2).await;
    let row = OperationRow { params: format!("{{\"keys\":[\"{}\"]}}", key_id(1)), ..operation_row(1) };
    let (began, ended, record) = (row.created_at, row.created_at.plus_days(1), row.params.clone());
    world.write(move |tx| operations::insert(tx, &row, NOW, None)).await.expect("begins");
    let ran = async |n: u64, since: Timestamp, until: Timestamp| {
        let records = world.read(move |tx| operations::ran_on(tx, &account_id(1), &key_id(n), since, until)).await;
        records.map(|records| records == [record.clone()])
    };
    let second = |at: Timestamp, seconds: i64| at.plus_micros(seconds * 1_000_000);
    assert_eq!(ran(1, second(began, -60), second(began, -30)).await, Ok(false), "not yet");
    assert_eq!(ran(1, second(began, -60), second(began, 60)).await, Ok(true));
    assert_eq!(ran(2, second(began, -60), second(began, 60)).await, Ok(false), "another key");
    assert_eq!(ran(1, second(began, 60), ended).await, Ok(true), "it runs still");
    assert_eq!(ran(1, second(began, 86_000), second(began, 86_100)).await, Ok(true), "and for however long it takes");
}
