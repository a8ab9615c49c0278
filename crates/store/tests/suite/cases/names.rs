//! Names and aliases: who bears them, and who they mean.

use keystead_domain::KeyState;
use keystead_store::{
    StoreError, accounts,
    keys::{self, KeyRow},
    keystores::{self, KeystoreRow},
    lineages, users,
};

use crate::world::*;

/// Runs a write and answers how it ended.
macro_rules! write {
    ($world:expr, $function:expr) => {
        $world.write($function).await
    };
}

pub async fn names_and_aliases_are_unique_while_they_live(world: World) {
    let world = world.with_house().await;
    let with_alias = |n: u64, name: &str, text: Option<&str>| KeyRow { aliases: aliases(text.unwrap_or_default()), ..key_row(n, name) };
    let first = with_alias(1, "orders", Some("bills team/orders"));
    write!(world, move |tx| insert_key(tx, &first)).expect("is made");
    let same_name = with_alias(2, "orders", None);
    assert_eq!(write!(world, move |tx| insert_key(tx, &same_name)), taken("lineages", "name"));
    let same_alias = with_alias(2, "payments", Some("fresh team/orders"));
    assert_eq!(write!(world, move |tx| insert_key(tx, &same_alias)), taken("aliases", "alias"));
    write!(world, move |tx| {
        insert_key(tx, &with_alias(2, "payments", None))?;
        insert_key(tx, &with_alias(3, "invoices", None))
    })
    .expect("any number of lineages has no alias, and what was refused has taken none");
    assert_eq!(write!(world, |tx| lineages::rename(tx, &lineage_id(2), "orders")), taken("lineages", "name"));
    assert_eq!(write!(world, |tx| lineages::set_aliases(tx, &lineage_id(2), &aliases("other team/orders"))), taken("aliases", "alias"));
    let elsewhere = KeyRow { keystore_id: keystore_id(2), ..with_alias(4, "elsewhere", Some("team/orders")) };
    write!(world, move |tx| {
        keystores::insert(tx, &keystore_row(2, "second"))?;
        insert_key(tx, &elsewhere)
    })
    .expect("another keystore has its own aliases");
    write!(world, move |tx| {
        keys::transition(tx, &key_id(1), KeyState::Active, KeyState::Deleted, NOW)?;
        lineages::end_if_all_deleted(tx, &lineage_id(1))?;
        insert_key(tx, &with_alias(5, "orders", Some("team/orders")))
    })
    .expect("the name and the alias of a deleted key are free again");
}

pub async fn every_value_that_is_taken_is_told_in_the_same_words(world: World) {
    let world = world.with_keys(1..=1).await;
    assert_eq!(write!(world, |tx| accounts::insert(tx, &account(), "again", NOW)), taken("accounts", "id"));
    assert_eq!(write!(world, |tx| keystores::insert(tx, &keystore_row(2, "main"))), taken("keystores", "name"));
    assert_eq!(write!(world, |tx| keystores::insert(tx, &keystore_row(1, "other"))), taken("keystores", "id"));
    assert_eq!(write!(world, |tx| keys::insert(tx, &key_row(1, "key-1"))), taken("keys", "id"));
    write!(world, |tx| users::insert(tx, &user_row(1, "ana"), "h1", None)).expect("is made");
    assert_eq!(write!(world, |tx| users::insert(tx, &user_row(2, "ana"), "h2", None)), taken("users", "name"));
    assert_eq!(write!(world, |tx| users::insert(tx, &user_row(2, "ben"), "h1", None)), taken("users", "token_hash"));
    assert!(write!(world, |tx| users::insert(tx, &user_row(2, "ben"), "h1", None)).is_err_and(|error| error.is_unique("users") && !error.is_unique("keys")));
}

pub async fn a_name_means_the_current_key_of_its_lineage(world: World) {
    let world = world.with_house().await;
    let old = KeyRow { aliases: aliases("orders bills"), ..key_row(1, "orders") };
    let new = KeyRow { lineage_id: lineage_id(1), predecessor_id: Some(key_id(1)), is_current: false, ..key_row(2, "orders") };
    let rows = (old.clone(), new.clone());
    write!(world, move |tx| insert_key(tx, &rows.0).and_then(|()| keys::insert(tx, &rows.1))).expect("are made");
    let find = async |word: &str| {
        let word = word.to_owned();
        world.read(move |tx| keys::find(tx, &account(), &word)).await.expect("is looked for")
    };
    assert_eq!(find("orders").await, Some(old.clone()));
    assert_eq!(find(key_id(2).as_str()).await, Some(new), "an id means its key, whoever is current");
    assert_eq!(write!(world, |tx| lineages::set_current(tx, &lineage_id(1), &key_id(2), &key_id(1))), Err(StoreError::MovedOn("lineage")));
    write!(world, |tx| {
        lineages::set_current(tx, &lineage_id(1), &key_id(1), &key_id(2))?;
        keys::set_successor(tx, &key_id(1), Some(&key_id(2)))
    })
    .expect("moves");
    let current = find("orders").await.expect("is found");
    assert_eq!((current.id, current.aliases, current.is_current), (key_id(2), aliases("orders bills"), true));
    let old = find(key_id(1).as_str()).await.expect("is found");
    assert_eq!((old.aliases, old.is_current, old.successor_id), (aliases(""), false, Some(key_id(2))));
    write!(world, |tx| keys::set_successor(tx, &key_id(1), None)).expect("is taken back");
    assert_eq!(find(key_id(1).as_str()).await.expect("is found").successor_id, None);
    assert_eq!(write!(world, |tx| keys::set_successor(tx, &key_id(9), None)), Err(StoreError::MovedOn("key")));
    assert_eq!(find("nobody").await, None);
    assert_eq!(find(key_id(9).as_str()).await, None);
}

pub async fn a_name_without_a_living_lineage_means_the_newest_that_bore_it(world: World) {
    let world = world.with_house().await;
    for n in 1..=2 {
        let key = key_row(n, "orders");
        write!(world, move |tx| insert_key(tx, &key)).expect("is made");
        write!(world, move |tx| {
            keys::transition(tx, &key_id(n), KeyState::Active, KeyState::Deleted, NOW)?;
            lineages::end_if_all_deleted(tx, &lineage_id(n))
        })
        .expect("ends");
    }
    let found = world.read(|tx| keys::find(tx, &account(), "orders")).await.expect("is looked for").expect("is found");
    assert_eq!((found.id, found.state), (key_id(2), KeyState::Deleted));
    assert_eq!(world.read(|tx| keys::find(tx, &account_id(2), "orders")).await, Ok(None), "names stay inside their account");
    assert_eq!(world.read(|tx| keys::find(tx, &account_id(2), key_id(2).as_str())).await, Ok(None), "ids as well");
}

pub async fn a_lineage_ends_with_its_last_key(world: World) {
    let world = world.with_keys(1..=1).await;
    let successor = KeyRow { lineage_id: lineage_id(1), ..key_row(2, "key-1") };
    write!(world, move |tx| keys::insert(tx, &successor)).expect("is made");
    let end_one = |n: u64| {
        move |tx: &mut keystead_store::Tx<'_>| {
            keys::transition(tx, &key_id(n), KeyState::Active, KeyState::Deleted, NOW)?;
            lineages::end_if_all_deleted(tx, &lineage_id(1))
        }
    };
    write!(world, end_one(1)).expect("is deleted");
    write!(world, |tx| lineages::rename(tx, &lineage_id(1), "renamed")).expect("lives on with one key");
    let names = world.ask("SELECT COUNT(*) FROM keys WHERE name = 'renamed'");
    assert_eq!(names, 2, "all keys of the lineage bear the new name");
    write!(world, |tx| lineages::set_aliases(tx, &lineage_id(1), &aliases("b a renamed"))).expect("lives");
    let lineage = world.read(|tx| lineages::by_id(tx, &lineage_id(1))).await.expect("is read").expect("is there");
    assert_eq!((lineage.name.as_str(), lineage.aliases), ("renamed", aliases("b a renamed")));
    write!(world, |tx| lineages::set_aliases(tx, &lineage_id(1), &aliases(""))).expect("may have none");
    assert_eq!(world.read(|tx| lineages::by_id(tx, &lineage_id(1))).await.map(|found| found.map(|lineage| lineage.aliases)), Ok(Some(aliases(""))));
    write!(world, end_one(2)).expect("is deleted");
    assert_eq!(write!(world, |tx| lineages::rename(tx, &lineage_id(1), "x")), Err(StoreError::MovedOn("lineage")));
    assert_eq!(write!(world, |tx| lineages::set_aliases(tx, &lineage_id(1), &aliases(""))), Err(StoreError::MovedOn("lineage")));
}

pub async fn a_keystores_name_is_free_again_after_its_deletion(world: World) {
    let world = world.with_house().await;
    let again = KeystoreRow { ..keystore_row(2, "main") };
    let row = again.clone();
    write!(world, move |tx| keystores::delete(tx, &keystore_id(1), NOW).and_then(|()| keystores::insert(tx, &row))).expect("the name is free");
    assert_eq!(world.read(|tx| keystores::find(tx, &account(), "main")).await, Ok(Some(again)), "the name means the living one");
}
