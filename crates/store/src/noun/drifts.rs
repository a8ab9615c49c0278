//! Drift: differences between what is wanted of a key and what the cloud has, and how a keystore is looked through for them.

use keystead_domain::{
    AccountId, DriftId, KeyId, KeystoreId, Timestamp,
    drift::{Attribute, AutoRepair, DriftClass, DriftState},
};

use super::{
    page::{Listed, Page},
    readable,
};
use crate::{Row, StoreError, Tx};

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    /// Id.
    pub id: DriftId,
    /// Account.
    pub account_id: AccountId,
    /// Keystore.
    pub keystore_id: KeystoreId,
    /// The key; `None` for a cloud key that no row names.
    pub key_id: Option<KeyId>,
    /// The cloud's full name of the key.
    pub cloud_key: String,
    /// What differs.
    pub attribute: Attribute,
    /// Which one of several; else empty.
    pub item: String,
    /// How bad it is.
    pub class: DriftClass,
    /// What is wanted.
    pub wanted: String,
    /// What the look before saw.
    pub last_seen: Option<String>,
    /// What the cloud said at the last look.
    pub live: String,
    /// What has become of it.
    pub state: DriftState,
    /// The cloud's event that made it, JSON; opaque here.
    pub cause: Option<String>,
    /// The last look that did not show it.
    pub unseen_at: Timestamp,
    /// When it was first seen.
    pub found_at: Timestamp,
    /// When it was last seen.
    pub seen_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it: a user's id, or `system`.
    pub ended_by: Option<String>,
    /// How often Keystead tried to mend it by itself.
    pub tries: u32,
}

/// A difference with the names that people know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The row.
    pub row: DriftRow,
    /// Name of the key.
    pub key_name: Option<String>,
    /// Name of the keystore.
    pub keystore_name: String,
}

/// Which differences are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DriftFilter {
    /// Of this keystore only.
    pub keystore: Option<KeystoreId>,
    /// Of this key only.
    pub key: Option<KeyId>,
    /// Of this class only.
    pub class: Option<DriftClass>,
    /// In this state only.
    pub state: Option<DriftState>,
}

/// How a keystore is looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftPolicyRow {
    /// The keystore.
    pub keystore_id: KeystoreId,
    /// How often, in microseconds; `None`: when somebody asks.
    pub every: Option<i64>,
    /// What is mended without a person.
    pub auto_repair: AutoRepair,
    /// When it was set.
    pub set_at: Timestamp,
    /// Who set it.
    pub set_by: String,
}

const COLUMNS: &str = "SELECT d.id, d.account_id, d.keystore_id, d.key_id, d.cloud_key, d.attribute, d.item, d.class, d.wanted, d.last_seen, d.live, d.state, d.cause,
  d.found_at, d.seen_at, d.ended_at, d.ended_by, d.tries, d.unseen_at, k.name, s.name FROM drifts d JOIN keystores s ON s.id = d.keystore_id LEFT JOIN keys k ON k.id = d.key_id";

fn read(row: Row) -> Result<Drift, StoreError> {
    let mut row = row.read();
    Ok(Drift {
        row: DriftRow {
            id: row.id()?,
            account_id: row.id()?,
            keystore_id: row.id()?,
            key_id: row.opt_id()?,
            cloud_key: row.text()?,
            attribute: Attribute::parse(&row.text()?)?,
            item: row.text()?,
            class: DriftClass::parse(&row.text()?)?,
            wanted: row.text()?,
            last_seen: row.opt_text()?,
            live: row.text()?,
            state: DriftState::parse(&row.text()?)?,
            cause: row.opt_text()?,
            found_at: row.time()?,
            seen_at: row.time()?,
            ended_at: row.opt_time()?,
            ended_by: row.opt_text()?,
            tries: row.count()?,
            unseen_at: row.time()?,
        },
        key_name: row.opt_text()?,
        keystore_name: row.text()?,
    })
}

/// Keeps a difference that was not there.
pub fn insert(tx: &mut Tx<'_>, drift: &DriftRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO drifts (id, account_id, keystore_id, key_id, cloud_key, attribute, item, class, wanted, last_seen, live, state, cause, found_at, seen_at, unseen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'OPEN', $12, $13, $14, $15)",
        &[
            drift.id.as_str().into(),
            drift.account_id.as_str().into(),
            drift.keystore_id.as_str().into(),
            drift.key_id.as_ref().map(KeyId::as_str).into(),
            (&drift.cloud_key).into(),
            drift.attribute.as_str().into(),
            (&drift.item).into(),
            drift.class.as_str().into(),
            (&drift.wanted).into(),
            drift.last_seen.as_ref().into(),
            (&drift.live).into(),
            drift.cause.as_ref().into(),
            drift.found_at.into(),
            drift.seen_at.into(),
            drift.unseen_at.into(),
        ],
    )
    .map(drop)
}

/// Brings an open difference up to date: it was seen again, and may say something else now.
pub fn see_again(tx: &mut Tx<'_>, drift: &DriftRow) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE drifts SET class = $2, wanted = $3, last_seen = $4, live = $5, cause = $6, seen_at = $7 WHERE id = $1 AND state = 'OPEN'",
        &[
            drift.id.as_str().into(),
            drift.class.as_str().into(),
            (&drift.wanted).into(),
            drift.last_seen.as_ref().into(),
            (&drift.live).into(),
            drift.cause.as_ref().into(),
            drift.seen_at.into(),
        ],
    )
    .map(drop)
}

/// Ends an open difference; `false` when it was not open any more.
pub fn end(tx: &mut Tx<'_>, id: &DriftId, state: DriftState, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "UPDATE drifts SET state = $2, ended_at = $3, ended_by = $4 WHERE id = $1 AND state = 'OPEN'";
    Ok(tx.execute(sql, &[id.as_str().into(), state.as_str().into(), now.into(), by.into()])? == 1)
}

/// Notes that Keystead tries to mend a difference by itself, and not before when it would try again.
pub fn tried(tx: &mut Tx<'_>, id: &DriftId, next: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE drifts SET tries = tries + 1, next_try_at = $2 WHERE id = $1 AND state = 'OPEN'";
    tx.execute(sql, &[id.as_str().into(), next.into()]).map(drop)
}

/// A difference by id, inside an account.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id: &DriftId) -> Result<Option<Drift>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE d.account_id = $1 AND d.id = $2"), &[account.as_str().into(), id.as_str().into()])?.map(read).transpose()
}

/// The open differences of a key, in the order in which they were found.
pub fn open_of_key(tx: &mut Tx<'_>, key: &KeyId) -> Result<Vec<DriftRow>, StoreError> {
    let rows = tx.query(&format!("{COLUMNS} WHERE d.key_id = $1 AND d.state = 'OPEN' ORDER BY d.id"), &[key.as_str().into()])?;
    rows.into_iter().map(|row| read(row).map(|drift| drift.row)).collect()
}

/// The open difference of a cloud key that no row names; `None` when there is none.
pub fn open_of_stranger(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str) -> Result<Option<DriftRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE d.keystore_id = $1 AND d.cloud_key = $2 AND d.key_id IS NULL AND d.state = 'OPEN'");
    tx.query_opt(&sql, &[keystore.as_str().into(), cloud_key.into()])?.map(|row| read(row).map(|drift| drift.row)).transpose()
}

/// Ends what no look tells of any more: strangers of a keystore that were not seen since then, and whatever was open on keys that are DELETED.
pub fn end_unseen(tx: &mut Tx<'_>, keystore: &KeystoreId, since: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE drifts SET state = 'GONE', ended_at = $3, ended_by = 'system' WHERE keystore_id = $1 AND state = 'OPEN'
      AND ((key_id IS NULL AND seen_at < $2) OR key_id IN (SELECT k.id FROM keys k WHERE k.keystore_id = $1 AND k.state = 'DELETED'))";
    tx.execute(sql, &[keystore.as_str().into(), since.into(), now.into()]).map(drop)
}

/// A page of differences, the oldest first.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, filter: &DriftFilter, page: &Page) -> Result<Listed<Drift>, StoreError> {
    let sql = |limit: u32| {
        format!(
            "{COLUMNS} WHERE d.account_id = $1 AND d.id > $2 AND ($3 = '' OR d.keystore_id = $3) AND ($4 = '' OR d.key_id = $4) AND ($5 = '' OR d.class = $5)
               AND ($6 = '' OR d.state = $6) ORDER BY d.id LIMIT {limit}"
        )
    };
    let values = [
        account.as_str().into(),
        page.after_or_start().into(),
        filter.keystore.as_ref().map_or("", KeystoreId::as_str).into(),
        filter.key.as_ref().map_or("", KeyId::as_str).into(),
        filter.class.map_or("", DriftClass::as_str).into(),
        filter.state.map_or("", DriftState::as_str).into(),
    ];
    Ok(page.cut(readable::first(tx, sql, &values, page.fetch_in_text(), read)?, |drift| drift.row.id.to_string()))
}

/// How many open differences of each class there are, by keystore.
pub fn counts(tx: &mut Tx<'_>) -> Result<Vec<(String, DriftClass, i64)>, StoreError> {
    let sql = "SELECT s.name, d.class, COUNT(*) FROM drifts d JOIN keystores s ON s.id = d.keystore_id WHERE d.state = 'OPEN' AND s.state = 'ACTIVE' GROUP BY s.name, d.class ORDER BY s.name, d.class";
    let read = |row: Row| {
        let mut row = row.read();
        Ok((row.text()?, DriftClass::parse(&row.text()?)?, row.int()?))
    };
    Ok(readable::readable(tx.query(sql, &[])?, read))
}

/// The keys with open differences that Keystead may try to mend by itself now, a page of them; a key that an operation holds is left out.
pub fn keys_to_mend(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<KeyId>, StoreError> {
    let alone: Vec<String> =
        Attribute::ALL.iter().filter(|attribute| attribute.is_mended_alone()).map(|attribute| format!("'{}'", attribute.as_str())).collect();
    let sql = format!(
        "SELECT DISTINCT d.key_id FROM drifts d JOIN drift_policies p ON p.keystore_id = d.keystore_id JOIN keystores s ON s.id = d.keystore_id
           WHERE d.state = 'OPEN' AND d.next_try_at <= $1 AND p.auto_repair = 'safe' AND s.state = 'ACTIVE' AND d.key_id IS NOT NULL
             AND d.class IN ('repairable', 'benign') AND d.attribute IN ({}) AND NOT EXISTS (SELECT 1 FROM locks l WHERE l.subject_id = d.key_id)
           ORDER BY d.key_id LIMIT {limit}",
        alone.join(", ")
    );
    Ok(readable::readable(tx.query(&sql, &[now.into()])?, |row| row.read().id()))
}

/// Sets how a keystore is looked through.
pub fn set_policy(tx: &mut Tx<'_>, policy: &DriftPolicyRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO drift_policies (keystore_id, every, auto_repair, set_at, set_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (keystore_id) DO UPDATE SET every = excluded.every, auto_repair = excluded.auto_repair, set_at = excluded.set_at, set_by = excluded.set_by",
        &[
            policy.keystore_id.as_str().into(),
            policy.every.into(),
            policy.auto_repair.as_str().into(),
            policy.set_at.into(),
            (&policy.set_by).into(),
        ],
    )
    .map(drop)
}

const POLICY: &str = "SELECT p.keystore_id, p.every, p.auto_repair, p.set_at, p.set_by FROM drift_policies p";

fn read_policy(row: Row) -> Result<DriftPolicyRow, StoreError> {
    let mut row = row.read();
    Ok(DriftPolicyRow {
        keystore_id: row.id()?,
        every: row.opt_int()?,
        auto_repair: AutoRepair::parse(&row.text()?)?,
        set_at: row.time()?,
        set_by: row.text()?,
    })
}

/// How a keystore is looked through; `None` when nobody has said.
pub fn policy_of(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Option<DriftPolicyRow>, StoreError> {
    tx.query_opt(&format!("{POLICY} WHERE p.keystore_id = $1"), &[keystore.as_str().into()])?.map(read_policy).transpose()
}

/// The policies of the keystores in use that are looked through by themselves.
pub fn scheduled(tx: &mut Tx<'_>) -> Result<Vec<DriftPolicyRow>, StoreError> {
    let sql = format!("{POLICY} JOIN keystores s ON s.id = p.keystore_id WHERE p.every IS NOT NULL AND s.state = 'ACTIVE' ORDER BY p.keystore_id");
    Ok(readable::readable(tx.query(&sql, &[])?, read_policy))
}
