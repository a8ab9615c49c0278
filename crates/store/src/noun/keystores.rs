//! Keystores: places where keys live.

use std::collections::BTreeSet;

use keystead_domain::{AccountId, AlertChannels, KeystoreId, Timestamp, keystore::AwsLocation, keystore::KeystoreState, keystore::VAULT};

use super::{
    events,
    page::{Listed, Page},
    readable::readable,
};
use crate::{Row, StoreError, Tx};

/// A keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoreRow {
    /// Id.
    pub id: KeystoreId,
    /// Account.
    pub account_id: AccountId,
    /// Name, unique among the active keystores of the account.
    pub name: String,
    /// In use or deleted.
    pub state: KeystoreState,
    /// The cloud: `aws`, or `vault` for none.
    pub cloud: String,
    /// Where in the cloud.
    pub location: AwsLocation,
    /// When made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When deleted.
    pub deleted_at: Option<Timestamp>,
    /// When leftovers were last looked for.
    pub swept_at: Timestamp,
    /// Which channels hear of it and of its keys.
    pub alert_channels: AlertChannels,
}

impl KeystoreRow {
    /// Whether it is in no cloud: its keys live in the vault alone.
    pub fn is_vault(&self) -> bool {
        self.cloud == VAULT
    }
}

pub(super) const COLUMNS: &str = "SELECT id, account_id, name, state, cloud, region, cloud_account, role_arn, external_id, created_at, created_by, deleted_at, swept_at, alert_channels FROM keystores";

pub(super) fn read(row: Row) -> Result<KeystoreRow, StoreError> {
    let mut row = row.read();
    Ok(KeystoreRow {
        id: row.id()?,
        account_id: row.id()?,
        name: row.text()?,
        state: read_state(&row.text()?)?,
        cloud: row.text()?,
        location: AwsLocation { region: row.text()?, account: row.text()?, role_arn: row.opt_text()?, external_id: row.opt_text()? },
        created_at: row.time()?,
        created_by: row.text()?,
        deleted_at: row.opt_time()?,
        swept_at: row.time()?,
        alert_channels: row.opt_text()?.map_or(Ok(AlertChannels::All), |text| read_channels(&text))?,
    })
}

fn read_channels(text: &str) -> Result<AlertChannels, StoreError> {
    let names: BTreeSet<String> = serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("alert channels: {error}")))?;
    if names.is_empty() { Err(StoreError::Corrupt("alert channels: none".to_owned())) } else { Ok(AlertChannels::Only(names)) }
}

/// Null where every channel is meant.
fn write_channels(channels: &AlertChannels) -> Option<String> {
    channels.to_list().map(|names| serde_json::json!(names).to_string())
}

fn read_state(text: &str) -> Result<KeystoreState, StoreError> {
    match text {
        "ACTIVE" => Ok(KeystoreState::Active),
        "DELETED" => Ok(KeystoreState::Deleted),
        other => Err(StoreError::Corrupt(format!("keystore state {other}"))),
    }
}

/// Makes a keystore.
pub fn insert(tx: &mut Tx<'_>, keystore: &KeystoreRow) -> Result<(), StoreError> {
    let at = &keystore.location;
    tx.execute(
        "INSERT INTO keystores (id, account_id, name, state, cloud, region, cloud_account, role_arn, external_id, created_at, created_by, swept_at, alert_channels)
         VALUES ($1, $2, $3, 'ACTIVE', $4, $5, $6, $7, $8, $9, $10, $9, $11)",
        &[
            keystore.id.as_str().into(),
            keystore.account_id.as_str().into(),
            (&keystore.name).into(),
            (&keystore.cloud).into(),
            (&at.region).into(),
            (&at.account).into(),
            at.role_arn.as_deref().into(),
            at.external_id.as_deref().into(),
            keystore.created_at.into(),
            (&keystore.created_by).into(),
            write_channels(&keystore.alert_channels).as_deref().into(),
        ],
    )
    .map(drop)
}

/// A keystore by id, or the active one of this name.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id_or_name: &str) -> Result<Option<KeystoreRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE account_id = $1 AND (id = $2 OR name = $2) ORDER BY state, id DESC LIMIT 1");
    tx.query_opt(&sql, &[account.as_str().into(), id_or_name.into()])?.map(read).transpose()
}

/// A keystore by id, whatever the account: for operations, which carry ids they were given by an authorised caller.
pub fn by_id(tx: &mut Tx<'_>, id: &KeystoreId) -> Result<Option<KeystoreRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE id = $1"), &[id.as_str().into()])?.map(read).transpose()
}

/// A page of keystores, in the order they were made.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<KeystoreRow>, StoreError> {
    let values = [account.as_str().into(), page.after_or_start().into(), page.fetch().into()];
    let rows = tx.query(&format!("{COLUMNS} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |keystore| keystore.id.to_string()))
}

/// Every active keystore, for the schedule.
pub fn active(tx: &mut Tx<'_>) -> Result<Vec<KeystoreRow>, StoreError> {
    Ok(readable(tx.query(&format!("{COLUMNS} WHERE state = 'ACTIVE' ORDER BY id"), &[])?, read))
}

/// Whether the keystore is active; it then stays so until this transaction ends.
pub fn hold_active(tx: &mut Tx<'_>, id: &KeystoreId) -> Result<bool, StoreError> {
    let sql = format!("SELECT 1 FROM keystores WHERE id = $1 AND state = 'ACTIVE'{}", tx.dialect().for_share());
    Ok(tx.query_opt(&sql, &[id.as_str().into()])?.is_some())
}

/// A key of the keystore that a rehearsal or a drill will bring back.
const COMES_BACK: &str = "EXISTS (SELECT 1 FROM rehearsals r WHERE r.key_id = k.id AND r.state IN ('RUNNING', 'ENDING'))
  OR EXISTS (SELECT 1 FROM drills d WHERE d.ended_at IS NULL AND (d.key_id = k.id OR d.id IN (SELECT v.drill_id FROM drill_victims v WHERE v.key_id = k.id)))";

/// The names of the first few keys that come back by themselves, of a rehearsal or a drill: until then the keystore is needed.
pub fn coming_back(tx: &mut Tx<'_>, id: &KeystoreId) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(&format!("SELECT k.name FROM keys k WHERE k.keystore_id = $1 AND ({COMES_BACK}) ORDER BY k.id LIMIT 5"), &[id.as_str().into()])?;
    rows.into_iter().map(|row| row.read().text()).collect()
}

/// Marks a keystore deleted if it is active, every key in it is DELETED (CM-038, CM-062), and none comes back by itself.
pub fn delete(tx: &mut Tx<'_>, id: &KeystoreId, now: Timestamp) -> Result<(), StoreError> {
    // Another node may be putting a key into it: wait for its commit, then look.
    let hold = format!("SELECT 1 FROM keystores WHERE id = $1{}", tx.dialect().for_update());
    tx.query(&hold, &[id.as_str().into()])?;
    let sql = format!(
        "UPDATE keystores SET state = 'DELETED', deleted_at = $2 WHERE id = $1 AND state = 'ACTIVE'
           AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.keystore_id = keystores.id AND keys.state <> 'DELETED')
           AND NOT EXISTS (SELECT 1 FROM keys k WHERE k.keystore_id = keystores.id AND ({COMES_BACK}))"
    );
    tx.execute_one("keystore", &sql, &[id.as_str().into(), now.into()])?;
    // Its queue may be another's now.
    events::drop_queue(tx, id)
}

/// Other channels hear of an active keystore.
pub fn set_alert_channels(tx: &mut Tx<'_>, id: &KeystoreId, channels: &AlertChannels) -> Result<(), StoreError> {
    let list = write_channels(channels);
    let values = [id.as_str().into(), list.as_deref().into()];
    tx.execute_one("keystore", "UPDATE keystores SET alert_channels = $2 WHERE id = $1 AND state = 'ACTIVE'", &values)
}

/// Notes that leftovers were looked for.
pub fn set_swept(tx: &mut Tx<'_>, id: &KeystoreId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("UPDATE keystores SET swept_at = $2 WHERE id = $1", &[id.as_str().into(), now.into()]).map(drop)
}
