//! One operation at a time changes a key: who holds it.

use keystead_domain::OperationId;

use crate::{StoreError, Tx};

/// Takes the lock of a key or keystore for an operation. A held one is refused as not unique, in the table `locks`.
pub fn take(tx: &mut Tx<'_>, subject: &str, operation: &OperationId) -> Result<(), StoreError> {
    tx.execute("INSERT INTO locks (subject_id, operation_id) VALUES ($1, $2)", &[subject.into(), operation.as_str().into()]).map(drop)
}

/// Who holds a key or keystore.
pub fn holder(tx: &mut Tx<'_>, subject: &str) -> Result<Option<OperationId>, StoreError> {
    tx.query_opt("SELECT operation_id FROM locks WHERE subject_id = $1", &[subject.into()])?.map(|row| row.read().id()).transpose()
}

/// Gives back everything that an operation holds.
pub fn release(tx: &mut Tx<'_>, operation: &OperationId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM locks WHERE operation_id = $1", &[operation.as_str().into()]).map(drop)
}
