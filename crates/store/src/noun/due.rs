//! What is due: the keys on which the schedule acts, page by page in the order in which they fell due. A key that an operation holds, or that rests behind a
//! failure, is not due; one whose row cannot be read is left out.

use keystead_domain::{AccountId, KeyId, KeystoreId, Timestamp, key::expiry};

use super::{
    keys::{self, KeyRow},
    keystores::{self, KeystoreRow},
    readable::{self, readable},
};
use crate::{StoreError, Tx};

/// What the schedule does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The daily clean-up: countdowns that have ended (CM-061).
    CleanUp,
    /// Keys in use (a replaced one still decrypts) that their policy extends or renews now.
    Expiry,
    /// Keys whose material has expired although the row says that it is there: what the cloud did by itself was not looked at yet.
    Expired,
    /// Lineages whose policy rotates them now. One whose key is not in use is due as well: that it is not rotated has to be told.
    Rotation,
    /// Replaced keys whose grace behind a rotation is over, while their successor is in use.
    Retirement,
}

impl Task {
    /// The name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CleanUp => "clean-up",
            Self::Expiry => "expiry",
            Self::Expired => "expired",
            Self::Rotation => "rotation",
            Self::Retirement => "retirement",
        }
    }

    /// When a key falls due, as SQL. The column `acts_at` is [`expiry::lead_micros`] before the end; a case of the suite holds the two together.
    const fn due_at_sql(self) -> &'static str {
        match self {
            Self::CleanUp => "k.deletion_at",
            Self::Expiry => "k.acts_at",
            Self::Expired => "k.expires_at",
            Self::Rotation => "l.rotation_at",
            Self::Retirement => "k.retire_at",
        }
    }

    const fn concerns(self) -> &'static str {
        match self {
            Self::CleanUp => "k.state = 'PENDING_DELETION'",
            // A replica's end moves with its primary's.
            Self::Expiry => "k.state IN ('ACTIVE', 'REPLACED') AND k.expiry_policy <> 'alert' AND k.region_role <> 'replica' AND k.custody <> 'native'",
            Self::Expired => "k.state IN ('ACTIVE', 'REPLACED') AND k.material_present = 1",
            Self::Rotation => {
                "k.state IN ('ACTIVE', 'INACTIVE', 'PENDING_DELETION') AND l.current_key_id = k.id AND l.live = 1 AND k.region_role <> 'replica' AND k.custody <> 'native'"
            }
            Self::Retirement => {
                "k.state = 'REPLACED' AND EXISTS (SELECT 1 FROM lineages f JOIN keys c ON c.id = f.current_key_id WHERE f.id = k.lineage_id AND c.state = 'ACTIVE')"
            }
        }
    }

    /// Keys `k` of a keystore, with what else the task looks at.
    const fn keys_sql(self) -> &'static str {
        match self {
            Self::Rotation => "lineages l JOIN keys k ON k.id = l.current_key_id WHERE l.keystore_id = keystores.id AND k.keystore_id = keystores.id",
            _ => "keys k WHERE k.keystore_id = keystores.id",
        }
    }

    /// The keys `k` that are due; `$1` is the time now, `$2` the task's name.
    fn is_due(self) -> String {
        let (concerns, due_at) = (self.concerns(), self.due_at_sql());
        format!(
            "{concerns} AND {due_at} <= $1 AND NOT EXISTS (SELECT 1 FROM locks WHERE locks.subject_id = k.id)
               AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.key_id = k.id AND a.task = $2 AND a.not_before > $1)"
        )
    }
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    due_at: Timestamp,
    key: KeyId,
}

impl Position {
    /// The place of a key among those that are due for a task.
    pub fn of(task: Task, key: &KeyRow) -> Self {
        let due_at = match task {
            Task::CleanUp => key.deletion_at,
            Task::Expiry => key.expires_at.zip(key.expiry_span).map(|(expires, span)| expires.plus_micros(-expiry::lead_micros(span))),
            Task::Expired => key.expires_at,
            Task::Rotation => key.rotation.planned,
            Task::Retirement => key.rotation.retires,
        };
        Self { due_at: due_at.unwrap_or(Timestamp::from_micros(i64::MIN)), key: key.id.clone() }
    }
}

/// The keystores in which something is due.
pub fn keystores(tx: &mut Tx<'_>, task: Task, now: Timestamp) -> Result<Vec<KeystoreRow>, StoreError> {
    let sql = format!("{} WHERE state = 'ACTIVE' AND EXISTS (SELECT 1 FROM {} AND {}) ORDER BY id", keystores::COLUMNS, task.keys_sql(), task.is_due());
    Ok(readable(tx.query(&sql, &[now.into(), task.name().into()])?, keystores::read))
}

/// A page of a keystore's due keys behind a position, the longest due first.
pub fn keys(tx: &mut Tx<'_>, task: Task, keystore: &KeystoreId, now: Timestamp, after: Option<&Position>, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let due_at = task.due_at_sql();
    // The index of what is due by a lineage's date begins with the lineage's keystore.
    let by_lineage = if task == Task::Rotation { "l.keystore_id = $3 AND " } else { "" };
    let sql = format!("{} WHERE {by_lineage}k.keystore_id = $3 AND {} AND ({due_at}, k.id) > ($4, $5) ORDER BY {due_at}, k.id", keys::COLUMNS, task.is_due());
    let (behind, id) = after.map_or((i64::MIN, ""), |position| (position.due_at.as_micros(), position.key.as_str()));
    let values = [now.into(), task.name().into(), keystore.as_str().into(), behind.into(), id.into()];
    readable::first(tx, |rows| format!("{sql} LIMIT {rows}"), &values, limit, keys::read)
}

/// Keys in use of whose end somebody shall be told: on the nearest of `days_before` that has come, and once for each end and day. Where a policy acts by itself,
/// only when it is late by `late` microseconds, and for so long nothing has happened to the key and nothing has been begun. The end that comes first is told first.
pub fn alerts(tx: &mut Tx<'_>, now: Timestamp, late: i64, days_before: &[u32], limit: u32) -> Result<Vec<KeyRow>, StoreError> {
    let Some(farthest) = days_before.iter().max() else { return Ok(Vec::new()) };
    let sql = format!(
        "{} WHERE k.state IN ('ACTIVE', 'REPLACED') AND k.expires_at > $1 AND k.expires_at <= $2
           AND (k.expiry_policy = 'alert' OR (k.acts_at <= $3 AND k.updated_at <= $3 AND NOT EXISTS
             (SELECT 1 FROM locks JOIN operations o ON o.id = locks.operation_id WHERE locks.subject_id = k.id AND o.created_at > $3)))
           AND NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.once = 'expiry/' || k.id || '/' || CAST(k.expires_at AS TEXT) || '/' || {})
         ORDER BY k.expires_at, k.id",
        keys::COLUMNS,
        nearest(days_before, now)
    );
    let values = [now.into(), now.plus_days(i64::from(*farthest)).into(), now.plus_micros(-late).into()];
    readable::first(tx, |rows| format!("{sql} LIMIT {rows}"), &values, limit, keys::read)
}

/// [`expiry::alert_due`] as SQL, for ends that are not over and for which one is due; a case of the suite holds the two together.
fn nearest(days_before: &[u32], now: Timestamp) -> String {
    let mut days = days_before.to_vec();
    days.sort_unstable();
    let cases: String = days.iter().map(|days| format!(" WHEN k.expires_at <= {} THEN '{days}'", now.plus_days(i64::from(*days)).as_micros())).collect();
    format!("CASE{cases} END")
}

/// The keys of an account on which something may happen by itself: their material ends until `ends`, or their countdown, grace or wait for a turn until `until`.
pub fn coming(tx: &mut Tx<'_>, account: &AccountId, ends: Timestamp, until: Timestamp) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!(
        "{} WHERE k.account_id = $1 AND ((k.state IN ('ACTIVE', 'REPLACED') AND k.expires_at <= $2)
           OR (k.state = 'ACTIVE' AND l.current_key_id = k.id AND l.rotation_at <= $3) OR (k.state = 'REPLACED' AND k.retire_at <= $3)
           OR (k.state = 'PENDING_DELETION' AND k.deletion_at <= $3))
         ORDER BY k.id",
        keys::COLUMNS
    );
    tx.query(&sql, &[account.as_str().into(), ends.into(), until.into()])?.into_iter().map(keys::read).collect()
}
