//! Operations: durable changes in several steps, leased by one node at a time.

use std::collections::BTreeMap;

use keystead_domain::{AccountId, KeyId, KeystoreId, OperationId, Timestamp};

use super::{
    attempts,
    page::{Listed, Page},
};
use crate::{Row, StoreError, Tx};

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    /// Id.
    pub id: OperationId,
    /// Account.
    pub account_id: AccountId,
    /// What it does: the saga's name.
    pub kind: String,
    /// Keystore.
    pub keystore_id: KeystoreId,
    /// The key that it is about.
    pub key_id: Option<KeyId>,
    /// `RUNNING`, `SUCCEEDED` or `FAILED`.
    pub state: String,
    /// Position in the saga.
    pub step: u32,
    /// `forward` or `undo`.
    pub direction: String,
    /// All ids and values that it will ever use, JSON, versioned; never material.
    pub params: String,
    /// Why it waits or failed, JSON.
    pub problem: Option<String>,
    /// Attempts of the current step that failed.
    pub attempts: u32,
    /// When it runs next.
    pub run_at: Timestamp,
    /// The node that runs it.
    pub lease_owner: Option<String>,
    /// Counts the leases; a runner with an older number cannot write.
    pub fence: i64,
    /// Who asked: a user's id, or `system`.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, account_id, kind, keystore_id, key_id, state, step, direction, params, problem, attempts, run_at, lease_owner, fence, created_by,
  created_at, finished_at";

fn read(row: Row) -> Result<OperationRow, StoreError> {
    let mut row = row.read();
    Ok(OperationRow {
        id: row.id()?,
        account_id: row.id()?,
        kind: row.text()?,
        keystore_id: row.id()?,
        key_id: row.opt_id()?,
        state: row.text()?,
        step: row.count()?,
        direction: row.text()?,
        params: row.text()?,
        problem: row.opt_text()?,
        attempts: row.count()?,
        run_at: row.time()?,
        lease_owner: row.opt_text()?,
        fence: row.int()?,
        created_by: row.text()?,
        created_at: row.time()?,
        finished_at: row.opt_time()?,
    })
}

/// What makes a request the same as an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of what was asked, so that the same key for something else is noticed.
    pub request_hash: String,
}

/// Writes the intent: a running operation, leased to the node that writes it.
pub fn insert(tx: &mut Tx<'_>, operation: &OperationRow, lease_until: Timestamp, idempotency: Option<&Idempotency>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO operations (id, account_id, kind, keystore_id, key_id, state, step, direction, params, attempts, run_at, lease_owner, lease_until, fence,
           idempotency_key, request_hash, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, 'RUNNING', 0, 'forward', $6, 0, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            operation.id.as_str().into(),
            operation.account_id.as_str().into(),
            (&operation.kind).into(),
            operation.keystore_id.as_str().into(),
            operation.key_id.as_ref().map(KeyId::as_str).into(),
            (&operation.params).into(),
            operation.run_at.into(),
            operation.lease_owner.as_deref().into(),
            lease_until.into(),
            operation.fence.into(),
            idempotency.map(|same| same.key.as_str()).into(),
            idempotency.map(|same| same.request_hash.as_str()).into(),
            (&operation.created_by).into(),
            operation.created_at.into(),
        ],
    )
    .map(drop)
}

/// The operation that an idempotency key made, and the hash of what was asked then.
pub fn by_idempotency(tx: &mut Tx<'_>, account: &AccountId, key: &str) -> Result<Option<(OperationRow, String)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM operations WHERE account_id = $1 AND idempotency_key = $2");
    let Some(row) = tx.query_opt(&sql, &[account.as_str().into(), key.into()])? else { return Ok(None) };
    let operation = read(row)?;
    let hash = tx.query_opt("SELECT request_hash FROM operations WHERE id = $1", &[operation.id.as_str().into()])?;
    let hash = hash.map_or(Ok(None), |row| row.read().opt_text())?.unwrap_or_default();
    Ok(Some((operation, hash)))
}

/// An operation by id, inside an account.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id: &OperationId) -> Result<Option<OperationRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM operations WHERE account_id = $1 AND id = $2");
    tx.query_opt(&sql, &[account.as_str().into(), id.as_str().into()])?.map(read).transpose()
}

/// An operation by id, whatever the account.
pub fn by_id(tx: &mut Tx<'_>, id: &OperationId) -> Result<Option<OperationRow>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM operations WHERE id = $1"), &[id.as_str().into()])?.map(read).transpose()
}

/// A page of operations, newest first, of one key or of all.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, key: Option<&KeyId>, page: &Page) -> Result<Listed<OperationRow>, StoreError> {
    // "p" follows every id of the form op_…, so that the first page begins at the newest.
    let before = page.after.as_deref().unwrap_or("p");
    let mut sql = format!("SELECT {COLUMNS} FROM operations WHERE account_id = $1 AND id < $2");
    let mut values = vec![account.as_str().into(), before.into(), page.fetch().into()];
    if let Some(key) = key {
        sql.push_str(" AND key_id = $4");
        values.push(key.as_str().into());
    }
    sql.push_str(" ORDER BY id DESC LIMIT $3");
    let rows: Result<Vec<_>, _> = tx.query(&sql, &values)?.into_iter().map(read).collect();
    Ok(page.cut(rows?, |operation| operation.id.to_string()))
}

/// The records of the operations that name this key and ran at some time from `since` to `until`, however long each took.
pub fn ran_on(tx: &mut Tx<'_>, account: &AccountId, key: &KeyId, since: Timestamp, until: Timestamp) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT params FROM operations WHERE account_id = $1 AND (finished_at IS NULL OR finished_at >= $2) AND created_at <= $3 AND params LIKE $4";
    let named = format!("%{key}%");
    let values = [account.as_str().into(), since.into(), until.into(), (&named).into()];
    tx.query(sql, &values)?.into_iter().map(|row| row.read().text()).collect()
}

/// A page of the operations of one kind that were asked of a key, newest first.
pub fn of_kind(tx: &mut Tx<'_>, key: &KeyId, kind: &str, page: &Page) -> Result<Listed<OperationRow>, StoreError> {
    let before = page.after.as_deref().unwrap_or("p");
    let sql = format!("SELECT {COLUMNS} FROM operations WHERE key_id = $1 AND kind = $2 AND id < $3 ORDER BY id DESC LIMIT $4");
    let rows = tx.query(&sql, &[key.as_str().into(), kind.into(), before.into(), page.fetch().into()])?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |operation| operation.id.to_string()))
}

/// Leases operations that are due and that nobody holds, oldest first.
pub fn lease_due(tx: &mut Tx<'_>, owner: &str, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<OperationRow>, StoreError> {
    // MATERIALIZED: run once, whatever the planner thinks. Run again, the inner SELECT would skip what it has locked and take more than it may.
    let sql = format!(
        "WITH due AS MATERIALIZED
           (SELECT id FROM operations WHERE state = 'RUNNING' AND run_at <= $2 AND lease_until <= $2 ORDER BY run_at LIMIT $4{})
         UPDATE operations SET lease_owner = $1, lease_until = $3, fence = fence + 1, woken = 0 WHERE id IN (SELECT id FROM due)
         RETURNING {COLUMNS}",
        tx.dialect().for_update_skip_locked()
    );
    let rows = tx.query(&sql, &[owner.into(), now.into(), until.into(), limit.into()])?;
    let mut leased: Vec<OperationRow> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    // RETURNING promises no order.
    leased.sort_by(|a, b| (a.run_at, &a.id).cmp(&(b.run_at, &b.id)));
    Ok(leased)
}

/// Whether any operation ever ran in a keystore.
pub fn any_in_keystore(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<bool, StoreError> {
    Ok(tx.query_opt("SELECT 1 FROM operations WHERE keystore_id = $1 LIMIT 1", &[keystore.as_str().into()])?.is_some())
}

/// Whether any operation is due: a look without a write.
pub fn any_due(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM operations WHERE state = 'RUNNING' AND run_at <= $1 AND lease_until <= $1 LIMIT 1";
    Ok(!tx.query(sql, &[now.into()])?.is_empty())
}

/// Prolongs the leases of what a node has in hand: an operation may wait long for a quota.
pub fn renew_leases(tx: &mut Tx<'_>, owner: &str, in_hand: &[OperationId], until: Timestamp) -> Result<u64, StoreError> {
    let sql = "UPDATE operations SET lease_until = $2 WHERE id = $3 AND lease_owner = $1 AND state = 'RUNNING' AND lease_until > 0";
    in_hand.iter().try_fold(0, |renewed, id| Ok(renewed + tx.execute(sql, &[owner.into(), until.into(), id.as_str().into()])?))
}

/// Gives a lease back, if it is still ours: the run was interrupted, and any node may go on from `run_at`.
pub fn let_go(tx: &mut Tx<'_>, id: &OperationId, fence: i64, run_at: Timestamp) -> Result<u64, StoreError> {
    let sql = "UPDATE operations SET lease_until = 0, run_at = $3 WHERE id = $1 AND fence = $2 AND state = 'RUNNING'";
    tx.execute(sql, &[id.as_str().into(), fence.into(), run_at.into()])
}

/// Whether a lease is still ours and holds beyond `until`.
pub fn is_held(tx: &mut Tx<'_>, id: &OperationId, fence: i64, until: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM operations WHERE id = $1 AND fence = $2 AND state = 'RUNNING' AND lease_until > $3";
    Ok(tx.query_opt(sql, &[id.as_str().into(), fence.into(), until.into()])?.is_some())
}

/// Frees every lease: at the start of the only process on this database they are all from an earlier life.
pub fn free_all_leases(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute("UPDATE operations SET lease_until = 0, lease_owner = NULL WHERE state = 'RUNNING'", &[])
}

/// Where an operation goes on, and until when the lease holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Next position.
    pub step: u32,
    /// `forward` or `undo`.
    pub direction: &'static str,
    /// Attempts of that step so far.
    pub attempts: u32,
    /// Why it waits.
    pub problem: Option<String>,
    /// When it runs next.
    pub run_at: Timestamp,
    /// Until when the lease holds; in the past to let go.
    pub lease_until: Timestamp,
}

/// Notes progress, if the lease is still ours. Who was woken while the step ran does not wait: whoever woke it could not know that the step would fail, and the
/// statement that would let it wait is the one that sees the waking.
pub fn progress(tx: &mut Tx<'_>, id: &OperationId, fence: i64, to: &Progress) -> Result<(), StoreError> {
    tx.execute_one(
        "operation lease",
        "UPDATE operations SET step = $1, direction = $2, attempts = $3, problem = $4, run_at = CASE WHEN woken = 1 THEN run_at ELSE $5 END, woken = 0,
           lease_until = $6
         WHERE id = $7 AND fence = $8 AND state = 'RUNNING'",
        &[
            to.step.into(),
            to.direction.into(),
            to.attempts.into(),
            to.problem.as_deref().into(),
            to.run_at.into(),
            to.lease_until.into(),
            id.as_str().into(),
            fence.into(),
        ],
    )
}

/// Ends an operation, if the lease is still ours. A failure of what the schedule began lets the key rest.
pub fn finish(tx: &mut Tx<'_>, id: &OperationId, fence: i64, state: &'static str, problem: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(
        "operation lease",
        "UPDATE operations SET state = $1, problem = $2, finished_at = $3, lease_until = 0, lease_owner = NULL WHERE id = $4 AND fence = $5 AND state = 'RUNNING'",
        &[state.into(), problem.into(), now.into(), id.as_str().into(), fence.into()],
    )?;
    if state == "FAILED" { attempts::failed(tx, id, now) } else { Ok(()) }
}

/// A waiting operation runs now; one whose step is under way, and may still fail for what has just been mended, will not wait then.
const WAKE: &str = "UPDATE operations SET woken = 1, run_at = CASE WHEN run_at > $1 THEN $1 ELSE run_at END WHERE state = 'RUNNING'";

/// Makes every operation that waits, or is about to, run now: what all of them waited for is there. Answers how many run.
pub fn wake_all(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(WAKE, &[now.into()])
}

/// Makes an operation that waits, or is about to, run now: a person mended what it waited for.
pub fn wake(tx: &mut Tx<'_>, id: &OperationId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&format!("{WAKE} AND id = $2"), &[now.into(), id.as_str().into()]).map(drop)
}

/// Asks a running operation to take back what it did, as far as it can: somebody needs its key now. `false` when it was asked before, or has ended.
pub fn ask_to_turn(tx: &mut Tx<'_>, id: &OperationId, now: Timestamp) -> Result<bool, StoreError> {
    wake(tx, id, now)?;
    Ok(tx.execute("UPDATE operations SET turn_asked = 1 WHERE id = $1 AND turn_asked = 0 AND state = 'RUNNING'", &[id.as_str().into()])? > 0)
}

/// Whether a running operation was asked to take back what it did.
pub fn is_asked_to_turn(tx: &mut Tx<'_>, id: &OperationId) -> Result<bool, StoreError> {
    Ok(tx.query_opt("SELECT id FROM operations WHERE id = $1 AND turn_asked = 1 AND state = 'RUNNING'", &[id.as_str().into()])?.is_some())
}

/// How many operations that the schedule began are running, by keystore; keystores without any are left out.
pub fn running_by_themselves(tx: &mut Tx<'_>) -> Result<BTreeMap<KeystoreId, i64>, StoreError> {
    let rows = tx.query("SELECT keystore_id, COUNT(*) FROM operations WHERE state = 'RUNNING' AND created_by = 'system' GROUP BY keystore_id", &[])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok((row.id()?, row.int()?))
        })
        .collect()
}

/// How many operations there are of one kind in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The saga's name.
    pub kind: String,
    /// `RUNNING`, `SUCCEEDED` or `FAILED`.
    pub state: String,
    /// How many, of all accounts.
    pub count: i64,
}

/// Counts all operations by kind and state, for the metrics.
pub fn counts(tx: &mut Tx<'_>) -> Result<Vec<Count>, StoreError> {
    let rows = tx.query("SELECT kind, state, COUNT(*) FROM operations GROUP BY kind, state ORDER BY kind, state", &[])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok(Count { kind: row.text()?, state: row.text()?, count: row.int()? })
        })
        .collect()
}
