//! Keys of the cloud's own: what a sync writes down of them.

use keystead_domain::{Custody, KeyState, OperationId, RegionRole, Tags};
use keystead_store::{
    StoreError, Tx,
    keys::{self, CloudFacts, KeyFilter, KeyRow, Seen, Ties},
    lineages, locks, operations,
    page::Page,
    syncs::{self, Counts},
    views::{self, ViewRow},
};

use crate::world::*;

fn arn(n: u64) -> String {
    format!("arn:aws:kms:eu-west-1:123456789012:key/cloud-{n}")
}

/// A virtual key, as a sync makes it.
fn insert_pointer(tx: &mut Tx<'_>, n: u64) -> Result<(), StoreError> {
    let ties = Ties { custody: Custody::Native, is_exportable: false, ..Ties::default() };
    insert_key(tx, &KeyRow { ties, origin: "cloud".to_owned(), ..key_row(n, &format!("key-{n}")) })?;
    let facts = CloudFacts { identity: Some((format!("cloud-{n}"), arn(n))), enabled: Some(true), ..CloudFacts::default() };
    keys::keep_facts(tx, &key_id(n), &facts, NOW)
}

async fn with_pointers(world: World, numbers: std::ops::RangeInclusive<u64>) -> World {
    let world = world.with_house().await;
    world.write(move |tx| numbers.clone().try_for_each(|n| insert_pointer(tx, n))).await.expect("pointers are made");
    world
}

fn view(n: u64, by: Option<OperationId>) -> ViewRow {
    ViewRow {
        key_id: key_id(n),
        seen_by: by,
        seen_at: NOW.plus_days(1),
        aliases: vec!["a/b".to_owned(), "quotes\"'".to_owned()],
        facts: r#"{"policy":"{\"Version\":\"2012-10-17\"}"}"#.to_owned(),
        differences: "state tags".to_owned(),
        baseline: Some("{}".to_owned()),
    }
}

pub async fn a_view_is_read_as_it_was_written_and_replaced_whole(world: World) {
    let world = with_pointers(world, 1..=2).await;
    let of = async |n: u64| world.read(move |tx| views::of(tx, &key_id(n))).await.expect("is read");
    assert_eq!(of(1).await, None);
    for row in [view(1, Some(operation_id(1))), ViewRow { aliases: Vec::new(), differences: String::new(), ..view(1, Some(operation_id(2))) }] {
        let written = row.clone();
        world.write(move |tx| views::put(tx, &written)).await.expect("is kept");
        assert_eq!(of(1).await, Some(row));
    }
}

pub async fn a_sync_knows_what_it_has_seen_and_what_it_has_not(world: World) {
    let world = with_pointers(world, 1..=5).await;
    world
        .write(|tx| {
            views::put(tx, &view(1, Some(operation_id(7))))?;
            views::put(tx, &view(2, Some(operation_id(6))))?;
            keys::transition(tx, &key_id(5), KeyState::Active, KeyState::Deleted, NOW)
        })
        .await
        .expect("are seen");
    let ids: Vec<String> = (1..=9).map(|n| format!("cloud-{n}")).collect();
    let seen = world.read(move |tx| views::seen(tx, &keystore_id(1), &operation_id(7), &ids)).await.expect("is read");
    assert_eq!(seen, ["cloud-1"]);
    let unseen = async |after: u64, limit: u32| {
        let from = if after == 0 { String::new() } else { key_id(after).to_string() };
        let rows = world.read(move |tx| views::unseen(tx, &keystore_id(1), &operation_id(7), &from, limit)).await.expect("is read");
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(unseen(0, 2).await, [key_id(2), key_id(3)]);
    assert_eq!(unseen(3, 9).await, [key_id(4)], "a deleted key is not looked for");
}

pub async fn a_sync_counts_and_goes_on_under_its_lease_only(world: World) {
    let world = world.with_operations(1..=1).await;
    let of = async || world.read(|tx| syncs::of(tx, &operation_id(1))).await.expect("is read");
    assert_eq!(of().await, None);
    world.write(|tx| syncs::begin(tx, &operation_id(1), &keystore_id(1), "list-aliases")).await.expect("begins");
    let add = Counts { fresh: 1, changed: 2, unchanged: 3, own: 4, different: 5, vanished: 6, elsewhere: 7, unknown: 8, left_out: 9 };
    for _ in 0..2 {
        world.write(move |tx| syncs::count(tx, &operation_id(1), 0, &add)).await.expect("is counted");
    }
    world.write(|tx| syncs::go_on(tx, &operation_id(1), 0, "inspect-keys", Some("marker"))).await.expect("goes on");
    world.write(|tx| syncs::set_strangers(tx, &operation_id(1), 0, "[1]")).await.expect("are named");
    let row = of().await.expect("a sync");
    assert_eq!((row.step.as_str(), row.marker.as_deref(), row.strangers.as_str()), ("inspect-keys", Some("marker"), "[1]"));
    assert_eq!((row.counts.fresh, row.counts.left_out, row.counts.found()), (2, 18, 2 + 4 + 6 + 8 + 14 + 16));
    let lease = Err(StoreError::MovedOn("operation lease"));
    assert_eq!(world.write(move |tx| syncs::count(tx, &operation_id(1), 1, &add)).await, lease);
    assert_eq!(world.write(|tx| syncs::go_on(tx, &operation_id(1), 1, "x", None)).await, lease);
    assert_eq!(world.write(|tx| syncs::set_strangers(tx, &operation_id(1), 1, "x")).await, lease);
    assert_eq!(world.write(|tx| syncs::begin_anew(tx, &operation_id(1), 1)).await, lease);
    assert_eq!(of().await, Some(row));
    world.write(|tx| syncs::begin_anew(tx, &operation_id(1), 0)).await.expect("begins anew");
    let anew = of().await.expect("a sync");
    assert_eq!((anew.marker, anew.counts.unknown, anew.counts.elsewhere, anew.counts.left_out, anew.counts.fresh), (None, 0, 0, 0, 2));
    world.write(|tx| operations::finish(tx, &operation_id(1), 0, "FAILED", None, NOW)).await.expect("ends");
    assert_eq!(world.write(move |tx| syncs::count(tx, &operation_id(1), 0, &add)).await, lease, "what has ended counts no more");
}

pub async fn a_syncs_aliases_are_kept_once_and_dropped_by_keystore(world: World) {
    let world = world.with_house().await;
    let add = |key: &'static str, alias: &'static str| move |tx: &mut Tx<'_>| syncs::add_alias(tx, &keystore_id(1), key, alias);
    for (key, alias) in [("cloud-1", "b"), ("cloud-1", "a"), ("cloud-2", "c"), ("cloud-1", "b")] {
        world.write(add(key, alias)).await.expect("is kept");
    }
    let of = async |key: &'static str| world.read(move |tx| syncs::aliases_of(tx, &keystore_id(1), key)).await.expect("is read");
    assert_eq!((of("cloud-1").await, of("cloud-2").await.len()), (vec!["a".to_owned(), "b".to_owned()], 1));
    let target = async |alias: &'static str| world.read(move |tx| syncs::target_of(tx, &keystore_id(1), alias)).await.expect("is read");
    assert_eq!((target("c").await.as_deref(), target("d").await), (Some("cloud-2"), None));
    world.write(|tx| syncs::drop_aliases(tx, &keystore_id(2))).await.expect("is no harm");
    world.write(|tx| syncs::drop_aliases(tx, &keystore_id(1)).and_then(|()| syncs::drop_aliases(tx, &keystore_id(1)))).await.expect("are dropped");
    assert_eq!(of("cloud-1").await.len(), 0);
}

pub async fn a_pointer_takes_over_what_the_cloud_says_if_it_is_as_it_was_read(world: World) {
    let world = with_pointers(world, 1..=1).await;
    let found = async |id: &'static str| world.read(move |tx| keys::by_cloud_key(tx, &keystore_id(1), id)).await.expect("is read");
    assert_eq!(found("cloud-9").await, None);
    let read = found("cloud-1").await.expect("by its cloud id");
    let tags = Tags::parse([("team".to_owned(), "pay".to_owned())]).expect("tags");
    let facts = CloudFacts { enabled: Some(false), raw_state: Some("Disabled".to_owned()), expires_at: Some(Some(NOW)), ..CloudFacts::default() };
    let seen = Seen { state: KeyState::Inactive, description: "d".to_owned(), tags: tags.clone(), role: RegionRole::Primary, facts };
    let take_over = |read: KeyRow| {
        let seen = seen.clone();
        world.write(move |tx| keys::take_over(tx, &read, &seen, NOW.plus_days(1)))
    };
    take_over(read.clone()).await.expect("is taken over");
    let now = found("cloud-1").await.expect("is there");
    assert_eq!((now.state, now.tags, now.ties.role, now.enabled, now.expires_at), (KeyState::Inactive, tags, RegionRole::Primary, false, Some(NOW)));
    assert_eq!(take_over(read).await, Err(StoreError::MovedOn("key")), "it was changed since");
    let own = world.write(|tx| insert_key(tx, &key_row(2, "own")).and_then(|()| keys::by_id(tx, &key_id(2)))).await.expect("is made").expect("is there");
    assert_eq!(take_over(own).await, Err(StoreError::MovedOn("key")), "a key of our own is never taken over");
    let names = async |id: &'static str, n: u64| world.read(move |tx| keys::names_cloud_arn(tx, id, &arn(n))).await;
    assert_eq!((names("cloud-1", 1).await, names("cloud-1", 2).await), (Ok(true), Ok(false)), "a replica has the same id and another name");
}

pub async fn only_a_deleted_pointer_is_forgotten_and_then_in_no_list(world: World) {
    let world = with_pointers(world, 1..=2).await;
    let forget = |n: u64| move |tx: &mut Tx<'_>| keys::forget(tx, &key_id(n), NOW);
    assert_eq!(world.write(forget(1)).await, Err(StoreError::MovedOn("key")));
    world.write(|tx| keys::transition(tx, &key_id(1), KeyState::Active, KeyState::Deleted, NOW)).await.expect("is deleted");
    let filter = KeyFilter { custody: Some(Custody::Native), ..KeyFilter::default() };
    let listed = async || {
        let filter = filter.clone();
        world.read(move |tx| keys::list(tx, &account(), &filter, &Page::first())).await.expect("is read").rows.len()
    };
    assert_eq!(listed().await, 2);
    world.write(forget(1)).await.expect("is forgotten");
    assert_eq!(listed().await, 1);
    assert!(world.read(|tx| keys::by_id(tx, &key_id(1))).await.expect("is read").is_some(), "its record stays");
}

pub async fn pointers_go_with_their_keystore_unless_an_operation_holds_one(world: World) {
    let world = with_pointers(world, 1..=2).await;
    world.write(|tx| lineages::set_aliases(tx, &lineage_id(1), &aliases("team/orders"))).await.expect("are set");
    assert_eq!(world.read(|tx| keys::not_deleted(tx, &keystore_id(1))).await, Ok((0, Vec::new())));
    let hold = |tx: &mut Tx<'_>| {
        operations::insert(tx, &operation_row(1), NOW, None)?;
        locks::take(tx, key_id(2).as_str(), &operation_id(1))
    };
    world.write(hold).await.expect("is held");
    let drop_pointers = |tx: &mut Tx<'_>| keys::drop_pointers(tx, &keystore_id(1), NOW);
    assert_eq!(world.write(drop_pointers).await, Err(StoreError::MovedOn("key")));
    world.write(|tx| locks::release(tx, &operation_id(1))).await.expect("is let go");
    world.write(drop_pointers).await.expect("are dropped");
    let row = world.read(|tx| keys::by_id(tx, &key_id(1))).await.expect("is read").expect("its record stays");
    assert_eq!(row.state, KeyState::Deleted);
    assert_eq!(world.read(|tx| lineages::is_name_taken(tx, &account(), "key-1")).await, Ok(false), "its name is free");
    assert_eq!(world.read(|tx| lineages::by_alias(tx, &keystore_id(1), &alias("team/orders"))).await, Ok(None), "and its alias");
}

pub async fn names_and_aliases_in_use_are_found(world: World) {
    let world = world.with_house().await;
    world.write(|tx| insert_key(tx, &KeyRow { aliases: aliases("team/orders bills"), ..key_row(1, "orders") })).await.expect("is made");
    let taken = async |name: &'static str| world.read(move |tx| lineages::is_name_taken(tx, &account(), name)).await;
    assert_eq!((taken("orders").await, taken("Orders").await), (Ok(true), Ok(false)));
    let holder =
        async |keystore: u64, text: &'static str| world.read(move |tx| lineages::by_alias(tx, &keystore_id(keystore), &alias(text))).await.expect("is read");
    for text in ["team/orders", "bills"] {
        let found = holder(1, text).await.expect("is held");
        assert_eq!((found.id, found.aliases), (lineage_id(1), aliases("team/orders bills")), "by each of them, with all of them");
    }
    assert_eq!((holder(1, "orders").await, holder(2, "team/orders").await), (None, None));
    world.write(|tx| lineages::drop_alias(tx, &lineage_id(1), &alias("team/orders"))).await.expect("is dropped");
    assert_eq!(world.write(|tx| lineages::drop_alias(tx, &lineage_id(1), &alias("team/orders"))).await, Err(StoreError::MovedOn("lineage")));
    assert_eq!((holder(1, "team/orders").await, holder(1, "bills").await.map(|found| found.aliases)), (None, Some(aliases("bills"))), "and the others stay");
}
