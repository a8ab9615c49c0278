//! Links: of which key a key is a copy, and who copied it (FT-021, FT-028, FT-029).

use keystead_domain::{AccountId, KeyId, KeyState, Timestamp};

use super::page::{Listed, Page};
use crate::{Row, StoreError, Tx};

/// A link as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    /// The copy.
    pub key_id: KeyId,
    /// The key whose material it has.
    pub source_id: KeyId,
    /// Account of both.
    pub account_id: AccountId,
    /// Name of the copy's keystore, when it was copied there.
    pub keystore: String,
    /// Who copied: a user's id, or `system`.
    pub copied_by: String,
    /// Their name then.
    pub copied_by_name: String,
    /// When.
    pub copied_at: Timestamp,
}

/// A link with how both keys stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// As it was made.
    pub row: LinkRow,
    /// The copy's name and state.
    pub copy: (String, KeyState),
    /// The source's name and state.
    pub source: (String, KeyState),
    /// Name of the source's keystore.
    pub source_keystore: String,
}

const COLUMNS: &str =
    "SELECT x.key_id, x.source_key_id, x.account_id, x.keystore, x.copied_by, x.copied_by_name, x.copied_at, c.name, c.state, k.name, k.state, s.name
  FROM key_links x JOIN keys c ON c.id = x.key_id JOIN keys k ON k.id = x.source_key_id JOIN keystores s ON s.id = k.keystore_id";

fn read(row: Row) -> Result<Link, StoreError> {
    let mut row = row.read();
    Ok(Link {
        row: LinkRow {
            key_id: row.id()?,
            source_id: row.id()?,
            account_id: row.id()?,
            keystore: row.text()?,
            copied_by: row.text()?,
            copied_by_name: row.text()?,
            copied_at: row.time()?,
        },
        copy: (row.text()?, KeyState::parse(&row.text()?)?),
        source: (row.text()?, KeyState::parse(&row.text()?)?),
        source_keystore: row.text()?,
    })
}

/// Notes of which key a key is a copy.
pub fn insert(tx: &mut Tx<'_>, link: &LinkRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO key_links (key_id, source_key_id, account_id, keystore, copied_by, copied_by_name, copied_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            link.key_id.as_str().into(),
            link.source_id.as_str().into(),
            link.account_id.as_str().into(),
            (&link.keystore).into(),
            (&link.copied_by).into(),
            (&link.copied_by_name).into(),
            link.copied_at.into(),
        ],
    )
    .map(drop)
}

/// A page of the links of a key: the one to its source, or those of its copies, in the order in which they were made.
pub fn list(tx: &mut Tx<'_>, key: &KeyId, page: &Page) -> Result<Listed<Link>, StoreError> {
    let sql = format!("{COLUMNS} WHERE (x.source_key_id = $1 OR x.key_id = $1) AND x.key_id > $2 ORDER BY x.key_id LIMIT $3");
    let rows = tx.query(&sql, &[key.as_str().into(), page.after_or_start().into(), page.fetch().into()])?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |link| link.row.key_id.to_string()))
}

/// Makes the copies of a key those of the key that has taken its place with the same material.
pub fn hand_over(tx: &mut Tx<'_>, from: &KeyId, to: &KeyId) -> Result<(), StoreError> {
    let values = [to.as_str().into(), from.as_str().into()];
    tx.execute("UPDATE keys SET source_key_id = $1, revision = revision + 1 WHERE source_key_id = $2", &values)?;
    tx.execute("UPDATE key_links SET source_key_id = $1 WHERE source_key_id = $2", &values).map(drop)
}

/// Takes the link of a copy back that was never made; a key that is no copy has none.
pub fn delete_uncreated(tx: &mut Tx<'_>, key: &KeyId) -> Result<(), StoreError> {
    let sql = "DELETE FROM key_links WHERE key_id = $1 AND EXISTS (SELECT 1 FROM keys WHERE keys.id = key_links.key_id AND keys.state = 'CREATING')";
    tx.execute(sql, &[key.as_str().into()]).map(drop)
}
