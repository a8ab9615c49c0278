//! The journal: what an operation was about to do, and what came of it. Rows are only added.

use keystead_domain::{OperationId, Timestamp};

use crate::{Row, StoreError, Tx};

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Counts from 1 inside the operation.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Position in the saga, from 0.
    pub step: u32,
    /// The step's name.
    pub name: String,
    /// `about`, `done`, `failed`, `retry`, `undo`, `undone`.
    pub phase: String,
    /// What came of it, JSON; never material.
    pub record: String,
}

fn read(row: Row) -> Result<JournalRow, StoreError> {
    let mut row = row.read();
    Ok(JournalRow { seq: row.int()?, at: row.time()?, step: row.count()?, name: row.text()?, phase: row.text()?, record: row.text()? })
}

/// Adds a line. The same number twice is refused as not unique: two runners of one operation cannot both write.
pub fn append(tx: &mut Tx<'_>, operation: &OperationId, line: &JournalRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO journal (operation_id, seq, at, step, name, phase, record) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[operation.as_str().into(), line.seq.into(), line.at.into(), line.step.into(), (&line.name).into(), (&line.phase).into(), (&line.record).into()],
    )
    .map(drop)
}

/// The whole journal of an operation.
pub fn of_operation(tx: &mut Tx<'_>, operation: &OperationId) -> Result<Vec<JournalRow>, StoreError> {
    let sql = "SELECT seq, at, step, name, phase, record FROM journal WHERE operation_id = $1 ORDER BY seq";
    tx.query(sql, &[operation.as_str().into()])?.into_iter().map(read).collect()
}
