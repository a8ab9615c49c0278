//! Channels: one node of several sends on each, one message at a time. What was sent together keeps its name until it is taken, so that a message that is sent
//! again after a crash is known to be the same.

use keystead_domain::{Timestamp, time::SECOND};

use super::{
    alerts::{self, AlertRow},
    readable::Unreadable,
};
use crate::{StoreError, Tx};

/// How many alerts one message tells at most.
const AT_ONCE: u32 = 500;

/// How long an alert waits that cannot be read, in microseconds.
const UNREADABLE: i64 = 3600 * SECOND;

/// A message that this node may send now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its name, the same at every attempt.
    pub name: String,
    /// When it was first tried.
    pub since: Timestamp,
    /// How often in a row the channel failed before.
    pub failures: u32,
    /// The number of the lease: an older one cannot write.
    pub fence: i64,
    /// What it tells.
    pub alerts: Vec<AlertRow>,
}

/// What a channel has to do, as the WHERE of both looks: `$1` is its name, `$2` the time now. A message in hand, or an alert whose time has come.
const HAS_WORK: &str = "(EXISTS (SELECT 1 FROM channels c WHERE c.name = $1 AND c.batch IS NOT NULL)
  OR EXISTS (SELECT 1 FROM deliveries d WHERE d.channel = $1 AND d.state = 'PENDING' AND d.batch IS NULL AND d.next_at <= $2))";

/// Whether a channel has something to send: a look without a write.
pub fn is_due(tx: &mut Tx<'_>, channel: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = format!("SELECT 1 WHERE {HAS_WORK} AND NOT EXISTS (SELECT 1 FROM channels c WHERE c.name = $1 AND (c.lease_until > $2 OR c.not_before > $2))");
    Ok(tx.query_opt(&sql, &[channel.into(), now.into()])?.is_some())
}

/// Leases a channel that has something to send and does not rest. A message in hand is sent again as it was; else everything that waits becomes the message
/// `name`. `None` when nothing is due, or another node sends.
pub fn lease(tx: &mut Tx<'_>, channel: &str, now: Timestamp, until: Timestamp, name: &str) -> Result<Option<Batch>, StoreError> {
    let sql = "INSERT INTO channels (name, fence, lease_until, not_before, failures, batch_at) VALUES ($1, 0, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING";
    tx.execute(sql, &[channel.into()])?;
    let sql = format!(
        "UPDATE channels SET lease_until = $3, fence = fence + 1 WHERE name = $1 AND lease_until <= $2 AND not_before <= $2 AND {HAS_WORK}
         RETURNING fence, failures, batch, batch_at"
    );
    let Some(row) = tx.query_opt(&sql, &[channel.into(), now.into(), until.into()])? else { return Ok(None) };
    let mut row = row.read();
    let (fence, failures, in_hand, since) = (row.int()?, row.count()?, row.opt_text()?, row.time()?);
    let since = if in_hand.is_some() { since } else { gather(tx, channel, now, name)? };
    let name = in_hand.unwrap_or_else(|| name.to_owned());
    let (alerts, left_out) = alerts::of_batch(tx, channel, &name)?;
    left_out.iter().try_for_each(|alert| put_off(tx, channel, alert, now))?;
    Ok(Some(Batch { name, since, failures, fence, alerts }))
}

/// An alert that cannot be read leaves its message, which goes without it, and waits for a node that can.
fn put_off(tx: &mut Tx<'_>, channel: &str, alert: &Unreadable, now: Timestamp) -> Result<(), StoreError> {
    alert.tell();
    let sql = "UPDATE deliveries SET batch = NULL, next_at = $3 WHERE channel = $1 AND alert_id = $2";
    tx.execute(sql, &[channel.into(), (&alert.id).into(), now.plus_micros(UNREADABLE).into()]).map(drop)
}

/// Everything that waits becomes one message, also what would be due a little later.
fn gather(tx: &mut Tx<'_>, channel: &str, now: Timestamp, name: &str) -> Result<Timestamp, StoreError> {
    let sql = format!(
        "UPDATE deliveries SET batch = $2 WHERE channel = $1 AND alert_id IN
           (SELECT alert_id FROM deliveries WHERE channel = $1 AND state = 'PENDING' AND batch IS NULL ORDER BY next_at, alert_id LIMIT {AT_ONCE})"
    );
    tx.execute(&sql, &[channel.into(), name.into()])?;
    tx.execute("UPDATE channels SET batch = $2, batch_at = $3 WHERE name = $1", &[channel.into(), name.into(), now.into()])?;
    Ok(now)
}

/// A message was taken, if the lease is still ours.
pub fn delivered(tx: &mut Tx<'_>, channel: &str, batch: &Batch, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE channels SET batch = NULL, failures = 0, lease_until = 0 WHERE name = $1 AND fence = $2";
    tx.execute_one("channel lease", sql, &[channel.into(), batch.fence.into()])?;
    let sql = "UPDATE deliveries SET state = 'DELIVERED', attempts = attempts + 1, delivered_at = $3, last_error = NULL WHERE channel = $1 AND batch = $2 AND state = 'PENDING'";
    tx.execute(sql, &[channel.into(), (&batch.name).into(), now.into()]).map(drop)
}

/// A message was not taken, if the lease is still ours: the channel rests until then, and the message stays in hand.
pub fn failed(tx: &mut Tx<'_>, channel: &str, batch: &Batch, error: &str, until: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE channels SET failures = failures + 1, not_before = $3, lease_until = 0 WHERE name = $1 AND fence = $2";
    tx.execute_one("channel lease", sql, &[channel.into(), batch.fence.into(), until.into()])?;
    let sql = "UPDATE deliveries SET attempts = attempts + 1, last_error = $3 WHERE channel = $1 AND batch = $2 AND state = 'PENDING'";
    tx.execute(sql, &[channel.into(), (&batch.name).into(), error.into()]).map(drop)
}

/// Nobody will try this message again; behind [`failed`], in the same transaction.
pub fn give_up(tx: &mut Tx<'_>, channel: &str, batch: &Batch) -> Result<(), StoreError> {
    tx.execute("UPDATE channels SET batch = NULL WHERE name = $1 AND batch = $2", &[channel.into(), (&batch.name).into()])?;
    let sql = "UPDATE deliveries SET state = 'GIVEN_UP' WHERE channel = $1 AND batch = $2 AND state = 'PENDING'";
    tx.execute(sql, &[channel.into(), (&batch.name).into()]).map(drop)
}

/// A channel rests no longer: somebody tries it.
pub fn wake(tx: &mut Tx<'_>, channel: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE channels SET not_before = 0 WHERE name = $1", &[channel.into()]).map(drop)
}
