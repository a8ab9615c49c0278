//! What the clouds tell by themselves: the queues that are listened to, what was heard, and the keys that shall be looked at because of it.

use keystead_domain::{KeystoreId, Timestamp};

use super::readable;
use crate::{Row, StoreError, Tx};

/// The queue of a keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// The cloud's full name of the queue.
    pub queue: String,
    /// When it was set.
    pub set_at: Timestamp,
    /// Who set it.
    pub set_by: String,
    /// When it was last heard without a problem.
    pub heard_at: Option<Timestamp>,
    /// Why it could not be heard last.
    pub problem: Option<String>,
    /// Since when it cannot be heard.
    pub failing_since: Option<Timestamp>,
}

/// An event of a cloud key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// The cloud's short id of the key.
    pub cloud_key_id: String,
    /// The cloud's id of the event.
    pub event_id: String,
    /// What was done, in the cloud's word.
    pub name: String,
    /// To which alias; else empty.
    pub alias: String,
    /// When it was done.
    pub happened_at: Timestamp,
    /// By whom.
    pub who: String,
    /// From where.
    pub origin: String,
    /// The cloud's id of the call; else empty.
    pub request: String,
    /// Whether in a session of Keystead's own.
    pub is_own: bool,
    /// When it was heard.
    pub heard_at: Timestamp,
}

/// A cloud key that shall be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// The cloud's short id of the key.
    pub cloud_key_id: String,
    /// How often somebody said so.
    pub asks: i64,
    /// How often the look failed.
    pub tries: u32,
}

const QUEUE: &str = "SELECT q.keystore_id, q.queue, q.set_at, q.set_by, q.heard_at, q.problem, q.failing_since FROM event_queues q";

fn read_queue(row: Row) -> Result<QueueRow, StoreError> {
    let mut row = row.read();
    Ok(QueueRow {
        keystore_id: row.id()?,
        queue: row.text()?,
        set_at: row.time()?,
        set_by: row.text()?,
        heard_at: row.opt_time()?,
        problem: row.opt_text()?,
        failing_since: row.opt_time()?,
    })
}

/// Sets the queue of a keystore, in the place of the one before.
pub fn set_queue(tx: &mut Tx<'_>, keystore: &KeystoreId, queue: &str, now: Timestamp, by: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO event_queues (keystore_id, queue, set_at, set_by) VALUES ($1, $2, $3, $4)
      ON CONFLICT (keystore_id) DO UPDATE SET queue = excluded.queue, set_at = excluded.set_at, set_by = excluded.set_by, heard_at = NULL, problem = NULL,
        failing_since = NULL";
    tx.execute(sql, &[keystore.as_str().into(), queue.into(), now.into(), by.into()]).map(drop)
}

/// Listens to a keystore's queue no more.
pub fn drop_queue(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM event_queues WHERE keystore_id = $1", &[keystore.as_str().into()])?;
    tx.execute("DELETE FROM wakes WHERE keystore_id = $1", &[keystore.as_str().into()]).map(drop)
}

/// The queue of a keystore; `None` when none was set.
pub fn queue_of(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Option<QueueRow>, StoreError> {
    tx.query_opt(&format!("{QUEUE} WHERE q.keystore_id = $1"), &[keystore.as_str().into()])?.map(read_queue).transpose()
}

/// The queues of the keystores in use.
pub fn queues(tx: &mut Tx<'_>) -> Result<Vec<QueueRow>, StoreError> {
    let sql = format!("{QUEUE} JOIN keystores s ON s.id = q.keystore_id WHERE s.state = 'ACTIVE' ORDER BY q.keystore_id");
    Ok(readable::readable(tx.query(&sql, &[])?, read_queue))
}

/// Another keystore in use that listens to this queue; two would take each other's messages.
pub fn listener_of(tx: &mut Tx<'_>, queue: &str, other_than: &KeystoreId) -> Result<Option<String>, StoreError> {
    let sql =
        "SELECT s.name FROM event_queues q JOIN keystores s ON s.id = q.keystore_id WHERE q.queue = $1 AND q.keystore_id <> $2 AND s.state = 'ACTIVE' LIMIT 1";
    tx.query_opt(sql, &[queue.into(), other_than.as_str().into()])?.map(|row| row.read().text()).transpose()
}

/// Notes that a queue was heard, or why not.
pub fn heard(tx: &mut Tx<'_>, keystore: &KeystoreId, now: Timestamp, problem: Option<&str>) -> Result<(), StoreError> {
    let sql = "UPDATE event_queues SET heard_at = CASE WHEN $3 = '' THEN $2 ELSE heard_at END, problem = NULLIF($3, ''),
      failing_since = CASE WHEN $3 = '' THEN NULL ELSE COALESCE(failing_since, $2) END WHERE keystore_id = $1";
    tx.execute(sql, &[keystore.as_str().into(), now.into(), problem.unwrap_or_default().into()]).map(drop)
}

/// Keeps an event; `false` when it was kept before: a queue may tell it twice.
pub fn keep(tx: &mut Tx<'_>, event: &EventRow) -> Result<bool, StoreError> {
    let kept = tx.execute(
        "INSERT INTO cloud_events (keystore_id, cloud_key_id, event_id, name, alias, happened_at, who, origin, request, is_own, heard_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        &[
            event.keystore_id.as_str().into(),
            (&event.cloud_key_id).into(),
            (&event.event_id).into(),
            (&event.name).into(),
            (&event.alias).into(),
            event.happened_at.into(),
            (&event.who).into(),
            (&event.origin).into(),
            (&event.request).into(),
            i64::from(event.is_own).into(),
            event.heard_at.into(),
        ],
    )?;
    Ok(kept == 1)
}

fn read_event(row: Row) -> Result<EventRow, StoreError> {
    let mut row = row.read();
    Ok(EventRow {
        keystore_id: row.id()?,
        cloud_key_id: row.text()?,
        event_id: row.text()?,
        name: row.text()?,
        alias: row.text()?,
        happened_at: row.time()?,
        who: row.text()?,
        origin: row.text()?,
        request: row.text()?,
        is_own: row.int()? != 0,
        heard_at: row.time()?,
    })
}

/// The events of a cloud key, the newest first; the cloud tells times to the second, and of one second those of others come before Keystead's own.
pub fn of_key(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, limit: u32) -> Result<Vec<EventRow>, StoreError> {
    let sql = format!(
        "SELECT keystore_id, cloud_key_id, event_id, name, alias, happened_at, who, origin, request, is_own, heard_at FROM cloud_events
           WHERE keystore_id = $1 AND cloud_key_id = $2 ORDER BY happened_at DESC, is_own, event_id LIMIT {limit}"
    );
    Ok(readable::readable(tx.query(&sql, &[keystore.as_str().into(), cloud_key.into()])?, read_event))
}

/// Forgets what was heard before this time.
pub fn forget_before(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cloud_events WHERE heard_at < $1", &[before.into()]).map(drop)
}

/// Lets a cloud key be looked at.
pub fn wake(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO wakes (keystore_id, cloud_key_id, asks, not_before, tries) VALUES ($1, $2, 1, $3, 0)
      ON CONFLICT (keystore_id, cloud_key_id) DO UPDATE SET asks = wakes.asks + 1";
    tx.execute(sql, &[keystore.as_str().into(), cloud_key.into(), now.into()]).map(drop)
}

/// The cloud keys that shall be looked at now, those that wait longest first.
pub fn to_wake(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<WakeRow>, StoreError> {
    let sql = format!(
        "SELECT w.keystore_id, w.cloud_key_id, w.asks, w.tries FROM wakes w JOIN keystores s ON s.id = w.keystore_id
           WHERE w.not_before <= $1 AND s.state = 'ACTIVE' ORDER BY w.not_before, w.keystore_id, w.cloud_key_id LIMIT {limit}"
    );
    let read = |row: Row| {
        let mut row = row.read();
        Ok(WakeRow { keystore_id: row.id()?, cloud_key_id: row.text()?, asks: row.int()?, tries: row.count()? })
    };
    Ok(readable::readable(tx.query(&sql, &[now.into()])?, read))
}

/// How many cloud keys of a keystore wait for a look.
pub fn waiting(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<i64, StoreError> {
    let row = tx.query_opt("SELECT COUNT(*) FROM wakes WHERE keystore_id = $1", &[keystore.as_str().into()])?;
    row.map_or(Ok(0), |row| row.read().int())
}

/// The look was made; unless something was done to the key since it began, nothing is left to do.
pub fn looked(tx: &mut Tx<'_>, wake: &WakeRow) -> Result<(), StoreError> {
    let sql = "DELETE FROM wakes WHERE keystore_id = $1 AND cloud_key_id = $2 AND asks = $3";
    tx.execute(sql, &[wake.keystore_id.as_str().into(), (&wake.cloud_key_id).into(), wake.asks.into()]).map(drop)
}

/// The look could not be made, and is made later.
pub fn rest(tx: &mut Tx<'_>, wake: &WakeRow, until: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE wakes SET not_before = $3, tries = tries + 1 WHERE keystore_id = $1 AND cloud_key_id = $2";
    tx.execute(sql, &[wake.keystore_id.as_str().into(), (&wake.cloud_key_id).into(), until.into()]).map(drop)
}
