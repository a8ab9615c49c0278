//! Health: what is known of keystores, and why keys are not well. Of keys the database finds the reasons itself, so that a list of many is filtered and counted where the rows
//! are; how bad a reason is says `domain`.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, KeyId, KeystoreId, OperationId, Timestamp,
    health::{CheckOutcome, Health, KeyReason, KeystoreFacts, OPERATION_PATIENCE, percent_left, word_of_key},
    key::expiry::LATE,
    rehearsal::OVERDUE,
    time::DAY,
};

use super::{
    checks::{self, CheckRow},
    drifts,
    page::LIMIT_MAX,
    quotas, readable,
};
use crate::{Row, StoreError, Tx, Value};

/// Of how many keys one statement tells: of so many, or of a whole page, so that its plan is kept.
const A_FEW: usize = 100;

/// What is known of a keystore, and what is shown of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeystoreKnown {
    /// What its health follows from.
    pub facts: KeystoreFacts,
    /// The last check.
    pub check: Option<CheckRow>,
    /// The call of whose quota least is left.
    pub quota_call: Option<String>,
    /// The first end of a key's material that no policy moves.
    pub first_end: Option<Timestamp>,
}

/// Why a key is not well, and what is shown beside that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyKnown {
    /// The key.
    pub id: KeyId,
    /// Why, the gravest first.
    pub reasons: Vec<KeyReason>,
    /// When a sync last saw it.
    pub seen_at: Option<Timestamp>,
    /// The operation that holds it.
    pub operation: Option<OperationId>,
}

/// What is known of the keystores of an account, by their ids. One of which nothing is known is left out.
pub fn keystores(tx: &mut Tx<'_>, account: &AccountId, now: Timestamp) -> Result<BTreeMap<KeystoreId, KeystoreKnown>, StoreError> {
    let mut known: BTreeMap<KeystoreId, KeystoreKnown> = BTreeMap::new();
    let quotas = quotas::spent(tx, now)?;
    for check in checks::all(tx)? {
        let used = quotas.iter().filter(|quota| quota.scope == check.quota_scope).max_by_key(|quota| quota.micros);
        let one = known.entry(check.keystore_id.clone()).or_default();
        (one.facts.quota_left, one.quota_call) = (used.map(|quota| percent_left(quota.micros)), used.map(|quota| quota.call.clone()));
        (one.facts.check, one.check) = (Some((check.outcome, check.checked_at)), Some(check));
    }
    for policy in drifts::scheduled(tx)? {
        known.entry(policy.keystore_id).or_default().facts.look_wanted = policy.every.map(|every| (every, policy.set_at));
    }
    for (id, hostile, open) in open_drifts(tx)? {
        let facts = &mut known.entry(id).or_default().facts;
        (facts.drifts_hostile, facts.drifts_open) = (hostile, open);
    }
    for (id, at) in
        by_keystore(tx, "SELECT keystore_id, MAX(finished_at) FROM operations WHERE kind = 'sync-keystore' AND state = 'SUCCEEDED' GROUP BY keystore_id", &[])?
    {
        known.entry(id).or_default().facts.looked_at = Some(at);
    }
    for (id, at) in
        by_keystore(tx, "SELECT keystore_id, MIN(created_at) FROM operations WHERE state = 'RUNNING' AND problem IS NOT NULL GROUP BY keystore_id", &[])?
    {
        known.entry(id).or_default().facts.waiting_since = Some(at);
    }
    for (id, at) in by_keystore(tx, "SELECT keystore_id, failing_since FROM event_queues WHERE failing_since IS NOT NULL", &[])? {
        known.entry(id).or_default().facts.unheard_since = Some(at);
    }
    for (id, at) in by_keystore(tx, "SELECT keystore_id, MAX(happened_at) FROM cloud_events WHERE is_own = 1 AND is_explained = 0 GROUP BY keystore_id", &[])? {
        known.entry(id).or_default().facts.unexplained_at = Some(at);
    }
    let ends = "SELECT keystore_id, MIN(expires_at) FROM keys WHERE state IN ('ACTIVE', 'REPLACED') AND expires_at > $1 AND expiry_policy = 'alert' GROUP BY keystore_id";
    for (id, at) in by_keystore(tx, ends, &[now.into()])? {
        known.entry(id).or_default().first_end = Some(at);
    }
    let own = tx.query("SELECT id FROM keystores WHERE account_id = $1", &[account.as_str().into()])?;
    let own: Vec<KeystoreId> = own.into_iter().map(|row| row.read().id()).collect::<Result<_, _>>()?;
    known.retain(|id, _| own.contains(id));
    Ok(known)
}

fn by_keystore(tx: &mut Tx<'_>, sql: &str, values: &[Value<'_>]) -> Result<Vec<(KeystoreId, Timestamp)>, StoreError> {
    let read = |row: Row| {
        let mut row = row.read();
        Ok((row.id()?, row.time()?))
    };
    tx.query(sql, values)?.into_iter().map(read).collect()
}

fn open_drifts(tx: &mut Tx<'_>) -> Result<Vec<(KeystoreId, u32, u32)>, StoreError> {
    let sql = "SELECT keystore_id, SUM(CASE WHEN class = 'hostile' THEN 1 ELSE 0 END), SUM(CASE WHEN class IN ('needs-person', 'repairable') THEN 1 ELSE 0 END)
      FROM drifts WHERE state = 'OPEN' GROUP BY keystore_id";
    let read = |row: Row| {
        let mut row = row.read();
        Ok((row.id()?, row.count()?, row.count()?))
    };
    tx.query(sql, &[])?.into_iter().map(read).collect()
}

/// One side of a key: at most one reason comes from it.
struct Side {
    /// The reason's name, or an empty text, of a row `k` of the keys.
    sql: String,
    reasons: Vec<KeyReason>,
}

/// Every side of a key; the time now is this value of the statement.
fn sides(now: usize) -> [Side; 5] {
    let named = |reason: KeyReason| format!("'{}'", reason.as_str());
    let used = "k.state IN ('ACTIVE', 'REPLACED')";
    // Sets that are gathered once a statement: asked for each key anew, PostgreSQL took seconds for 100,000.
    let open = |which: &str| format!("k.id IN (SELECT d.key_id FROM drifts d WHERE d.state = 'OPEN' AND d.key_id IS NOT NULL AND {which})");
    let drift = format!(
        "CASE WHEN {} THEN {} WHEN {} THEN {} WHEN {} THEN {} ELSE '' END",
        open("d.attribute = 'vanished'"),
        named(KeyReason::CloudKeyGone),
        open("d.class = 'hostile'"),
        named(KeyReason::DriftHostile),
        open("d.class IN ('needs-person', 'repairable')"),
        named(KeyReason::DriftOpen)
    );
    // When a policy should have acted, an hour ago: the column acts_at is a week before the end, or a quarter of the span.
    let end = format!(
        "CASE WHEN NOT {used} OR k.expires_at IS NULL THEN '' WHEN k.expires_at <= ${now} THEN {}
           WHEN COALESCE(k.acts_at, k.expires_at - {week}) <= CAST(${now} AS BIGINT) - {LATE} THEN {} ELSE '' END",
        named(KeyReason::Expired),
        named(KeyReason::EndNear),
        week = 7 * DAY
    );
    // Disabled for a rehearsal a key is as it shall be, until it should have come back.
    let usable = format!(
        "CASE WHEN {used} AND (k.material_present = 0 OR k.enabled = 0 AND k.id NOT IN (SELECT r.key_id FROM rehearsals r
           WHERE r.state IN ('RUNNING', 'ENDING') AND r.ends_at > CAST(${now} AS BIGINT) - {OVERDUE})) THEN {} ELSE '' END",
        named(KeyReason::NotUsable)
    );
    let operation = format!(
        "CASE WHEN k.id IN (SELECT o.subject_id FROM locks o JOIN operations p ON p.id = o.operation_id
           WHERE p.problem IS NOT NULL AND p.created_at < CAST(${now} AS BIGINT) - {OPERATION_PATIENCE}) THEN {} ELSE '' END",
        named(KeyReason::OperationWaits)
    );
    let out: Vec<String> = CheckOutcome::ALL.iter().filter(|outcome| outcome.keeps_keystead_out()).map(|outcome| format!("'{}'", outcome.as_str())).collect();
    let reach = format!(
        "CASE WHEN k.keystore_id IN (SELECT c.keystore_id FROM keystore_checks c WHERE c.outcome IN ({})) THEN {} ELSE '' END",
        out.join(", "),
        named(KeyReason::KeystoreOutOfReach)
    );
    [
        Side { sql: drift, reasons: vec![KeyReason::CloudKeyGone, KeyReason::DriftHostile, KeyReason::DriftOpen] },
        Side { sql: end, reasons: vec![KeyReason::Expired, KeyReason::EndNear] },
        Side { sql: usable, reasons: vec![KeyReason::NotUsable] },
        Side { sql: operation, reasons: vec![KeyReason::OperationWaits] },
        Side { sql: reach, reasons: vec![KeyReason::KeystoreOutOfReach] },
    ]
}

fn columns(now: usize) -> String {
    sides(now).into_iter().enumerate().map(|(n, side)| format!("{} AS side_{n}", side.sql)).collect::<Vec<_>>().join(", ")
}

/// Which keys have this health, of the rows `k`: none of their reasons is worse, and one is as bad. What is DELETED has none.
pub(super) fn condition(health: Health, now: usize) -> String {
    let list = |side: &Side, belongs: fn(Health, Health) -> bool| {
        let names: Vec<String> = side.reasons.iter().filter(|reason| belongs(reason.health(), health)).map(|reason| format!("'{}'", reason.as_str())).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let sides = sides(now);
    let mut all = vec!["k.state <> 'DELETED'".to_owned()];
    all.extend(sides.iter().filter_map(|side| list(side, |of, wanted| of < wanted).map(|names| format!("{} NOT IN ({names})", side.sql))));
    let any: Vec<String> = sides.iter().filter_map(|side| list(side, |of, wanted| of == wanted).map(|names| format!("{} IN ({names})", side.sql))).collect();
    if !any.is_empty() {
        all.push(format!("({})", any.join(" OR ")));
    }
    all.join(" AND ")
}

fn read_reasons(row: &mut crate::RowReader) -> Result<Vec<KeyReason>, StoreError> {
    let mut reasons = Vec::new();
    for _ in 0..5 {
        let name = row.text()?;
        if !name.is_empty() {
            reasons.push(KeyReason::parse(&name)?);
        }
    }
    reasons.sort();
    Ok(reasons)
}

/// Why these keys are not well. What is DELETED, or is not there, is left out.
pub fn of_keys(tx: &mut Tx<'_>, keys: &[KeyId], now: Timestamp) -> Result<Vec<KeyKnown>, StoreError> {
    let at_once = if keys.len() > A_FEW { LIMIT_MAX as usize } else { A_FEW };
    let places: Vec<String> = (2..at_once + 2).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT k.id, (SELECT NULLIF(v.seen_at, 0) FROM cloud_views v WHERE v.key_id = k.id), (SELECT o.operation_id FROM locks o WHERE o.subject_id = k.id), {}
           FROM keys k WHERE k.state <> 'DELETED' AND k.id IN ({})",
        columns(1),
        places.join(", ")
    );
    let read = |row: Row| {
        let mut row = row.read();
        Ok(KeyKnown { id: row.id()?, seen_at: row.opt_time()?, operation: row.opt_id()?, reasons: read_reasons(&mut row)? })
    };
    let mut found = Vec::new();
    for chunk in keys.chunks(at_once) {
        let ids = chunk.iter().map(KeyId::as_str).chain(std::iter::repeat("")).take(at_once);
        let values: Vec<Value<'_>> = std::iter::once(now.into()).chain(ids.map(Value::from)).collect();
        found.extend(tx.query(&sql, &values)?.into_iter().map(read).collect::<Result<Vec<_>, StoreError>>()?);
    }
    Ok(found)
}

/// How many keys of the whole installation have each health; those that are DELETED or forgotten are not counted.
pub fn count_keys(tx: &mut Tx<'_>, now: Timestamp) -> Result<BTreeMap<Health, i64>, StoreError> {
    let sql = format!(
        "SELECT side_0, side_1, side_2, side_3, side_4, COUNT(*) FROM (SELECT {} FROM keys k WHERE k.state <> 'DELETED' AND k.forgotten_at IS NULL) AS found
           GROUP BY side_0, side_1, side_2, side_3, side_4",
        columns(1)
    );
    let read = |row: Row| {
        let mut row = row.read();
        Ok((word_of_key(&read_reasons(&mut row)?), row.int()?))
    };
    let mut counts: BTreeMap<Health, i64> = Health::ALL.iter().map(|health| (*health, 0)).collect();
    for (health, count) in readable::readable(tx.query(&sql, &[now.into()])?, read) {
        *counts.entry(health).or_default() += count;
    }
    Ok(counts)
}
