//! Warm keys: those whose import parameters were fetched ahead, so that a restore need not wait for them (FX-029). The parameters are sealed by the vault and opaque here.

use keystead_domain::{KeyId, KeystoreId, Timestamp};

use super::keys::{self, KeyRow};
use crate::{Row, StoreError, Tx};

/// Import parameters of a key that were fetched ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmRow {
    /// The key.
    pub key_id: KeyId,
    /// Its keystore.
    pub keystore_id: KeystoreId,
    /// The parameters under the vault's seal.
    pub sealed: Vec<u8>,
    /// When the cloud no longer takes them.
    pub valid_to: Timestamp,
    /// When they were fetched.
    pub fetched_at: Timestamp,
}

/// How warm all keystores are that shall be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warmth {
    /// Keys that shall be warm.
    pub wanted: i64,
    /// Those that are.
    pub warm: i64,
    /// When the parameters of the first of them end.
    pub first_end: Option<Timestamp>,
}

/// The keys that can lose material and get it back: in use, in a cloud, their material the vault's, and not past its end (`$2` is now).
pub(super) const IN_USE: &str = "k.state IN ('ACTIVE', 'REPLACED') AND k.custody <> 'native' AND k.cloud_key_id IS NOT NULL AND k.forgotten_at IS NULL
  AND (k.expires_at IS NULL OR k.expires_at > $2)";

fn read(row: Row) -> Result<WarmRow, StoreError> {
    let mut row = row.read();
    Ok(WarmRow { key_id: row.id()?, keystore_id: row.id()?, sealed: row.bytes()?, valid_to: row.time()?, fetched_at: row.time()? })
}

/// Whether the keys of a keystore shall be warm.
pub fn is_on(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<bool, StoreError> {
    Ok(tx.query_opt("SELECT since FROM warm_keystores WHERE keystore_id = $1", &[keystore.as_str().into()])?.is_some())
}

/// Lets the keys of a keystore be warm from now on.
pub fn switch_on(tx: &mut Tx<'_>, keystore: &KeystoreId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO warm_keystores (keystore_id, since) VALUES ($1, $2) ON CONFLICT (keystore_id) DO NOTHING";
    tx.execute(sql, &[keystore.as_str().into(), now.into()]).map(drop)
}

/// Lets them cool: what was fetched goes.
pub fn switch_off(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM warm_keystores WHERE keystore_id = $1", &[keystore.as_str().into()])?;
    tx.execute("DELETE FROM warm_parameters WHERE keystore_id = $1", &[keystore.as_str().into()]).map(drop)
}

/// The keystores in use whose keys shall be warm.
pub fn keystores(tx: &mut Tx<'_>) -> Result<Vec<KeystoreId>, StoreError> {
    let sql = "SELECT w.keystore_id FROM warm_keystores w JOIN keystores s ON s.id = w.keystore_id WHERE s.state = 'ACTIVE' ORDER BY w.keystore_id";
    tx.query(sql, &[])?.into_iter().map(|row| row.read().id()).collect()
}

/// Keeps parameters in place of older ones, while the keystore's keys shall be warm. A holder of the keystore who switches off meanwhile is waited for.
pub fn keep(tx: &mut Tx<'_>, warm: &WarmRow) -> Result<(), StoreError> {
    let held = format!("SELECT since FROM warm_keystores WHERE keystore_id = $1{}", tx.dialect().for_update());
    if tx.query_opt(&held, &[warm.keystore_id.as_str().into()])?.is_none() {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO warm_parameters (key_id, keystore_id, sealed, valid_to, fetched_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key_id) DO UPDATE SET sealed = $3, valid_to = $4, fetched_at = $5",
        &[warm.key_id.as_str().into(), warm.keystore_id.as_str().into(), (&warm.sealed).into(), warm.valid_to.into(), warm.fetched_at.into()],
    )
    .map(drop)
}

/// The parameters of a key.
pub fn of(tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<WarmRow>, StoreError> {
    let sql = "SELECT key_id, keystore_id, sealed, valid_to, fetched_at FROM warm_parameters WHERE key_id = $1";
    tx.query_opt(sql, &[key.as_str().into()])?.map(read).transpose()
}

/// Drops parameters that were used, or that the cloud does not take. Those that were fetched since stay.
pub fn spend(tx: &mut Tx<'_>, key: &KeyId, fetched_at: Timestamp) -> Result<(), StoreError> {
    tx.execute("DELETE FROM warm_parameters WHERE key_id = $1 AND fetched_at = $2", &[key.as_str().into(), fetched_at.into()]).map(drop)
}

/// The keys of a keystore behind an id that shall be warm and are not, or whose parameters end before `until`; no more than `limit`, in the order of their ids.
pub fn due(tx: &mut Tx<'_>, keystore: &KeystoreId, now: Timestamp, until: Timestamp, after: &str, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!(
        "{} LEFT JOIN warm_parameters w ON w.key_id = k.id WHERE k.keystore_id = $1 AND {IN_USE} AND k.id > $4 AND (w.valid_to IS NULL OR w.valid_to <= $3)
           ORDER BY k.id LIMIT {limit}",
        keys::COLUMNS
    );
    tx.query(&sql, &[keystore.as_str().into(), now.into(), until.into(), after.into()])?.into_iter().map(keys::read).collect()
}

/// Drops what has ended by now, or belongs to a key that is no longer in use.
pub fn drop_ended(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    let sql = "DELETE FROM warm_parameters WHERE valid_to <= $1 OR key_id IN (SELECT w.key_id FROM warm_parameters w JOIN keys k ON k.id = w.key_id
      WHERE k.state NOT IN ('ACTIVE', 'REPLACED') OR k.forgotten_at IS NOT NULL)";
    tx.execute(sql, &[now.into()])
}

/// How warm everything is that shall be; what ends before `until` counts as cold.
pub fn warmth(tx: &mut Tx<'_>, now: Timestamp, until: Timestamp) -> Result<Warmth, StoreError> {
    let sql = format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN p.valid_to > $1 THEN 1 ELSE 0 END), 0) AS BIGINT), MIN(p.valid_to)
         FROM keys k JOIN warm_keystores w ON w.keystore_id = k.keystore_id LEFT JOIN warm_parameters p ON p.key_id = k.id WHERE {IN_USE}"
    );
    let row = tx.query_opt(&sql, &[until.into(), now.into()])?;
    row.map_or(Ok(Warmth::default()), |row| {
        let mut row = row.read();
        Ok(Warmth { wanted: row.int()?, warm: row.int()?, first_end: row.opt_time()? })
    })
}
