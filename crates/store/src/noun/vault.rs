//! What the vault seals and the store keeps: the record of the root, and the account keys. Opaque here.
//!
//! Several nodes may hold several roots for a moment, when one of them rotates. What keeps them apart stands here: an account key belongs to one root, and
//! material is written only under an account key of the stored root, which then stays the stored root until the commit. A node that still seals under an old root
//! is refused with [`StoreError::MovedOn`]. So nothing is sealed under the old root after the new record is kept, and when nothing is left under it, it can go.

use keystead_domain::{AccountId, Timestamp};

use crate::{StoreError, Tx};

/// A sealed account key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKeyRow {
    /// Its generation, from 1.
    pub generation: u32,
    /// The root that it is sealed under, and with it everything that is sealed under this key.
    pub root_generation: u32,
    /// Sealed by the vault.
    pub sealed: Vec<u8>,
}

/// The record of the root, when the vault was made.
pub fn root(tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_opt("SELECT record FROM vault_root WHERE id = 1", &[])?.map(|row| row.read().bytes()).transpose()
}

/// The record of the root, behind everything that was writing it: a commit whose answer was lost has ended when this answers. For a transaction that writes.
pub fn hold_root(tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = format!("SELECT record FROM vault_root WHERE id = 1{}", tx.dialect().for_update());
    tx.query_opt(&sql, &[])?.map(|row| row.read().bytes()).transpose()
}

/// Keeps the first record of the root; a second one is refused as not unique.
pub fn insert_root(tx: &mut Tx<'_>, record: &[u8], generation: u32, now: Timestamp) -> Result<(), StoreError> {
    let values = [generation.into(), record.into(), now.into()];
    tx.execute("INSERT INTO vault_root (id, generation, record, updated_at) VALUES (1, $1, $2, $3)", &values).map(drop)
}

/// Puts the record of the next root in the place of the one that the caller read. From this commit on nothing is written that is sealed under the root before.
pub fn replace_root(tx: &mut Tx<'_>, old: &[u8], new: &[u8], generation: u32, now: Timestamp) -> Result<(), StoreError> {
    let values = [new.into(), generation.into(), now.into(), old.into()];
    tx.execute_one(
        "vault root",
        "UPDATE vault_root SET record = $1, generation = $2, updated_at = $3 WHERE id = 1 AND record = $4 AND generation < $2",
        &values,
    )
}

/// Puts the record without the previous root in the place of the one that the caller read. It is [`StoreError::MovedOn`], too, while an account key of another
/// root is left: what is sealed with it would be lost.
pub fn finish_root(tx: &mut Tx<'_>, old: &[u8], new: &[u8], now: Timestamp) -> Result<(), StoreError> {
    let values = [new.into(), now.into(), old.into()];
    tx.execute_one(
        "vault root",
        "UPDATE vault_root SET record = $1, updated_at = $2 WHERE id = 1 AND record = $3
           AND NOT EXISTS (SELECT 1 FROM account_keys k WHERE k.root_generation <> vault_root.generation)",
        &values,
    )
}

/// Keeps a sealed account key; [`StoreError::MovedOn`] when the root that it is sealed under is no longer the stored one.
pub fn insert_account_key(tx: &mut Tx<'_>, account: &AccountId, key: &AccountKeyRow, now: Timestamp) -> Result<(), StoreError> {
    let hold = format!("SELECT 1 FROM vault_root WHERE id = 1 AND generation = $1{}", tx.dialect().for_share());
    if tx.query_opt(&hold, &[key.root_generation.into()])?.is_none() {
        return Err(StoreError::MovedOn("vault root"));
    }
    let values = [account.as_str().into(), key.generation.into(), key.root_generation.into(), (&key.sealed).into(), now.into()];
    tx.execute("INSERT INTO account_keys (account_id, generation, root_generation, sealed, created_at) VALUES ($1, $2, $3, $4, $5)", &values).map(drop)
}

/// Every account that has a key.
pub fn accounts(tx: &mut Tx<'_>) -> Result<Vec<AccountId>, StoreError> {
    let rows = tx.query("SELECT DISTINCT account_id FROM account_keys ORDER BY account_id", &[])?;
    rows.into_iter().map(|row| row.read().id()).collect()
}

/// Every generation of an account's key, oldest first.
pub fn account_keys(tx: &mut Tx<'_>, account: &AccountId) -> Result<Vec<AccountKeyRow>, StoreError> {
    let rows =
        tx.query("SELECT generation, root_generation, sealed FROM account_keys WHERE account_id = $1 ORDER BY generation", &[account.as_str().into()])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok(AccountKeyRow { generation: row.count()?, root_generation: row.count()?, sealed: row.bytes()? })
        })
        .collect()
}

/// Whether the account key is there and under the stored root; both then stay so until this transaction ends.
pub fn hold_account_key(tx: &mut Tx<'_>, account: &AccountId, generation: u32) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT 1 FROM account_keys k JOIN vault_root r ON r.id = 1 AND r.generation = k.root_generation WHERE k.account_id = $1 AND k.generation = $2{}",
        tx.dialect().for_share()
    );
    Ok(tx.query_opt(&sql, &[account.as_str().into(), generation.into()])?.is_some())
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
