//! What nodes share: quotas of a cloud, and periodic tasks.

use keystead_store::{Tx, quotas, schedules};

use crate::world::*;

pub async fn quota_slots_follow_each_other(world: World) {
    let reserve =
        |scope: &'static str, call: &'static str, at: i64, span: i64| move |tx: &mut Tx<'_>| quotas::reserve(tx, scope, call, NOW.plus_micros(at), span);
    let slot = |micros: i64| Ok(NOW.plus_micros(micros));
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 0, 100)).await, slot(0), "the first goes at once");
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 0, 100)).await, slot(100));
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 50, 300)).await, slot(200), "a span of three calls");
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 60, 100)).await, slot(500));
    assert_eq!(world.write(reserve("aws/1", "Encrypt", 0, 100)).await, slot(0), "each call has its own quota");
    assert_eq!(world.write(reserve("aws/2", "CreateKey", 0, 100)).await, slot(0), "each account and Region as well");
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 9_000, 100)).await, slot(9_000), "an idle bucket gathers no burst");
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 9_000, 100)).await, slot(9_100));
    let push_back = |until: i64| move |tx: &mut Tx<'_>| quotas::push_back(tx, "aws/1", "CreateKey", NOW.plus_micros(until));
    world.write(push_back(20_000)).await.expect("is pushed");
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 9_200, 100)).await, slot(20_000));
    world.write(push_back(10_000)).await.expect("is no harm");
    assert_eq!(world.write(reserve("aws/1", "CreateKey", 9_200, 100)).await, slot(20_100), "a push never brings nearer");
    let next_at = async |call: &'static str| world.read(move |tx| quotas::next_at(tx, "aws/1", call)).await;
    assert_eq!((next_at("CreateKey").await, next_at("Sign").await), (Ok(Some(NOW.plus_micros(20_200))), Ok(None)));
}

pub async fn a_schedule_runs_on_one_node(world: World) {
    let take = |day: i64| move |tx: &mut Tx<'_>| schedules::take(tx, "clean-up", NOW.plus_days(day), NOW.plus_days(day + 1));
    let is_due = async |day: i64| world.read(move |tx| schedules::is_due(tx, "clean-up", NOW.plus_days(day))).await;
    assert_eq!(is_due(0).await, Ok(true), "what was never run is due");
    assert_eq!(world.write(take(0)).await, Ok(true));
    assert_eq!(is_due(0).await, Ok(false));
    assert_eq!(world.write(take(0)).await, Ok(false), "one node takes it");
    assert_eq!(is_due(1).await, Ok(true));
    assert_eq!(world.write(take(1)).await, Ok(true));
    assert_eq!(world.write(take(1)).await, Ok(false));
    let hasten = |day: i64| move |tx: &mut Tx<'_>| schedules::hasten(tx, "clean-up", NOW.plus_days(day));
    world.write(hasten(5)).await.expect("is no harm");
    assert_eq!((is_due(1).await, is_due(2).await), (Ok(false), Ok(true)), "hastening puts nothing off");
    world.write(hasten(1)).await.expect("is hastened");
    assert_eq!((is_due(0).await, is_due(1).await), (Ok(false), Ok(true)));
    assert_eq!(world.read(|tx| schedules::is_due(tx, "expiry", NOW)).await, Ok(true), "each task for itself");
}
