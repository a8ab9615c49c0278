//! Quota slots: when the next call of a kind may go out, shared by all nodes (generic cell rate algorithm: one number a bucket).

use keystead_domain::{Timestamp, time::SECOND};

use crate::{Row, StoreError, Tx};

/// How much of a quota was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Whose quota.
    pub scope: String,
    /// Of which call.
    pub call: String,
    /// For how many microseconds calls went out in the last whole minute: all of it is a minute.
    pub micros: i64,
}

/// The minute in which this is, counted from 1970.
fn minute(at: Timestamp) -> i64 {
    at.as_micros() / (60 * SECOND)
}

/// Reserves `span` microseconds of calls and answers when the first may go out. Slots are never in the past, so an idle bucket gathers no burst.
pub fn reserve(tx: &mut Tx<'_>, scope: &str, call: &str, now: Timestamp, span_micros: i64) -> Result<Timestamp, StoreError> {
    let row = tx.query_opt(
        "INSERT INTO quota_slots (scope, call, next_at, minute, spent) VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT), $5, $4)
         ON CONFLICT (scope, call) DO UPDATE SET next_at = CASE WHEN quota_slots.next_at > CAST($3 AS BIGINT) THEN quota_slots.next_at ELSE CAST($3 AS BIGINT) END + CAST($4 AS BIGINT),
           spent = CASE WHEN quota_slots.minute = excluded.minute THEN quota_slots.spent ELSE 0 END + excluded.spent,
           spent_before = CASE quota_slots.minute WHEN excluded.minute THEN quota_slots.spent_before WHEN excluded.minute - 1 THEN quota_slots.spent ELSE 0 END,
           minute = excluded.minute
         RETURNING next_at",
        &[scope.into(), call.into(), now.into(), span_micros.into(), minute(now).into()],
    )?;
    let end = row.map_or(Ok(now), |row| row.read().time())?;
    Ok(end.plus_micros(-span_micros))
}

/// How much of each quota was used in the last whole minute.
pub fn spent(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<Spent>, StoreError> {
    let sql = "SELECT scope, call, CASE WHEN minute = $1 THEN spent_before ELSE spent END FROM quota_slots WHERE minute IN ($1, $2) ORDER BY scope, call";
    let read = |row: Row| {
        let mut row = row.read();
        Ok(Spent { scope: row.text()?, call: row.text()?, micros: row.int()? })
    };
    tx.query(sql, &[minute(now).into(), (minute(now) - 1).into()])?.into_iter().map(read).collect()
}

/// Pushes the next slot away: the cloud throttled although we kept below the quota, so others share it.
pub fn push_back(tx: &mut Tx<'_>, scope: &str, call: &str, until: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE quota_slots SET next_at = $3 WHERE scope = $1 AND call = $2 AND next_at < $3", &[scope.into(), call.into(), until.into()]).map(drop)
}

/// When the next call may go out; `None` where none ever did.
pub fn next_at(tx: &mut Tx<'_>, scope: &str, call: &str) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt("SELECT next_at FROM quota_slots WHERE scope = $1 AND call = $2", &[scope.into(), call.into()])?.map(|row| row.read().time()).transpose()
}
