//! Users: people with a name and a token, of which only the hash is kept.

use keystead_domain::{AccountId, Timestamp, UserId};

use super::page::{Listed, Page};
use crate::{Row, StoreError, Tx};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Id.
    pub id: UserId,
    /// Account.
    pub account_id: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// `ACTIVE` or `DISABLED`.
    pub state: String,
    /// When made.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "SELECT id, account_id, name, state, created_at FROM users";

fn read(row: Row) -> Result<UserRow, StoreError> {
    let mut row = row.read();
    Ok(UserRow { id: row.id()?, account_id: row.id()?, name: row.text()?, state: row.text()?, created_at: row.time()? })
}

/// Makes a user; the hash is the SHA-256 of the token in hexadecimal.
pub fn insert(tx: &mut Tx<'_>, user: &UserRow, token_hash: &str, created_by: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO users (id, account_id, name, state, created_at, token_hash, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            user.id.as_str().into(),
            user.account_id.as_str().into(),
            (&user.name).into(),
            (&user.state).into(),
            user.created_at.into(),
            token_hash.into(),
            created_by.into(),
        ],
    )
    .map(drop)
}

/// The active user whose token has this hash.
pub fn by_token_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<UserRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE token_hash = $1 AND state = 'ACTIVE'"), &[hash.into()])?.map(read).transpose()
}

/// The user who is locked out and whose token had this hash: who tries to come back is told to the audit log by name.
pub fn locked_out_by_token_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<UserRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE token_hash = $1 AND state <> 'ACTIVE'"), &[hash.into()])?.map(read).transpose()
}

/// A user by id or by name.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id_or_name: &str) -> Result<Option<UserRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE account_id = $1 AND (id = $2 OR name = $2)"), &[account.as_str().into(), id_or_name.into()])?.map(read).transpose()
}

/// Gives a user another token: the old one is useless from this commit on.
pub fn replace_token(tx: &mut Tx<'_>, id: &UserId, token_hash: &str) -> Result<(), StoreError> {
    tx.execute_one("user", "UPDATE users SET token_hash = $1 WHERE id = $2", &[token_hash.into(), id.as_str().into()])
}

/// Locks a user out in the name of another, who must be active until the commit: of two who lock each other out at the same moment one remains.
pub fn disable(tx: &mut Tx<'_>, id: &UserId, by: &UserId) -> Result<(), StoreError> {
    // Both rows, always in the order of their ids: nodes take turns and do not wait for each other.
    let hold = format!("SELECT id, state FROM users WHERE id IN ($1, $2) ORDER BY id{}", tx.dialect().for_update());
    let mut by_is_active = false;
    for row in tx.query(&hold, &[id.as_str().into(), by.as_str().into()])? {
        let mut row = row.read();
        by_is_active |= row.text()? == by.as_str() && row.text()? == "ACTIVE";
    }
    if by_is_active { set_state(tx, id, "DISABLED") } else { Err(StoreError::MovedOn("caller")) }
}

/// Locks a user out, or lets them in again, whoever asks.
pub fn set_state(tx: &mut Tx<'_>, id: &UserId, state: &str) -> Result<(), StoreError> {
    tx.execute_one("user", "UPDATE users SET state = $1 WHERE id = $2", &[state.into(), id.as_str().into()])
}

/// A page of users, in the order they were made.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<UserRow>, StoreError> {
    let values = [account.as_str().into(), page.after_or_start().into(), page.fetch().into()];
    let rows = tx.query(&format!("{COLUMNS} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |user| user.id.to_string()))
}
