//! What the vault sealed: kept once, changed only from what was read, destroyed for good.

use keystead_domain::{Custody, KeySpec, KeyState, Timestamp, VersionId};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow},
    vault::{self, AccountKeyRow},
    versions::{self, MaterialFacts, VersionRow},
};

use crate::world::*;

fn account_key(generation: u32, root_generation: u32, sealed: &[u8]) -> AccountKeyRow {
    AccountKeyRow { generation, root_generation, sealed: sealed.to_vec() }
}

pub async fn the_root_changes_only_from_what_was_read(world: World) {
    assert_eq!(world.read(vault::root).await, Ok(None));
    world.write(|tx| vault::insert_root(tx, b"\0root 1", 1, NOW)).await.expect("is kept");
    assert_eq!(world.write(|tx| vault::insert_root(tx, b"root 2", 2, NOW)).await, taken("vault_root", "id"));
    let moved_on = Err(StoreError::MovedOn("vault root"));
    assert_eq!(world.write(|tx| vault::replace_root(tx, b"stale", b"root 2", 2, NOW)).await, moved_on);
    assert_eq!(world.write(|tx| vault::replace_root(tx, b"\0root 1", b"root 2", 1, NOW)).await, moved_on, "the next root has a higher generation");
    assert_eq!(world.read(vault::root).await, Ok(Some(b"\0root 1".to_vec())));
    world.write(|tx| vault::replace_root(tx, b"\0root 1", b"root 2", 2, NOW)).await.expect("is replaced");
    assert_eq!(world.read(vault::root).await, Ok(Some(b"root 2".to_vec())));
    assert_eq!(world.write(vault::hold_root).await, Ok(Some(b"root 2".to_vec())));
}

pub async fn account_keys_belong_to_the_stored_root(world: World) {
    let world = world.with_house().await;
    let insert = async |row: AccountKeyRow| world.write(move |tx| vault::insert_account_key(tx, &account(), &row, NOW)).await;
    let keys = async || world.read(|tx| vault::account_keys(tx, &account())).await;
    assert_eq!(insert(account_key(2, 2, b"of a root to come")).await, Err(StoreError::MovedOn("vault root")));
    assert_eq!(insert(account_key(2, 1, b"")).await, Ok(()));
    assert_eq!(insert(account_key(2, 1, b"another")).await, taken("account_keys", "generation"));
    assert_eq!(keys().await, Ok(vec![account_key(1, 1, b"account key 1"), account_key(2, 1, b"")]));
    assert_eq!(world.read(|tx| vault::account_keys(tx, &account_id(2))).await, Ok(Vec::new()));
    assert_eq!(world.read(vault::accounts).await, Ok(vec![account()]));
    world.write(|tx| vault::replace_root(tx, b"\0root 1", b"root 2", 2, NOW)).await.expect("is replaced");
    assert_eq!(insert(account_key(3, 1, b"of an old root")).await, Err(StoreError::MovedOn("vault root")), "another node still seals under it");
    assert_eq!(insert(account_key(3, 2, b"of the new root")).await, Ok(()));
}

/// A rotation of the root as the store sees it: from the new record on nothing comes in under the old root, and it goes when nothing is left under it.
pub async fn an_old_root_goes_when_nothing_is_sealed_under_it(world: World) {
    let world = world.with_keys(1..=3).await;
    let of_old_root = |n| move |tx: &mut Tx<'_>| versions::insert(tx, &version_row(n, n, 1));
    world.write(of_old_root(1)).await.expect("is kept");
    world.write(of_old_root(2)).await.expect("is kept");
    assert_eq!(world.read(versions::progress).await, Ok((2, 2)));
    world.write(|tx| vault::replace_root(tx, b"\0root 1", b"root 2", 2, NOW)).await.expect("is replaced");
    assert_eq!(world.read(versions::progress).await, Ok((0, 2)));
    let moved_on = Err(StoreError::MovedOn("account key"));
    assert_eq!(world.write(of_old_root(3)).await, moved_on, "another node still seals under the old root");
    assert_eq!(world.write(|tx| versions::reseal(tx, &version_id(1), 1, &version_row(1, 1, 1))).await, moved_on);

    let finish = async || world.write(|tx| vault::finish_root(tx, b"root 2", b"root 2 alone", NOW)).await;
    let next = account_key(2, 2, b"account key 2");
    world.write(move |tx| vault::insert_account_key(tx, &account(), &next, NOW)).await.expect("is kept");
    world.write(|tx| versions::reseal(tx, &version_id(1), 1, &resealed(&version_row(1, 1, 1)))).await.expect("is resealed");
    assert_eq!(world.read(versions::progress).await, Ok((1, 2)));
    assert_eq!(world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await, Err(StoreError::MovedOn("account key")), "one row needs it");
    assert_eq!(finish().await, Err(StoreError::MovedOn("vault root")), "and so the old root");
    world.write(|tx| end_key(tx, 2, NOW)).await.expect("is destroyed");
    assert_eq!(world.read(versions::progress).await, Ok((1, 1)));
    world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await.expect("nothing needs it");
    assert_eq!(finish().await, Ok(()));
    assert_eq!(finish().await, Err(StoreError::MovedOn("vault root")), "once");
    assert_eq!(world.read(vault::root).await, Ok(Some(b"root 2 alone".to_vec())));
}

pub async fn material_is_destroyed_and_its_record_stays(world: World) {
    let world = world.with_keys(1..=2).await;
    let made = world.write(|tx| [version_row(1, 1, 1), version_row(2, 1, 2), version_row(3, 2, 1)].iter().try_for_each(|row| versions::insert(tx, row)));
    made.await.expect("are kept");
    assert_eq!(world.write(|tx| versions::insert(tx, &version_row(4, 1, 2))).await, taken("key_versions", "number"));
    assert_eq!(world.read(|tx| versions::current(tx, &key_id(1))).await, Ok(Some(version_row(2, 1, 2))));
    assert_eq!(world.read(|tx| versions::current(tx, &key_id(9))).await, Ok(None));
    let later = NOW.plus_days(7);
    assert_eq!(world.write(move |tx| versions::destroy(tx, &key_id(1), later)).await, Ok(0), "the key is in use");
    assert_eq!(world.write(move |tx| end_key(tx, 1, later)).await, Ok(2));
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
        end_key(tx, 4, NOW)?;
        vault::insert_account_key(tx, &account(), &account_key(2, 1, b"account key 2"), NOW)
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
    assert_eq!(world.read(|tx| versions::current(tx, &key_id(5))).await, Ok(Some(resealed(&version_row(5, 5, 1)))));
    let stale = world.write(|tx| versions::reseal(tx, &version_id(5), 1, &version_row(5, 5, 1))).await;
    assert_eq!(stale, Err(StoreError::MovedOn("key version")), "another round was faster");
    world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await.expect("nothing is sealed under it any more");
    assert_eq!(world.read(|tx| vault::account_keys(tx, &account())).await, Ok(vec![account_key(2, 1, b"account key 2")]));
    assert_eq!(world.write(|tx| vault::delete_account_key(tx, &account(), 1)).await, Err(StoreError::MovedOn("account key")));
}

/// Version `n` of key `key`, which shares the material of version `source`.
fn shared(n: u64, key: u64, source: u64) -> VersionRow {
    VersionRow { sealed: None, source_id: Some(version_id(source)), ..version_row(n, key, 1) }
}

pub async fn shared_material_is_destroyed_with_the_last_key_that_has_it(world: World) {
    let world = world.with_keys(1..=3).await;
    let made = world.write(|tx| [version_row(1, 1, 1), shared(2, 2, 1), shared(3, 3, 1)].iter().try_for_each(|row| versions::insert(tx, row)));
    made.await.expect("are kept");
    let sealed = async || world.read(|tx| versions::by_id(tx, &version_id(1))).await.expect("is read").expect("is there").sealed.is_some();
    assert_eq!(world.write(|tx| end_key(tx, 2, NOW)).await, Ok(0), "the source and another copy have it still");
    let copy = world.read(|tx| versions::current(tx, &key_id(2))).await.expect("is read").expect("is there");
    assert_eq!((copy.destroyed_at, sealed().await), (Some(NOW), true));
    assert_eq!(world.write(|tx| end_key(tx, 1, NOW)).await, Ok(0), "a copy has it still");
    assert!(sealed().await);
    assert_eq!(world.write(|tx| end_key(tx, 3, NOW)).await, Ok(1), "the last one");
    assert!(!sealed().await);
    let late = world.write(|tx| versions::insert(tx, &VersionRow { number: 2, ..shared(4, 3, 1) })).await;
    assert_eq!(late, Err(StoreError::MovedOn("key version")), "nobody shares what is gone");
}

pub async fn material_of_a_key_that_is_gone_goes_with_the_last_copy_that_never_was(world: World) {
    let world = world.with_keys(1..=1).await;
    let made = world.write(|tx| {
        versions::insert(tx, &version_row(1, 1, 1))?;
        (2..=3).try_for_each(|n| {
            insert_key(tx, &KeyRow { state: KeyState::Creating, ..key_row(n, &format!("copy-{n}")) })?;
            versions::insert(tx, &shared(n, n, 1))
        })
    });
    made.await.expect("are kept");
    let taken_back = async |n: u64, at: Timestamp| {
        let back = world.write(move |tx| {
            versions::delete_uncreated(tx, &key_id(n), at)?;
            keys::delete_uncreated(tx, &key_id(n))
        });
        back.await.expect("is taken back");
        let source = world.read(|tx| versions::by_id(tx, &version_id(1))).await.expect("is read").expect("is there");
        (source.sealed.is_some(), source.destroyed_at)
    };
    assert_eq!(taken_back(2, NOW).await, (true, None), "the source lives");
    assert_eq!(world.write(|tx| end_key(tx, 1, NOW)).await, Ok(0), "a copy that is being made has it");
    let later = NOW.plus_days(1);
    assert_eq!(taken_back(3, later).await, (false, Some(later)));
}

/// FT-032: what one key that has a material promises binds all that have it, as long as it lives.
pub async fn a_promise_binds_every_key_with_the_material(world: World) {
    let world = world.with_keys(1..=4).await;
    let made =
        world.write(|tx| [version_row(1, 1, 1), shared(2, 2, 1), shared(3, 3, 1), version_row(4, 4, 1)].iter().try_for_each(|row| versions::insert(tx, row)));
    made.await.expect("are kept");
    let bound = async || {
        let of_each = world.read(|tx| (1..=4).map(|n| versions::is_bound(tx, &key_id(n))).collect::<Result<Vec<_>, _>>());
        of_each.await.expect("is read")
    };
    assert_eq!(bound().await, [false; 4]);
    world.write(|tx| keys::forbid_export(tx, &key_id(2))).await.expect("is kept");
    assert_eq!(bound().await, [true, true, true, false], "the copy, its source, the other copy, and nobody else");
    world.write(|tx| end_key(tx, 2, NOW)).await.expect("ends");
    assert_eq!(bound().await, [false; 4], "it lives no more");
}

pub async fn a_pending_version_becomes_the_current_one_or_goes(world: World) {
    let world = world.with_keys(1..=1).await;
    let pending = |n: u64, number| VersionRow { is_pending: true, ..version_row(n, 1, number) };
    let made = world.write(move |tx| [version_row(1, 1, 1), pending(2, 2)].iter().try_for_each(|row| versions::insert(tx, row)));
    made.await.expect("are kept");
    let current = async || world.read(|tx| versions::current(tx, &key_id(1))).await.expect("is read").expect("is there").number;
    assert_eq!(current().await, 1);
    world.write(|tx| versions::rotated_in(tx, &version_id(2))).await.expect("is rotated in");
    assert_eq!(current().await, 2);
    let moved_on = Err(StoreError::MovedOn("key version"));
    assert_eq!(world.write(|tx| versions::rotated_in(tx, &version_id(2))).await, moved_on, "once");
    assert_eq!(world.write(|tx| versions::delete_pending(tx, &version_id(2))).await, moved_on, "it is in use");
    world.write(move |tx| versions::insert(tx, &pending(3, 3))).await.expect("is kept");
    world.write(|tx| versions::delete_pending(tx, &version_id(3))).await.expect("is taken back");
    assert_eq!(world.read(|tx| versions::of_key(tx, &key_id(1))).await.expect("are read").len(), 2);
}

pub async fn facts_of_a_versions_copy_are_kept_one_by_one(world: World) {
    let world = world.with_keys(1..=1).await;
    world.write(|tx| versions::insert(tx, &version_row(1, 1, 1))).await.expect("is kept");
    let keep = async |facts: MaterialFacts| {
        world.write(move |tx| versions::keep_facts(tx, &version_id(1), &facts)).await.expect("are kept");
        let row = world.read(|tx| versions::by_id(tx, &version_id(1))).await.expect("is read").expect("is there");
        (row.material_id, row.expires_at)
    };
    let named = |id: &str| Some(id.to_owned());
    assert_eq!(keep(MaterialFacts { material_id: named("m"), expires_at: None }).await, (named("m"), None));
    assert_eq!(keep(MaterialFacts { material_id: None, expires_at: Some(Some(NOW)) }).await, (named("m"), Some(NOW)));
    assert_eq!(keep(MaterialFacts::default()).await, (named("m"), Some(NOW)));
    assert_eq!(keep(MaterialFacts { material_id: None, expires_at: Some(None) }).await, (named("m"), None));
}

pub async fn the_kinds_of_key_are_those_with_material(world: World) {
    let world = world.with_keys(1..=3).await;
    let hmac = VersionRow { spec: KeySpec::Hmac256, ..version_row(3, 3, 1) };
    let gone = VersionRow { spec: KeySpec::EcP256, sealed: None, ..version_row(2, 2, 1) };
    world.write(move |tx| [&version_row(1, 1, 1), &gone, &hmac].into_iter().try_for_each(|row| versions::insert(tx, row))).await.expect("are kept");
    assert_eq!(world.read(versions::kinds).await, Ok(vec![KeySpec::Aes256, KeySpec::Hmac256]));
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
    assert_eq!(world.read(|tx| versions::current(tx, &key_id(1))).await, Ok(Some(version_row(1, 1, 1))));
}

pub async fn material_of_which_no_copy_is_kept_goes_before_the_key_is_in_use(world: World) {
    let world = world.with_keys(1..=1).await;
    let creating = KeyRow { state: KeyState::Creating, ..key_row(2, "theirs") };
    let made = world.write(move |tx| {
        insert_key(tx, &creating)?;
        [version_row(1, 1, 1), version_row(2, 2, 1)].iter().try_for_each(|row| versions::insert(tx, row))
    });
    made.await.expect("are kept");
    let forget = async |key: u64| world.write(move |tx| versions::forget_material(tx, &key_id(key), NOW)).await;
    assert_eq!(forget(1).await, Err(StoreError::MovedOn("key version")), "that of a key in use stays");
    assert_eq!(forget(2).await, Ok(()));
    let kept = world.read(|tx| versions::current(tx, &key_id(2))).await.expect("is read").expect("its record stays");
    assert_eq!(kept, VersionRow { sealed: None, destroyed_at: Some(NOW), ..version_row(2, 2, 1) });
    assert_eq!(forget(2).await, Err(StoreError::MovedOn("key version")), "once");
    world.write(|tx| keys::become_native(tx, &key_id(2))).await.expect("is noted");
    assert_eq!(world.read(|tx| keys::by_id(tx, &key_id(2))).await.expect("is read").expect("is there").ties.custody, Custody::Native);
    assert_eq!(world.write(|tx| keys::become_native(tx, &key_id(2))).await, Err(StoreError::MovedOn("key")));
}
