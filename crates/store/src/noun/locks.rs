//! One operation at a time changes a key: who holds it.

use keystead_domain::{KeyId, KeystoreId, OperationId};

use crate::{Row, StoreError, Tx};

/// Takes the lock of a key or keystore for an operation. A held one is refused as not unique, in the table `locks`.
pub fn take(tx: &mut Tx<'_>, subject: &str, operation: &OperationId) -> Result<(), StoreError> {
    tx.execute("INSERT INTO locks (subject_id, operation_id) VALUES ($1, $2)", &[subject.into(), operation.as_str().into()]).map(drop)
}

/// Who holds a key or keystore.
pub fn holder(tx: &mut Tx<'_>, subject: &str) -> Result<Option<OperationId>, StoreError> {
    tx.query_opt("SELECT operation_id FROM locks WHERE subject_id = $1", &[subject.into()])?.map(|row| row.read().id()).transpose()
}

/// The keys of a keystore that are out of use and that an operation of one of these kinds has in hand, with it.
pub fn on_idle(tx: &mut Tx<'_>, keystore: &KeystoreId, kinds: [&str; 3]) -> Result<Vec<(KeyId, OperationId)>, StoreError> {
    let sql = "SELECT k.id, o.id FROM locks l JOIN operations o ON o.id = l.operation_id JOIN keys k ON k.id = l.subject_id
      WHERE k.keystore_id = $1 AND k.state IN ('INACTIVE', 'PENDING_DELETION') AND o.kind IN ($2, $3, $4) ORDER BY k.id";
    let rows = tx.query(sql, &[keystore.as_str().into(), kinds[0].into(), kinds[1].into(), kinds[2].into()])?;
    let read = |row: Row| {
        let mut row = row.read();
        Ok((row.id()?, row.id()?))
    };
    rows.into_iter().map(read).collect()
}

/// Gives back everything that an operation holds.
pub fn release(tx: &mut Tx<'_>, operation: &OperationId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM locks WHERE operation_id = $1", &[operation.as_str().into()]).map(drop)
}
