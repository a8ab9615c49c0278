//! Estates: plans that are being done, and what became of each change.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, ApplyId, KeyId, OperationId, Timestamp,
    batch::{BatchState, ItemState},
};

use super::page::{Listed, Page};
use crate::{Row, StoreError, Tx, Value};

/// A plan that is being done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyRow {
    /// Id.
    pub id: ApplyId,
    /// Account.
    pub account_id: AccountId,
    /// Of the plan, and of the state that it was made for.
    pub digest: String,
    /// Where it stands.
    pub state: BatchState,
    /// Who began it: a user's id.
    pub created_by: String,
    /// Their name.
    pub created_by_name: String,
    /// When.
    pub created_at: Timestamp,
    /// When its last change had its outcome.
    pub finished_at: Option<Timestamp>,
}

/// A change of an apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// The apply.
    pub apply_id: ApplyId,
    /// Its place, from 1.
    pub position: u32,
    /// Which value of the estate asked for it.
    pub path: String,
    /// What is done, in a word.
    pub action: String,
    /// What it is about: `default`, `keystore` or `key`.
    pub subject: String,
    /// The name of that.
    pub name: String,
    /// The keystore's name; empty where there is none.
    pub keystore: String,
    /// The key, if it was there when the plan was made.
    pub key_id: Option<KeyId>,
    /// That key's revision when the plan was made, or when the last operation of the same apply left it.
    pub seen_revision: Option<i64>,
    /// Everything that it does, JSON.
    pub change: String,
    /// How long one such change takes under the quotas, in microseconds.
    pub call_interval: i64,
    /// Where it stands.
    pub state: ItemState,
    /// Its operation.
    pub operation_id: Option<OperationId>,
    /// Why it waits, was skipped or failed, JSON.
    pub problem: Option<String>,
    /// It is not begun before then.
    pub not_before: Timestamp,
}

/// The same with how its operation stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedChange {
    /// The row.
    pub row: ChangeRow,
    /// State of the operation.
    pub operation: Option<String>,
    /// Why the operation waits or failed, JSON.
    pub operation_problem: Option<String>,
}

const APPLIES: &str = "SELECT id, account_id, digest, state, created_by, created_by_name, created_at, finished_at FROM estate_applies";
const ITEMS: &str =
    "SELECT i.apply_id, i.position, i.path, i.action, i.subject, i.name, i.keystore, i.key_id, i.seen_revision, i.change, i.call_interval, i.state, i.operation_id, i.problem,
    i.not_before, o.state, o.problem
  FROM estate_items i LEFT JOIN operations o ON o.id = i.operation_id";
/// What a change waits for, by how that stands.
const BEFORE: &str = "SELECT 1 FROM estate_waits w JOIN estate_items p ON p.apply_id = w.apply_id AND p.position = w.waits_for
   WHERE w.apply_id = i.apply_id AND w.position = i.position AND p.state";

fn read(row: Row) -> Result<ApplyRow, StoreError> {
    let mut row = row.read();
    Ok(ApplyRow {
        id: row.id()?,
        account_id: row.id()?,
        digest: row.text()?,
        state: BatchState::parse(&row.text()?)?,
        created_by: row.text()?,
        created_by_name: row.text()?,
        created_at: row.time()?,
        finished_at: row.opt_time()?,
    })
}

fn read_change(row: Row) -> Result<AppliedChange, StoreError> {
    let mut row = row.read();
    Ok(AppliedChange {
        row: ChangeRow {
            apply_id: row.id()?,
            position: row.count()?,
            path: row.text()?,
            action: row.text()?,
            subject: row.text()?,
            name: row.text()?,
            keystore: row.text()?,
            key_id: row.opt_id()?,
            seen_revision: row.opt_int()?,
            change: row.text()?,
            call_interval: row.int()?,
            state: ItemState::parse(&row.text()?)?,
            operation_id: row.opt_id()?,
            problem: row.opt_text()?,
            not_before: row.time()?,
        },
        operation: row.opt_text()?,
        operation_problem: row.opt_text()?,
    })
}

/// Begins an apply. One that is not at its end yet makes it not unique.
pub fn insert(tx: &mut Tx<'_>, apply: &ApplyRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO estate_applies (id, account_id, digest, state, created_by, created_by_name, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            apply.id.as_str().into(),
            apply.account_id.as_str().into(),
            (&apply.digest).into(),
            apply.state.as_str().into(),
            (&apply.created_by).into(),
            (&apply.created_by_name).into(),
            apply.created_at.into(),
        ],
    )
    .map(drop)
}

/// Adds a change, in the transaction that begins the apply, with the places of what it waits for.
pub fn insert_change(tx: &mut Tx<'_>, change: &ChangeRow, waits_for: &[u32]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO estate_items (apply_id, position, path, action, subject, name, keystore, key_id, seen_revision, change, call_interval, state, not_before)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &[
            change.apply_id.as_str().into(),
            change.position.into(),
            (&change.path).into(),
            (&change.action).into(),
            (&change.subject).into(),
            (&change.name).into(),
            (&change.keystore).into(),
            change.key_id.as_ref().map(KeyId::as_str).into(),
            change.seen_revision.into(),
            (&change.change).into(),
            change.call_interval.into(),
            change.state.as_str().into(),
            change.not_before.into(),
        ],
    )?;
    for before in waits_for {
        let values = [change.apply_id.as_str().into(), change.position.into(), (*before).into()];
        tx.execute("INSERT INTO estate_waits (apply_id, position, waits_for) VALUES ($1, $2, $3)", &values)?;
    }
    Ok(())
}

/// An apply of an account.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id: &str) -> Result<Option<ApplyRow>, StoreError> {
    tx.query_opt(&format!("{APPLIES} WHERE account_id = $1 AND id = $2"), &[account.as_str().into(), id.into()])?.map(read).transpose()
}

/// The apply of an account that is not at its end.
pub fn open_of(tx: &mut Tx<'_>, account: &AccountId) -> Result<Option<ApplyRow>, StoreError> {
    tx.query_opt(&format!("{APPLIES} WHERE account_id = $1 AND finished_at IS NULL"), &[account.as_str().into()])?.map(read).transpose()
}

/// Applies of every account that are not at their end, the oldest first.
pub fn open(tx: &mut Tx<'_>) -> Result<Vec<ApplyRow>, StoreError> {
    tx.query(&format!("{APPLIES} WHERE finished_at IS NULL ORDER BY id"), &[])?.into_iter().map(read).collect()
}

/// A page of applies, in the order in which they began.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<ApplyRow>, StoreError> {
    let values = [account.as_str().into(), page.after_or_start().into(), page.fetch().into()];
    let rows = tx.query(&format!("{APPLIES} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |apply| apply.id.to_string()))
}

/// How many changes of an apply stand where; states without any are left out.
pub fn counts(tx: &mut Tx<'_>, id: &ApplyId) -> Result<BTreeMap<ItemState, u64>, StoreError> {
    let rows = tx.query("SELECT state, COUNT(*) FROM estate_items WHERE apply_id = $1 GROUP BY state", &[id.as_str().into()])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            let state = ItemState::parse(&row.text()?)?;
            Ok((state, u64::try_from(row.int()?).unwrap_or(0)))
        })
        .collect()
}

/// A page of the changes of an apply, in order; the cursor is the place of the last one.
pub fn changes(tx: &mut Tx<'_>, id: &ApplyId, state: Option<ItemState>, page: &Page) -> Result<Listed<AppliedChange>, StoreError> {
    let after: i64 = page.after_or_start().parse().unwrap_or(0);
    let mut values: Vec<Value<'_>> = vec![id.as_str().into(), after.into(), page.fetch().into()];
    let narrowed = if state.is_some() { " AND i.state = $4" } else { "" };
    values.extend(state.map(|state| Value::from(state.as_str())));
    let rows = tx.query(&format!("{ITEMS} WHERE i.apply_id = $1 AND i.position > $2{narrowed} ORDER BY i.position LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read_change).collect();
    Ok(page.cut(rows?, |change| change.row.position.to_string()))
}

/// How many changes of an apply have an operation that runs, by keystore.
pub fn in_flight(tx: &mut Tx<'_>, id: &ApplyId) -> Result<BTreeMap<String, u32>, StoreError> {
    let sql = "SELECT keystore, COUNT(*) FROM estate_items WHERE apply_id = $1 AND state = 'RUNNING' GROUP BY keystore";
    let rows = tx.query(sql, &[id.as_str().into()])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok((row.text()?, row.count()?))
        })
        .collect()
}

/// The keystores in which changes of an apply wait.
pub fn waits_in(tx: &mut Tx<'_>, id: &ApplyId) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT keystore FROM estate_items WHERE apply_id = $1 AND state = 'WAITING' ORDER BY keystore";
    tx.query(sql, &[id.as_str().into()])?.into_iter().map(|row| row.read().text()).collect()
}

/// The next changes in a keystore that wait for nothing any more and do not rest, so many at most.
pub fn next(tx: &mut Tx<'_>, id: &ApplyId, keystore: &str, now: Timestamp, count: u32) -> Result<Vec<AppliedChange>, StoreError> {
    let sql = format!(
        "{ITEMS} WHERE i.apply_id = $1 AND i.keystore = $2 AND i.state = 'WAITING' AND i.not_before <= $3 AND NOT EXISTS ({BEFORE} IN ('WAITING', 'RUNNING'))
         ORDER BY i.position LIMIT $4"
    );
    tx.query(&sql, &[id.as_str().into(), keystore.into(), now.into(), count.into()])?.into_iter().map(read_change).collect()
}

/// The changes that wait for one that failed, or that was skipped: they cannot be done.
pub fn hopeless(tx: &mut Tx<'_>, id: &ApplyId) -> Result<Vec<AppliedChange>, StoreError> {
    let sql = format!("{ITEMS} WHERE i.apply_id = $1 AND i.state = 'WAITING' AND EXISTS ({BEFORE} IN ('FAILED', 'SKIPPED')) ORDER BY i.position");
    tx.query(&sql, &[id.as_str().into()])?.into_iter().map(read_change).collect()
}

/// The changes of an apply whose operation has ended, and whose outcome is not written yet.
pub fn ended(tx: &mut Tx<'_>, id: &ApplyId) -> Result<Vec<AppliedChange>, StoreError> {
    let sql = format!("{ITEMS} WHERE i.apply_id = $1 AND i.state = 'RUNNING' AND o.state IN ('SUCCEEDED', 'FAILED') ORDER BY i.position");
    tx.query(&sql, &[id.as_str().into()])?.into_iter().map(read_change).collect()
}

/// When the last of the operations ended for which a change waited; `None`: it waited for none.
pub fn waited_until(tx: &mut Tx<'_>, id: &ApplyId, position: u32) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT MAX(o.finished_at) FROM estate_waits w JOIN estate_items p ON p.apply_id = w.apply_id AND p.position = w.waits_for
       JOIN operations o ON o.id = p.operation_id WHERE w.apply_id = $1 AND w.position = $2";
    tx.query_opt(sql, &[id.as_str().into(), position.into()])?.map_or(Ok(None), |row| row.read().opt_time())
}

/// A change's operation begins, in the transaction of its intent, while its apply goes on; somebody faster makes it [`StoreError::MovedOn`].
pub fn begin_change(tx: &mut Tx<'_>, id: &ApplyId, position: u32, operation: &OperationId) -> Result<(), StoreError> {
    let held = tx.query_opt(&format!("{APPLIES} WHERE id = $1 AND state = 'RUNNING'{}", tx.dialect().for_update()), &[id.as_str().into()])?;
    if held.is_none() {
        return Err(StoreError::MovedOn("apply"));
    }
    tx.execute_one(
        "change of an apply",
        "UPDATE estate_items SET state = 'RUNNING', operation_id = $1, problem = NULL WHERE apply_id = $2 AND position = $3 AND state = 'WAITING'",
        &[operation.as_str().into(), id.as_str().into(), position.into()],
    )
}

/// A change has its outcome; somebody faster makes it [`StoreError::MovedOn`].
pub fn end_change(tx: &mut Tx<'_>, id: &ApplyId, position: u32, from: ItemState, to: ItemState, problem: Option<&str>) -> Result<(), StoreError> {
    tx.execute_one(
        "change of an apply",
        "UPDATE estate_items SET state = $1, problem = $2 WHERE apply_id = $3 AND position = $4 AND state = $5",
        &[to.as_str().into(), problem.into(), id.as_str().into(), position.into(), from.as_str().into()],
    )
}

/// An operation of an apply left a key so: what waits for that key in the same apply expects it so.
pub fn see_again(tx: &mut Tx<'_>, id: &ApplyId, key: &KeyId, revision: i64) -> Result<(), StoreError> {
    let sql = "UPDATE estate_items SET seen_revision = $1 WHERE apply_id = $2 AND key_id = $3 AND state = 'WAITING' AND seen_revision IS NOT NULL";
    tx.execute(sql, &[revision.into(), id.as_str().into(), key.as_str().into()]).map(drop)
}

/// The keys that changes of applies wait to bring back.
pub fn awaited(tx: &mut Tx<'_>) -> Result<Vec<KeyId>, StoreError> {
    let sql = "SELECT DISTINCT i.key_id FROM estate_items i JOIN estate_applies a ON a.id = i.apply_id
      WHERE a.finished_at IS NULL AND i.state = 'WAITING' AND i.action IN ('activate-key', 'cancel-deletion') AND i.key_id IS NOT NULL ORDER BY i.key_id";
    tx.query(sql, &[])?.into_iter().map(|row| row.read().id()).collect()
}

/// Somebody takes a key out of use: no apply that has begun brings it back. Answers how many changes failed by it.
pub fn take_out(tx: &mut Tx<'_>, key: &KeyId, problem: &str) -> Result<u64, StoreError> {
    let sql = "UPDATE estate_items SET state = 'FAILED', problem = $1
       WHERE key_id = $2 AND state = 'WAITING' AND action IN ('activate-key', 'cancel-deletion')";
    tx.execute(sql, &[problem.into(), key.as_str().into()])
}

/// A change that cannot be begun now rests, with the reason.
pub fn rest_change(tx: &mut Tx<'_>, id: &ApplyId, position: u32, until: Timestamp, problem: &str) -> Result<(), StoreError> {
    let values = [until.into(), problem.into(), id.as_str().into(), position.into()];
    tx.execute("UPDATE estate_items SET not_before = $1, problem = $2 WHERE apply_id = $3 AND position = $4 AND state = 'WAITING'", &values).map(drop)
}

/// Stops an apply: what waits is skipped, with the reason; what runs goes on. One that does not run any more is [`StoreError::MovedOn`].
pub fn stop(tx: &mut Tx<'_>, id: &ApplyId, problem: &str) -> Result<u64, StoreError> {
    tx.execute_one("apply", "UPDATE estate_applies SET state = 'STOPPED' WHERE id = $1 AND state = 'RUNNING'", &[id.as_str().into()])?;
    tx.execute("UPDATE estate_items SET state = 'SKIPPED', problem = $1 WHERE apply_id = $2 AND state = 'WAITING'", &[problem.into(), id.as_str().into()])
}

/// Ends an apply in which nothing waits or runs; `false` when there still is something, or it has ended.
pub fn finish(tx: &mut Tx<'_>, id: &ApplyId, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE estate_applies SET state = CASE WHEN state = 'RUNNING' THEN 'DONE' ELSE state END, finished_at = $1 WHERE id = $2 AND finished_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM estate_items WHERE apply_id = $2 AND state IN ('WAITING', 'RUNNING'))",
        &[now.into(), id.as_str().into()],
    )?;
    Ok(ended > 0)
}
