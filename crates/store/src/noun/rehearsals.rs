//! Rehearsed deletions: which key is disabled until when, and what became of it (AW-045).

use keystead_domain::{AccountId, KeyId, RehearsalId, Timestamp, rehearsal::RehearsalState};

use super::{
    page::{Listed, Page},
    readable::{Unreadable, parted},
};
use crate::{Row, StoreError, Tx};

/// A rehearsal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RehearsalRow {
    /// Id.
    pub id: RehearsalId,
    /// Account.
    pub account_id: AccountId,
    /// The key.
    pub key_id: KeyId,
    /// How it stands.
    pub state: RehearsalState,
    /// Who began it: a user's id.
    pub begun_by: String,
    /// Their name then.
    pub begun_by_name: String,
    /// When.
    pub begun_at: Timestamp,
    /// When the key is enabled again.
    pub ends_at: Timestamp,
    /// When a look has something to do.
    pub next_at: Timestamp,
    /// How often enabling it has failed.
    pub tries: u32,
    /// What the cloud knew of its use before, JSON; opaque here.
    pub used_before: String,
    /// The same behind the end.
    pub used_after: Option<String>,
    /// When enabling it was first begun: a use since then came behind the end.
    pub enabling_at: Option<Timestamp>,
    /// When nothing more happened.
    pub ended_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT id, account_id, key_id, state, begun_by, begun_by_name, begun_at, ends_at, next_at, tries, used_before, used_after, enabling_at, ended_at FROM rehearsals";

fn read(row: Row) -> Result<RehearsalRow, StoreError> {
    let mut row = row.read();
    Ok(RehearsalRow {
        id: row.id()?,
        account_id: row.id()?,
        key_id: row.id()?,
        state: RehearsalState::parse(&row.text()?)?,
        begun_by: row.text()?,
        begun_by_name: row.text()?,
        begun_at: row.time()?,
        ends_at: row.time()?,
        next_at: row.time()?,
        tries: row.count()?,
        used_before: row.text()?,
        used_after: row.opt_text()?,
        enabling_at: row.opt_time()?,
        ended_at: row.opt_time()?,
    })
}

/// Writes a rehearsal, in the transaction of the intent that disables the key: from then on it ends by itself.
pub fn insert(tx: &mut Tx<'_>, row: &RehearsalRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO rehearsals (id, account_id, key_id, state, begun_by, begun_by_name, begun_at, ends_at, next_at, tries, used_before, used_after, enabling_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            row.id.as_str().into(),
            row.account_id.as_str().into(),
            row.key_id.as_str().into(),
            row.state.as_str().into(),
            (&row.begun_by).into(),
            (&row.begun_by_name).into(),
            row.begun_at.into(),
            row.ends_at.into(),
            row.next_at.into(),
            row.tries.into(),
            (&row.used_before).into(),
            row.used_after.as_ref().into(),
            row.enabling_at.into(),
            row.ended_at.into(),
        ],
    )
    .map(drop)
}

/// The rehearsal of a key in which something will still happen.
pub fn open_of(tx: &mut Tx<'_>, key: &KeyId) -> Result<Option<RehearsalRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE key_id = $1 AND ended_at IS NULL"), &[key.as_str().into()])?.map(read).transpose()
}

/// Whether a rehearsal keeps a key disabled.
pub fn holds_disabled(tx: &mut Tx<'_>, key: &KeyId) -> Result<bool, StoreError> {
    Ok(open_of(tx, key)?.is_some_and(|row| row.state.holds_disabled()))
}

/// Those whose time has come: first those that keep a key disabled, the longest due first. One that cannot be read holds up no other.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<RehearsalRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE ended_at IS NULL AND next_at <= $1 ORDER BY CASE WHEN state = 'WATCHING' THEN 1 ELSE 0 END, next_at, id LIMIT {limit}");
    let (found, left_out) = parted(tx.query(&sql, &[now.into()])?, read);
    left_out.iter().for_each(Unreadable::tell);
    Ok(found)
}

/// A page of a key's, the newest first.
pub fn list(tx: &mut Tx<'_>, key: &KeyId, page: &Page) -> Result<Listed<RehearsalRow>, StoreError> {
    // "s" follows every id of the form rehearsal_…, so that the first page begins at the newest.
    let before = page.after.as_deref().unwrap_or("s");
    let sql = format!("{COLUMNS} WHERE key_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    let rows = tx.query(&sql, &[key.as_str().into(), before.into(), page.fetch().into()])?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |row| row.id.to_string()))
}

/// Begins to enable the key; somebody faster makes it [`StoreError::MovedOn`].
pub fn ending(tx: &mut Tx<'_>, id: &RehearsalId, now: Timestamp, next_at: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE rehearsals SET state = 'ENDING', enabling_at = COALESCE(enabling_at, $1), next_at = $2 WHERE id = $3 AND state = 'RUNNING'";
    tx.execute_one("rehearsal", sql, &[now.into(), next_at.into(), id.as_str().into()])
}

/// Moves one on; somebody faster makes it [`StoreError::MovedOn`].
pub fn transition(tx: &mut Tx<'_>, id: &RehearsalId, from: RehearsalState, to: RehearsalState, next_at: Timestamp) -> Result<(), StoreError> {
    let values = [to.as_str().into(), next_at.into(), id.as_str().into(), from.as_str().into()];
    tx.execute_one("rehearsal", "UPDATE rehearsals SET state = $1, next_at = $2 WHERE id = $3 AND state = $4", &values)
}

/// Enabling the key has failed: it is tried again at this time.
pub fn failed(tx: &mut Tx<'_>, id: &RehearsalId, next_at: Timestamp) -> Result<(), StoreError> {
    let values = [next_at.into(), id.as_str().into()];
    tx.execute_one("rehearsal", "UPDATE rehearsals SET state = 'RUNNING', tries = tries + 1, next_at = $1 WHERE id = $2 AND state = 'ENDING'", &values)
}

/// Looks at one again at this time, if it stands as it stood.
pub fn rest(tx: &mut Tx<'_>, id: &RehearsalId, state: RehearsalState, next_at: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE rehearsals SET next_at = $1 WHERE id = $2 AND state = $3", &[next_at.into(), id.as_str().into(), state.as_str().into()]).map(drop)
}

/// Ends one; somebody faster makes it [`StoreError::MovedOn`].
pub fn end(tx: &mut Tx<'_>, id: &RehearsalId, from: RehearsalState, to: RehearsalState, used_after: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
    let values = [to.as_str().into(), used_after.into(), now.into(), id.as_str().into(), from.as_str().into()];
    tx.execute_one("rehearsal", "UPDATE rehearsals SET state = $1, used_after = $2, ended_at = $3 WHERE id = $4 AND state = $5", &values)
}
