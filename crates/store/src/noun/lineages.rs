//! Lineages: keys that share a name and, one after the other, their aliases.

use keystead_domain::{AccountId, Alias, Aliases, KeyId, KeystoreId, LineageId, Timestamp};

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
    /// The aliases, which point at the current key.
    pub aliases: Aliases,
    /// The key that the name and the aliases mean.
    pub current_key_id: KeyId,
    /// When made.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "SELECT l.id, l.account_id, l.keystore_id, l.name,
  (SELECT string_agg(a.alias, ' ' ORDER BY a.position) FROM aliases a WHERE a.lineage_id = l.id), l.current_key_id, l.created_at
  FROM lineages l";

/// Aliases as a row lists them: with spaces between them, which no alias has.
pub(super) fn read_aliases(text: Option<String>) -> Result<Aliases, StoreError> {
    let aliases: Result<Aliases, _> = text.as_deref().unwrap_or_default().split_whitespace().map(Alias::parse).collect();
    Ok(aliases?)
}

fn read(row: Row) -> Result<LineageRow, StoreError> {
    let mut row = row.read();
    Ok(LineageRow {
        id: row.id()?,
        account_id: row.id()?,
        keystore_id: row.id()?,
        name: row.text()?,
        aliases: read_aliases(row.opt_text()?)?,
        current_key_id: row.id()?,
        created_at: row.time()?,
    })
}

/// Makes a lineage; a name or an alias that is in use is refused as not unique.
pub fn insert(tx: &mut Tx<'_>, lineage: &LineageRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lineages (id, account_id, keystore_id, name, current_key_id, live, created_at) VALUES ($1, $2, $3, $4, $5, 1, $6)",
        &[
            lineage.id.as_str().into(),
            lineage.account_id.as_str().into(),
            lineage.keystore_id.as_str().into(),
            (&lineage.name).into(),
            lineage.current_key_id.as_str().into(),
            lineage.created_at.into(),
        ],
    )?;
    give_aliases(tx, &lineage.keystore_id, &lineage.id, &lineage.aliases)
}

fn give_aliases(tx: &mut Tx<'_>, keystore: &KeystoreId, id: &LineageId, aliases: &Aliases) -> Result<(), StoreError> {
    for (position, alias) in (0_i64..).zip(aliases) {
        let values = [keystore.as_str().into(), alias.as_str().into(), id.as_str().into(), position.into()];
        tx.execute("INSERT INTO aliases (keystore_id, alias, lineage_id, position) VALUES ($1, $2, $3, $4)", &values)?;
    }
    Ok(())
}

/// A lineage by id.
pub fn by_id(tx: &mut Tx<'_>, id: &LineageId) -> Result<Option<LineageRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE l.id = $1"), &[id.as_str().into()])?.map(read).transpose()
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
    let sql = format!("{COLUMNS} JOIN aliases b ON b.lineage_id = l.id WHERE b.keystore_id = $1 AND b.alias = $2 AND l.live = 1");
    tx.query_opt(&sql, &values)?.map(read).transpose()
}

/// Moves name and aliases from one key to another.
pub fn set_current(tx: &mut Tx<'_>, id: &LineageId, from: &KeyId, to: &KeyId) -> Result<(), StoreError> {
    let values = [to.as_str().into(), id.as_str().into(), from.as_str().into()];
    tx.execute_one("lineage", "UPDATE lineages SET current_key_id = $1 WHERE id = $2 AND current_key_id = $3", &values)
}

/// Gives the lineage and all its keys another name.
pub fn rename(tx: &mut Tx<'_>, id: &LineageId, name: &str) -> Result<(), StoreError> {
    tx.execute_one("lineage", "UPDATE lineages SET name = $1 WHERE id = $2 AND live = 1", &[name.into(), id.as_str().into()])?;
    tx.execute("UPDATE keys SET name = $1 WHERE lineage_id = $2", &[name.into(), id.as_str().into()]).map(drop)
}

/// Gives the lineage these aliases in the place of those that it had.
pub fn set_aliases(tx: &mut Tx<'_>, id: &LineageId, aliases: &Aliases) -> Result<(), StoreError> {
    // Behind the lock nobody else gives it aliases, and it does not end.
    let hold = format!("SELECT keystore_id FROM lineages WHERE id = $1 AND live = 1{}", tx.dialect().for_update());
    let keystore = tx.query_opt(&hold, &[id.as_str().into()])?;
    let keystore: KeystoreId = keystore.ok_or(StoreError::MovedOn("lineage"))?.read().id()?;
    drop_aliases(tx, id)?;
    give_aliases(tx, &keystore, id, aliases)
}

fn drop_aliases(tx: &mut Tx<'_>, id: &LineageId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM aliases WHERE lineage_id = $1", &[id.as_str().into()]).map(drop)
}

/// Takes one alias from the lineage that has it.
pub fn drop_alias(tx: &mut Tx<'_>, id: &LineageId, alias: &Alias) -> Result<(), StoreError> {
    tx.execute_one("lineage", "DELETE FROM aliases WHERE lineage_id = $1 AND alias = $2", &[id.as_str().into(), alias.as_str().into()])
}

/// Frees the aliases of a keystore's lineages that have ended.
pub(super) fn free_aliases(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<(), StoreError> {
    let sql = "DELETE FROM aliases WHERE keystore_id = $1 AND lineage_id IN (SELECT id FROM lineages WHERE keystore_id = $1 AND live = 0)";
    tx.execute(sql, &[keystore.as_str().into()]).map(drop)
}

/// Ends a lineage whose keys are all DELETED: its name and aliases are free again.
pub fn end_if_all_deleted(tx: &mut Tx<'_>, id: &LineageId) -> Result<(), StoreError> {
    // Another node may be deleting the last but one, and neither would see the other's: wait for its commit, then look.
    let hold = format!("SELECT 1 FROM lineages WHERE id = $1{}", tx.dialect().for_update());
    tx.query(&hold, &[id.as_str().into()])?;
    tx.execute(
        "UPDATE lineages SET live = 0 WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.lineage_id = lineages.id AND keys.state <> 'DELETED')",
        &[id.as_str().into()],
    )?;
    tx.execute("DELETE FROM aliases WHERE lineage_id = $1 AND EXISTS (SELECT 1 FROM lineages WHERE id = $1 AND live = 0)", &[id.as_str().into()]).map(drop)
}

/// Takes a lineage back that never had a key.
pub fn delete(tx: &mut Tx<'_>, id: &LineageId) -> Result<(), StoreError> {
    drop_aliases(tx, id)?;
    tx.execute_one("lineage", "DELETE FROM lineages WHERE id = $1", &[id.as_str().into()])
}
