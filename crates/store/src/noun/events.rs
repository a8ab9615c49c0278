//! What the clouds tell by themselves: the queues that are listened to, what was heard, and the keys that shall be looked at because of it.

use keystead_domain::{AccountId, KeystoreId, Timestamp};

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
    /// When it was last heard.
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
    /// Whether an operation of Keystead's explains it.
    pub is_explained: bool,
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
    /// Which saying so it is; a later one has a greater number.
    pub asks: i64,
    /// How often the look failed.
    pub tries: u32,
}

/// Events of one key that are kept; older ones make room.
const KEPT_A_KEY: u32 = 200;
/// Events that one transaction forgets.
const SLICE: u32 = 5_000;
/// Between two looks at one key lies a minute, in microseconds: nobody can have a key looked at without end.
const SOON: i64 = 60_000_000;

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
    tx.execute("DELETE FROM event_queues WHERE keystore_id = $1", &[keystore.as_str().into()]).map(drop)
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

/// Account and name of another keystore in use that listens to this queue; two would take each other's messages.
pub fn listener_of(tx: &mut Tx<'_>, queue: &str, other_than: &KeystoreId) -> Result<Option<(AccountId, String)>, StoreError> {
    let sql = "SELECT s.account_id, s.name FROM event_queues q JOIN keystores s ON s.id = q.keystore_id
      WHERE q.queue = $1 AND q.keystore_id <> $2 AND s.state = 'ACTIVE' LIMIT 1";
    let read = |row: Row| {
        let mut row = row.read();
        Ok((row.id()?, row.text()?))
    };
    tx.query_opt(sql, &[queue.into(), other_than.as_str().into()])?.map(read).transpose()
}

/// Notes whether a queue was heard, and what hindered it; unless another has taken its place.
pub fn heard(tx: &mut Tx<'_>, queue: &QueueRow, now: Timestamp, is_heard: bool, problem: Option<&str>) -> Result<(), StoreError> {
    let sql = "UPDATE event_queues SET heard_at = CASE WHEN $5 = 'heard' THEN $2 ELSE heard_at END, problem = NULLIF($3, ''),
      failing_since = CASE WHEN $3 = '' THEN NULL ELSE COALESCE(failing_since, $2) END WHERE keystore_id = $1 AND queue = $4";
    let values =
        [queue.keystore_id.as_str().into(), now.into(), problem.unwrap_or_default().into(), (&queue.queue).into(), if is_heard { "heard" } else { "" }.into()];
    tx.execute(sql, &values).map(drop)
}

/// Refuses with [`StoreError::MovedOn`] when the keystore listens to another queue by now, or to none.
pub fn still_listens(tx: &mut Tx<'_>, queue: &QueueRow) -> Result<(), StoreError> {
    match queue_of(tx, &queue.keystore_id)? {
        Some(now) if now.queue == queue.queue => Ok(()),
        _ => Err(StoreError::MovedOn("event queue")),
    }
}

/// Keeps an event; `false` when it was kept before: a queue may tell it twice.
pub fn keep(tx: &mut Tx<'_>, event: &EventRow) -> Result<bool, StoreError> {
    let kept = tx.execute(
        "INSERT INTO cloud_events (keystore_id, cloud_key_id, event_id, name, alias, happened_at, who, origin, request, is_own, is_explained, heard_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
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
            i64::from(event.is_explained).into(),
            event.heard_at.into(),
        ],
    )?;
    if kept == 0 {
        return Ok(false);
    }
    // What nobody explains has a room of its own: nobody pushes it out by deeds of another kind.
    let alike = if event.is_own && !event.is_explained { "e.is_own = 1 AND e.is_explained = 0" } else { "(e.is_own = 0 OR e.is_explained = 1)" };
    let sql = format!(
        "DELETE FROM cloud_events WHERE keystore_id = $1 AND cloud_key_id = $2 AND event_id IN
           (SELECT e.event_id FROM cloud_events e WHERE e.keystore_id = $1 AND e.cloud_key_id = $2 AND {alike}
            ORDER BY e.happened_at DESC LIMIT 1000 OFFSET {KEPT_A_KEY})"
    );
    tx.execute(&sql, &[event.keystore_id.as_str().into(), (&event.cloud_key_id).into()])?;
    Ok(true)
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
        is_explained: row.int()? != 0,
        heard_at: row.time()?,
    })
}

const EVENT: &str =
    "SELECT keystore_id, cloud_key_id, event_id, name, alias, happened_at, who, origin, request, is_own, is_explained, heard_at FROM cloud_events";

/// Which event is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought<'a> {
    /// In the cloud's words; one of them.
    pub names: &'a [&'a str],
    /// Of this alias; `None` for whichever.
    pub alias: Option<&'a str>,
    /// Done at this time or later.
    pub since: Timestamp,
    /// Done at this time or before.
    pub until: Timestamp,
}

/// The newest event of a cloud key that is sought. The cloud tells times to the second, and of one second those of others come before Keystead's own.
pub fn newest(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, sought: &Sought<'_>) -> Result<Option<EventRow>, StoreError> {
    let names: Vec<String> = sought.names.iter().map(|name| format!("'{name}'")).collect();
    let sql = format!(
        "{EVENT} WHERE keystore_id = $1 AND cloud_key_id = $2 AND happened_at >= $3 AND happened_at <= $4 AND ($5 = '' OR alias = $5) AND name IN ({})
           ORDER BY happened_at DESC, is_own, event_id LIMIT 1",
        names.join(", ")
    );
    let values = [keystore.as_str().into(), cloud_key.into(), sought.since.into(), sought.until.into(), sought.alias.unwrap_or_default().into()];
    tx.query_opt(&sql, &values)?.map(read_event).transpose()
}

/// Of what was done in Keystead's own name, that which no operation explains: the newest first, so many at most.
pub fn unexplained(tx: &mut Tx<'_>, keystore: &KeystoreId, limit: u32) -> Result<Vec<EventRow>, StoreError> {
    let sql = format!("{EVENT} WHERE keystore_id = $1 AND is_own = 1 AND is_explained = 0 ORDER BY happened_at DESC, event_id, cloud_key_id LIMIT $2");
    tx.query(&sql, &[keystore.as_str().into(), limit.into()])?.into_iter().map(read_event).collect()
}

/// Forgets what was heard of a cloud key.
pub fn forget_key(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cloud_events WHERE keystore_id = $1 AND cloud_key_id = $2", &[keystore.as_str().into(), cloud_key.into()]).map(drop)
}

/// Forgets some of what was heard before this time; `false` when nothing of it is left.
pub fn forget_before(tx: &mut Tx<'_>, before: Timestamp) -> Result<bool, StoreError> {
    let sql = format!(
        "DELETE FROM cloud_events WHERE heard_at < $1 AND event_id IN (SELECT e.event_id FROM cloud_events e WHERE e.heard_at < $1 ORDER BY e.heard_at LIMIT {SLICE})"
    );
    Ok(tx.execute(&sql, &[before.into()])? > 0)
}

/// Lets a cloud key be looked at, within a minute at most, however often its look has failed.
pub fn wake(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO wakes (keystore_id, cloud_key_id, asks, not_before, tries) VALUES ($1, $2, $3, $3, 0)
      ON CONFLICT (keystore_id, cloud_key_id) DO UPDATE SET tries = 0, asks = CASE WHEN wakes.asks >= $3 THEN wakes.asks + 1 ELSE $3 END,
        not_before = CASE WHEN wakes.not_before > $4 THEN $4 ELSE wakes.not_before END";
    tx.execute(sql, &[keystore.as_str().into(), cloud_key.into(), now.into(), now.plus_micros(SOON).into()]).map(drop)
}

/// Whether a cloud key shall be looked at now.
pub fn any_to_wake(tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT w.asks FROM wakes w JOIN keystores s ON s.id = w.keystore_id WHERE w.not_before <= $1 AND s.state = 'ACTIVE' LIMIT 1";
    Ok(tx.query_opt(sql, &[now.into()])?.is_some())
}

/// Takes cloud keys that shall be looked at now, so many of each keystore, those that wait longest first: nobody else takes them until then.
pub fn take_to_wake(tx: &mut Tx<'_>, now: Timestamp, until: Timestamp, of_each: u32) -> Result<Vec<WakeRow>, StoreError> {
    let sql = "SELECT keystore_id, cloud_key_id, asks, tries FROM (SELECT w.keystore_id, w.cloud_key_id, w.asks, w.tries,
        ROW_NUMBER() OVER (PARTITION BY w.keystore_id ORDER BY w.not_before, w.cloud_key_id) AS place
      FROM wakes w JOIN keystores s ON s.id = w.keystore_id WHERE w.not_before <= $1 AND s.state = 'ACTIVE') t WHERE place <= $2 ORDER BY keystore_id, place";
    let read = |row: Row| {
        let mut row = row.read();
        Ok(WakeRow { keystore_id: row.id()?, cloud_key_id: row.text()?, asks: row.int()?, tries: row.count()? })
    };
    let mut taken = Vec::new();
    for wake in readable::readable(tx.query(sql, &[now.into(), i64::from(of_each).into()])?, read) {
        let sql = "UPDATE wakes SET not_before = $4 WHERE keystore_id = $1 AND cloud_key_id = $2 AND not_before <= $3";
        let values = [wake.keystore_id.as_str().into(), (&wake.cloud_key_id).into(), now.into(), until.into()];
        if tx.execute(sql, &values)? == 1 {
            taken.push(wake);
        }
    }
    Ok(taken)
}

/// How many cloud keys of a keystore wait for a look.
pub fn waiting(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<i64, StoreError> {
    let row = tx.query_opt("SELECT COUNT(*) FROM wakes WHERE keystore_id = $1", &[keystore.as_str().into()])?;
    row.map_or(Ok(0), |row| row.read().int())
}

/// The look was made. If something was done to the key since it began, it is looked at again soon.
pub fn looked(tx: &mut Tx<'_>, wake: &WakeRow, now: Timestamp) -> Result<(), StoreError> {
    let values = [wake.keystore_id.as_str().into(), (&wake.cloud_key_id).into(), wake.asks.into()];
    if tx.execute("DELETE FROM wakes WHERE keystore_id = $1 AND cloud_key_id = $2 AND asks = $3", &values)? == 1 {
        return Ok(());
    }
    rest(tx, wake, now.plus_micros(SOON), 0)
}

/// The look could not be made, and is made later.
pub fn rest(tx: &mut Tx<'_>, wake: &WakeRow, until: Timestamp, tries: u32) -> Result<(), StoreError> {
    let sql = "UPDATE wakes SET not_before = $3, tries = $4 WHERE keystore_id = $1 AND cloud_key_id = $2";
    tx.execute(sql, &[wake.keystore_id.as_str().into(), (&wake.cloud_key_id).into(), until.into(), i64::from(tries).into()]).map(drop)
}
