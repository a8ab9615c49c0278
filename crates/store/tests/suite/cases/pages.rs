//! Lists by cursor: every limit sees every row once, in order.

use keystead_domain::KeyState;
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyFilter, KeyRow},
    keystores, lineages, operations,
    page::{Listed, Page},
    users,
};

use crate::world::*;

/// Goes through a list with every limit up to one more than it has rows, and answers the ids of the walk with limit 1 after checking that all are the same.
async fn walk<T: Send + 'static>(
    world: &World,
    count: u32,
    list: impl Fn(&mut Tx<'_>, &Page) -> Result<Listed<T>, StoreError> + Send + Copy + 'static,
    id: fn(&T) -> String,
) -> Vec<String> {
    let mut walks = Vec::new();
    for limit in 1..=count + 1 {
        let (mut page, mut seen) = (Page { after: None, limit }, Vec::new());
        loop {
            let wanted = page.clone();
            let listed = world.read(move |tx| list(tx, &wanted)).await.expect("is listed");
            assert!(listed.rows.len() <= limit as usize);
            seen.extend(listed.rows.iter().map(id));
            let Some(next) = listed.next else { break };
            page = Page::parse(Some(&next), Some(limit)).expect("a cursor is given back as it was");
        }
        walks.push(seen);
    }
    assert!(walks.iter().all(|seen| *seen == walks[0]), "every limit sees the same");
    walks.swap_remove(0)
}

pub async fn lists_come_in_pages_and_lose_nothing(world: World) {
    let world = world.with_keys(1..=7).await;
    let made = world.write(|tx| {
        (2..=5).try_for_each(|n| keystores::insert(tx, &keystore_row(n, &format!("keystore-{n}"))))?;
        (1..=5).try_for_each(|n| users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None))?;
        (1..=7).try_for_each(|n| operations::insert(tx, &operation_row(n), NOW, None))
    });
    made.await.expect("are made");
    let in_order = |count: u64, id: fn(u64) -> String| (1..=count).map(id).collect::<Vec<_>>();
    let keys = walk(&world, 7, |tx, page| keys::list(tx, &account(), &KeyFilter::default(), page), |key| key.id.to_string()).await;
    assert_eq!(keys, in_order(7, |n| key_id(n).to_string()));
    let keystores = walk(&world, 5, |tx, page| keystores::list(tx, &account(), page), |keystore| keystore.id.to_string()).await;
    assert_eq!(keystores, in_order(5, |n| keystore_id(n).to_string()));
    let users = walk(&world, 5, |tx, page| users::list(tx, &account(), page), |user| user.id.to_string()).await;
    assert_eq!(users, in_order(5, |n| user_id(n).to_string()));
    let mut newest_first = in_order(7, |n| operation_id(n).to_string());
    newest_first.reverse();
    let operations = walk(&world, 7, |tx, page| operations::list(tx, &account(), None, page), |operation| operation.id.to_string()).await;
    assert_eq!(operations, newest_first);
    let of_one_key = walk(&world, 7, |tx, page| operations::list(tx, &account(), Some(&key_id(3)), page), |operation| operation.id.to_string()).await;
    assert_eq!(of_one_key, [operation_id(3).to_string()]);
    assert_eq!(walk(&world, 1, |tx, page| keystores::list(tx, &account_id(2), page), |keystore| keystore.id.to_string()).await, Vec::<String>::new());
}

pub async fn a_list_of_keys_is_narrowed_by_every_filter(world: World) {
    let world = world.with_keys(1..=6).await;
    let made = world.write(|tx| {
        keystores::insert(tx, &keystore_row(2, "second"))?;
        insert_key(tx, &KeyRow { keystore_id: keystore_id(2), ..key_row(7, "key-7") })?;
        keys::insert(tx, &KeyRow { lineage_id: lineage_id(3), state: KeyState::Creating, ..key_row(8, "key-3") })?;
        lineages::set_current(tx, &lineage_id(3), &key_id(3), &key_id(8))?;
        keys::transition(tx, &key_id(3), KeyState::Active, KeyState::Replaced, NOW)
    });
    made.await.expect("are made");
    let list = async |keystore: Option<u64>, state: Option<KeyState>, name: Option<&str>| {
        let filter = KeyFilter { keystore: keystore.map(keystore_id), state, name: name.map(str::to_owned), ..KeyFilter::default() };
        let page = Page { after: Some(key_id(1).to_string()), limit: 10 };
        let listed = world.read(move |tx| keys::list(tx, &account(), &filter, &page)).await.expect("is listed");
        listed.rows.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, None).await, (2..=8).map(key_id).collect::<Vec<_>>());
    assert_eq!(list(Some(2), None, None).await, [key_id(7)]);
    assert_eq!(list(None, Some(KeyState::Replaced), None).await, [key_id(3)]);
    assert_eq!(list(None, None, Some("key-3")).await, [key_id(3), key_id(8)], "predecessors are listed");
    assert_eq!(list(Some(1), None, Some("key-3")).await, [key_id(3), key_id(8)]);
    assert_eq!(list(Some(1), Some(KeyState::Creating), Some("key-3")).await, [key_id(8)]);
    assert_eq!(list(Some(2), Some(KeyState::Creating), Some("key-3")).await, []);
}
