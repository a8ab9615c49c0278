//! Key versions: one generation of a key's material each, sealed by the vault.

use keystead_domain::{AccountId, KeyId, KeySpec, Timestamp, VersionId};

use super::vault;
use crate::{Row, StoreError, Tx};

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Id.
    pub id: VersionId,
    /// Account.
    pub account_id: AccountId,
    /// Key.
    pub key_id: KeyId,
    /// Counts from 1.
    pub number: u32,
    /// Kind of key.
    pub spec: KeySpec,
    /// Counts how often this material was sealed anew; part of what binds the blob to its place.
    pub generation: u32,
    /// The account key under which it is sealed.
    pub account_key_generation: u32,
    /// Sealed by the vault; `None` once destroyed.
    pub sealed: Option<Vec<u8>>,
    /// A keyed MAC that tells equal material apart from other, inside the account.
    pub fingerprint: String,
    /// The public half of a pair: SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
    pub public_key: Option<Vec<u8>>,
    /// The birth record, JSON.
    pub birth: String,
    /// When made.
    pub created_at: Timestamp,
    /// When destroyed.
    pub destroyed_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT id, account_id, key_id, number, spec, generation, account_key_generation, sealed, fingerprint, public_key, birth, created_at, destroyed_at FROM key_versions";

fn read(row: Row) -> Result<VersionRow, StoreError> {
    let mut row = row.read();
    Ok(VersionRow {
        id: row.id()?,
        account_id: row.id()?,
        key_id: row.id()?,
        number: row.count()?,
        spec: KeySpec::parse(&row.text()?)?,
        generation: row.count()?,
        account_key_generation: row.count()?,
        sealed: row.opt_bytes()?,
        fingerprint: row.text()?,
        public_key: row.opt_bytes()?,
        birth: row.text()?,
        created_at: row.time()?,
        destroyed_at: row.opt_time()?,
    })
}

/// Demands the account key under which a version is sealed, and its root, until the commit.
fn demand_account_key(tx: &mut Tx<'_>, version: &VersionRow) -> Result<(), StoreError> {
    let is_there = vault::hold_account_key(tx, &version.account_id, version.account_key_generation)?;
    if is_there { Ok(()) } else { Err(StoreError::MovedOn("account key")) }
}

/// Keeps a version; [`StoreError::MovedOn`] when the account key under which it is sealed is gone, or is one of a root that is no longer the stored one.
pub fn insert(tx: &mut Tx<'_>, version: &VersionRow) -> Result<(), StoreError> {
    demand_account_key(tx, version)?;
    tx.execute(
        "INSERT INTO key_versions (id, account_id, key_id, number, spec, generation, account_key_generation, sealed, fingerprint, public_key, birth, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &[
            version.id.as_str().into(),
            version.account_id.as_str().into(),
            version.key_id.as_str().into(),
            version.number.into(),
            version.spec.as_str().into(),
            version.generation.into(),
            version.account_key_generation.into(),
            version.sealed.as_ref().into(),
            (&version.fingerprint).into(),
            version.public_key.as_ref().into(),
            (&version.birth).into(),
            version.created_at.into(),
        ],
    )
    .map(drop)
}

/// The newest version of a key.
pub fn newest(tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<VersionRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE key_id = $1 ORDER BY number DESC LIMIT 1"), &[key.as_str().into()])?.map(read).transpose()
}

/// Every version of a key, oldest first.
pub fn of_key(tx: &mut Tx<'_>, key: &KeyId) -> Result<Vec<VersionRow>, StoreError> {
    tx.query(&format!("{COLUMNS} WHERE key_id = $1 ORDER BY number"), &[key.as_str().into()])?.into_iter().map(read).collect()
}

/// Versions with material that were last sealed before a round of re-wrapping: those still under another root or account key.
pub fn page_with_material(tx: &mut Tx<'_>, account: &AccountId, after: &str, limit: u32) -> Result<Vec<VersionRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE account_id = $1 AND sealed IS NOT NULL AND id > $2 ORDER BY id LIMIT $3");
    tx.query(&sql, &[account.as_str().into(), after.into(), limit.into()])?.into_iter().map(read).collect()
}

/// How far a rotation of the root is: how many versions with material are under the stored root, and how many there are.
pub fn progress(tx: &mut Tx<'_>) -> Result<(u64, u64), StoreError> {
    let row = tx.query_opt(
        "SELECT COUNT(k.generation), COUNT(*) FROM key_versions v
           LEFT JOIN account_keys k ON k.account_id = v.account_id AND k.generation = v.account_key_generation
             AND k.root_generation = (SELECT generation FROM vault_root WHERE id = 1)
         WHERE v.sealed IS NOT NULL",
        &[],
    )?;
    let mut row = row.ok_or_else(|| StoreError::Corrupt("a count without a row".to_owned()))?.read();
    Ok((row.int()? as u64, row.int()? as u64))
}

/// Puts freshly sealed material in the place of the generation that the caller read.
pub fn reseal(tx: &mut Tx<'_>, id: &VersionId, old_generation: u32, new: &VersionRow) -> Result<(), StoreError> {
    demand_account_key(tx, new)?;
    tx.execute_one(
        "key version",
        "UPDATE key_versions SET sealed = $1, generation = $2, account_key_generation = $3, fingerprint = $4
         WHERE id = $5 AND generation = $6 AND sealed IS NOT NULL",
        &[
            new.sealed.as_ref().into(),
            new.generation.into(),
            new.account_key_generation.into(),
            (&new.fingerprint).into(),
            id.as_str().into(),
            old_generation.into(),
        ],
    )
}

/// Destroys the material of every version of a key; the records stay.
pub fn destroy(tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute("UPDATE key_versions SET sealed = NULL, destroyed_at = $1 WHERE key_id = $2 AND sealed IS NOT NULL", &[now.into(), key.as_str().into()])
}

/// Takes the versions of a key back whose creation failed.
pub fn delete_uncreated(tx: &mut Tx<'_>, key: &KeyId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM key_versions WHERE key_id = $1", &[key.as_str().into()]).map(drop)
}
