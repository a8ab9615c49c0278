//! Waves: the copies of a rotated key, and how far their own rotations have come (FT-074, FT-078).

use keystead_domain::{Custody, KeyState, RegionRole, waves::WaveState};
use keystead_store::{
    StoreError,
    keys::{self, KeyRow, Ties},
    operations,
    page::Page,
    waves::{self, Wave, WaveRow},
};

use crate::world::*;

fn row(copy: u64, wave: u32) -> WaveRow {
    WaveRow {
        successor_id: key_id(1),
        copy_id: key_id(copy),
        account_id: account(),
        wave,
        state: WaveState::Pending,
        operation_id: None,
        grace: Some(5),
        asked_by: "user_1".to_owned(),
        asked_by_name: "ann".to_owned(),
        created_at: NOW,
    }
}

fn shown(row: WaveRow) -> Wave {
    let copy_name = if row.copy_id == key_id(2) { "key-2" } else { "key-3" }.to_owned();
    Wave { row, source: Some(KeyState::Active), operation: None, copy_name, keystore: "main".to_owned() }
}

pub async fn a_wave_is_read_as_it_was_written_and_moves_from_the_state_that_is_expected(world: World) {
    let world = world.with_keys(1..=3).await;
    world.write(|tx| [row(3, 1), row(2, 2)].iter().try_for_each(|row| waves::insert(tx, row))).await.expect("are kept");
    assert_eq!(world.read(waves::open).await, Ok(vec![shown(row(3, 1)), shown(row(2, 2))]), "one wave after the other");
    let page = world.read(|tx| waves::list(tx, &key_id(1), &Page { after: None, limit: 1 })).await.expect("a page");
    assert_eq!((page.rows, page.next), (vec![shown(row(2, 2))], Some(key_id(2).to_string())));
    let begun = world.write(|tx| {
        operations::insert(tx, &operation_row(1), NOW, None)?;
        waves::transition(tx, &key_id(1), &key_id(3), WaveState::Pending, WaveState::Begun, Some(&operation_id(1)))
    });
    begun.await.expect("is begun");
    let again = world.write(|tx| waves::transition(tx, &key_id(1), &key_id(3), WaveState::Pending, WaveState::Begun, None)).await;
    assert_eq!(again, Err(StoreError::MovedOn("rotation wave")), "one node begins it");
    let open = world.read(waves::open).await.expect("are read");
    assert_eq!((&open[0].row.operation_id, open[0].operation.as_deref()), (&Some(operation_id(1)), Some("RUNNING")));
    world.write(|tx| waves::transition(tx, &key_id(1), &key_id(3), WaveState::Begun, WaveState::Failed, None)).await.expect("has failed");
    assert_eq!(world.read(waves::open).await.expect("are read").len(), 2, "what is pending is seen with what failed before it");
    assert_eq!(world.write(|tx| waves::stop(tx, &key_id(1))).await, Ok(1));
    assert_eq!(world.write(|tx| waves::stop(tx, &key_id(1))).await, Ok(0), "once");
    assert_eq!(world.read(waves::open).await, Ok(vec![]));
    world.write(|tx| waves::forget(tx, &key_id(1))).await.expect("is forgotten");
    assert!(world.read(|tx| waves::list(tx, &key_id(1), &Page::first())).await.expect("a page").rows.is_empty());
}

pub async fn copies_in_use_are_those_of_the_sources_whole_lineage(world: World) {
    let world = world.with_keys(1..=1).await;
    let copy =
        |n: u64, of: u64| KeyRow { ties: Ties { custody: Custody::Linked, source: Some(key_id(of)), ..Ties::default() }, ..key_row(n, &format!("key-{n}")) };
    let successor = KeyRow { lineage_id: lineage_id(1), ..key_row(2, "key-1") };
    let made = world.write(move |tx| {
        keys::insert(tx, &successor)?;
        [copy(3, 1), copy(4, 2), copy(5, 2)].iter().try_for_each(|key| insert_key(tx, key))?;
        keys::transition(tx, &key_id(5), KeyState::Active, KeyState::Inactive, NOW)
    });
    made.await.expect("are made");
    for source in [1, 2] {
        let found = world.read(move |tx| waves::copies_in_use(tx, &key_id(source))).await.expect("are read");
        assert_eq!(found.into_iter().map(|key| key.id).collect::<Vec<_>>(), [key_id(3), key_id(4)], "one that is left behind, too; not one that is out of use");
    }
    assert_eq!(world.read(|tx| waves::copies_in_use(tx, &key_id(3))).await, Ok(vec![]));
}

pub async fn copies_of_whoever_was_primary_are_those_of_the_family(world: World) {
    let world = world.with_keys(1..=2).await;
    let copy = KeyRow { ties: Ties { custody: Custody::Linked, source: Some(key_id(1)), ..Ties::default() }, ..key_row(3, "copy") };
    let part = |role, primary: Option<u64>| Ties { role, primary: primary.map(key_id), ..Ties::default() };
    let old_primary = KeyRow { ties: part(RegionRole::Replica, Some(5)), ..key_row(4, "old-primary") };
    let new_primary = KeyRow { ties: part(RegionRole::Primary, None), ..key_row(5, "new-primary") };
    let of_family = KeyRow { ties: Ties { custody: Custody::Linked, source: Some(key_id(4)), ..Ties::default() }, ..key_row(6, "of-family") };
    world.write(move |tx| [&copy, &old_primary, &new_primary, &of_family].into_iter().try_for_each(|key| insert_key(tx, key))).await.expect("are made");
    let found = world.read(|tx| waves::copies_in_use(tx, &key_id(5))).await.expect("are read");
    assert_eq!(found.into_iter().map(|key| key.id).collect::<Vec<_>>(), [key_id(6)]);
    assert_eq!(world.read(|tx| waves::copies_in_use(tx, &key_id(2))).await, Ok(vec![]), "a key that is no family has none of others");
}

pub async fn a_rotation_that_cannot_be_read_holds_up_no_other(world: World) {
    let world = world.with_keys(1..=4).await;
    let other = WaveRow { successor_id: key_id(4), ..row(2, 1) };
    let kept = world.write(move |tx| [row(2, 1), row(3, 2), other.clone()].iter().try_for_each(|row| waves::insert(tx, row)));
    kept.await.expect("are kept");
    world.aside(&format!("UPDATE rotation_waves SET state = 'ROLLING' WHERE successor_id = '{}' AND copy_id = '{}'", key_id(1), key_id(2)));
    let open = world.read(waves::open).await.expect("are read");
    assert_eq!(
        open.iter().map(|wave| &wave.row.successor_id).collect::<Vec<_>>(),
        [&key_id(4)],
        "without the canary nobody knows whether the others may begin"
    );
}
