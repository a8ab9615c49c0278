//! What the vault sealed: kept once, changed only from what was read, destroyed for good.

use keystead_domain::VersionId;
use keystead_store::{
    StoreError,
    vault::{self, AccountKeyRow},
    versions::{self, VersionRow},
};

use crate::world::*;

fn account_key(generation: u32, sealed: &[u8]) -> AccountKeyRow {
    AccountKeyRow { generation, sealed: sealed.to_vec() }
}

pub async fn sealed_rows_change_only_from_what_was_read(world: World) {
    let world = world.with_house().await;
    assert_eq!(world.read(vault::root).await, Ok(None));
    world.write(|tx| vault::insert_root(tx, b"\0root 1", NOW)).await.expect("is kept");
    assert_eq!(world.write(|tx| vault::insert_root(tx, b"root 2", NOW)).await, taken("vault_root", "id"));
    assert_eq!(world.write(|tx| vault::replace_root(tx, b"stale", b"root 2", NOW)).await, Err(StoreError::MovedOn("vault root")));
    assert_eq!(world.read(vault::root).await, Ok(Some(b"\0root 1".to_vec())));
    world.write(|tx| vault::replace_root(tx, b"\0root 1", b"root 2", NOW)).await.expect("is replaced");
    assert_eq!(world.read(vault::root).await, Ok(Some(b"root 2".to_vec())));

    let second = account_key(2, b"");
    let row = second.clone();
    world.write(move |tx| vault::insert_account_key(tx, &account(), &row, NOW)).await.expect("is kept");
    let again = second.clone();
    assert_eq!(world.write(move |tx| vault::insert_account_key(tx, &account(), &again, NOW)).await, taken("account_keys", "generation"));
    let stale = world.write(|tx| vault::replace_account_key(tx, &account(), 2, b"stale", b"new")).await;
    assert_eq!(stale, Err(StoreError::MovedOn("account key")));
    assert_eq!(world.read(|tx| vault::account_keys(tx, &account())).await, Ok(vec![account_key(1, b"account key 1"), second]));
    world.write(|tx| vault::replace_account_key(tx, &account(), 2, b"", b"new")).await.expect("is replaced");
    assert_eq!(world.read(|tx| vault::account_keys(tx, &account())).await, Ok(vec![account_key(1, b"account key 1"), account_key(2, b"new")]));
    assert_eq!(world.read(|tx| vault::account_keys(tx, &account_id(2))).await, Ok(Vec::new()));
}

pub async fn material_is_destroyed_and_its_record_stays(world: World) {
    let world = world.with_keys(1..=2).await;
    let made = world.write(|tx| [version_row(1, 1, 1), version_row(2, 1, 2), version_row(3, 2, 1)].iter().try_for_each(|row| versions::insert(tx, row)));
    made.await.expect("are kept");
    assert_eq!(world.write(|tx| versions::insert(tx, &version_row(4, 1, 2))).await, taken("key_versions", "number"));
    assert_eq!(world.read(|tx| versions::newest(tx, &key_id(1))).await, Ok(Some(version_row(2, 1, 2))));
    assert_eq!(world.read(|tx| versions::newest(tx, &key_id(9))).await, Ok(None));
    let later = NOW.plus_days(7);
    assert_eq!(world.write(move |tx| versions::destroy(tx, &key_id(1), later)).await, Ok(2));
    assert_eq!(world.write(move |tx| versions::destroy(tx, &key_id(1), later.plus_days(1))).await, Ok(0), "once");
    let destroyed = |row: VersionRow| VersionRow { sealed: None, destroyed_at: Some(later), ..row };
    let kept = world.read(|tx| versions::of_key(tx, &key_id(1))).await;
    assert_eq!(kept, Ok(vec![destroyed(version_row(1, 1, 1)), destroyed(version_row(2, 1, 2))]), "the records stay");
    assert_eq!(world.read(|tx| versions::of_key(tx, &key_id(2))).await, Ok(vec![version_row(3, 2, 1)]), "other keys keep theirs");
    assert_eq!(world.write(|tx| versions::reseal(tx, &version_id(1), 1, &version_row(1, 1, 1))).await, Err(StoreError::MovedOn("key version")), "for good");
}

pub async fn material_is_resealed_in_rounds(world: World) {
    let world = world.with_keys(1..=6).await;
    let made = world.write(|tx| {
        (1..=6).try_for_each(|n| versions::insert(tx, &version_row(n, n, 1)))?;
        versions::destroy(tx, &key_id(4), NOW)?;
        vault::insert_account_key(tx, &account(), &account_key(2, b"account key 2"), NOW)
    });
    made.await.expect("are kept");
    assert_eq!(
        world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await,
        Err(StoreError::MovedOn("account key")),
        "a key under which something is sealed stays"
    );
    let mut after = String::new();
    let mut seen: Vec<VersionId> = Vec::new();
    loop {
        let from = after.clone();
        let round = world.read(move |tx| versions::page_with_material(tx, &account(), &from, 2)).await.expect("a page");
        let Some(last) = round.last() else { break };
        after = last.id.to_string();
        seen.extend(round.iter().map(|row| row.id.clone()));
        world.write(move |tx| round.iter().try_for_each(|row| versions::reseal(tx, &row.id, row.generation, &resealed(row)))).await.expect("are resealed");
    }
    assert_eq!(seen, [1, 2, 3, 5, 6].map(version_id), "what is destroyed is not sealed anew");
    assert_eq!(world.read(|tx| versions::newest(tx, &key_id(5))).await, Ok(Some(resealed(&version_row(5, 5, 1)))));
    let stale = world.write(|tx| versions::reseal(tx, &version_id(5), 1, &version_row(5, 5, 1))).await;
    assert_eq!(stale, Err(StoreError::MovedOn("key version")), "another round was faster");
    world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await.expect("nothing is sealed under it any more");
    assert_eq!(world.read(|tx| vault::account_keys(tx, &account())).await, Ok(vec![account_key(2, b"account key 2")]));
    assert_eq!(world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await, Err(StoreError::MovedOn("account key")));
}

fn resealed(row: &VersionRow) -> VersionRow {
    VersionRow { sealed: Some(b"resealed".to_vec()), generation: row.generation + 1, account_key_generation: 2, fingerprint: "f2".to_owned(), ..row.clone() }
}

pub async fn nothing_is_sealed_under_an_account_key_that_is_gone(world: World) {
    let world = world.with_keys(1..=1).await;
    let held = world.write(|tx| Ok([vault::hold_account_key(tx, &account(), 1)?, vault::hold_account_key(tx, &account(), 2)?]));
    assert_eq!(held.await, Ok([true, false]));
    let under_none = VersionRow { account_key_generation: 2, ..version_row(1, 1, 1) };
    let row = under_none.clone();
    assert_eq!(world.write(move |tx| versions::insert(tx, &row)).await, Err(StoreError::MovedOn("account key")));
    world.write(|tx| versions::insert(tx, &version_row(1, 1, 1))).await.expect("is kept");
    assert_eq!(world.write(move |tx| versions::reseal(tx, &version_id(1), 1, &under_none)).await, Err(StoreError::MovedOn("account key")));
    assert_eq!(world.read(|tx| versions::newest(tx, &key_id(1))).await, Ok(Some(version_row(1, 1, 1))));
}
