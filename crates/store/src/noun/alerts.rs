//! Alerts, and where each of them is to be delivered.

use std::collections::BTreeMap;

use keystead_domain::{AccountId, AlertId, KeyId, Timestamp, alert::AlertKind};

use super::{
    page::{Listed, Page},
    readable::{Unreadable, parted},
};
use crate::{Row, StoreError, Tx};

/// Something that somebody shall be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// Id.
    pub id: AlertId,
    /// Account.
    pub account_id: AccountId,
    /// What it is about.
    pub kind: AlertKind,
    /// The key, keystore or person that it is about.
    pub subject_id: String,
    /// What failed or recovered: the saga's name. Empty for others.
    pub topic: String,
    /// What makes it one: a second alert of the same text is none.
    pub once: String,
    /// Texts by name, JSON; never material.
    pub facts: String,
    /// When.
    pub created_at: Timestamp,
}

/// What became of an alert on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The channel's name.
    pub channel: String,
    /// `PENDING`, `DELIVERED` or `GIVEN_UP`.
    pub state: String,
    /// How often it was sent, or tried to be.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was taken.
    pub delivered_at: Option<Timestamp>,
}

const COLUMNS: &str = "SELECT a.id, a.account_id, a.kind, a.subject_id, a.topic, a.once, a.facts, a.created_at FROM alerts a";

fn read(row: Row) -> Result<AlertRow, StoreError> {
    let mut row = row.read();
    Ok(AlertRow {
        id: row.id()?,
        account_id: row.id()?,
        kind: AlertKind::parse(&row.text()?)?,
        subject_id: row.text()?,
        topic: row.text()?,
        once: row.text()?,
        facts: row.text()?,
        created_at: row.time()?,
    })
}

/// The name under which an alert of a key's end is given once: this key, this end, so many days before it (0: it has come).
pub fn once_before(key: &KeyId, expires_at: Timestamp, days: u32) -> String {
    format!("expiry/{key}/{}/{days}", expires_at.as_micros())
}

/// Keeps an alert, to be delivered on these channels from `next_at` on; `false` when it was told before.
pub fn insert(tx: &mut Tx<'_>, alert: &AlertRow, channels: &[String], next_at: Timestamp) -> Result<bool, StoreError> {
    let kept = tx.execute(
        "INSERT INTO alerts (id, account_id, kind, subject_id, topic, once, facts, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (once) DO NOTHING",
        &[
            alert.id.as_str().into(),
            alert.account_id.as_str().into(),
            alert.kind.as_str().into(),
            (&alert.subject_id).into(),
            (&alert.topic).into(),
            (&alert.once).into(),
            (&alert.facts).into(),
            alert.created_at.into(),
        ],
    )?;
    if kept == 1 {
        let sql = "INSERT INTO deliveries (alert_id, channel, state, attempts, next_at) VALUES ($1, $2, 'PENDING', 0, $3)";
        channels.iter().try_for_each(|channel| tx.execute(sql, &[alert.id.as_str().into(), channel.into(), next_at.into()]).map(drop))?;
    }
    Ok(kept == 1)
}

/// Whether a failure of this kind was told of a subject, and no recovery since.
pub fn is_failure_told(tx: &mut Tx<'_>, subject: &str, topic: &str) -> Result<bool, StoreError> {
    let sql = "SELECT kind FROM alerts WHERE subject_id = $1 AND topic = $2 ORDER BY id DESC LIMIT 1";
    let row = tx.query_opt(sql, &[subject.into(), topic.into()])?;
    row.map_or(Ok(false), |row| Ok(row.read().text()? == AlertKind::OperationFailed.as_str()))
}

/// An alert by id, inside an account.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id: &AlertId) -> Result<Option<AlertRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE a.account_id = $1 AND a.id = $2"), &[account.as_str().into(), id.as_str().into()])?.map(read).transpose()
}

/// A page of alerts, newest first.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<AlertRow>, StoreError> {
    // "b" follows every id of the form alert_…, so that the first page begins at the newest.
    let before = page.after.as_deref().unwrap_or("b");
    let sql = format!("{COLUMNS} WHERE a.account_id = $1 AND a.id < $2 ORDER BY a.id DESC LIMIT $3");
    let rows: Result<Vec<_>, _> = tx.query(&sql, &[account.as_str().into(), before.into(), page.fetch().into()])?.into_iter().map(read).collect();
    Ok(page.cut(rows?, |alert| alert.id.to_string()))
}

/// What became of an alert, by channel.
pub fn deliveries(tx: &mut Tx<'_>, alert: &AlertId) -> Result<Vec<DeliveryRow>, StoreError> {
    let sql = "SELECT channel, state, attempts, last_error, delivered_at FROM deliveries WHERE alert_id = $1 ORDER BY channel";
    let rows = tx.query(sql, &[alert.as_str().into()])?;
    rows.into_iter()
        .map(|row| {
            let mut row = row.read();
            Ok(DeliveryRow { channel: row.text()?, state: row.text()?, attempts: row.count()?, last_error: row.opt_text()?, delivered_at: row.opt_time()? })
        })
        .collect()
}

/// How many deliveries are still to be made, and how many were given up.
pub fn counts(tx: &mut Tx<'_>) -> Result<(i64, i64), StoreError> {
    let mut count = |state: &str| -> Result<i64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM deliveries WHERE state = '{state}'");
        tx.query_opt(&sql, &[])?.map_or(Ok(0), |row| row.read().int())
    };
    Ok((count("PENDING")?, count("GIVEN_UP")?))
}

/// The alerts of one message, the oldest first, and those that cannot be read.
pub(super) fn of_batch(tx: &mut Tx<'_>, channel: &str, batch: &str) -> Result<(Vec<AlertRow>, Vec<Unreadable>), StoreError> {
    let sql = format!("{COLUMNS} JOIN deliveries d ON d.alert_id = a.id WHERE d.channel = $1 AND d.batch = $2 AND d.state = 'PENDING' ORDER BY a.id");
    Ok(parted(tx.query(&sql, &[channel.into(), batch.into()])?, read_whole))
}

/// The same, with facts that can be told.
fn read_whole(row: Row) -> Result<AlertRow, StoreError> {
    let alert = read(row)?;
    let facts: Result<BTreeMap<String, String>, _> = serde_json::from_str(&alert.facts);
    facts.map(|_| alert).map_err(|_| StoreError::Corrupt("an alert's facts".to_owned()))
}
