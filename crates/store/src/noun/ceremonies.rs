//! Ceremonies: keys that come in components, each entered by another person (FX-015). Components are sealed by the vault and opaque here; with the end of a ceremony they go.

use keystead_domain::{AccountId, CeremonyId, KeyId, KeySpec, KeystoreId, OperationId, Timestamp, ceremony::CeremonyState};

use super::page::{Listed, Page};
use crate::{Row, StoreError, Tx};

/// A ceremony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeremonyRow {
    /// Id.
    pub id: CeremonyId,
    /// Account.
    pub account_id: AccountId,
    /// Name of the key that is to be.
    pub name: String,
    /// Its keystore.
    pub keystore_id: KeystoreId,
    /// The keystore's name, when the ceremony began.
    pub keystore_name: String,
    /// Its kind.
    pub spec: KeySpec,
    /// How many components there are to be.
    pub components: u32,
    /// All that was said of the key, as JSON.
    pub order: String,
    /// What check value the whole key shall have.
    pub check_value: Option<String>,
    /// Where it stands.
    pub state: CeremonyState,
    /// Who began it: a user's id.
    pub begun_by: String,
    /// Their name then.
    pub begun_by_name: String,
    /// When.
    pub begun_at: Timestamp,
    /// When what waits is wiped.
    pub expires_at: Timestamp,
    /// The operation that makes the key, or made it.
    pub operation_id: Option<OperationId>,
    /// The key.
    pub key_id: Option<KeyId>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A component that was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentRow {
    /// Its ceremony.
    pub ceremony_id: CeremonyId,
    /// Which it is, from 1, in the order of entering.
    pub number: u32,
    /// Who entered it: a user's id.
    pub entered_by: String,
    /// Their name then.
    pub entered_by_name: String,
    /// When.
    pub entered_at: Timestamp,
    /// The component under the vault's seal; none once it was wiped.
    pub sealed: Option<Vec<u8>>,
}

const COLUMNS: &str =
    "SELECT id, account_id, name, keystore_id, keystore_name, spec, components, key_order, check_value, state, begun_by, begun_by_name, begun_at,
  expires_at, operation_id, key_id, ended_at FROM ceremonies";

fn read(row: Row) -> Result<CeremonyRow, StoreError> {
    let mut row = row.read();
    Ok(CeremonyRow {
        id: row.id()?,
        account_id: row.id()?,
        name: row.text()?,
        keystore_id: row.id()?,
        keystore_name: row.text()?,
        spec: KeySpec::parse(&row.text()?)?,
        components: row.count()?,
        order: row.text()?,
        check_value: row.opt_text()?,
        state: CeremonyState::parse(&row.text()?)?,
        begun_by: row.text()?,
        begun_by_name: row.text()?,
        begun_at: row.time()?,
        expires_at: row.time()?,
        operation_id: row.opt_id()?,
        key_id: row.opt_id()?,
        ended_at: row.opt_time()?,
    })
}

/// Begins a ceremony.
pub fn insert(tx: &mut Tx<'_>, ceremony: &CeremonyRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO ceremonies (id, account_id, name, keystore_id, keystore_name, spec, components, key_order, check_value, state, begun_by, begun_by_name, begun_at,
           expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            ceremony.id.as_str().into(),
            ceremony.account_id.as_str().into(),
            (&ceremony.name).into(),
            ceremony.keystore_id.as_str().into(),
            (&ceremony.keystore_name).into(),
            ceremony.spec.as_str().into(),
            ceremony.components.into(),
            (&ceremony.order).into(),
            ceremony.check_value.as_deref().into(),
            ceremony.state.as_str().into(),
            (&ceremony.begun_by).into(),
            (&ceremony.begun_by_name).into(),
            ceremony.begun_at.into(),
            ceremony.expires_at.into(),
        ],
    )
    .map(drop)
}

/// A ceremony of an account.
pub fn find(tx: &mut Tx<'_>, account: &AccountId, id: &str) -> Result<Option<CeremonyRow>, StoreError> {
    tx.query_opt(&format!("{COLUMNS} WHERE account_id = $1 AND id = $2"), &[account.as_str().into(), id.into()])?.map(read).transpose()
}

/// A page of ceremonies, in the order in which they began.
pub fn list(tx: &mut Tx<'_>, account: &AccountId, page: &Page) -> Result<Listed<CeremonyRow>, StoreError> {
    let values = [account.as_str().into(), page.after_or_start().into(), page.fetch().into()];
    let rows = tx.query(&format!("{COLUMNS} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"), &values)?;
    let rows: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok(page.cut(rows?, |ceremony| ceremony.id.to_string()))
}

/// Holds a ceremony that waits, until the commit: whoever else enters, makes, cancels or wipes it then sees what this transaction did. None when it does not wait
/// any more, or its time is over.
pub fn hold_waiting(tx: &mut Tx<'_>, id: &CeremonyId, now: Timestamp) -> Result<Option<CeremonyRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE id = $1 AND state = 'WAITING' AND expires_at > $2{}", tx.dialect().for_update());
    tx.query_opt(&sql, &[id.as_str().into(), now.into()])?.map(read).transpose()
}

/// The components that were entered, in the order of entering.
pub fn components(tx: &mut Tx<'_>, id: &CeremonyId) -> Result<Vec<ComponentRow>, StoreError> {
    let sql = "SELECT ceremony_id, number, entered_by, entered_by_name, entered_at, sealed FROM ceremony_components WHERE ceremony_id = $1 ORDER BY number";
    let rows = tx.query(sql, &[id.as_str().into()])?.into_iter().map(|row| {
        let mut row = row.read();
        Ok(ComponentRow {
            ceremony_id: row.id()?,
            number: row.count()?,
            entered_by: row.text()?,
            entered_by_name: row.text()?,
            entered_at: row.time()?,
            sealed: row.opt_bytes()?,
        })
    });
    rows.collect()
}

/// Keeps a component of a ceremony that is held. A person who entered one already, and a number that is there, are [`StoreError::Unique`] in the table
/// `ceremony_components`.
pub fn enter(tx: &mut Tx<'_>, component: &ComponentRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO ceremony_components (ceremony_id, number, entered_by, entered_by_name, entered_at, sealed) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            component.ceremony_id.as_str().into(),
            component.number.into(),
            (&component.entered_by).into(),
            (&component.entered_by_name).into(),
            component.entered_at.into(),
            component.sealed.as_ref().into(),
        ],
    )
    .map(drop)
}

/// The key is being made: the components wait for the end of that.
pub fn make(tx: &mut Tx<'_>, id: &CeremonyId, operation: &OperationId, key: &KeyId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE ceremonies SET state = 'MAKING', operation_id = $1, key_id = $2 WHERE id = $3 AND state = 'WAITING' AND expires_at > $4";
    tx.execute_one("ceremony", sql, &[operation.as_str().into(), key.as_str().into(), id.as_str().into(), now.into()])
}

/// The key is made: the components are wiped.
pub fn complete(tx: &mut Tx<'_>, id: &CeremonyId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE ceremonies SET state = 'MADE', check_value = NULL, ended_at = $1 WHERE id = $2 AND state = 'MAKING'";
    tx.execute_one("ceremony", sql, &[now.into(), id.as_str().into()])?;
    wipe(tx, id)
}

/// The key was not made: the components wait again, and no longer than at first.
pub fn take_back(tx: &mut Tx<'_>, id: &CeremonyId) -> Result<(), StoreError> {
    tx.execute_one("ceremony", "UPDATE ceremonies SET state = 'WAITING', key_id = NULL WHERE id = $1 AND state = 'MAKING'", &[id.as_str().into()])
}

/// Ends a ceremony that waits, because somebody cancels it: the components are wiped.
pub fn cancel(tx: &mut Tx<'_>, id: &CeremonyId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE ceremonies SET state = 'CANCELLED', check_value = NULL, ended_at = $1 WHERE id = $2 AND state = 'WAITING'";
    tx.execute_one("ceremony", sql, &[now.into(), id.as_str().into()])?;
    wipe(tx, id)
}

/// Ends a ceremony whose time is over: the components are wiped.
pub fn expire(tx: &mut Tx<'_>, id: &CeremonyId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE ceremonies SET state = 'EXPIRED', check_value = NULL, ended_at = $1 WHERE id = $2 AND state = 'WAITING' AND expires_at <= $1";
    tx.execute_one("ceremony", sql, &[now.into(), id.as_str().into()])?;
    wipe(tx, id)
}

/// Ceremonies whose time is over, of every account, the oldest first.
pub fn overdue(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<Vec<CeremonyRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE state = 'WAITING' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2");
    tx.query(&sql, &[now.into(), limit.into()])?.into_iter().map(read).collect()
}

fn wipe(tx: &mut Tx<'_>, id: &CeremonyId) -> Result<(), StoreError> {
    tx.execute("UPDATE ceremony_components SET sealed = NULL WHERE ceremony_id = $1", &[id.as_str().into()]).map(drop)
}
