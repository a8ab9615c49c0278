//! Restores: which keys of a keystore have lost their material, and how far each is on its way back (CM-037, FX-003).

use keystead_domain::{KeyId, KeystoreId, OperationId, Timestamp};

use super::{
    keys::{self, KeyRow},
    warm::IN_USE,
};
use crate::{Row, StoreError, Tx};

/// A restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRow {
    /// Its operation.
    pub operation_id: OperationId,
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// The last key that was looked at; empty before the first.
    pub after: String,
    /// How many were looked at.
    pub looked: i64,
    /// Of those, the ones that the cloud does not let be looked at.
    pub hidden: i64,
}

/// What a look found of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its material.
    Material,
    /// The key itself: it is not in the cloud any more.
    Key,
}

impl Loss {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Material => "LOST",
            Self::Key => "GONE",
        }
    }
}

/// A key that a restore gives its material back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRow {
    /// The key.
    pub key_id: KeyId,
    /// How important: 1 comes first.
    pub importance: u32,
    /// The operation that gives it back, once that has begun.
    pub upload_id: Option<OperationId>,
}

/// How many keys stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Not begun yet.
    pub waiting: i64,
    /// On their way.
    pub running: i64,
    /// They have their material again.
    pub restored: i64,
    /// They were begun and taken back, or could not be begun.
    pub failed: i64,
    /// The keys themselves are gone.
    pub gone: i64,
}

/// A key that did not get its material back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRow {
    /// The key.
    pub key_id: KeyId,
    /// Its name.
    pub name: String,
    /// The cloud's name of it.
    pub cloud_arn: Option<String>,
    /// Whether the key itself is gone.
    pub is_gone: bool,
    /// Why not, as a problem in JSON; none of a key that is gone.
    pub problem: Option<String>,
}

/// What a keystore has to be restored, as its rows say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stock {
    /// Keys whose material should be there.
    pub keys: i64,
    /// Of those, the warm ones.
    pub warm: i64,
    /// Materials of all: a key that was rotated in place has several.
    pub materials: i64,
    /// Keys that are pairs.
    pub pairs: i64,
}

/// Begins one.
pub fn begin(tx: &mut Tx<'_>, operation: &OperationId, keystore: &KeystoreId) -> Result<(), StoreError> {
    let sql = "INSERT INTO restores (operation_id, keystore_id, after_key, looked, hidden) VALUES ($1, $2, '', 0, 0)";
    tx.execute(sql, &[operation.as_str().into(), keystore.as_str().into()]).map(drop)
}

/// A restore by its operation.
pub fn of(tx: &mut Tx<'_>, operation: &OperationId) -> Result<Option<RestoreRow>, StoreError> {
    let row =
        tx.query_opt("SELECT operation_id, keystore_id, after_key, looked, hidden FROM restores WHERE operation_id = $1", &[operation.as_str().into()])?;
    row.map(|row| {
        let mut row = row.read();
        Ok(RestoreRow { operation_id: row.id()?, keystore_id: row.id()?, after: row.text()?, looked: row.int()?, hidden: row.int()? })
    })
    .transpose()
}

/// The keys of a keystore behind an id whose material should be in the cloud now.
pub fn candidates(tx: &mut Tx<'_>, keystore: &KeystoreId, now: Timestamp, after: &str, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!("{} WHERE k.keystore_id = $1 AND {IN_USE} AND k.id > $3 ORDER BY k.id LIMIT {limit}", keys::COLUMNS);
    tx.query(&sql, &[keystore.as_str().into(), now.into(), after.into()])?.into_iter().map(keys::read).collect()
}

/// Only who holds the operation's lease writes.
const HELD: &str = "EXISTS (SELECT 1 FROM operations o WHERE o.id = restores.operation_id AND o.fence = $2 AND o.state = 'RUNNING')";

/// Notes how far the look is, if the lease is still ours.
pub fn go_on(tx: &mut Tx<'_>, operation: &OperationId, fence: i64, after: &KeyId, looked: i64, hidden: i64) -> Result<(), StoreError> {
    let sql = format!("UPDATE restores SET after_key = $3, looked = looked + $4, hidden = hidden + $5 WHERE operation_id = $1 AND {HELD}");
    tx.execute_one("operation lease", &sql, &[operation.as_str().into(), fence.into(), after.as_str().into(), looked.into(), hidden.into()])
}

/// Notes a loss.
pub fn add(tx: &mut Tx<'_>, operation: &OperationId, key: &KeyId, importance: u32, loss: Loss) -> Result<(), StoreError> {
    let sql = "INSERT INTO restore_keys (operation_id, key_id, importance, state) VALUES ($1, $2, $3, $4) ON CONFLICT (operation_id, key_id) DO NOTHING";
    tx.execute(sql, &[operation.as_str().into(), key.as_str().into(), importance.into(), loss.as_str().into()]).map(drop)
}

/// The keys behind a place that wait for their material, the most important first; only those that are warm until `until`, or only the others.
pub fn waiting(tx: &mut Tx<'_>, operation: &OperationId, warm: bool, until: Timestamp, after: (u32, &str), limit: u32) -> Result<Vec<LostRow>, StoreError> {
    let exists = if warm { "EXISTS" } else { "NOT EXISTS" };
    let sql = format!(
        "SELECT key_id, importance, upload_id FROM restore_keys r WHERE operation_id = $1 AND state = 'LOST' AND (importance > $3 OR (importance = $3 AND key_id > $4))
           AND {exists} (SELECT 1 FROM warm_parameters w WHERE w.key_id = r.key_id AND w.valid_to > $2) ORDER BY importance, key_id LIMIT {limit}"
    );
    let (importance, key) = after;
    tx.query(&sql, &[operation.as_str().into(), until.into(), importance.into(), key.into()])?.into_iter().map(read_lost).collect()
}

/// The keys that an earlier life began and whose operations still run.
pub fn begun(tx: &mut Tx<'_>, operation: &OperationId) -> Result<Vec<LostRow>, StoreError> {
    let sql = "SELECT r.key_id, r.importance, r.upload_id FROM restore_keys r JOIN operations o ON o.id = r.upload_id
      WHERE r.operation_id = $1 AND r.state = 'BEGUN' AND o.state = 'RUNNING' ORDER BY r.importance, r.key_id";
    tx.query(sql, &[operation.as_str().into()])?.into_iter().map(read_lost).collect()
}

fn read_lost(row: Row) -> Result<LostRow, StoreError> {
    let mut row = row.read();
    Ok(LostRow { key_id: row.id()?, importance: row.count()?, upload_id: row.opt_id()? })
}

/// An upload of a key that waits has begun, or cannot begin for this reason; in the transaction of its intent. Somebody faster makes it [`StoreError::MovedOn`].
pub fn settle(tx: &mut Tx<'_>, operation: &OperationId, key: &KeyId, begun: Result<&OperationId, &str>) -> Result<(), StoreError> {
    let state = if begun.is_ok() { "BEGUN" } else { "REFUSED" };
    let (upload, problem) = (begun.ok().map(OperationId::as_str), begun.err());
    tx.execute_one(
        "restore of a key",
        "UPDATE restore_keys SET state = $3, upload_id = $4, problem = $5 WHERE operation_id = $1 AND key_id = $2 AND state = 'LOST'",
        &[operation.as_str().into(), key.as_str().into(), state.into(), upload.into(), problem.into()],
    )
}

/// How many keys stand where.
pub fn tally(tx: &mut Tx<'_>, operation: &OperationId) -> Result<Tally, StoreError> {
    let sql = "SELECT r.state, o.state, COUNT(*) FROM restore_keys r LEFT JOIN operations o ON o.id = r.upload_id WHERE r.operation_id = $1 GROUP BY r.state, o.state";
    let mut tally = Tally::default();
    for row in tx.query(sql, &[operation.as_str().into()])? {
        let mut row = row.read();
        let (state, upload, count) = (row.text()?, row.opt_text()?, row.int()?);
        match (state.as_str(), upload.as_deref()) {
            ("LOST", _) => tally.waiting += count,
            ("GONE", _) => tally.gone += count,
            ("BEGUN", Some("SUCCEEDED")) => tally.restored += count,
            ("BEGUN", Some("RUNNING")) => tally.running += count,
            _ => tally.failed += count,
        }
    }
    Ok(tally)
}

/// The first of those that did not get their material back.
pub fn left(tx: &mut Tx<'_>, operation: &OperationId, limit: u32) -> Result<Vec<LeftRow>, StoreError> {
    let sql = format!(
        "SELECT k.id, k.name, k.cloud_arn, r.state, COALESCE(r.problem, o.problem) FROM restore_keys r JOIN keys k ON k.id = r.key_id LEFT JOIN operations o ON o.id = r.upload_id
         WHERE r.operation_id = $1 AND (r.state IN ('GONE', 'REFUSED') OR o.state = 'FAILED') ORDER BY r.importance, k.id LIMIT {limit}"
    );
    let rows = tx.query(&sql, &[operation.as_str().into()])?.into_iter().map(|row| {
        let mut row = row.read();
        Ok(LeftRow { key_id: row.id()?, name: row.text()?, cloud_arn: row.opt_text()?, is_gone: row.text()? == "GONE", problem: row.opt_text()? })
    });
    rows.collect()
}

/// What a keystore has to be restored: of all its keys, or of those alone whose material was seen to be gone. What is warm until `until` counts as warm.
pub fn stock(tx: &mut Tx<'_>, keystore: &KeystoreId, now: Timestamp, until: Timestamp, only_lost: bool) -> Result<Stock, StoreError> {
    let lost = if only_lost { " AND k.material_present = 0" } else { "" };
    let sql = format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN EXISTS (SELECT 1 FROM warm_parameters w WHERE w.key_id = k.id AND w.valid_to > $3) THEN 1 ELSE 0 END), 0) AS BIGINT),
           CAST(COALESCE(SUM((SELECT COUNT(*) FROM key_versions v WHERE v.key_id = k.id AND v.is_pending = 0)), 0) AS BIGINT),
           CAST(COALESCE(SUM(CASE WHEN k.spec LIKE 'RSA%' OR k.spec LIKE 'EC%' THEN 1 ELSE 0 END), 0) AS BIGINT)
         FROM keys k WHERE k.keystore_id = $1 AND {IN_USE}{lost}"
    );
    let row = tx.query_opt(&sql, &[keystore.as_str().into(), now.into(), until.into()])?;
    row.map_or(Ok(Stock::default()), |row| {
        let mut row = row.read();
        Ok(Stock { keys: row.int()?, warm: row.int()?, materials: row.int()?, pairs: row.int()? })
    })
}
