//! Batches: an action on many keys, and what became of each (CM-054 to CM-067 for many at once). The table is the journal: which keys is fixed when a batch begins.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, BatchId, KeyId, KeystoreId, OperationId, Timestamp,
    batch::{BatchState, ItemState},
};

use super::page::{Listed, Page};
use crate::{Row, StoreError, Tx, Value};

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// Id.
    pub id: BatchId,
    /// Account.
    pub account_id: AccountId,
    /// What is done to each key, JSON; opaque here.
    pub action: String,
    /// How the keys were chosen, JSON, for people.
    pub selector: String,
    /// Where it stands.
    pub state: BatchState,
    /// Who asked: a user's id.
    pub created_by: String,
    /// Their name then.
    pub created_by_name: String,
    /// When.
    pub created_at: Timestamp,
    /// When its last key had its outcome.
    pub finished_at: Option<Timestamp>,
}

/// A key of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// The batch.
    pub batch_id: BatchId,
    /// Its place, from 1: keys are begun in this order.
    pub position: u32,
    /// The key.
    pub key_id: KeyId,
    /// Its keystore.
    pub keystore_id: KeystoreId,
    /// Where it stands.
    pub state: ItemState,
    /// Its operation.
    pub operation_id: Option<OperationId>,
    /// Why it waits, was skipped or failed, JSON.
    pub problem: Option<String>,
    /// It is not begun before then.
    pub not_before: Timestamp,
}

/// The same with how its key is called and its operation stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The row.
    pub row: ItemRow,
    /// The key's name.
    pub key: String,
    /// The keystore's name.
    pub keystore: String,
    /// State of the operation.
    pub operation: Option<String>,
    /// Why the operation waits or failed, JSON.
    pub operation_problem: Option<String>,
}

const BATCHES: &str = "SELECT id, account_id, action, selector, state, created_by, created_by_name, created_at, finished_at FROM batches";
const ITEMS: &str =
    "SELECT i.batch_id, i.position, i.key_id, i.keystore_id, i.state, i.operation_id, i.problem, i.not_before, k.name, s.name, o.state, o.problem
  FROM batch_items i JOIN keys k ON k.id = i.key_id JOIN keystores s ON s.id = i.keystore_id LEFT JOIN operations o ON o.id = i.operation_id";

fn read(row: Row) -> Result<BatchRow, StoreError> {
    let mut row = row.read();
    Ok(BatchRow {
        id: row.id()?,
        account_id: row.id()?,
        action: row.text()?,
        selector: row.text()?,
        state: BatchState::parse(&row.text()?)?,
        created_by: row.text()?,
        created_by_name: row.text()?,
        created_at: row.time()?,
        finished_at: row.opt_time()?,
    })
}

fn read_item(row: Row) -> Result<Item, StoreError> {
    let mut row = row.read();
    Ok(Item {
        row: ItemRow {
            batch_id: row.id()?,
            position: row.count()?,
            key_id: row.id()?,
            keystore_id: row.id()?,
            state: ItemState::parse(&row.text()?)?,
            operation_id: row.opt_id()?,
            problem: row.opt_text()?,
            not_before: row.time()?,
        },
        key: row.text()?,
        keystore: row.text()?,
        operation: row.opt_text()?,
        operation_problem: row.opt_text()?,
    })
}

/// Begins a batch.
pub fn insert(tx: &mut Tx<'_>, batch: &BatchRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO batches (id, account_id, action, selector, state, created_by, created_by_name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            batch.id.as_str().into(),
            batch.account_id.as_str().into(),
            (&batch.action).into(),
            (&batch.selector).into(),
            batch.state.as_str().into(),
            (&batch.created_by).into(),
            (&batch.created_by_name).into(),
            batch.created_at.into(),
        ],
    )
    .map(drop)
}

/// Adds a key to a batch, in the transaction that begins it.
pub fn insert_item(tx: &mut Tx<'_>, item: &ItemRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO batch_items (batch_id, position, key_id, keystore_id, state, not_before) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            item.batch_id.as_str().into(),
            item.position.into(),
            item.key_id.as_str().into(),
            item.keystore_id.as_str().into(),
            item.state.as_str().into(),
            item.not_before.into(),
        ],
    )
    .map(drop)
}

/// A batch of an account.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id: &str) -> Result<Option<BatchRow>, StoreError> {
    tx.query_opt(&format!("{BATCHES} WHERE account_id = $1 AND id = $2"), &[account.as_str().into(), id.into()])?.map(read).transpose()
}

/// A page of batches, in the order in which they began.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<BatchRow>, StoreError> {
    let values = [account.as_str().into(), page.after_or_start().into(), page.fetch().into()];
    let rows = tx.query(&format!("{BATCHES} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |batch| batch.id.to_string()))
}

/// How many keys of a batch stand where; states without any are left out.
pub fn counts(tx: &mut Tx<'_>, id: &BatchId) -> Result<BTreeMap<ItemState, u64>, StoreError> {
    let rows = tx.query("SELECT state, COUNT(*) FROM batch_items WHERE batch_id = $1 GROUP BY state", &[id.as_str().into()])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            let state = ItemState::parse(&row.text()?)?;
            Ok((state, u64::try_from(row.int()?).unwrap_or(0)))
        })
        .collect()
}

/// A page of the keys of a batch, in the order in which they are begun; the cursor is the place of the last one.
pub fn items(tx: &mut Tx<'_>, id: &BatchId, state: Option<ItemState>, page: &Page) -> Result<Listed<Item>, StoreError> {
    let after: i64 = page.after_or_start().parse().unwrap_or(0);
    let mut values: Vec<Value<'_>> = vec![id.as_str().into(), after.into(), page.fetch().into()];
    let narrowed = if state.is_some() { " AND i.state = $4" } else { "" };
    values.extend(state.map(|state| Value::from(state.as_str())));
    let rows = tx.query(&format!("{ITEMS} WHERE i.batch_id = $1 AND i.position > $2{narrowed} ORDER BY i.position LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read_item).collect();
    Ok(page.cut(rows?, |item| item.row.position.to_string()))
}

/// Batches of every account in which something is not at its end, the oldest first.
pub fn open(tx: &mut Tx<'_>) -> Result<Vec<BatchRow>, StoreError> {
    tx.query(&format!("{BATCHES} WHERE finished_at IS NULL ORDER BY id"), &[])?.into_iter().map(read).collect()
}

/// How many keys of all batches have an operation that runs, by keystore.
pub fn in_flight(tx: &mut Tx<'_>) -> Result<BTreeMap<KeystoreId, u32>, StoreError> {
    let rows = tx.query("SELECT keystore_id, COUNT(*) FROM batch_items WHERE state = 'RUNNING' GROUP BY keystore_id", &[])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok((row.id()?, row.count()?))
        })
        .collect()
}

/// The keystores in which keys of a batch wait.
pub fn waits_in(tx: &mut Tx<'_>, id: &BatchId) -> Result<Vec<KeystoreId>, StoreError> {
    let rows =
        tx.query("SELECT DISTINCT keystore_id FROM batch_items WHERE batch_id = $1 AND state = 'WAITING' ORDER BY keystore_id", &[id.as_str().into()])?;
    rows.into_iter().map(|row| row.read().id()).collect()
}

/// The next keys of a batch in a keystore that wait and do not rest, so many at most.
pub fn next(tx: &mut Tx<'_>, id: &BatchId, keystore: &KeystoreId, now: Timestamp, count: u32) -> Result<Vec<Item>, StoreError> {
    let sql = format!("{ITEMS} WHERE i.batch_id = $1 AND i.keystore_id = $2 AND i.state = 'WAITING' AND i.not_before <= $3 ORDER BY i.position LIMIT $4");
    tx.query(&sql, &[id.as_str().into(), keystore.as_str().into(), now.into(), count.into()])?.into_iter().map(read_item).collect()
}

/// The keys of a batch whose operation has ended, and whose outcome is not written yet.
pub fn ended(tx: &mut Tx<'_>, id: &BatchId) -> Result<Vec<Item>, StoreError> {
    let sql = format!("{ITEMS} WHERE i.batch_id = $1 AND i.state = 'RUNNING' AND o.state IN ('SUCCEEDED', 'FAILED') ORDER BY i.position");
    tx.query(&sql, &[id.as_str().into()])?.into_iter().map(read_item).collect()
}

/// A key's operation begins, in the transaction of its intent, while its batch goes on; somebody faster makes it [`StoreError::MovedOn`].
pub fn begin_item(tx: &mut Tx<'_>, id: &BatchId, position: u32, operation: &OperationId) -> Result<(), StoreError> {
    let held = tx.query_opt(&format!("{BATCHES} WHERE id = $1 AND state = 'RUNNING'{}", tx.dialect().for_update()), &[id.as_str().into()])?;
    if held.is_none() {
        return Err(StoreError::MovedOn("batch"));
    }
    tx.execute_one(
        "batch item",
        "UPDATE batch_items SET state = 'RUNNING', operation_id = $1, problem = NULL WHERE batch_id = $2 AND position = $3 AND state = 'WAITING'",
        &[operation.as_str().into(), id.as_str().into(), position.into()],
    )
}

/// A key has its outcome; somebody faster makes it [`StoreError::MovedOn`].
pub fn end_item(tx: &mut Tx<'_>, id: &BatchId, position: u32, from: ItemState, to: ItemState, problem: Option<&str>) -> Result<(), StoreError> {
    tx.execute_one(
        "batch item",
        "UPDATE batch_items SET state = $1, problem = $2 WHERE batch_id = $3 AND position = $4 AND state = $5",
        &[to.as_str().into(), problem.into(), id.as_str().into(), position.into(), from.as_str().into()],
    )
}

/// The keys that wait in batches of these actions.
pub fn awaited(tx: &mut Tx<'_>, actions: [&str; 2]) -> Result<Vec<KeyId>, StoreError> {
    let sql = "SELECT DISTINCT i.key_id FROM batch_items i JOIN batches b ON b.id = i.batch_id
      WHERE i.state = 'WAITING' AND b.action IN ($1, $2) AND b.finished_at IS NULL ORDER BY i.key_id";
    tx.query(sql, &[actions[0].into(), actions[1].into()])?.into_iter().map(|row| row.read().id()).collect()
}

/// Somebody takes a key out of use: what waits for it in batches of these actions fails, so that none brings it back. Answers how many.
pub fn take_out(tx: &mut Tx<'_>, key: &KeyId, actions: [&str; 2], problem: &str) -> Result<u64, StoreError> {
    let sql = "UPDATE batch_items SET state = 'FAILED', problem = $1
       WHERE key_id = $2 AND state = 'WAITING' AND batch_id IN (SELECT id FROM batches WHERE action IN ($3, $4) AND finished_at IS NULL)";
    tx.execute(sql, &[problem.into(), key.as_str().into(), actions[0].into(), actions[1].into()])
}

/// A key that cannot be begun now rests, with the reason.
pub fn rest_item(tx: &mut Tx<'_>, id: &BatchId, position: u32, until: Timestamp, problem: &str) -> Result<(), StoreError> {
    let values = [until.into(), problem.into(), id.as_str().into(), position.into()];
    tx.execute("UPDATE batch_items SET not_before = $1, problem = $2 WHERE batch_id = $3 AND position = $4 AND state = 'WAITING'", &values).map(drop)
}

/// Stops a batch: what waits is skipped, with the reason; what runs goes on. One that does not run any more is [`StoreError::MovedOn`].
pub fn stop(tx: &mut Tx<'_>, id: &BatchId, problem: &str) -> Result<u64, StoreError> {
    tx.execute_one("batch", "UPDATE batches SET state = 'STOPPED' WHERE id = $1 AND state = 'RUNNING'", &[id.as_str().into()])?;
    tx.execute("UPDATE batch_items SET state = 'SKIPPED', problem = $1 WHERE batch_id = $2 AND state = 'WAITING'", &[problem.into(), id.as_str().into()])
}

/// Ends a batch in which nothing waits or runs; `false` when there still is something, or it has ended.
pub fn finish(tx: &mut Tx<'_>, id: &BatchId, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE batches SET state = CASE WHEN state = 'RUNNING' THEN 'DONE' ELSE state END, finished_at = $1 WHERE id = $2 AND finished_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM batch_items WHERE batch_id = $2 AND state IN ('WAITING', 'RUNNING'))",
        &[now.into(), id.as_str().into()],
    )?;
    Ok(ended > 0)
}
