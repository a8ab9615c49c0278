//! What the clouds tell by themselves: queues, events, and keys that are woken.

use keystead_store::{
    Tx,
    events::{self, EventRow, QueueRow, WakeRow},
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
    assert_eq!((listener(1).await, listener(2).await.as_deref()), (None, Some("main")));
    let heard = |days: i64, problem: Option<&'static str>| move |tx: &mut Tx<'_>| events::heard(tx, &keystore_id(1), NOW.plus_days(days), problem);
    for (days, problem) in [(1, None), (2, Some("denied")), (3, Some("gone"))] {
        world.write(heard(days, problem)).await.expect("is noted");
    }
    let failing = QueueRow { heard_at: Some(NOW.plus_days(1)), problem: Some("gone".into()), failing_since: Some(NOW.plus_days(2)), ..fresh.clone() };
    assert_eq!(world.read(events::queues).await.expect("are read"), vec![failing]);
    world.write(heard(4, None)).await.expect("is noted");
    assert_eq!(of(1).await, Some(QueueRow { heard_at: Some(NOW.plus_days(4)), ..fresh }));
    world.write(|tx| events::wake(tx, &keystore_id(1), "k-1", NOW)).await.expect("is woken");
    world.write(|tx| events::set_queue(tx, &keystore_id(1), "arn:two", NOW, "user_1")).await.expect("another");
    assert_eq!(of(1).await.map(|row| (row.queue, row.heard_at)), Some(("arn:two".into(), None)));
    world.write(|tx| events::drop_queue(tx, &keystore_id(1))).await.expect("goes");
    let waiting = world.read(|tx| events::waiting(tx, &keystore_id(1))).await;
    assert_eq!((of(1).await, world.read(events::queues).await, waiting), (None, Ok(vec![]), Ok(0)));
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
    let of = async |limit: u32| world.read(move |tx| events::of_key(tx, &keystore_id(1), "k-1", limit)).await.expect("are read");
    assert_eq!(of(9).await, [event("e-3", 3), event("e-2", 2), event("e-1", 1)]);
    assert_eq!(of(1).await, [event("e-3", 3)]);
    assert!(keep(EventRow { is_own: true, ..event("e-0", 3) }).await);
    assert_eq!(of(2).await.first(), Some(&event("e-3", 3)), "of one second, another's first");
    world.write(|tx| events::forget_before(tx, NOW.plus_days(12))).await.expect("are forgotten");
    assert_eq!(of(9).await.len(), 3);
}

pub async fn a_key_is_looked_at_until_a_look_was_for_the_last_event(world: World) {
    let world = world.with_house().await;
    let wake = |key: &'static str| move |tx: &mut Tx<'_>| events::wake(tx, &keystore_id(1), key, NOW);
    world.write(wake("k-1")).await.expect("is woken");
    world.write(wake("k-2")).await.expect("is woken");
    let row = |key: &str, asks: i64, tries: u32| WakeRow { keystore_id: keystore_id(1), cloud_key_id: key.into(), asks, tries };
    let due = async |days: i64, limit: u32| world.read(move |tx| events::to_wake(tx, NOW.plus_days(days), limit)).await.expect("is read");
    assert_eq!((due(0, 9).await, due(-1, 9).await, due(0, 1).await), (vec![row("k-1", 1, 0), row("k-2", 1, 0)], vec![], vec![row("k-1", 1, 0)]));
    // While somebody looks, something more is done to the key.
    world.write(wake("k-1")).await.expect("is woken again");
    let looked = row("k-1", 1, 0);
    world.write(move |tx| events::looked(tx, &looked)).await.expect("is no harm");
    assert_eq!(world.read(|tx| events::waiting(tx, &keystore_id(1))).await, Ok(2));
    let (again, failed) = (row("k-1", 2, 0), row("k-2", 1, 0));
    world.write(move |tx| events::looked(tx, &again).and_then(|()| events::rest(tx, &failed, NOW.plus_days(1)))).await.expect("are noted");
    assert_eq!((due(0, 9).await, due(1, 9).await), (vec![], vec![row("k-2", 1, 1)]));
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
