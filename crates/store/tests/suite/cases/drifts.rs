//! Differences between what is wanted and what is, and how keystores are looked through.

use keystead_domain::{
    DriftId, KeyState,
    drift::{Attribute, AutoRepair, DriftClass, DriftState},
    time::DAY,
};
use keystead_store::{
    StoreError, Tx,
    drifts::{self, DriftFilter, DriftPolicyRow, DriftRow},
    keys, locks, operations,
    page::Page,
};

use crate::world::*;

fn drift_id(n: u64) -> DriftId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    DriftId::new(NOW, random)
}

fn row(n: u64, key: u64, attribute: Attribute) -> DriftRow {
    DriftRow {
        id: drift_id(n),
        account_id: account_id(1),
        keystore_id: keystore_id(1),
        key_id: Some(key_id(key)),
        cloud_key: format!("arn:{key}"),
        attribute,
        item: String::new(),
        class: keystead_domain::drift::class_of(attribute, true),
        wanted: "quotes\"'".to_owned(),
        last_seen: Some("seen".to_owned()),
        live: "ein Schlüssel".to_owned(),
        state: DriftState::Open,
        cause: Some("{}".to_owned()),
        found_at: NOW,
        seen_at: NOW.plus_days(1),
        ended_at: None,
        ended_by: None,
        tries: 0,
        unseen_at: NOW.plus_days(-1),
    }
}

async fn with_drifts(world: World, rows: Vec<DriftRow>) -> World {
    let world = world.with_house().await;
    let keys = move |tx: &mut Tx<'_>| (1..=3).try_for_each(|n| insert_key(tx, &key_row(n, &format!("key-{n}"))));
    world.write(keys).await.expect("keys are made");
    world.write(move |tx| rows.iter().try_for_each(|row| drifts::insert(tx, row))).await.expect("are kept");
    world
}

async fn found(world: &World, n: u64) -> DriftRow {
    let drift = world.read(move |tx| drifts::find(tx, &account_id(1), &drift_id(n))).await.expect("is read").expect("is there");
    assert_eq!(drift.keystore_name, "main");
    drift.row
}

pub async fn a_difference_is_read_as_it_was_written_and_ends_once(world: World) {
    let world = with_drifts(world, vec![row(1, 1, Attribute::State)]).await;
    assert_eq!(found(&world, 1).await, row(1, 1, Attribute::State));
    assert_eq!(world.read(|tx| drifts::find(tx, &account_id(2), &drift_id(1))).await, Ok(None), "another account's");
    let newer = DriftRow { live: "other".into(), wanted: "w".into(), class: DriftClass::Benign, cause: None, last_seen: None, ..row(1, 1, Attribute::State) };
    let written = newer.clone();
    world.write(move |tx| drifts::see_again(tx, &written)).await.expect("is seen again");
    world.write(|tx| drifts::tried(tx, &drift_id(1), NOW.plus_days(2))).await.expect("is tried");
    assert_eq!(found(&world, 1).await, DriftRow { tries: 1, ..newer });
    let twice = world.write(|tx| drifts::insert(tx, &row(2, 1, Attribute::State))).await;
    assert!(matches!(twice, Err(StoreError::Unique { .. })), "one open row a difference: {twice:?}");
    let end = |state| move |tx: &mut Tx<'_>| drifts::end(tx, &drift_id(1), state, "user_1", NOW);
    assert_eq!(world.write(end(DriftState::Repaired)).await, Ok(true));
    assert_eq!(world.write(end(DriftState::Gone)).await, Ok(false), "it has ended");
    let ended = found(&world, 1).await;
    assert_eq!((ended.state, ended.ended_at, ended.ended_by.as_deref()), (DriftState::Repaired, Some(NOW), Some("user_1")));
    world.write(|tx| drifts::insert(tx, &row(2, 1, Attribute::State))).await.expect("the same may come again");
}

pub async fn differences_are_listed_by_every_filter_and_counted(world: World) {
    let rows = vec![row(1, 1, Attribute::State), row(2, 1, Attribute::Tags), row(3, 2, Attribute::Deletion)];
    let stranger = DriftRow { key_id: None, ..row(4, 9, Attribute::Unmanaged) };
    let world = with_drifts(world, rows.into_iter().chain([stranger]).collect()).await;
    let listed = async |filter: DriftFilter| {
        let rows = world.read(move |tx| drifts::list(tx, &account_id(1), &filter, &Page::first())).await.expect("is read").rows;
        rows.into_iter().map(|drift| drift.row.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(DriftFilter::default()).await, [1, 2, 3, 4].map(drift_id));
    assert_eq!(listed(DriftFilter { key: Some(key_id(1)), ..DriftFilter::default() }).await, [1, 2].map(drift_id));
    assert_eq!(listed(DriftFilter { class: Some(DriftClass::Hostile), ..DriftFilter::default() }).await, [drift_id(3)]);
    assert_eq!(listed(DriftFilter { keystore: Some(keystore_id(2)), ..DriftFilter::default() }).await, []);
    world.write(|tx| drifts::end(tx, &drift_id(2), DriftState::Accepted, "u", NOW)).await.expect("ends");
    assert_eq!(listed(DriftFilter { state: Some(DriftState::Accepted), ..DriftFilter::default() }).await, [drift_id(2)]);
    let open = world.read(|tx| drifts::open_of_key(tx, &key_id(1))).await.expect("is read");
    assert_eq!(open.into_iter().map(|row| row.id).collect::<Vec<_>>(), [drift_id(1)]);
    let counts = world.read(drifts::counts).await.expect("are counted");
    let name = "main".to_owned();
    assert_eq!(counts, [(name.clone(), DriftClass::Hostile, 1), (name, DriftClass::NeedsPerson, 2)]);
    let page = world.read(|tx| drifts::list(tx, &account_id(1), &DriftFilter::default(), &Page { after: None, limit: 2 })).await.expect("is read");
    assert_eq!((page.rows.len(), page.next), (2, Some(drift_id(2).to_string())));
}

pub async fn a_stranger_is_open_until_it_is_not_seen_again(world: World) {
    let stranger = DriftRow { key_id: None, seen_at: NOW, ..row(1, 9, Attribute::Unmanaged) };
    let world = with_drifts(world, vec![stranger, row(2, 1, Attribute::State)]).await;
    let of = async || world.read(|tx| drifts::open_of_stranger(tx, &keystore_id(1), "arn:9")).await.expect("is read").map(|row| row.id);
    assert_eq!(of().await, Some(drift_id(1)));
    world.write(|tx| drifts::end_unseen(tx, &keystore_id(1), NOW, NOW)).await.expect("is no harm");
    assert_eq!(of().await, Some(drift_id(1)), "it was seen since");
    world.write(|tx| drifts::end_unseen(tx, &keystore_id(1), NOW.plus_micros(1), NOW)).await.expect("is no harm");
    assert_eq!((of().await, found(&world, 1).await.state, found(&world, 2).await.state), (None, DriftState::Gone, DriftState::Open));
    world.write(|tx| keys::transition(tx, &key_id(1), KeyState::Active, KeyState::Deleted, NOW)).await.expect("ends");
    world.write(|tx| drifts::end_unseen(tx, &keystore_id(1), NOW, NOW)).await.expect("is no harm");
    assert_eq!(found(&world, 2).await.state, DriftState::Gone, "nothing is wanted of a key that is no more");
}

fn policy(n: u64, every: Option<i64>, auto_repair: AutoRepair) -> DriftPolicyRow {
    DriftPolicyRow { keystore_id: keystore_id(n), every, auto_repair, set_at: NOW, set_by: "user_1".to_owned() }
}

pub async fn what_may_be_mended_alone_is_found_where_a_policy_says_so(world: World) {
    let world = with_drifts(world, vec![row(1, 1, Attribute::Tags), row(2, 2, Attribute::State), row(3, 3, Attribute::AliasAdded)]).await;
    world.write(|tx| operations::insert(tx, &operation_row(1), NOW, None)).await.expect("an operation");
    let mend = async |days: i64| world.read(move |tx| drifts::keys_to_mend(tx, NOW.plus_days(days), 9)).await.expect("is read");
    assert_eq!(mend(0).await, [], "no policy");
    let of = async || world.read(|tx| drifts::policy_of(tx, &keystore_id(1))).await.expect("is read");
    assert_eq!(of().await, None);
    for row in [policy(1, None, AutoRepair::None), policy(1, Some(DAY), AutoRepair::Safe)] {
        let written = row.clone();
        world.write(move |tx| drifts::set_policy(tx, &written)).await.expect("is set");
        assert_eq!(of().await, Some(row));
    }
    assert_eq!(mend(0).await, [key_id(1)], "neither a persons nor an alias by hand");
    assert_eq!(world.read(drifts::scheduled).await, Ok(vec![policy(1, Some(DAY), AutoRepair::Safe)]));
    world.write(|tx| drifts::tried(tx, &drift_id(1), NOW.plus_days(1))).await.expect("is tried");
    assert_eq!((mend(0).await, mend(1).await), (vec![], vec![key_id(1)]));
    world.write(|tx| locks::take(tx, key_id(1).as_str(), &operation_id(1))).await.expect("is held");
    assert_eq!(mend(1).await, [], "somebody works on it");
    world.write(|tx| drifts::set_policy(tx, &policy(1, None, AutoRepair::Safe))).await.expect("is set");
    assert_eq!(world.read(drifts::scheduled).await, Ok(vec![]));
}
