//! Attempts: what the schedule began on a key by itself and did not succeed with, and until when it leaves that key alone.

use keystead_domain::{KeyId, OperationId, Timestamp};

use super::due::Task;
use crate::{StoreError, Tx};

/// How often in a row a task has failed on a key.
pub fn failures(tx: &mut Tx<'_>, key: &KeyId, task: Task) -> Result<u32, StoreError> {
    let row = tx.query_opt("SELECT failures FROM attempts WHERE key_id = $1 AND task = $2", &[key.as_str().into(), task.name().into()])?;
    row.map_or(Ok(0), |row| row.read().count())
}

/// Notes the operation that a task began; in the transaction of its intent. If it fails, the key rests from its end for `pause`, in microseconds.
pub fn begin(tx: &mut Tx<'_>, key: &KeyId, task: Task, operation: &OperationId, pause: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO attempts (key_id, task, failures, not_before, operation_id, pause) VALUES ($1, $2, 0, 0, $3, $4)
         ON CONFLICT (key_id, task) DO UPDATE SET operation_id = excluded.operation_id, pause = excluded.pause",
        &[key.as_str().into(), task.name().into(), operation.as_str().into(), pause.into()],
    )
    .map(drop)
}

/// Counts the failure of an operation, if a task began it, and lets its key rest; in the transaction of the operation's end.
pub(super) fn failed(tx: &mut Tx<'_>, operation: &OperationId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE attempts SET failures = failures + 1, not_before = CAST($2 AS BIGINT) + pause, operation_id = NULL WHERE operation_id = $1",
        &[operation.as_str().into(), now.into()],
    )
    .map(drop)
}

/// Counts a failure for which there is no operation, and lets the key rest until then.
pub fn rest(tx: &mut Tx<'_>, key: &KeyId, task: Task, until: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO attempts (key_id, task, failures, not_before, pause) VALUES ($1, $2, 1, $3, 0)
         ON CONFLICT (key_id, task) DO UPDATE SET failures = attempts.failures + 1, not_before = excluded.not_before, operation_id = NULL",
        &[key.as_str().into(), task.name().into(), until.into()],
    )
    .map(drop)
}

/// Forgets every failure on a key: what was due is done, by the schedule or by a person.
pub fn forget(tx: &mut Tx<'_>, key: &KeyId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM attempts WHERE key_id = $1", &[key.as_str().into()]).map(drop)
}
