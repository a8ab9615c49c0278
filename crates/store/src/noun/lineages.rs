//! Lineages: keys that share a name and, one after the other, an alias.

use keystead_domain::{AccountId, Alias, KeyId, KeystoreId, LineageId, Timestamp};

use crate::{Row, StoreError, Tx};

/// A lineage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageRow {
    /// Id.
    pub id: LineageId,
    /// Account.
    pub account_id: AccountId,
    /// Keystore of all its keys.
    pub keystore_id: KeystoreId,
    /// Name of all its keys.
    pub name: String,
    /// The alias, which points at the current key.
    pub alias: Option<Alias>,
    /// The key that the name and the alias mean.
    pub current_key_id: KeyId,
    /// When made.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "SELECT id, account_id, keystore_id, name, alias, current_key_id, created_at FROM lineages";

fn read(row: Row) -> Result<LineageRow, StoreError> {
    let mut row = row.read();
    Ok(LineageRow {
        id: row.id()?,
        account_id: row.id()?,
        keystore_id: row.id()?,
        name: row.text()?,
        alias: row.opt_text()?.map(|text| Alias::parse(&text)).transpose()?,
        current_key_id: row.id()?,
        created_at: row.time()?,
    })
}

/// Makes a lineage; a name or an alias that is in use is refused as not unique.
pub fn insert(tx: &mut Tx<'_>, lineage: &LineageRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lineages (id, account_id, keystore_id, name, alias, current_key_id, live, created_at) VALUES ($1, $2, $3, $4, $5, $6, 1, $7)",
        &[
            lineage.id.as_str().into(),
            lineage.account_id.as_str().into(),
            lineage.keystore_id.as_str().into(),
            (&lineage.name).into(),
            lineage.alias.as_ref().map(Alias::as_str).into(),
            lineage.current_key_id.as_str().into(),
            lineage.created_at.into(),
        ],
    )
    .map(drop)
}

/// A lineage by id.
pub fn by_id(tx: &mut Tx<'_>, id: &LineageId) -> Result<Option<LineageRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE id = $1"), &[id.as_str().into()])?.map(read).transpose()
}

/// The names in use that begin like this.
pub fn names_beginning(tx: &mut Tx<'_>, account: &AccountId, text: &str) -> Result<Vec<String>, StoreError> {
    // No character of a name sorts behind the tilde.
    let sql = "SELECT name FROM lineages WHERE account_id = $1 AND live = 1 AND name >= $2 AND name < $3 ORDER BY name";
    let rows = tx.query(sql, &[account.as_str().into(), text.into(), (&format!("{text}~")).into()])?;
    rows.into_iter().map(|row| row.read().text()).collect()
}

/// Whether a living lineage of the account has this name.
pub fn is_name_taken(tx: &mut Tx<'_>, account: &AccountId, name: &str) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM lineages WHERE account_id = $1 AND name = $2 AND live = 1";
    Ok(tx.query_opt(sql, &[account.as_str().into(), name.into()])?.is_some())
}

/// The living lineage of a keystore that has this alias.
pub fn by_alias(tx: &mut Tx<'_>, keystore: &KeystoreId, alias: &Alias) -> Result<Option<LineageRow>, StoreError> {
    let values = [keystore.as_str().into(), alias.as_str().into()];
    tx.query_opt(&format!("{COLUMNS} WHERE keystore_id = $1 AND alias = $2 AND live = 1"), &values)?.map(read).transpose()
}

/// Moves name and alias from one key to another.
pub fn set_current(tx: &mut Tx<'_>, id: &LineageId, from: &KeyId, to: &KeyId) -> Result<(), StoreError> {
    let values = [to.as_str().into(), id.as_str().into(), from.as_str().into()];
    tx.execute_one("lineage", "UPDATE lineages SET current_key_id = $1 WHERE id = $2 AND current_key_id = $3", &values)
}

/// Gives the lineage and all its keys another name.
pub fn rename(tx: &mut Tx<'_>, id: &LineageId, name: &str) -> Result<(), StoreError> {
    tx.execute_one("lineage", "UPDATE lineages SET name = $1 WHERE id = $2 AND live = 1", &[name.into(), id.as_str().into()])?;
    tx.execute("UPDATE keys SET name = $1 WHERE lineage_id = $2", &[name.into(), id.as_str().into()]).map(drop)
}

/// Gives the lineage another alias, or none.
pub fn set_alias(tx: &mut Tx<'_>, id: &LineageId, alias: Option<&Alias>) -> Result<(), StoreError> {
    let values = [alias.map(Alias::as_str).into(), id.as_str().into()];
    tx.execute_one("lineage", "UPDATE lineages SET alias = $1 WHERE id = $2 AND live = 1", &values)
}

/// Ends a lineage whose keys are all DELETED: its name and alias are free again.
pub fn end_if_all_deleted(tx: &mut Tx<'_>, id: &LineageId) -> Result<(), StoreError> {
    // Another node may be deleting the last but one, and neither would see the other's: wait for its commit, then look.
    let hold = format!("SELECT 1 FROM lineages WHERE id = $1{}", tx.dialect().for_update());
    tx.query(&hold, &[id.as_str().into()])?;
    tx.execute(
        "UPDATE lineages SET live = 0 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.lineage_id = lineages.id AND keys.state <> 'DELETED')",
        &[id.as_str().into()],
    )
    .map(drop)
}

/// Takes a lineage back that never had a key.
pub fn delete(tx: &mut Tx<'_>, id: &LineageId) -> Result<(), StoreError> {
    tx.execute_one("lineage", "DELETE FROM lineages WHERE id = $1", &[id.as_str().into()])
}
