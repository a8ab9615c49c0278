//! Who used the cloud's keys, or tried to, as queues told it (AW-045): one row for who did what and what came of it.

use keystead_domain::{KeystoreId, Timestamp};

use crate::{Row, StoreError, Tx};

/// Who used a cloud key, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// The cloud's short id of the key.
    pub cloud_key_id: String,
    /// Who: a user, a role or a service, in the cloud's word.
    pub who: String,
    /// By which operation, in the cloud's word.
    pub operation: String,
    /// Why it was refused, in the cloud's word; empty when it was not.
    pub refusal: String,
    /// In which session of the role, the last time; else empty.
    pub session: String,
    /// From where, the last time.
    pub origin: String,
    /// The first time that was heard of.
    pub first_at: Timestamp,
    /// The last time that was heard of.
    pub last_at: Timestamp,
    /// How often it was heard of.
    pub heard: i64,
}

/// Rows of one key that are kept; those whose last time is the longest ago make room.
pub const KEPT_A_KEY: u32 = 200;
/// Rows that one transaction forgets.
const SLICE: u32 = 5_000;

const KNOWN: &str = "UPDATE key_uses SET heard = heard + 1, last_event = $6, first_at = CASE WHEN first_at > $7 THEN $7 ELSE first_at END,
    session = CASE WHEN last_at > $7 THEN session ELSE $8 END, origin = CASE WHEN last_at > $7 THEN origin ELSE $9 END,
    last_at = CASE WHEN last_at > $7 THEN last_at ELSE $7 END
  WHERE keystore_id = $1 AND cloud_key_id = $2 AND who = $3 AND operation = $4 AND refusal = $5 AND last_event <> $6";

const NEW: &str = "INSERT INTO key_uses (keystore_id, cloud_key_id, who, operation, refusal, last_event, first_at, last_at, session, origin, heard)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, 1) ON CONFLICT DO NOTHING";

/// Keeps a use that was heard of, by the cloud's id of the event: the one that was kept last is not counted again.
pub fn keep(tx: &mut Tx<'_>, row: &UseRow, event: &str) -> Result<(), StoreError> {
    let values = [
        row.keystore_id.as_str().into(),
        (&row.cloud_key_id).into(),
        (&row.who).into(),
        (&row.operation).into(),
        (&row.refusal).into(),
        event.into(),
        row.last_at.into(),
        (&row.session).into(),
        (&row.origin).into(),
    ];
    if tx.execute(KNOWN, &values)? == 0 && tx.execute(NEW, &values)? > 0 {
        make_room(tx, row.keystore_id.as_str(), &row.cloud_key_id)?;
    }
    Ok(())
}

fn make_room(tx: &mut Tx<'_>, place: &str, key: &str) -> Result<(), StoreError> {
    let sql = format!(
        "DELETE FROM key_uses WHERE keystore_id = $1 AND cloud_key_id = $2 AND (who, operation, refusal) IN
           (SELECT u.who, u.operation, u.refusal FROM key_uses u WHERE u.keystore_id = $1 AND u.cloud_key_id = $2
            ORDER BY u.last_at DESC, u.who, u.operation, u.refusal LIMIT 1000 OFFSET {KEPT_A_KEY})"
    );
    tx.execute(&sql, &[place.into(), key.into()]).map(drop)
}

/// Who used a cloud key in this second or later, the last first: clouds tell times to the second.
pub fn of_key(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, since: Timestamp) -> Result<Vec<UseRow>, StoreError> {
    let sql = "SELECT keystore_id, cloud_key_id, who, operation, refusal, session, origin, first_at, last_at, heard FROM key_uses
      WHERE keystore_id = $1 AND cloud_key_id = $2 AND last_at >= $3 ORDER BY last_at DESC, who, operation, refusal";
    let since = Timestamp::from_secs(since.as_micros().div_euclid(1_000_000));
    tx.query(sql, &[keystore.as_str().into(), cloud_key.into(), since.into()])?.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<UseRow, StoreError> {
    let mut row = row.read();
    Ok(UseRow {
        keystore_id: row.id()?,
        cloud_key_id: row.text()?,
        who: row.text()?,
        operation: row.text()?,
        refusal: row.text()?,
        session: row.text()?,
        origin: row.text()?,
        first_at: row.time()?,
        last_at: row.time()?,
        heard: row.int()?,
    })
}

/// Forgets some of those whose last time lies before this one; `false` when nothing of it is left.
pub fn forget_before(tx: &mut Tx<'_>, before: Timestamp) -> Result<bool, StoreError> {
    let oldest = format!("SELECT MAX(last_at) FROM (SELECT u.last_at FROM key_uses u WHERE u.last_at < $1 ORDER BY u.last_at LIMIT {SLICE}) t");
    let sql = format!("DELETE FROM key_uses WHERE last_at <= ({oldest})");
    Ok(tx.execute(&sql, &[before.into()])? > 0)
}
