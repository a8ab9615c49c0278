//! Drills of the kill switch: which keystores are drilled how often, and what came of each drill (FT-019).

use std::collections::BTreeSet;

use keystead_domain::{DrillId, KeyId, KeystoreId, OperationId, Timestamp, drill::DrillState};

use super::{
    page::{Listed, Page},
    readable::{Unreadable, parted},
};
use crate::{Row, StoreError, Tx};

/// How a keystore is drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillPolicyRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// The time between two drills, in microseconds.
    pub every: i64,
    /// How long a cloud may take to refuse a killed canary, in microseconds.
    pub within: i64,
    /// When the next one begins.
    pub next_at: Timestamp,
    /// When it was set.
    pub set_at: Timestamp,
    /// By whom: a user's id.
    pub set_by: String,
}

/// A drill on one canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRow {
    /// Id.
    pub id: DrillId,
    /// Keystore.
    pub keystore_id: KeystoreId,
    /// The canary; `None` where none could be killed.
    pub key_id: Option<KeyId>,
    /// How it stands.
    pub state: DrillState,
    /// The kill.
    pub kill_id: Option<OperationId>,
    /// The operation behind the state: the kill, or the newest restore.
    pub operation_id: Option<OperationId>,
    /// How long the cloud may take, in microseconds.
    pub within: i64,
    /// When it began.
    pub begun_at: Timestamp,
    /// It is not looked at before then.
    pub next_at: Timestamp,
    /// The longest time until a cloud refused, in microseconds.
    pub dark: Option<i64>,
    /// Why it did not go as it should.
    pub why: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// How the drills of the installation stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrillCounts {
    /// How many keystores are drilled.
    pub drilled: i64,
    /// How many of them have never had a success.
    pub without_success: i64,
    /// The last success of that keystore whose is longest ago.
    pub oldest_success: Option<Timestamp>,
}

const POLICIES: &str = "SELECT p.keystore_id, p.every, p.within, p.next_at, p.set_at, p.set_by FROM drill_policies p";
const DRILLS: &str = "SELECT id, keystore_id, key_id, state, kill_id, operation_id, within, begun_at, next_at, dark, why, ended_at FROM drills";

fn read_policy(row: Row) -> Result<DrillPolicyRow, StoreError> {
    let mut row = row.read();
    Ok(DrillPolicyRow { keystore_id: row.id()?, every: row.int()?, within: row.int()?, next_at: row.time()?, set_at: row.time()?, set_by: row.text()? })
}

fn read(row: Row) -> Result<DrillRow, StoreError> {
    let mut row = row.read();
    Ok(DrillRow {
        id: row.id()?,
        keystore_id: row.id()?,
        key_id: row.opt_id()?,
        state: DrillState::parse(&row.text()?)?,
        kill_id: row.opt_id()?,
        operation_id: row.opt_id()?,
        within: row.int()?,
        begun_at: row.time()?,
        next_at: row.time()?,
        dark: row.opt_int()?,
        why: row.opt_text()?,
        ended_at: row.opt_time()?,
    })
}

/// How a keystore is drilled; `None`: not at all.
pub fn policy_of(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Option<DrillPolicyRow>, StoreError> {
    tx.query_opt(&format!("{POLICIES} WHERE p.keystore_id = $1"), &[keystore.as_str().into()])?.map(read_policy).transpose()
}

/// Says how a keystore is drilled from now on.
pub fn set_policy(tx: &mut Tx<'_>, policy: &DrillPolicyRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO drill_policies (keystore_id, every, within, next_at, set_at, set_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (keystore_id) DO UPDATE SET every = $2, within = $3, next_at = $4, set_at = $5, set_by = $6",
        &[policy.keystore_id.as_str().into(), policy.every.into(), policy.within.into(), policy.next_at.into(), policy.set_at.into(), (&policy.set_by).into()],
    )
    .map(drop)
}

/// Lets a keystore be drilled no more. What runs is restored all the same.
pub fn clear_policy(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM drill_policies WHERE keystore_id = $1", &[keystore.as_str().into()]).map(drop)
}

/// The keystores in use whose drill is due, and in which none runs.
pub fn due(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<DrillPolicyRow>, StoreError> {
    let sql = format!(
        "{POLICIES} JOIN keystores s ON s.id = p.keystore_id WHERE p.next_at <= $1 AND s.state = 'ACTIVE'
           AND NOT EXISTS (SELECT 1 FROM drills d WHERE d.keystore_id = p.keystore_id AND d.ended_at IS NULL) ORDER BY p.next_at, p.keystore_id"
    );
    tx.query(&sql, &[now.into()])?.into_iter().map(read_policy).collect()
}

/// Takes a drill that is due, and sets the next; somebody faster makes it [`StoreError::MovedOn`].
pub fn take(tx: &mut Tx<'_>, keystore: &KeystoreId, seen: Timestamp, next_at: Timestamp) -> Result<(), StoreError> {
    let values = [next_at.into(), keystore.as_str().into(), seen.into()];
    tx.execute_one("drill", "UPDATE drill_policies SET next_at = $1 WHERE keystore_id = $2 AND next_at = $3", &values)
}

/// Writes a drill, in the transaction of the kill's intent: from then on the canary is restored.
pub fn insert(tx: &mut Tx<'_>, row: &DrillRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO drills (id, keystore_id, key_id, state, kill_id, operation_id, within, begun_at, next_at, dark, why, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            row.id.as_str().into(),
            row.keystore_id.as_str().into(),
            row.key_id.as_ref().map(KeyId::as_str).into(),
            row.state.as_str().into(),
            row.kill_id.as_ref().map(OperationId::as_str).into(),
            row.operation_id.as_ref().map(OperationId::as_str).into(),
            row.within.into(),
            row.begun_at.into(),
            row.next_at.into(),
            row.dark.into(),
            row.why.as_ref().into(),
            row.ended_at.into(),
        ],
    )
    .map(drop)
}

/// The drills that run and may be looked at. One that cannot be read holds up no other.
pub fn open(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<DrillRow>, StoreError> {
    let (found, left_out) = parted(tx.query(&format!("{DRILLS} WHERE ended_at IS NULL AND next_at <= $1 ORDER BY next_at, id"), &[now.into()])?, read);
    left_out.iter().for_each(Unreadable::tell);
    Ok(found)
}

/// Notes the restore that was begun; somebody faster makes it [`StoreError::MovedOn`].
pub fn restoring(tx: &mut Tx<'_>, row: &DrillRow, restore: &OperationId) -> Result<(), StoreError> {
    let values = [restore.as_str().into(), row.id.as_str().into(), row.operation_id.as_ref().map(OperationId::as_str).into()];
    tx.execute_one("drill", "UPDATE drills SET state = 'RESTORING', operation_id = $1 WHERE id = $2 AND operation_id = $3 AND ended_at IS NULL", &values)
}

/// Notes how the keys stand that a drill has taken out of use.
pub fn note_victims<'a>(tx: &mut Tx<'_>, id: &DrillId, keys: impl Iterator<Item = &'a KeyId>) -> Result<(), StoreError> {
    for key in keys {
        tx.execute("DELETE FROM drill_victims WHERE drill_id = $1 AND key_id = $2", &[id.as_str().into(), key.as_str().into()])?;
        let sql = "INSERT INTO drill_victims (drill_id, key_id, revision) SELECT CAST($1 AS TEXT), id, revision FROM keys WHERE id = $2";
        tx.execute_one("key", sql, &[id.as_str().into(), key.as_str().into()])?;
    }
    Ok(())
}

/// Whether a key is as it was when the drill had taken it out of use.
pub fn is_as_noted(tx: &mut Tx<'_>, id: &DrillId, key: &KeyId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM drill_victims v JOIN keys k ON k.id = v.key_id AND k.revision = v.revision WHERE v.drill_id = $1 AND v.key_id = $2";
    Ok(tx.query_opt(sql, &[id.as_str().into(), key.as_str().into()])?.is_some())
}

/// The drills that run and have taken a key out of use.
pub fn open_with(tx: &mut Tx<'_>, key: &KeyId) -> Result<Vec<DrillRow>, StoreError> {
    let sql = format!("{DRILLS} WHERE ended_at IS NULL AND id IN (SELECT drill_id FROM drill_victims WHERE key_id = $1) ORDER BY id");
    let (found, left_out) = parted(tx.query(&sql, &[key.as_str().into()])?, read);
    left_out.iter().for_each(Unreadable::tell);
    Ok(found)
}

/// The keys of a keystore that a drill which runs has taken out of use.
pub fn open_victims(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Vec<KeyId>, StoreError> {
    let sql = "SELECT v.key_id FROM drill_victims v JOIN drills d ON d.id = v.drill_id JOIN keys k ON k.id = v.key_id
      WHERE k.keystore_id = $1 AND d.ended_at IS NULL ORDER BY v.key_id";
    tx.query(sql, &[keystore.as_str().into()])?.into_iter().map(|row| row.read().id()).collect()
}

/// Says which keys of a keystore may be drilled from now on.
pub fn set_canaries<'a>(tx: &mut Tx<'_>, keystore: &KeystoreId, keys: impl Iterator<Item = &'a KeyId>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM drill_canaries WHERE keystore_id = $1", &[keystore.as_str().into()])?;
    for key in keys {
        tx.execute("INSERT INTO drill_canaries (keystore_id, key_id) VALUES ($1, $2)", &[keystore.as_str().into(), key.as_str().into()])?;
    }
    Ok(())
}

/// The keys that the drills of a keystore may take out of use.
pub fn canaries(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<BTreeSet<KeyId>, StoreError> {
    let rows = tx.query("SELECT key_id FROM drill_canaries WHERE keystore_id = $1", &[keystore.as_str().into()])?;
    rows.into_iter().map(|row| row.read().id()).collect()
}

/// Looks at one again at this time.
pub fn rest(tx: &mut Tx<'_>, id: &DrillId, next_at: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE drills SET next_at = $1 WHERE id = $2 AND ended_at IS NULL", &[next_at.into(), id.as_str().into()]).map(drop)
}

/// Says what came of a drill; somebody faster makes it [`StoreError::MovedOn`].
pub fn end(tx: &mut Tx<'_>, id: &DrillId, state: DrillState, dark: Option<i64>, why: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    let values = [state.as_str().into(), dark.into(), why.into(), now.into(), id.as_str().into()];
    tx.execute_one("drill", "UPDATE drills SET state = $1, dark = $2, why = $3, ended_at = $4 WHERE id = $5 AND ended_at IS NULL", &values)
}

/// A page of a keystore's drills, the newest first.
pub fn list(tx: &mut Tx<'_>, keystore: &KeystoreId, page: &Page) -> Result<Listed<DrillRow>, StoreError> {
    // "e" follows every id of the form drill_…, so that the first page begins at the newest.
    let before = page.after.as_deref().unwrap_or("e");
    let sql = format!("{DRILLS} WHERE keystore_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    let rows: Result<Vec<_>, _> = tx.query(&sql, &[keystore.as_str().into(), before.into(), page.fetch().into()])?.into_iter().map(read).collect();
    Ok(page.cut(rows?, |row| row.id.to_string()))
}

/// When a keystore's kill switch was last shown to work.
pub fn last_success(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Option<Timestamp>, StoreError> {
    let row = tx.query_opt("SELECT MAX(ended_at) FROM drills WHERE keystore_id = $1 AND state = 'SUCCEEDED'", &[keystore.as_str().into()])?;
    row.map_or(Ok(None), |row| row.read().opt_time())
}

/// How the drills of the installation stand.
pub fn counts(tx: &mut Tx<'_>) -> Result<DrillCounts, StoreError> {
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN l.last IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT), MIN(l.last)
      FROM drill_policies p JOIN keystores s ON s.id = p.keystore_id
      LEFT JOIN (SELECT keystore_id, MAX(ended_at) AS last FROM drills WHERE state = 'SUCCEEDED' GROUP BY keystore_id) l ON l.keystore_id = p.keystore_id
      WHERE s.state = 'ACTIVE'";
    let Some(row) = tx.query_opt(sql, &[])? else { return Ok(DrillCounts::default()) };
    let mut row = row.read();
    Ok(DrillCounts { drilled: row.int()?, without_success: row.int()?, oldest_success: row.opt_time()? })
}
