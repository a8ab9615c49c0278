//! Exports that one person prepared and another may download, once (CM-063 to CM-066).

use keystead_domain::{AccountId, KeyId, Timestamp};

use crate::{StoreError, Tx};

/// A prepared export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRow {
    /// The key.
    pub key_id: KeyId,
    /// Account.
    pub account_id: AccountId,
    /// The public key to wrap under, PEM.
    pub public_key: String,
    /// Who prepared it; somebody else must download.
    pub prepared_by: String,
    /// When.
    pub prepared_at: Timestamp,
    /// The vault's seal over all of this. Opaque here.
    pub seal: Vec<u8>,
}

/// Keeps a preparation; a later one takes the place of an earlier.
pub fn prepare(tx: &mut Tx<'_>, export: &ExportRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO exports (key_id, account_id, public_key, prepared_by, prepared_at, seal) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (key_id) DO UPDATE SET public_key = excluded.public_key, prepared_by = excluded.prepared_by, prepared_at = excluded.prepared_at,
           seal = excluded.seal",
        &[
            export.key_id.as_str().into(),
            export.account_id.as_str().into(),
            (&export.public_key).into(),
            (&export.prepared_by).into(),
            export.prepared_at.into(),
            (&export.seal).into(),
        ],
    )
    .map(drop)
}

/// The preparation of a key, when there is one.
pub fn of_key(tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<ExportRow>, StoreError> {
    let row = tx.query_opt("SELECT key_id, account_id, public_key, prepared_by, prepared_at, seal FROM exports WHERE key_id = $1", &[key.as_str().into()])?;
    row.map(|row| {
        let mut row = row.read();
        Ok(ExportRow {
            key_id: row.id()?,
            account_id: row.id()?,
            public_key: row.text()?,
            prepared_by: row.text()?,
            prepared_at: row.time()?,
            seal: row.bytes()?,
        })
    })
    .transpose()
}

/// Uses a preparation up. It is [`StoreError::MovedOn`] when it is no longer the one that the caller read.
pub fn consume(tx: &mut Tx<'_>, export: &ExportRow) -> Result<(), StoreError> {
    let values = [export.key_id.as_str().into(), (&export.seal).into()];
    tx.execute_one("export", "DELETE FROM exports WHERE key_id = $1 AND seal = $2", &values)
}

/// Forgets a preparation, if there is one: the key is gone.
pub fn forget(tx: &mut Tx<'_>, key: &KeyId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM exports WHERE key_id = $1", &[key.as_str().into()]).map(drop)
}
