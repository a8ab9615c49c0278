//! Periodic tasks: each runs once across all nodes.

use keystead_domain::Timestamp;

use crate::{StoreError, Tx};

/// Takes the next run of a task if it is due, and sets when it is due again. `true` for exactly one node.
pub fn take(tx: &mut Tx<'_>, name: &str, now: Timestamp, next: Timestamp) -> Result<bool, StoreError> {
    let values = [name.into(), now.into(), next.into()];
    if tx.execute("UPDATE schedules SET due_at = $3 WHERE name = $1 AND due_at <= $2", &values)? == 1 {
        return Ok(true);
    }
    let first = tx.execute("INSERT INTO schedules (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", &[name.into(), next.into()])?;
    Ok(first == 1)
}

/// Makes a task due at this time, if it would be due later only: there is more to be done than one run takes on.
pub fn hasten(tx: &mut Tx<'_>, name: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE schedules SET due_at = $2 WHERE name = $1 AND due_at > $2", &[name.into(), at.into()]).map(drop)
}

/// Whether a task is due, or was never run: a look without a write.
pub fn is_due(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<bool, StoreError> {
    let row = tx.query_opt("SELECT due_at FROM schedules WHERE name = $1", &[name.into()])?;
    row.map_or(Ok(true), |row| Ok(row.read().time()? <= now))
}
