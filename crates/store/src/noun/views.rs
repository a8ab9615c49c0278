//! What the cloud shows of a key beside its row, as a sync saw it last.

use keystead_domain::{KeyId, KeystoreId, OperationId, Timestamp};

use super::keys::{self, KeyRow};
use crate::{Row, StoreError, Tx};

/// A view of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRow {
    /// The key.
    pub key_id: KeyId,
    /// The sync that saw it last.
    pub seen_by: Option<OperationId>,
    /// When.
    pub seen_at: Timestamp,
    /// Its aliases beside the lineage's.
    pub aliases: Vec<String>,
    /// Everything else, JSON; opaque here.
    pub facts: String,
    /// In what the cloud's key differs from a row of our own, in words; empty: in nothing.
    pub differences: String,
    /// What is wanted of it beside the row, JSON; opaque here. `None` until a sync has seen it.
    pub baseline: Option<String>,
}

const COLUMNS: &str = "SELECT key_id, seen_by, seen_at, aliases, facts, differences, baseline FROM cloud_views";

fn read(row: Row) -> Result<ViewRow, StoreError> {
    let mut row = row.read();
    Ok(ViewRow {
        key_id: row.id()?,
        seen_by: row.opt_id()?,
        seen_at: row.time()?,
        aliases: serde_json::from_str(&row.text()?).map_err(|error| StoreError::Corrupt(format!("aliases: {error}")))?,
        facts: row.text()?,
        differences: row.text()?,
        baseline: row.opt_text()?,
    })
}

/// The view of a key; `None` when no sync has seen it.
pub fn of(tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<ViewRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE key_id = $1"), &[key.as_str().into()])?.map(read).transpose()
}

/// Keeps a view, in the place of the one that was there.
pub fn put(tx: &mut Tx<'_>, view: &ViewRow) -> Result<(), StoreError> {
    let aliases = serde_json::Value::from(view.aliases.clone()).to_string();
    tx.execute(
        "INSERT INTO cloud_views (key_id, seen_by, seen_at, aliases, facts, differences, baseline) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (key_id) DO UPDATE SET seen_by = excluded.seen_by, seen_at = excluded.seen_at, aliases = excluded.aliases, facts = excluded.facts,
           differences = excluded.differences, baseline = excluded.baseline",
        &[
            view.key_id.as_str().into(),
            view.seen_by.as_ref().map(OperationId::as_str).into(),
            view.seen_at.into(),
            (&aliases).into(),
            (&view.facts).into(),
            (&view.differences).into(),
            view.baseline.as_ref().into(),
        ],
    )
    .map(drop)
}

/// Which of these cloud keys a sync has seen already.
pub fn seen(tx: &mut Tx<'_>, keystore: &KeystoreId, by: &OperationId, cloud_ids: &[String]) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT 1 FROM keys k JOIN cloud_views v ON v.key_id = k.id WHERE k.keystore_id = $1 AND k.cloud_key_id = $2 AND v.seen_by = $3";
    let mut found = Vec::new();
    for id in cloud_ids {
        if tx.query_opt(sql, &[keystore.as_str().into(), id.into(), by.as_str().into()])?.is_some() {
            found.push(id.clone());
        }
    }
    Ok(found)
}

/// A page of the keys of a keystore that should be in the cloud and that a sync has not seen, by their ids.
pub fn unseen(tx: &mut Tx<'_>, keystore: &KeystoreId, by: &OperationId, after: &str, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!(
        "{} WHERE k.keystore_id = $1 AND k.id > $3 AND k.cloud_key_id IS NOT NULL AND k.state NOT IN ('CREATING', 'DELETED')
           AND NOT EXISTS (SELECT 1 FROM cloud_views v WHERE v.key_id = k.id AND v.seen_by = $2) ORDER BY k.id LIMIT {limit}",
        keys::COLUMNS
    );
    tx.query(&sql, &[keystore.as_str().into(), by.as_str().into(), after.into()])?.into_iter().map(keys::read).collect()
}
