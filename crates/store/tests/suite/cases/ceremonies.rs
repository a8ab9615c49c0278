//! Ceremonies: keys that come in components, each by another person, which are wiped in the end (FX-015).

use keystead_domain::{CeremonyId, KeySpec, Timestamp, ceremony, ceremony::CeremonyState};
use keystead_store::{
    StoreError,
    ceremonies::{self, CeremonyRow, ComponentRow},
    page::Page,
};

use crate::world::*;

pub fn ceremony_id(n: u8) -> CeremonyId {
    CeremonyId::new(NOW, [0, 0, 0, 0, 0, 0, 0, 0, 0, n])
}

fn row(n: u8) -> CeremonyRow {
    CeremonyRow {
        id: ceremony_id(n),
        account_id: account(),
        name: format!("root-{n}"),
        keystore_id: keystore_id(1),
        keystore_name: "main".to_owned(),
        spec: KeySpec::Hmac384,
        components: 2,
        order: r#"{"usage":"mac"}"#.to_owned(),
        check_value: Some("hmac:0102030405".to_owned()),
        state: CeremonyState::Waiting,
        begun_by: "user_1".to_owned(),
        begun_by_name: "ann".to_owned(),
        begun_at: NOW,
        expires_at: ceremony::expires_at(NOW),
        operation_id: None,
        key_id: None,
        ended_at: None,
    }
}

pub fn component(n: u8, number: u32, by: &str) -> ComponentRow {
    let sealed = Some(format!("\0sealed {number}").into_bytes());
    ComponentRow { ceremony_id: ceremony_id(n), number, entered_by: by.to_owned(), entered_by_name: format!("{by}'s name"), entered_at: NOW, sealed }
}

/// A ceremony that waits, with both of its components.
pub async fn with_components(world: World) -> World {
    let world = world.with_house().await;
    let made = world.write(|tx| {
        ceremonies::insert(tx, &row(1))?;
        ceremonies::enter(tx, &component(1, 1, "user_1"))?;
        ceremonies::enter(tx, &component(1, 2, "user_2"))
    });
    made.await.expect("is kept");
    world
}

async fn found(world: &World, n: u8) -> CeremonyRow {
    world.read(move |tx| ceremonies::find(tx, &account(), ceremony_id(n).as_str())).await.expect("a store").expect("is there")
}

async fn sealed(world: &World, n: u8) -> Vec<Option<Vec<u8>>> {
    let components = world.read(move |tx| ceremonies::components(tx, &ceremony_id(n))).await.expect("a store");
    components.into_iter().map(|component| component.sealed).collect()
}

pub async fn a_ceremony_is_read_as_it_was_written_and_belongs_to_one_account(world: World) {
    let world = with_components(world).await;
    assert_eq!(found(&world, 1).await, row(1));
    let components = world.read(|tx| ceremonies::components(tx, &ceremony_id(1))).await;
    assert_eq!(components, Ok(vec![component(1, 1, "user_1"), component(1, 2, "user_2")]));
    assert_eq!(world.read(|tx| ceremonies::find(tx, &account_id(2), ceremony_id(1).as_str())).await, Ok(None));
    world.write(|tx| ceremonies::insert(tx, &row(2))).await.expect("is kept");
    let page =
        async |after: Option<String>| world.read(move |tx| ceremonies::list(tx, &account(), &Page { after: after.clone(), limit: 1 })).await.expect("a page");
    let first = page(None).await;
    assert_eq!((first.rows, &first.next), (vec![row(1)], &Some(ceremony_id(1).to_string())));
    let second = page(first.next).await;
    assert_eq!((second.rows, second.next), (vec![row(2)], None));
}

pub async fn nobody_enters_two_components_and_no_number_is_there_twice(world: World) {
    let world = with_components(world).await;
    for again in [component(1, 3, "user_1"), component(1, 2, "user_3")] {
        let entered = world.write(move |tx| ceremonies::enter(tx, &again)).await;
        assert!(entered.as_ref().is_err_and(|error| error.is_unique("ceremony_components")), "{entered:?}");
    }
    world.write(|tx| ceremonies::insert(tx, &row(2))).await.expect("is kept");
    assert_eq!(world.write(|tx| ceremonies::enter(tx, &component(2, 1, "user_1"))).await, Ok(()), "in another ceremony they may");
}

pub async fn components_wait_for_the_end_of_the_making_and_are_wiped_with_it(world: World) {
    let world = with_components(world).await;
    let make = async |now: Timestamp| world.write(move |tx| ceremonies::make(tx, &ceremony_id(1), &operation_id(7), &key_id(7), now)).await;
    let moved = Err(StoreError::MovedOn("ceremony"));
    assert_eq!(world.write(|tx| ceremonies::complete(tx, &ceremony_id(1), NOW)).await, moved, "it is not being made");
    assert_eq!(make(row(1).expires_at).await, moved, "its time is over");
    assert_eq!(make(NOW).await, Ok(()));
    assert_eq!(make(NOW).await, moved, "once");
    let making = found(&world, 1).await;
    assert_eq!((making.state, making.operation_id, making.key_id), (CeremonyState::Making, Some(operation_id(7)), Some(key_id(7))));
    assert_eq!(world.write(|tx| ceremonies::cancel(tx, &ceremony_id(1), NOW)).await, moved, "not while the key is being made");
    assert_eq!(world.write(|tx| ceremonies::expire(tx, &ceremony_id(1), NOW.plus_days(9))).await, moved);
    assert!(sealed(&world, 1).await.iter().all(Option::is_some));
    world.write(|tx| ceremonies::take_back(tx, &ceremony_id(1))).await.expect("waits again");
    assert_eq!((found(&world, 1).await.state, found(&world, 1).await.key_id), (CeremonyState::Waiting, None));
    assert_eq!(make(NOW).await, Ok(()), "and is made again");
    world.write(|tx| ceremonies::complete(tx, &ceremony_id(1), NOW.plus_days(1))).await.expect("is made");
    let made = found(&world, 1).await;
    assert_eq!((made.state, made.check_value, made.ended_at), (CeremonyState::Made, None, Some(NOW.plus_days(1))));
    assert_eq!(sealed(&world, 1).await, [None, None]);
    assert_eq!(world.write(|tx| ceremonies::take_back(tx, &ceremony_id(1))).await, moved);
}

pub async fn a_ceremony_that_is_cancelled_or_overdue_is_wiped(world: World) {
    let world = with_components(world).await;
    let hold = async |now: Timestamp| world.write(move |tx| ceremonies::hold_waiting(tx, &ceremony_id(1), now)).await;
    assert_eq!(hold(NOW).await, Ok(Some(row(1))));
    assert_eq!(hold(row(1).expires_at).await, Ok(None), "its time is over");
    world.write(|tx| ceremonies::cancel(tx, &ceremony_id(1), NOW)).await.expect("is cancelled");
    assert_eq!((found(&world, 1).await.state, sealed(&world, 1).await), (CeremonyState::Cancelled, vec![None, None]));
    assert_eq!(hold(NOW).await, Ok(None));
    let overdue = async |now: Timestamp| world.read(move |tx| ceremonies::overdue(tx, now, 10)).await.map(|rows| rows.len());
    world.write(|tx| ceremonies::insert(tx, &row(2)).and_then(|()| ceremonies::enter(tx, &component(2, 1, "user_1")))).await.expect("is kept");
    assert_eq!((overdue(NOW).await, overdue(row(2).expires_at).await), (Ok(0), Ok(1)), "to the microsecond; what was cancelled is not looked at");
    assert_eq!(world.write(|tx| ceremonies::expire(tx, &ceremony_id(2), NOW)).await, Err(StoreError::MovedOn("ceremony")), "not before its time");
    world.write(|tx| ceremonies::expire(tx, &ceremony_id(2), row(2).expires_at)).await.expect("is over");
    let expired = found(&world, 2).await;
    assert_eq!((expired.state, expired.check_value, sealed(&world, 2).await), (CeremonyState::Expired, None, vec![None]));
}
