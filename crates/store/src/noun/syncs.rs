//! Syncs: how far one is, what it came to, and the aliases that it goes by meanwhile.

use keystead_domain::{KeystoreId, OperationId};

use crate::{Row, StoreError, Tx};

/// What a sync has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Keys that became virtual keys.
    pub fresh: i64,
    /// Virtual keys that the cloud shows otherwise than before.
    pub changed: i64,
    /// Virtual keys that are as they were.
    pub unchanged: i64,
    /// Keys of this keystore whose material the vault has.
    pub own: i64,
    /// Of those, the ones that differ from their rows.
    pub different: i64,
    /// Keys that the cloud no longer has.
    pub vanished: i64,
    /// Keystead's keys that belong to another keystore, or are being made.
    pub elsewhere: i64,
    /// Keys of a kind that Keystead does not know, or that it may not look at.
    pub unknown: i64,
    /// The cloud's own keys.
    pub left_out: i64,
}

impl Counts {
    /// How many keys of the account were found.
    pub const fn found(&self) -> i64 {
        self.fresh + self.changed + self.unchanged + self.own + self.elsewhere + self.unknown
    }
}

/// A sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRow {
    /// Its operation.
    pub operation_id: OperationId,
    /// The step that goes on.
    pub step: String,
    /// Where that step's next page begins; `None`: at the beginning.
    pub marker: Option<String>,
    /// What it has counted.
    pub counts: Counts,
    /// The first of the unknown ones, JSON; opaque here.
    pub strangers: String,
}

fn read(row: Row) -> Result<SyncRow, StoreError> {
    let mut row = row.read();
    Ok(SyncRow {
        operation_id: row.id()?,
        step: row.text()?,
        marker: row.opt_text()?,
        counts: Counts {
            fresh: row.int()?,
            changed: row.int()?,
            unchanged: row.int()?,
            own: row.int()?,
            different: row.int()?,
            vanished: row.int()?,
            elsewhere: row.int()?,
            unknown: row.int()?,
            left_out: row.int()?,
        },
        strangers: row.text()?,
    })
}

/// Begins one, at a step.
pub fn begin(tx: &mut Tx<'_>, operation: &OperationId, keystore: &KeystoreId, step: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO syncs (operation_id, keystore_id, step) VALUES ($1, $2, $3)";
    tx.execute(sql, &[operation.as_str().into(), keystore.as_str().into(), step.into()]).map(drop)
}

/// A sync by its operation.
pub fn of(tx: &mut Tx<'_>, operation: &OperationId) -> Result<Option<SyncRow>, StoreError> {
    let sql = "SELECT operation_id, step, marker, fresh, changed, unchanged, own, different, vanished, elsewhere, unknown, left_out, strangers
      FROM syncs WHERE operation_id = $1";
    tx.query_opt(sql, &[operation.as_str().into()])?.map(read).transpose()
}

/// Only who holds the operation's lease writes.
const HELD: &str = "EXISTS (SELECT 1 FROM operations o WHERE o.id = syncs.operation_id AND o.fence = $2 AND o.state = 'RUNNING')";

/// Adds to the counts, if the lease is still ours.
pub fn count(tx: &mut Tx<'_>, operation: &OperationId, fence: i64, add: &Counts) -> Result<(), StoreError> {
    tx.execute_one(
        "operation lease",
        &format!(
            "UPDATE syncs SET fresh = fresh + $3, changed = changed + $4, unchanged = unchanged + $5, own = own + $6, different = different + $7,
               vanished = vanished + $8, elsewhere = elsewhere + $9, unknown = unknown + $10, left_out = left_out + $11 WHERE operation_id = $1 AND {HELD}"
        ),
        &[
            operation.as_str().into(),
            fence.into(),
            add.fresh.into(),
            add.changed.into(),
            add.unchanged.into(),
            add.own.into(),
            add.different.into(),
            add.vanished.into(),
            add.elsewhere.into(),
            add.unknown.into(),
            add.left_out.into(),
        ],
    )
}

/// Notes where a step goes on, if the lease is still ours.
pub fn go_on(tx: &mut Tx<'_>, operation: &OperationId, fence: i64, step: &str, marker: Option<&str>) -> Result<(), StoreError> {
    let sql = format!("UPDATE syncs SET step = $3, marker = $4 WHERE operation_id = $1 AND {HELD}");
    tx.execute_one("operation lease", &sql, &[operation.as_str().into(), fence.into(), step.into(), marker.into()])
}

/// Keeps the first of the unknown ones, if the lease is still ours.
pub fn set_strangers(tx: &mut Tx<'_>, operation: &OperationId, fence: i64, strangers: &str) -> Result<(), StoreError> {
    let sql = format!("UPDATE syncs SET strangers = $3 WHERE operation_id = $1 AND {HELD}");
    tx.execute_one("operation lease", &sql, &[operation.as_str().into(), fence.into(), strangers.into()])
}

/// Begins the list of keys anew: the cloud no longer takes the marker. What was counted without a row is counted again.
pub fn begin_anew(tx: &mut Tx<'_>, operation: &OperationId, fence: i64) -> Result<(), StoreError> {
    let sql = format!("UPDATE syncs SET marker = NULL, elsewhere = 0, unknown = 0, left_out = 0, strangers = '[]' WHERE operation_id = $1 AND {HELD}");
    tx.execute_one("operation lease", &sql, &[operation.as_str().into(), fence.into()])
}

/// Keeps an alias for the while of a sync.
pub fn add_alias(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, alias: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO sync_aliases (keystore_id, cloud_key_id, alias) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.execute(sql, &[keystore.as_str().into(), cloud_key.into(), alias.into()]).map(drop)
}

/// The aliases of a cloud key, in their order.
pub fn aliases_of(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT alias FROM sync_aliases WHERE keystore_id = $1 AND cloud_key_id = $2 ORDER BY alias";
    tx.query(sql, &[keystore.as_str().into(), cloud_key.into()])?.into_iter().map(|row| row.read().text()).collect()
}

/// The cloud key that an alias points at; `None` when it points at nothing.
pub fn target_of(tx: &mut Tx<'_>, keystore: &KeystoreId, alias: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT cloud_key_id FROM sync_aliases WHERE keystore_id = $1 AND alias = $2";
    tx.query_opt(sql, &[keystore.as_str().into(), alias.into()])?.map(|row| row.read().text()).transpose()
}

/// Keeps all the aliases that point at a cloud key now.
pub fn set_aliases_of(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, aliases: &[String]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sync_aliases WHERE keystore_id = $1 AND cloud_key_id = $2", &[keystore.as_str().into(), cloud_key.into()])?;
    aliases.iter().try_for_each(|alias| set_target_of(tx, keystore, alias, Some(cloud_key)))
}

/// Keeps where an alias points now; `None`: at nothing.
pub fn set_target_of(tx: &mut Tx<'_>, keystore: &KeystoreId, alias: &str, cloud_key: Option<&str>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sync_aliases WHERE keystore_id = $1 AND alias = $2", &[keystore.as_str().into(), alias.into()])?;
    cloud_key.map_or(Ok(()), |cloud_key| add_alias(tx, keystore, cloud_key, alias))
}

/// Drops the aliases of a sync that has ended.
pub fn drop_aliases(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sync_aliases WHERE keystore_id = $1", &[keystore.as_str().into()]).map(drop)
}
