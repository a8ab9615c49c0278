//! Exports: prepared by one person, used up by one download (CM-063 to CM-066).

use keystead_store::{
    StoreError,
    exports::{self, ExportRow},
};

use crate::world::*;

fn export(by: &str, minutes: i64) -> ExportRow {
    ExportRow {
        key_id: key_id(1),
        account_id: account(),
        public_key: format!("-----BEGIN PUBLIC KEY-----\n{by}\n-----END PUBLIC KEY-----\n"),
        prepared_by: by.to_owned(),
        prepared_at: NOW.plus_micros(minutes * 60_000_000),
        seal: format!("\0seal {by} {minutes}").into_bytes(),
    }
}

pub async fn an_export_is_used_up_once(world: World) {
    let world = world.with_keys(1..=1).await;
    let prepare = async |row: ExportRow| world.write(move |tx| exports::prepare(tx, &row)).await;
    let consume = async |row: ExportRow| world.write(move |tx| exports::consume(tx, &row)).await;
    let prepared = async || world.read(|tx| exports::of_key(tx, &key_id(1))).await;
    assert_eq!(prepared().await, Ok(None));
    assert_eq!(prepare(export("ana", 0)).await, Ok(()));
    assert_eq!(prepare(export("ben", 1)).await, Ok(()));
    assert_eq!(prepared().await, Ok(Some(export("ben", 1))), "the later takes the place of the earlier");
    assert_eq!(consume(export("ana", 0)).await, Err(StoreError::MovedOn("export")));
    assert_eq!(consume(export("ben", 0)).await, Err(StoreError::MovedOn("export")), "the same person's earlier one is not it");
    assert_eq!(consume(export("ben", 1)).await, Ok(()));
    assert_eq!(prepared().await, Ok(None));
    assert_eq!(consume(export("ben", 1)).await, Err(StoreError::MovedOn("export")), "once");
    assert_eq!(prepare(export("ana", 2)).await, Ok(()));
    world.write(|tx| exports::forget(tx, &key_id(1))).await.expect("is forgotten");
    assert_eq!(prepared().await, Ok(None));
    world.write(|tx| exports::forget(tx, &key_id(1))).await.expect("what is not there is forgotten already");
}
