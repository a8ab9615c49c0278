//! What the vault seals and the store keeps: the record of the root, and the account keys. Opaque here.

use keystead_domain::{AccountId, Timestamp};

use crate::{StoreError, Tx};

/// A sealed account key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKeyRow {
    /// Its generation, from 1.
    pub generation: u32,
    /// Sealed by the vault.
    pub sealed: Vec<u8>,
}

/// The record of the root, when the vault was made.
pub fn root(tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_opt("SELECT record FROM vault_root WHERE id = 1", &[])?.map(|row| row.read().bytes()).transpose()
}

/// Keeps the first record of the root; a second one is refused as not unique.
pub fn insert_root(tx: &mut Tx<'_>, record: &[u8], now: Timestamp) -> Result<(), StoreError> {
    tx.execute("INSERT INTO vault_root (id, record, updated_at) VALUES (1, $1, $2)", &[record.into(), now.into()]).map(drop)
}

/// Puts a new record of the root in the place of the one that the caller read.
pub fn replace_root(tx: &mut Tx<'_>, old: &[u8], new: &[u8], now: Timestamp) -> Result<(), StoreError> {
    let values = [new.into(), now.into(), old.into()];
    tx.execute_one("vault root", "UPDATE vault_root SET record = $1, updated_at = $2 WHERE id = 1 AND record = $3", &values)
}

/// Keeps a sealed account key.
pub fn insert_account_key(tx: &mut Tx<'_>, account: &AccountId, key: &AccountKeyRow, now: Timestamp) -> Result<(), StoreError> {
    let values = [account.as_str().into(), key.generation.into(), (&key.sealed).into(), now.into()];
    tx.execute("INSERT INTO account_keys (account_id, generation, sealed, created_at) VALUES ($1, $2, $3, $4)", &values).map(drop)
}

/// Every generation of an account's key, oldest first.
pub fn account_keys(tx: &mut Tx<'_>, account: &AccountId) -> Result<Vec<AccountKeyRow>, StoreError> {
    let rows = tx.query("SELECT generation, sealed FROM account_keys WHERE account_id = $1 ORDER BY generation", &[account.as_str().into()])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok(AccountKeyRow { generation: row.count()?, sealed: row.bytes()? })
        })
        .collect()
}

/// Whether the account key is there; it then stays there until this transaction ends.
pub fn hold_account_key(tx: &mut Tx<'_>, account: &AccountId, generation: u32) -> Result<bool, StoreError> {
    let sql = format!("SELECT 1 FROM account_keys WHERE account_id = $1 AND generation = $2{}", tx.dialect().for_share());
    Ok(tx.query_opt(&sql, &[account.as_str().into(), generation.into()])?.is_some())
}

/// Puts a freshly sealed account key in the place of the one that the caller read: after a change of the root.
pub fn replace_account_key(tx: &mut Tx<'_>, account: &AccountId, generation: u32, old: &[u8], new: &[u8]) -> Result<(), StoreError> {
    let values = [new.into(), account.as_str().into(), generation.into(), old.into()];
    tx.execute_one("account key", "UPDATE account_keys SET sealed = $1 WHERE account_id = $2 AND generation = $3 AND sealed = $4", &values)
}

/// Forgets a generation of an account key under which nothing is sealed any more.
pub fn delete_account_key(tx: &mut Tx<'_>, account: &AccountId, generation: u32) -> Result<(), StoreError> {
    let values = [account.as_str().into(), generation.into()];
    // Another node may be sealing something under it: wait for its commit, then look. What is sealed under a key that is gone is lost.
    let hold = format!("SELECT 1 FROM account_keys WHERE account_id = $1 AND generation = $2{}", tx.dialect().for_update());
    tx.query(&hold, &values)?;
    tx.execute_one(
        "account key",
        "DELETE FROM account_keys WHERE account_id = $1 AND generation = $2
           AND NOT EXISTS (SELECT 1 FROM key_versions v WHERE v.account_id = account_keys.account_id
             AND v.account_key_generation = account_keys.generation AND v.sealed IS NOT NULL)",
        &values,
    )
}
