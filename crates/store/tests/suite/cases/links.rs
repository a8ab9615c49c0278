//! Links between a source and its copies (FT-021, FT-028, FT-029).

use keystead_domain::{Custody, KeyState};
use keystead_store::{
    keys::{self, KeyRow, Ties},
    lineages,
    links::{self, Link, LinkRow},
    page::Page,
    versions,
};

use crate::world::*;

fn link(copy: u64, source: u64) -> LinkRow {
    LinkRow {
        key_id: key_id(copy),
        source_id: key_id(source),
        account_id: account(),
        keystore: "payments-us".to_owned(),
        copied_by: "user_1".to_owned(),
        copied_by_name: "ann".to_owned(),
        copied_at: NOW,
    }
}

fn shown(copy: u64, source: u64) -> Link {
    let key = |n: u64| (format!("key-{n}"), KeyState::Active);
    Link { row: link(copy, source), copy: key(copy), source: key(source), source_keystore: "main".to_owned() }
}

pub async fn links_are_listed_from_both_ends_in_pages(world: World) {
    let world = world.with_keys(1..=4).await;
    world.write(|tx| [2, 3, 4].iter().try_for_each(|copy| links::insert(tx, &link(*copy, 1)))).await.expect("are kept");
    let page = async |key: u64, after: Option<String>| {
        world.read(move |tx| links::list(tx, &key_id(key), &Page { after: after.clone(), limit: 2 })).await.expect("a page")
    };
    let first = page(1, None).await;
    assert_eq!((first.rows, &first.next), (vec![shown(2, 1), shown(3, 1)], &Some(key_id(3).to_string())));
    let second = page(1, first.next).await;
    assert_eq!((second.rows, second.next), (vec![shown(4, 1)], None));
    assert_eq!(page(3, None).await.rows, vec![shown(3, 1)], "a copy has the one to its source");
    assert_eq!(world.write(|tx| links::insert(tx, &link(2, 3))).await, taken("key_links", "key_id"), "and one only");
}

pub async fn copies_go_over_to_the_key_that_takes_their_sources_place(world: World) {
    let world = world.with_keys(1..=3).await;
    let copy = KeyRow { ties: Ties { custody: Custody::Linked, source: Some(key_id(1)), ..Ties::default() }, ..key_row(4, "copy") };
    let made = world.write(move |tx| {
        insert_key(tx, &copy)?;
        [2, 4].iter().try_for_each(|copy| links::insert(tx, &link(*copy, 1)))?;
        links::hand_over(tx, &key_id(1), &key_id(3))
    });
    made.await.expect("are handed over");
    let copies = async |source: u64| {
        let listed = world.read(move |tx| links::list(tx, &key_id(source), &Page::first())).await.expect("a page");
        listed.rows.into_iter().map(|link| link.row.key_id).collect::<Vec<_>>()
    };
    assert_eq!((copies(1).await, copies(3).await), (vec![], vec![key_id(2), key_id(4)]));
    let moved = world.read(|tx| keys::by_id(tx, &key_id(4))).await.expect("is read").expect("is there");
    assert_eq!((moved.ties.source, moved.revision), (Some(key_id(3)), 2));
}

pub async fn the_link_of_a_copy_that_never_was_is_taken_back(world: World) {
    let world = world.with_keys(1..=2).await;
    let creating = KeyRow { state: KeyState::Creating, ..key_row(3, "failed") };
    let made = world.write(move |tx| {
        insert_key(tx, &creating)?;
        links::insert(tx, &link(2, 1))?;
        links::insert(tx, &link(3, 1))
    });
    made.await.expect("are kept");
    let take_back = world.write(|tx| {
        [1, 2, 3].iter().try_for_each(|key| links::delete_uncreated(tx, &key_id(*key)))?;
        versions::delete_uncreated(tx, &key_id(3), NOW)?;
        keys::delete_uncreated(tx, &key_id(3))
    });
    take_back.await.expect("is taken back");
    assert_eq!(
        world.read(|tx| links::list(tx, &key_id(1), &Page::first())).await.expect("a page").rows,
        vec![shown(2, 1)],
        "that of a key that is there stays"
    );
}

pub async fn names_in_use_are_found_by_their_beginning(world: World) {
    let world = world.with_house().await;
    let names = ["orders", "orders_copy1", "orders_copy", "orders_copy10", "orderz", "Orders_copy1"];
    let made = world.write(move |tx| (1..).zip(names).try_for_each(|(n, name)| insert_key(tx, &key_row(n, name))));
    made.await.expect("are made");
    let found = world.read(|tx| lineages::names_beginning(tx, &account(), "orders_copy")).await;
    assert_eq!(found, Ok(["orders_copy", "orders_copy1", "orders_copy10"].map(str::to_owned).to_vec()));
    let gone = world.write(|tx| {
        keys::transition(tx, &key_id(2), KeyState::Active, KeyState::Deleted, NOW)?;
        lineages::end_if_all_deleted(tx, &lineage_id(2))
    });
    gone.await.expect("is deleted");
    assert_eq!(world.read(|tx| lineages::names_beginning(tx, &account(), "orders_copy1")).await, Ok(vec!["orders_copy10".to_owned()]));
}
