//! Quota slots: when the next call of a kind may go out, shared by all nodes (generic cell rate algorithm: one number a bucket).

use keystead_domain::Timestamp;

use crate::{StoreError, Tx};

/// Reserves `span` microseconds of calls and answers when the first may go out. Slots are never in the past, so an idle bucket gathers no burst.
pub fn reserve(tx: &mut Tx<'_>, scope: &str, call: &str, now: Timestamp, span_micros: i64) -> Result<Timestamp, StoreError> {
    let row = tx.query_opt(
        "INSERT INTO quota_slots (scope, call, next_at) VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT))
         ON CONFLICT (scope, call) DO UPDATE SET next_at = CASE WHEN quota_slots.next_at > CAST($3 AS BIGINT) THEN quota_slots.next_at ELSE CAST($3 AS BIGINT) END + CAST($4 AS BIGINT)
         RETURNING next_at",
        &[scope.into(), call.into(), now.into(), span_micros.into()],
    )?;
    let end = row.map_or(Ok(now), |row| row.read().time())?;
    Ok(end.plus_micros(-span_micros))
}

/// Pushes the next slot away: the cloud throttled although we kept below the quota, so others share it.
pub fn push_back(tx: &mut Tx<'_>, scope: &str, call: &str, until: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE quota_slots SET next_at = $3 WHERE scope = $1 AND call = $2 AND next_at < $3", &[scope.into(), call.into(), until.into()]).map(drop)
}

/// When the next call may go out; `None` where none ever did.
pub fn next_at(tx: &mut Tx<'_>, scope: &str, call: &str) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt("SELECT next_at FROM quota_slots WHERE scope = $1 AND call = $2", &[scope.into(), call.into()])?.map(|row| row.read().time()).transpose()
}
