//! Requests without an operation: an idempotency key serves once an account.

use keystead_store::{
    operations::Idempotency,
    requests::{self, RequestRow},
};

use crate::world::*;

fn request(key: &str, hash: &str) -> RequestRow {
    let same = Idempotency { key: key.to_owned(), request_hash: hash.to_owned() };
    RequestRow { account_id: account(), same, action: "user.create".to_owned(), subject: "cid".to_owned(), at: NOW }
}

pub async fn a_request_is_remembered_once_with_what_it_did(world: World) {
    let world = world.with_house().await;
    let remember = async |row: RequestRow| world.write(move |tx| requests::insert(tx, &row)).await;
    let found = async |key: &'static str| world.read(move |tx| requests::by_idempotency(tx, &account(), key)).await;
    assert_eq!(found("one").await, Ok(None));
    assert_eq!(remember(request("one", "a")).await, Ok(()));
    assert_eq!(found("one").await, Ok(Some(request("one", "a"))));
    let again = remember(request("one", "b")).await;
    assert!(matches!(&again, Err(error) if error.is_unique("requests")), "{again:?}");
    assert_eq!(found("one").await, Ok(Some(request("one", "a"))), "the first stays");
    assert_eq!(remember(request("two", "a")).await, Ok(()), "another key may do the same again");
}
