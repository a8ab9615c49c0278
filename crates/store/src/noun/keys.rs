//! Keys: what Keystead wants of them, and what the cloud last said.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, Aliases, Custody, KeyId, KeySpec, KeyState, KeyUsage, KeystoreId, LineageId, RegionRole, Tags, Timestamp, health::Health,
    key::expiry::ExpiryPolicy, keystore,
};

use super::{
    health, keystores, lineages,
    page::{Listed, Page},
};
use crate::{Row, StoreError, Tx, Value};

/// Dates of a key's rotation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RotationDates {
    /// Not before then its lineage is rotated; of the current key.
    pub planned: Option<Timestamp>,
    /// When its lineage was last rotated; of the current key.
    pub last: Option<Timestamp>,
    /// When it is deactivated, because its successor has taken over.
    pub retires: Option<Timestamp>,
}

/// What a key shares with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ties {
    /// Whose its material is.
    pub custody: Custody,
    /// Whether its material may leave the vault: by an export, or as a copy in another keystore (FT-032).
    pub is_exportable: bool,
    /// Of which key it is a copy; of a linked key only.
    pub source: Option<KeyId>,
    /// Its part in a family of Regions.
    pub role: RegionRole,
    /// The primary of its family; of a replica only.
    pub primary: Option<KeyId>,
}

impl Ties {
    /// Whether it is a copy of another key, with whose material it goes. A replica has its primary's, too, and is led by that; a primary leads itself, whosever its
    /// material was before it was promoted.
    pub fn is_copy(&self) -> bool {
        self.custody == Custody::Linked && self.role == RegionRole::Single
    }

    /// Whose material it gets from now on.
    pub fn custody_to_come(&self) -> Custody {
        if self.role == RegionRole::Primary && self.custody == Custody::Linked { Custody::Own } else { self.custody }
    }
}

impl Default for Ties {
    fn default() -> Self {
        Self { custody: Custody::Own, is_exportable: true, source: None, role: RegionRole::Single, primary: None }
    }
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Id.
    pub id: KeyId,
    /// Account.
    pub account_id: AccountId,
    /// Keystore.
    pub keystore_id: KeystoreId,
    /// The keystore's name.
    pub keystore_name: String,
    /// The keystore's cloud.
    pub cloud: String,
    /// The keystore's Region.
    pub region: String,
    /// Lineage.
    pub lineage_id: LineageId,
    /// Name, shared by the lineage.
    pub name: String,
    /// The lineage's aliases, when they point at this key.
    pub aliases: Aliases,
    /// Whether the name means this key.
    pub is_current: bool,
    /// State.
    pub state: KeyState,
    /// Kind of key.
    pub spec: KeySpec,
    /// What it is for.
    pub usage: KeyUsage,
    /// `generated` or `imported`.
    pub origin: String,
    /// Free text.
    pub description: String,
    /// The people's tags.
    pub tags: Tags,
    /// When the material in the cloud expires.
    pub expires_at: Option<Timestamp>,
    /// The span of life that was asked for, in microseconds: what an extension or a successor gets again.
    pub expiry_span: Option<i64>,
    /// What happens before.
    pub expiry_policy: ExpiryPolicy,
    /// Whom it succeeded.
    pub predecessor_id: Option<KeyId>,
    /// Who succeeded it.
    pub successor_id: Option<KeyId>,
    /// The cloud's short id.
    pub cloud_key_id: Option<String>,
    /// The cloud's full name.
    pub cloud_arn: Option<String>,
    /// The cloud's own word for the state, as last seen.
    pub cloud_state: Option<String>,
    /// Fact of the cloud: whether the key may be used, as last seen.
    pub enabled: bool,
    /// Fact of the cloud: whether material is present, as last seen.
    pub material_present: bool,
    /// The cloud's id of the material.
    pub material_id: Option<String>,
    /// When the cloud will delete it.
    pub deletion_at: Option<Timestamp>,
    /// When it is rotated.
    pub rotation: RotationDates,
    /// What it shares with others.
    pub ties: Ties,
    /// Whether it was made anew and gets no material until its policy is what it was, or the new one is accepted.
    pub awaits_policy: bool,
    /// When made.
    pub created_at: Timestamp,
    /// Who made it: a user's id, or `system`.
    pub created_by: String,
    /// When last changed.
    pub updated_at: Timestamp,
    /// Counts the changes.
    pub revision: i64,
}

impl KeyRow {
    /// Whether it is in no cloud: it lives in the vault alone.
    pub fn is_in_vault(&self) -> bool {
        self.cloud == keystore::VAULT
    }
}

pub(super) const COLUMNS: &str = "SELECT k.id, k.account_id, k.keystore_id, s.name, s.cloud, s.region, k.lineage_id, k.name,
  (SELECT string_agg(a.alias, ' ' ORDER BY a.position) FROM aliases a WHERE a.lineage_id = l.id), l.current_key_id, k.state, k.spec, k.usage,
  k.origin, k.description, k.tags, k.expires_at, k.expiry_span, k.expiry_policy, k.predecessor_id, k.successor_id, k.cloud_key_id, k.cloud_arn, k.cloud_state, k.enabled,
  k.material_present, k.material_id, k.deletion_at, l.rotation_at, l.rotated_at, k.retire_at, k.custody,
  k.is_exportable, k.source_key_id, k.region_role, k.primary_key_id, k.awaits_policy, k.created_at,
  k.created_by, k.updated_at, k.revision
  FROM keys k JOIN lineages l ON l.id = k.lineage_id JOIN keystores s ON s.id = k.keystore_id";

pub(super) fn read(row: Row) -> Result<KeyRow, StoreError> {
    let mut row = row.read();
    let id: KeyId = row.id()?;
    let (account_id, keystore_id, keystore_name) = (row.id()?, row.id()?, row.text()?);
    let (cloud, region) = (row.text()?, row.text()?);
    let (lineage_id, name) = (row.id()?, row.text()?);
    let aliases = lineages::read_aliases(row.opt_text()?)?;
    let is_current = row.text()? == id.as_str();
    Ok(KeyRow {
        id,
        account_id,
        keystore_id,
        keystore_name,
        cloud,
        region,
        lineage_id,
        name,
        aliases: if is_current { aliases } else { Aliases::default() },
        is_current,
        state: KeyState::parse(&row.text()?)?,
        spec: KeySpec::parse(&row.text()?)?,
        usage: KeyUsage::parse(&row.text()?)?,
        origin: row.text()?,
        description: row.text()?,
        tags: read_tags(&row.text()?)?,
        expires_at: row.opt_time()?,
        expiry_span: row.opt_int()?,
        expiry_policy: ExpiryPolicy::parse(&row.text()?)?,
        predecessor_id: row.opt_id()?,
        successor_id: row.opt_id()?,
        cloud_key_id: row.opt_text()?,
        cloud_arn: row.opt_text()?,
        cloud_state: row.opt_text()?,
        enabled: row.flag()?,
        material_present: row.flag()?,
        material_id: row.opt_text()?,
        deletion_at: row.opt_time()?,
        rotation: RotationDates { planned: row.opt_time()?.filter(|_| is_current), last: row.opt_time()?.filter(|_| is_current), retires: row.opt_time()? },
        ties: Ties {
            custody: Custody::parse(&row.text()?)?,
            is_exportable: row.flag()?,
            source: row.opt_id()?,
            role: RegionRole::parse(&row.text()?)?,
            primary: row.opt_id()?,
        },
        awaits_policy: row.flag()?,
        created_at: row.time()?,
        created_by: row.text()?,
        updated_at: row.time()?,
        revision: row.int()?,
    })
}

fn read_tags(text: &str) -> Result<Tags, StoreError> {
    let map: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("tags: {error}")))?;
    Ok(Tags::parse(map)?)
}

fn write_tags(tags: &Tags) -> String {
    let map: BTreeMap<&str, &str> = tags.iter().collect();
    serde_json::Value::from_iter(map).to_string()
}

/// Makes a key in a keystore that is in use and stays so until the commit.
pub fn insert(tx: &mut Tx<'_>, key: &KeyRow) -> Result<(), StoreError> {
    if !keystores::hold_active(tx, &key.keystore_id)? {
        return Err(StoreError::MovedOn("keystore"));
    }
    let tags = write_tags(&key.tags);
    tx.execute(
        "INSERT INTO keys (id, account_id, keystore_id, lineage_id, name, state, spec, usage, origin, description, tags, expires_at, expiry_span, expiry_policy, predecessor_id,
           enabled, material_present, created_at, created_by, updated_at, revision, custody, is_exportable, source_key_id, region_role, primary_key_id,
           awaits_policy)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, $16, $17, $16, 1, $18, $19, $20, $21, $22, $23)",
        &[
            key.id.as_str().into(),
            key.account_id.as_str().into(),
            key.keystore_id.as_str().into(),
            key.lineage_id.as_str().into(),
            (&key.name).into(),
            key.state.as_str().into(),
            key.spec.as_str().into(),
            key.usage.as_str().into(),
            (&key.origin).into(),
            (&key.description).into(),
            (&tags).into(),
            key.expires_at.into(),
            key.expiry_span.into(),
            key.expiry_policy.as_str().into(),
            key.predecessor_id.as_ref().map(KeyId::as_str).into(),
            key.created_at.into(),
            (&key.created_by).into(),
            key.ties.custody.as_str().into(),
            key.ties.is_exportable.into(),
            key.ties.source.as_ref().map(KeyId::as_str).into(),
            key.ties.role.as_str().into(),
            key.ties.primary.as_ref().map(KeyId::as_str).into(),
            key.awaits_policy.into(),
        ],
    )
    .map(drop)
}

/// A key by id.
pub fn by_id(tx: &mut Tx<'_>, id: &KeyId) -> Result<Option<KeyRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE k.id = $1"), &[id.as_str().into()])?.map(read).transpose()
}

/// A key by id or by name, inside an account. A name means the current key of the living lineage, else the newest key that bore it.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id_or_name: &str) -> Result<Option<KeyRow>, StoreError> {
    let values = [account.as_str().into(), id_or_name.into()];
    if KeyId::parse(id_or_name).is_ok() {
        return tx.query_opt(&format!("{COLUMNS} WHERE k.account_id = $1 AND k.id = $2"), &values)?.map(read).transpose();
    }
    let living = format!("{COLUMNS} WHERE l.account_id = $1 AND l.name = $2 AND l.live = 1 AND k.id = l.current_key_id");
    if let Some(row) = tx.query_opt(&living, &values)? {
        return read(row).map(Some);
    }
    tx.query_opt(&format!("{COLUMNS} WHERE k.account_id = $1 AND k.name = $2 ORDER BY k.id DESC LIMIT 1"), &values)?.map(read).transpose()
}

/// What a list is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only this keystore.
    pub keystore: Option<KeystoreId>,
    /// Only this state.
    pub state: Option<KeyState>,
    /// Only this name, predecessors included.
    pub name: Option<String>,
    /// Only those whose material is kept so.
    pub custody: Option<Custody>,
    /// Only those that are so at this time.
    pub health: Option<(Health, Timestamp)>,
}

/// A page of keys, in the order they were made. Those that were forgotten are in no list.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, filter: &KeyFilter, page: &Page) -> Result<Listed<KeyRow>, StoreError> {
    let mut sql = format!("{COLUMNS} WHERE k.account_id = $1 AND k.id > $2 AND k.forgotten_at IS NULL");
    let mut values: Vec<Value<'_>> = vec![account.as_str().into(), page.after_or_start().into()];
    if let Some(keystore) = &filter.keystore {
        values.push(keystore.as_str().into());
        sql.push_str(&format!(" AND k.keystore_id = ${}", values.len()));
    }
    if let Some(state) = &filter.state {
        values.push(state.as_str().into());
        sql.push_str(&format!(" AND k.state = ${}", values.len()));
    }
    if let Some(name) = &filter.name {
        values.push(name.into());
        sql.push_str(&format!(" AND k.name = ${}", values.len()));
    }
    if let Some(custody) = &filter.custody {
        values.push(custody.as_str().into());
        sql.push_str(&format!(" AND k.custody = ${}", values.len()));
    }
    if let Some((wanted, now)) = &filter.health {
        values.push((*now).into());
        sql.push_str(&format!(" AND {}", health::condition(*wanted, values.len())));
    }
    sql.push_str(&format!(" ORDER BY k.id LIMIT {}", page.fetch_in_text()));
    let rows: Result<Vec<_>, _> = tx.query(&sql, &values)?.into_iter().map(read).collect();
    Ok(page.cut(rows?, |key| key.id.to_string()))
}

/// Moves a key from one state to another; somebody faster makes it [`StoreError::MovedOn`].
pub fn transition(tx: &mut Tx<'_>, id: &KeyId, from: KeyState, to: KeyState, now: Timestamp) -> Result<(), StoreError> {
    let values = [to.as_str().into(), now.into(), id.as_str().into(), from.as_str().into()];
    tx.execute_one("key", "UPDATE keys SET state = $1, updated_at = $2, revision = revision + 1 WHERE id = $3 AND state = $4", &values)
}

/// Facts of the cloud that a step or a look has learnt; `None` leaves a fact as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudFacts {
    /// Short id and full name.
    pub identity: Option<(String, String)>,
    /// The cloud's own word.
    pub raw_state: Option<String>,
    /// Whether the key may be used.
    pub enabled: Option<bool>,
    /// Whether material is present.
    pub material_present: Option<bool>,
    /// The cloud's id of the material.
    pub material_id: Option<String>,
    /// When the cloud will delete the key; `Some(None)`: it will not.
    pub deletion_at: Option<Option<Timestamp>>,
    /// When the material expires; `Some(None)`: it does not.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Keeps what the cloud was seen to be.
pub fn keep_facts(tx: &mut Tx<'_>, id: &KeyId, facts: &CloudFacts, now: Timestamp) -> Result<(), StoreError> {
    let (short, arn) = facts.identity.as_ref().map_or((None, None), |(short, arn)| (Some(short.as_str()), Some(arn.as_str())));
    tx.execute_one(
        "key",
        "UPDATE keys SET cloud_key_id = COALESCE($1, cloud_key_id), cloud_arn = COALESCE($2, cloud_arn), cloud_state = COALESCE($3, cloud_state),
           enabled = COALESCE($4, enabled), material_present = COALESCE($5, material_present), material_id = COALESCE($6, material_id),
           deletion_at = CASE WHEN CAST($7 AS BIGINT) = 1 THEN $8 ELSE deletion_at END,
           expires_at = CASE WHEN CAST($11 AS BIGINT) = 1 THEN $12 ELSE expires_at END,
           updated_at = $9, revision = revision + 1 WHERE id = $10",
        &[
            short.into(),
            arn.into(),
            facts.raw_state.as_deref().into(),
            facts.enabled.into(),
            facts.material_present.into(),
            facts.material_id.as_deref().into(),
            facts.deletion_at.is_some().into(),
            facts.deletion_at.flatten().into(),
            now.into(),
            id.as_str().into(),
            facts.expires_at.is_some().into(),
            facts.expires_at.flatten().into(),
        ],
    )
}

/// What a person may change (CM-067).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProperties {
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// When the material expires.
    pub expires_at: Option<Timestamp>,
    /// The span of life that was asked for, in microseconds.
    pub expiry_span: Option<i64>,
    /// What happens before.
    pub expiry_policy: ExpiryPolicy,
}

/// Keeps new properties.
pub fn set_properties(tx: &mut Tx<'_>, id: &KeyId, properties: &KeyProperties, now: Timestamp) -> Result<(), StoreError> {
    let tags = write_tags(&properties.tags);
    tx.execute_one(
        "key",
        "UPDATE keys SET description = $1, tags = $2, expires_at = $3, expiry_policy = $4, updated_at = $5, expiry_span = $7, revision = revision + 1 WHERE id = $6",
        &[
            (&properties.description).into(),
            (&tags).into(),
            properties.expires_at.into(),
            properties.expiry_policy.as_str().into(),
            now.into(),
            id.as_str().into(),
            properties.expiry_span.into(),
        ],
    )
}

/// Notes that a key's policy is what it was, or that the one that it has is wanted: it may get its material.
pub fn settle_policy(tx: &mut Tx<'_>, id: &KeyId) -> Result<(), StoreError> {
    tx.execute_one("key", "UPDATE keys SET awaits_policy = 0 WHERE id = $1", &[id.as_str().into()])
}

/// Notes that a key's material never leaves the vault, from now on for ever.
pub fn forbid_export(tx: &mut Tx<'_>, id: &KeyId) -> Result<(), StoreError> {
    tx.execute_one("key", "UPDATE keys SET is_exportable = 0 WHERE id = $1", &[id.as_str().into()])
}

/// Notes that a key's material is in its cloud alone from now on.
pub fn become_native(tx: &mut Tx<'_>, id: &KeyId) -> Result<(), StoreError> {
    tx.execute_one("key", "UPDATE keys SET custody = 'native' WHERE id = $1 AND custody = 'own'", &[id.as_str().into()])
}

/// Notes who succeeded a key, or that nobody does.
pub fn set_successor(tx: &mut Tx<'_>, id: &KeyId, successor: Option<&KeyId>) -> Result<(), StoreError> {
    tx.execute_one("key", "UPDATE keys SET successor_id = $1 WHERE id = $2", &[successor.map(KeyId::as_str).into(), id.as_str().into()])
}

/// Says when a replaced key is deactivated, or that it is not.
pub fn set_retirement(tx: &mut Tx<'_>, id: &KeyId, at: Option<Timestamp>) -> Result<(), StoreError> {
    tx.execute_one("key", "UPDATE keys SET retire_at = $1 WHERE id = $2", &[at.into(), id.as_str().into()])
}

/// Takes a key back whose creation failed; its versions must be gone.
pub fn delete_uncreated(tx: &mut Tx<'_>, id: &KeyId) -> Result<(), StoreError> {
    tx.execute_one("key", "DELETE FROM keys WHERE id = $1 AND state = 'CREATING'", &[id.as_str().into()])
}

/// The ids of a keystore's cloud keys that live. One that is DELETED may be made again under the same id, if it was a replica.
pub fn cloud_key_ids(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Vec<String>, StoreError> {
    let rows =
        tx.query("SELECT cloud_key_id FROM keys WHERE keystore_id = $1 AND cloud_key_id IS NOT NULL AND state <> 'DELETED'", &[keystore.as_str().into()])?;
    rows.into_iter().map(|row| row.read().text()).collect()
}

/// Whether a row of any keystore names this cloud key: by its full name too, because the keys of a family of Regions share the short one. A replica
/// that is DELETED names none: it may have been made again.
pub fn names_cloud_key(tx: &mut Tx<'_>, cloud_key: &str, arn: &str) -> Result<bool, StoreError> {
    Ok(tx
        .query_opt(
            "SELECT 1 FROM keys WHERE cloud_key_id = $1 AND cloud_arn = $2 AND (state <> 'DELETED' OR region_role = 'single') LIMIT 1",
            &[cloud_key.into(), arn.into()],
        )?
        .is_some())
}

/// The replicas of a primary that are not DELETED, in the order in which they were made.
pub fn replicas_of(tx: &mut Tx<'_>, primary: &KeyId) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE k.primary_key_id = $1 AND k.region_role = 'replica' AND k.state <> 'DELETED' ORDER BY k.id");
    tx.query(&sql, &[primary.as_str().into()])?.into_iter().map(read).collect()
}

/// The keys of a keystore that can be used: ACTIVE or REPLACED, in the order in which they were made.
pub fn usable_in(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE k.keystore_id = $1 AND k.state IN ('ACTIVE', 'REPLACED') ORDER BY k.id");
    tx.query(&sql, &[keystore.as_str().into()])?.into_iter().map(read).collect()
}

/// The keys of a keystore that were taken out of use, in the order they were made.
pub fn idle_in(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE k.keystore_id = $1 AND k.state IN ('INACTIVE', 'PENDING_DELETION') ORDER BY k.id");
    tx.query(&sql, &[keystore.as_str().into()])?.into_iter().map(read).collect()
}

/// A key, and every key that is not DELETED and has its material from it: copies in other keystores, and replicas in other Regions.
pub fn sharing(tx: &mut Tx<'_>, holder: &KeyId) -> Result<Vec<KeyRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE (k.id = $1 OR k.source_key_id = $1 OR k.primary_key_id = $1) AND k.state <> 'DELETED' ORDER BY k.id");
    tx.query(&sql, &[holder.as_str().into()])?.into_iter().map(read).collect()
}

/// Makes a replica the primary of its family, and the primary a replica; every other member follows the new one. Whose the material is does not change.
pub fn promote(tx: &mut Tx<'_>, primary: &KeyId, replica: &KeyId, now: Timestamp) -> Result<(), StoreError> {
    let values = [replica.as_str().into(), primary.as_str().into(), now.into()];
    tx.execute_one(
        "key",
        "UPDATE keys SET region_role = 'primary', primary_key_id = NULL, updated_at = $3, revision = revision + 1
         WHERE id = $1 AND region_role = 'replica' AND primary_key_id = $2",
        &values,
    )?;
    tx.execute_one(
        "key",
        "UPDATE keys SET region_role = 'replica', primary_key_id = $1, updated_at = $3, revision = revision + 1 WHERE id = $2 AND region_role = 'primary'",
        &values,
    )?;
    tx.execute("UPDATE keys SET primary_key_id = $1 WHERE primary_key_id = $2 AND id <> $1", &values[..2]).map(drop)
}

/// Gives a key the end of its material and the span of life that its primary has.
pub fn set_end(tx: &mut Tx<'_>, id: &KeyId, expires: Option<Timestamp>, span: Option<i64>, policy: ExpiryPolicy) -> Result<(), StoreError> {
    let values = [expires.into(), span.into(), policy.as_str().into(), id.as_str().into()];
    tx.execute_one("key", "UPDATE keys SET expires_at = $1, expiry_span = $2, expiry_policy = $3, revision = revision + 1 WHERE id = $4", &values)
}

/// The key of a keystore that this cloud key is: the one that lives, or the last that did.
pub fn by_cloud_key(tx: &mut Tx<'_>, keystore: &KeystoreId, cloud_key: &str) -> Result<Option<KeyRow>, StoreError> {
    let values = [keystore.as_str().into(), cloud_key.into()];
    tx.query_opt(
        &format!("{COLUMNS} WHERE k.keystore_id = $1 AND k.cloud_key_id = $2 ORDER BY CASE WHEN k.state = 'DELETED' THEN 1 ELSE 0 END, k.id DESC LIMIT 1"),
        &values,
    )?
    .map(read)
    .transpose()
}

/// Whether a row of any keystore names the cloud key with this id and full name: replicas share an id. Pointers that went with their keystore do not count.
pub fn names_cloud_arn(tx: &mut Tx<'_>, cloud_key: &str, arn: &str) -> Result<bool, StoreError> {
    let values = [cloud_key.into(), arn.into()];
    Ok(tx.query_opt("SELECT 1 FROM keys WHERE cloud_key_id = $1 AND cloud_arn = $2 AND forgotten_at IS NULL LIMIT 1", &values)?.is_some())
}

/// What the cloud says of a key that only it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where it stands.
    pub state: KeyState,
    /// Free text.
    pub description: String,
    /// The people's tags.
    pub tags: Tags,
    /// Its part among Regions.
    pub role: RegionRole,
    /// The rest; here `None` of a date means that there is none.
    pub facts: CloudFacts,
}

/// Takes over what the cloud says of a native key that is as it was read; else it is [`StoreError::MovedOn`].
pub fn take_over(tx: &mut Tx<'_>, read: &KeyRow, seen: &Seen, now: Timestamp) -> Result<(), StoreError> {
    let tags = write_tags(&seen.tags);
    tx.execute_one(
        "key",
        "UPDATE keys SET state = $1, description = $2, tags = $3, region_role = $4 WHERE id = $5 AND revision = $6 AND custody = 'native'",
        &[seen.state.as_str().into(), (&seen.description).into(), (&tags).into(), seen.role.as_str().into(), read.id.as_str().into(), read.revision.into()],
    )?;
    keep_facts(tx, &read.id, &seen.facts, now)
}

/// Takes the pointer to a key that its cloud has deleted out of the lists.
pub fn forget(tx: &mut Tx<'_>, id: &KeyId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE keys SET forgotten_at = $1, updated_at = $1, revision = revision + 1 WHERE id = $2 AND custody = 'native' AND state = 'DELETED'";
    tx.execute_one("key", sql, &[now.into(), id.as_str().into()])
}

/// A virtual key that a sync found: Keystead has nothing of it but the pointer.
const IS_POINTER: &str = "custody = 'native' AND origin = 'cloud'";

/// Ends the pointers of a keystore that is being deleted; one that an operation holds makes it [`StoreError::MovedOn`].
pub fn drop_pointers(tx: &mut Tx<'_>, keystore: &KeystoreId, now: Timestamp) -> Result<(), StoreError> {
    let held = format!("SELECT 1 FROM keys JOIN locks ON locks.subject_id = keys.id WHERE keystore_id = $1 AND {IS_POINTER} LIMIT 1");
    if tx.query_opt(&held, &[keystore.as_str().into()])?.is_some() {
        return Err(StoreError::MovedOn("key"));
    }
    let sql = format!(
        "UPDATE keys SET state = 'DELETED', forgotten_at = $2, updated_at = $2, revision = revision + 1
         WHERE keystore_id = $1 AND state <> 'DELETED' AND {IS_POINTER}"
    );
    tx.execute(&sql, &[keystore.as_str().into(), now.into()])?;
    tx.execute(
        "UPDATE lineages SET live = 0 WHERE keystore_id = $1 AND live = 1
           AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.lineage_id = lineages.id AND keys.state <> 'DELETED')",
        &[keystore.as_str().into()],
    )?;
    lineages::free_aliases(tx, keystore)
}

/// How many keys of a keystore are not DELETED, and the names of the first few: why it cannot be deleted (CM-038). Pointers to keys of the cloud's are not counted.
pub fn not_deleted(tx: &mut Tx<'_>, keystore: &KeystoreId) -> Result<(i64, Vec<String>), StoreError> {
    let concerns = format!("FROM keys WHERE keystore_id = $1 AND state <> 'DELETED' AND NOT ({IS_POINTER})");
    let count = tx.query_opt(&format!("SELECT COUNT(*) {concerns}"), &[keystore.as_str().into()])?;
    let count = count.map_or(Ok(0), |row| row.read().int())?;
    let rows = tx.query(&format!("SELECT name {concerns} ORDER BY id LIMIT 5"), &[keystore.as_str().into()])?;
    let names: Result<Vec<_>, _> = rows.into_iter().map(|row| row.read().text()).collect();
    Ok((count, names?))
}
