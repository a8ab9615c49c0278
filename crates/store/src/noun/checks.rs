//! Checks of keystores: what the last one of each found, and which are due.

use keystead_domain::{KeystoreId, Timestamp, health::CheckOutcome};

use super::{
    keystores::{self, KeystoreRow},
    readable,
};
use crate::{Row, StoreError, Tx};

/// What the last check of a keystore found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// When.
    pub checked_at: Timestamp,
    /// What it came to.
    pub outcome: CheckOutcome,
    /// Since when checks have come to that.
    pub since: Timestamp,
    /// The permissions that are missing, by the cloud's names.
    pub missing: Vec<String>,
    /// Why it came to that, as a sentence; else empty.
    pub why: String,
    /// How many checks in a row did not find everything permitted.
    pub failures: u32,
    /// Whether somebody was told that it is not well, and of nothing better since.
    pub is_told: bool,
    /// Whose quotas its calls use.
    pub quota_scope: String,
}

const COLUMNS: &str = "SELECT c.keystore_id, c.checked_at, c.outcome, c.since, c.missing, c.why, c.failures, c.is_told, c.quota_scope FROM keystore_checks c";

fn read(row: Row) -> Result<CheckRow, StoreError> {
    let mut row = row.read();
    Ok(CheckRow {
        keystore_id: row.id()?,
        checked_at: row.time()?,
        outcome: CheckOutcome::parse(&row.text()?)?,
        since: row.time()?,
        missing: row.text()?.split_whitespace().map(str::to_owned).collect(),
        why: row.text()?,
        failures: row.count()?,
        is_told: row.flag()?,
        quota_scope: row.text()?,
    })
}

/// The name under which nodes share the check of a keystore.
pub fn schedule_name(keystore: &KeystoreId) -> String {
    format!("check/{keystore}")
}

/// Keystores in use and in a cloud whose check is due by the schedule, a page of them.
pub fn due(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<KeystoreRow>, StoreError> {
    let sql = format!(
        "{} WHERE state = 'ACTIVE' AND cloud <> 'vault' AND NOT EXISTS (SELECT 1 FROM schedules x WHERE x.name = 'check/' || keystores.id AND x.due_at > $1)
           ORDER BY id LIMIT {limit}",
        keystores::COLUMNS
    );
    Ok(readable::readable(tx.query(&sql, &[now.into()])?, keystores::read))
}

/// What the last check of a keystore found; who writes the next waits for this transaction.
pub fn hold(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Option<CheckRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE c.keystore_id = $1{}", tx.dialect().for_update());
    tx.query_opt(&sql, &[keystore.as_str().into()])?.map(read).transpose()
}

/// The last checks of every keystore.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<CheckRow>, StoreError> {
    Ok(readable::readable(tx.query(&format!("{COLUMNS} ORDER BY c.keystore_id"), &[])?, read))
}

/// Keeps what a check found; one that was made later stays.
pub fn keep(tx: &mut Tx<'_>, check: &CheckRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO keystore_checks (keystore_id, checked_at, outcome, since, missing, why, failures, is_told, quota_scope) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (keystore_id) DO UPDATE SET checked_at = excluded.checked_at, outcome = excluded.outcome, since = excluded.since, missing = excluded.missing,
           why = excluded.why, failures = excluded.failures, is_told = excluded.is_told, quota_scope = excluded.quota_scope
           WHERE keystore_checks.checked_at <= excluded.checked_at",
        &[
            check.keystore_id.as_str().into(),
            check.checked_at.into(),
            check.outcome.as_str().into(),
            check.since.into(),
            (&check.missing.join(" ")).into(),
            (&check.why).into(),
            i64::from(check.failures).into(),
            check.is_told.into(),
            (&check.quota_scope).into(),
        ],
    )
    .map(drop)
}
