//! What a kill looks for: every key with the same material, and the kills that were asked of a key (FT-019).

use keystead_domain::{Custody, KeyId, KeyState, RegionRole};
use keystead_store::{
    keys::{self, KeyRow, Ties},
    locks,
    operations::{self, OperationRow},
    page::Page,
};

use crate::world::*;

async fn sharing(world: &World, n: u64) -> Vec<KeyId> {
    world.read(move |tx| keys::sharing(tx, &key_id(n))).await.expect("are read").into_iter().map(|key| key.id).collect()
}

pub async fn keys_with_the_same_material_are_the_holder_its_copies_and_its_replicas(world: World) {
    let world = world.with_house().await;
    let copy = |n: u64| KeyRow { ties: Ties { custody: Custody::Linked, source: Some(key_id(1)), ..Ties::default() }, ..key_row(n, &format!("copy-{n}")) };
    let replica = KeyRow { ties: Ties { role: RegionRole::Replica, primary: Some(key_id(1)), ..Ties::default() }, ..key_row(3, "replica") };
    let rows = [key_row(1, "orders"), copy(2), replica, copy(4), key_row(5, "another")];
    world.write(move |tx| rows.iter().try_for_each(|row| insert_key(tx, row))).await.expect("are made");
    assert_eq!(sharing(&world, 1).await, [key_id(1), key_id(2), key_id(3), key_id(4)]);
    assert_eq!((sharing(&world, 2).await, sharing(&world, 5).await), (vec![key_id(2)], vec![key_id(5)]));
    let usable = async || world.read(|tx| keys::usable_in(tx, &keystore_id(1))).await.expect("are read").len();
    assert_eq!(usable().await, 5);
    let ends = world.write(|tx| {
        keys::transition(tx, &key_id(2), KeyState::Active, KeyState::PendingDeletion, NOW)?;
        keys::transition(tx, &key_id(2), KeyState::PendingDeletion, KeyState::Deleted, NOW)
    });
    ends.await.expect("is deleted");
    assert_eq!(sharing(&world, 1).await, [key_id(1), key_id(3), key_id(4)], "what is deleted has none");
    assert_eq!(usable().await, 4, "and cannot be used");
    assert_eq!(world.read(|tx| keys::usable_in(tx, &keystore_id(2))).await.expect("are read"), []);
}

pub async fn keys_out_of_use_are_found_with_what_brings_them_back(world: World) {
    let world = world.with_keys(1..=5).await;
    let row = |n: u64, kind: &str| OperationRow { kind: kind.to_owned(), key_id: Some(key_id(n)), ..operation_row(n) };
    let held = world.write(move |tx| {
        (1..=4).try_for_each(|n| keys::transition(tx, &key_id(n), KeyState::Active, KeyState::Inactive, NOW))?;
        keys::transition(tx, &key_id(4), KeyState::Inactive, KeyState::PendingDeletion, NOW)?;
        for (n, kind) in [(1, "activate-key"), (2, "update-key"), (5, "activate-key")] {
            operations::insert(tx, &row(n, kind), NOW, None)?;
            locks::take(tx, key_id(n).as_str(), &operation_id(n))?;
        }
        Ok(())
    });
    held.await.expect("are held");
    let idle = async |n| world.read(move |tx| keys::idle_in(tx, &keystore_id(n))).await.expect("are read").into_iter().map(|key| key.id).collect::<Vec<_>>();
    assert_eq!((idle(1).await, idle(2).await), (vec![key_id(1), key_id(2), key_id(3), key_id(4)], vec![]));
    let coming = async |n| world.read(move |tx| locks::on_idle(tx, &keystore_id(n), ["activate-key", "upload-key", "restore-key"])).await.expect("are read");
    assert_eq!((coming(1).await, coming(2).await), (vec![(key_id(1), operation_id(1))], vec![]), "neither another change, nor one in use");
}

pub async fn operations_of_a_kind_are_those_that_were_asked_of_the_key(world: World) {
    let world = world.with_keys(1..=2).await;
    let row = |n: u64, key: u64, kind: &str| OperationRow { kind: kind.to_owned(), key_id: Some(key_id(key)), ..operation_row(n) };
    let rows = [row(1, 1, "kill-key"), row(2, 1, "restore-key"), row(3, 2, "kill-key"), row(4, 1, "kill-key")];
    world.write(move |tx| rows.iter().try_for_each(|row| operations::insert(tx, row, NOW, None))).await.expect("are kept");
    let page = async |after: Option<String>| {
        let page = Page { after, limit: 1 };
        world.read(move |tx| operations::of_kind(tx, &key_id(1), "kill-key", &page)).await.expect("a page")
    };
    let first = page(None).await;
    assert_eq!(first.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [operation_id(4)], "the newest first");
    let second = page(first.next).await;
    assert_eq!((second.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), second.next), (vec![operation_id(1)], None));
}
