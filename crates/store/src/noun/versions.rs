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
    /// The version of another key whose material this is; then `sealed` is `None`.
    pub source_id: Option<VersionId>,
    /// The cloud's id of this material, as the import answered it.
    pub material_id: Option<String>,
    /// When the cloud forgets this material.
    pub expires_at: Option<Timestamp>,
    /// Made, and not rotated in yet.
    pub is_pending: bool,
}

/// What was learnt of a version's copy in the cloud; `None` leaves a fact as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MaterialFacts {
    /// The cloud's id of the material.
    pub material_id: Option<String>,
    /// When the cloud forgets it; `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
}

const COLUMNS: &str =
    "SELECT id, account_id, key_id, number, spec, generation, account_key_generation, sealed, fingerprint, public_key, birth, created_at, destroyed_at,
  source_version_id, material_id, expires_at, is_pending FROM key_versions";

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
        source_id: row.opt_id()?,
        material_id: row.opt_text()?,
        expires_at: row.opt_time()?,
        is_pending: row.flag()?,
    })
}

/// Demands the account key under which a version is sealed, and its root, until the commit.
fn demand_account_key(tx: &mut Tx<'_>, version: &VersionRow) -> Result<(), StoreError> {
    let is_there = vault::hold_account_key(tx, &version.account_id, version.account_key_generation)?;
    if is_there { Ok(()) } else { Err(StoreError::MovedOn("account key")) }
}

/// Demands the material that a version shares with another key's, until the commit: it may be destroyed in this moment.
fn demand_source(tx: &mut Tx<'_>, source: &VersionId) -> Result<(), StoreError> {
    let sql = format!("SELECT 1 FROM key_versions WHERE id = $1 AND sealed IS NOT NULL{}", tx.dialect().for_update());
    tx.query_opt(&sql, &[source.as_str().into()])?.map(drop).ok_or(StoreError::MovedOn("key version"))
}

/// Keeps a version; [`StoreError::MovedOn`] when the account key under which it is sealed is gone, or is one of a root that is no longer the stored one, or when the
/// material that it shares is gone.
pub fn insert(tx: &mut Tx<'_>, version: &VersionRow) -> Result<(), StoreError> {
    match &version.source_id {
        Some(source) => demand_source(tx, source)?,
        None => demand_account_key(tx, version)?,
    }
    tx.execute(
        "INSERT INTO key_versions (id, account_id, key_id, number, spec, generation, account_key_generation, sealed, fingerprint, public_key, birth, created_at,
           source_version_id, is_pending)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
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
            version.source_id.as_ref().map(VersionId::as_str).into(),
            version.is_pending.into(),
        ],
    )
    .map(drop)
}

/// A version by id.
pub fn by_id(tx: &mut Tx<'_>, id: &VersionId) -> Result<Option<VersionRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE id = $1"), &[id.as_str().into()])?.map(read).transpose()
}

/// Keeps what was learnt of a version's copy in the cloud.
pub fn keep_facts(tx: &mut Tx<'_>, id: &VersionId, facts: &MaterialFacts) -> Result<(), StoreError> {
    tx.execute_one(
        "key version",
        "UPDATE key_versions SET material_id = COALESCE($1, material_id), expires_at = CASE WHEN CAST($2 AS BIGINT) = 1 THEN $3 ELSE expires_at END WHERE id = $4",
        &[facts.material_id.as_deref().into(), facts.expires_at.is_some().into(), facts.expires_at.flatten().into(), id.as_str().into()],
    )
}

/// Notes that a pending version was rotated in.
pub fn rotated_in(tx: &mut Tx<'_>, id: &VersionId) -> Result<(), StoreError> {
    tx.execute_one("key version", "UPDATE key_versions SET is_pending = 0 WHERE id = $1 AND is_pending = 1", &[id.as_str().into()])
}

/// Takes a version back that was not rotated in.
pub fn delete_pending(tx: &mut Tx<'_>, id: &VersionId) -> Result<(), StoreError> {
    tx.execute_one("key version", "DELETE FROM key_versions WHERE id = $1 AND is_pending = 1", &[id.as_str().into()])
}

/// The current version of a key: the newest that is not pending.
pub fn current(tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<VersionRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE key_id = $1 AND is_pending = 0 ORDER BY number DESC LIMIT 1"), &[key.as_str().into()])?.map(read).transpose()
}

/// Whether a living key that has one of this key's materials, by its own row or by a copy's, promised that it never leaves the vault.
pub fn is_bound(tx: &mut Tx<'_>, key: &KeyId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM key_versions mine JOIN key_versions other
          ON other.id = COALESCE(mine.source_version_id, mine.id) OR other.source_version_id = COALESCE(mine.source_version_id, mine.id)
        JOIN keys k ON k.id = other.key_id
        WHERE mine.key_id = $1 AND k.is_exportable = 0 AND k.state <> 'DELETED' LIMIT 1";
    Ok(tx.query_opt(sql, &[key.as_str().into()])?.is_some())
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

/// The kinds of key of which there is material, in the order of their names.
pub fn kinds(tx: &mut Tx<'_>) -> Result<Vec<KeySpec>, StoreError> {
    let rows = tx.query("SELECT DISTINCT spec FROM key_versions WHERE sealed IS NOT NULL ORDER BY spec", &[])?;
    rows.into_iter().map(|row| Ok(KeySpec::parse(&row.read().text()?)?)).collect()
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

/// Nobody who lives has the material of a version: neither its key nor one that shares it.
const IS_NOBODYS: &str = "NOT EXISTS (SELECT 1 FROM keys k WHERE k.id = key_versions.key_id AND k.state <> 'DELETED')
   AND NOT EXISTS (SELECT 1 FROM key_versions v JOIN keys k ON k.id = v.key_id WHERE v.source_version_id = key_versions.id AND k.state <> 'DELETED')";

/// Destroys the material of every version of a key that is DELETED, as far as no other key that lives shares it, and what it was the last to share; the records stay.
/// Answers how many materials are gone.
pub fn destroy(tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<u64, StoreError> {
    // Another node may be ending the last but one that shares it, and neither would see the other's: wait for its commit, then look.
    let shared = "(key_id = $1 OR id IN (SELECT source_version_id FROM key_versions WHERE key_id = $1))";
    let hold = format!("SELECT 1 FROM key_versions WHERE {shared} AND sealed IS NOT NULL ORDER BY id{}", tx.dialect().for_update());
    tx.query(&hold, &[key.as_str().into()])?;
    let values = [key.as_str().into(), now.into()];
    tx.execute("UPDATE key_versions SET destroyed_at = $2 WHERE key_id = $1 AND source_version_id IS NOT NULL AND destroyed_at IS NULL", &values)?;
    tx.execute(&format!("UPDATE key_versions SET sealed = NULL, destroyed_at = $2 WHERE sealed IS NOT NULL AND {shared} AND {IS_NOBODYS}"), &values)
}

/// Destroys the material of a key that is being made: its cloud has it, and the vault keeps no copy. The records stay. Nobody shares it yet.
pub fn forget_material(tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute_one(
        "key version",
        "UPDATE key_versions SET sealed = NULL, destroyed_at = $2 WHERE key_id = $1 AND sealed IS NOT NULL
           AND EXISTS (SELECT 1 FROM keys k WHERE k.id = key_versions.key_id AND k.state = 'CREATING')
           AND NOT EXISTS (SELECT 1 FROM key_versions v WHERE v.source_version_id = key_versions.id)",
        &[key.as_str().into(), now.into()],
    )
}

/// Takes the versions of a key back whose creation failed. Material that only they still shared with a key that is DELETED is destroyed.
pub fn delete_uncreated(tx: &mut Tx<'_>, key: &KeyId, now: Timestamp) -> Result<(), StoreError> {
    // As in `destroy`: who shares it may be ending on another node.
    let hold = format!(
        "SELECT id FROM key_versions WHERE id IN (SELECT source_version_id FROM key_versions WHERE key_id = $1) AND sealed IS NOT NULL ORDER BY id{}",
        tx.dialect().for_update()
    );
    let shared: Vec<VersionId> = tx.query(&hold, &[key.as_str().into()])?.into_iter().map(|row| row.read().id()).collect::<Result<_, _>>()?;
    tx.execute("DELETE FROM key_versions WHERE key_id = $1", &[key.as_str().into()])?;
    let sql = format!("UPDATE key_versions SET sealed = NULL, destroyed_at = $2 WHERE id = $1 AND {IS_NOBODYS}");
    shared.iter().try_for_each(|version| tx.execute(&sql, &[version.as_str().into(), now.into()]).map(drop))
}
