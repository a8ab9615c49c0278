//! Waves: the copies of a rotated key that get successors, too, and how far that has come (FT-074, FT-078).

use keystead_domain::{AccountId, KeyId, KeyState, OperationId, Timestamp, waves::WaveState};

use super::{
    keys::{self, KeyRow},
    page::{Listed, Page},
    readable::{Unreadable, parted},
};
use crate::{Row, StoreError, Tx};

/// The rotation of a copy behind its source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveRow {
    /// The source's successor.
    pub successor_id: KeyId,
    /// The copy that shall get one.
    pub copy_id: KeyId,
    /// Account of both.
    pub account_id: AccountId,
    /// Its wave, counted from 1.
    pub wave: u32,
    /// How it stands.
    pub state: WaveState,
    /// The operation that makes its successor.
    pub operation_id: Option<OperationId>,
    /// How long behind it the copy is deactivated, in microseconds; without it, it stays enabled.
    pub grace: Option<i64>,
    /// Who asked: a user's id, or `system`.
    pub asked_by: String,
    /// Their name then.
    pub asked_by_name: String,
    /// When.
    pub created_at: Timestamp,
}

/// The same with how everything that it hangs on stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// The row.
    pub row: WaveRow,
    /// State of the source's successor; `None` when its making was taken back.
    pub source: Option<KeyState>,
    /// State of the copy's operation.
    pub operation: Option<String>,
    /// Name of the copy.
    pub copy_name: String,
    /// Name of its keystore.
    pub keystore: String,
}

const COLUMNS: &str = "SELECT w.successor_id, w.copy_id, w.account_id, w.wave, w.state, w.operation_id, w.grace, w.asked_by, w.asked_by_name, w.created_at,
  n.state, o.state, c.name, s.name FROM rotation_waves w JOIN keys c ON c.id = w.copy_id JOIN keystores s ON s.id = c.keystore_id
  LEFT JOIN keys n ON n.id = w.successor_id LEFT JOIN operations o ON o.id = w.operation_id";

fn read(row: Row) -> Result<Wave, StoreError> {
    let mut row = row.read();
    Ok(Wave {
        row: WaveRow {
            successor_id: row.id()?,
            copy_id: row.id()?,
            account_id: row.id()?,
            wave: u32::try_from(row.int()?).map_err(|_| StoreError::Corrupt("the number of a wave".to_owned()))?,
            state: WaveState::parse(&row.text()?)?,
            operation_id: row.opt_id()?,
            grace: row.opt_int()?,
            asked_by: row.text()?,
            asked_by_name: row.text()?,
            created_at: row.time()?,
        },
        source: row.opt_text()?.map(|text| KeyState::parse(&text)).transpose()?,
        operation: row.opt_text()?,
        copy_name: row.text()?,
        keystore: row.text()?,
    })
}

/// The copies of a key, and those that were left behind by its predecessors, that can be rotated with it: in use, and the current ones of their lineages, in the order
/// in which they were made. Those of a family of Regions were made of whoever was its primary then.
pub fn copies_in_use(tx: &mut Tx<'_>, source: &KeyId) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!(
        "{} WHERE k.source_key_id IN (SELECT f.id FROM keys f JOIN keys g ON g.lineage_id = f.lineage_id WHERE g.id = $1 OR g.primary_key_id = $1)
           AND k.region_role = 'single' AND k.state = 'ACTIVE' AND l.current_key_id = k.id ORDER BY k.id",
        keys::COLUMNS
    );
    tx.query(&sql, &[source.as_str().into()])?.into_iter().map(keys::read).collect()
}

/// Plans the rotation of a copy.
pub fn insert(tx: &mut Tx<'_>, wave: &WaveRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO rotation_waves (successor_id, copy_id, account_id, wave, state, operation_id, grace, asked_by, asked_by_name, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            wave.successor_id.as_str().into(),
            wave.copy_id.as_str().into(),
            wave.account_id.as_str().into(),
            wave.wave.into(),
            wave.state.as_str().into(),
            wave.operation_id.as_ref().map(OperationId::as_str).into(),
            wave.grace.into(),
            (&wave.asked_by).into(),
            (&wave.asked_by_name).into(),
            wave.created_at.into(),
        ],
    )
    .map(drop)
}

/// Every copy of the rotations in which something is pending or runs, one rotation after the other. A rotation of which one copy cannot be read is left out whole: how that
/// one stands decides about the others.
pub fn open(tx: &mut Tx<'_>) -> Result<Vec<Wave>, StoreError> {
    let sql = format!(
        "{COLUMNS} WHERE w.successor_id IN (SELECT successor_id FROM rotation_waves WHERE state IN ('PENDING', 'BEGUN')) ORDER BY w.successor_id, w.wave, w.copy_id"
    );
    let (mut found, left_out) = parted(tx.query(&sql, &[])?, read);
    left_out.iter().for_each(Unreadable::tell);
    found.retain(|wave| left_out.iter().all(|one| one.id != wave.row.successor_id.as_str()));
    Ok(found)
}

/// A page of the copies that are rotated behind a source's successor.
pub fn list(tx: &mut Tx<'_>, successor: &KeyId, page: &Page) -> Result<Listed<Wave>, StoreError> {
    let sql = format!("{COLUMNS} WHERE w.successor_id = $1 AND w.copy_id > $2 ORDER BY w.copy_id LIMIT $3");
    let rows = tx.query(&sql, &[successor.as_str().into(), page.after_or_start().into(), page.fetch().into()])?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |wave| wave.row.copy_id.to_string()))
}

/// Moves a copy's rotation on; somebody faster makes it [`StoreError::MovedOn`].
pub fn transition(tx: &mut Tx<'_>, successor: &KeyId, copy: &KeyId, from: WaveState, to: WaveState, operation: Option<&OperationId>) -> Result<(), StoreError> {
    tx.execute_one(
        "rotation wave",
        "UPDATE rotation_waves SET state = $1, operation_id = COALESCE($2, operation_id) WHERE successor_id = $3 AND copy_id = $4 AND state = $5",
        &[to.as_str().into(), operation.map(OperationId::as_str).into(), successor.as_str().into(), copy.as_str().into(), from.as_str().into()],
    )
}

/// Stops what has not begun. Answers how many copies that are.
pub fn stop(tx: &mut Tx<'_>, successor: &KeyId) -> Result<u64, StoreError> {
    tx.execute("UPDATE rotation_waves SET state = 'STOPPED' WHERE successor_id = $1 AND state = 'PENDING'", &[successor.as_str().into()])
}

/// Forgets the plan of a rotation that never was.
pub fn forget(tx: &mut Tx<'_>, successor: &KeyId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM rotation_waves WHERE successor_id = $1", &[successor.as_str().into()]).map(drop)
}
