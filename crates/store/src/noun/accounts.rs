//! Accounts: tenants. So far one, made when an installation is made; everything carries its id already.

use keystead_domain::{AccountId, Timestamp};

use crate::{StoreError, Tx};

/// Makes an account.
pub fn insert(tx: &mut Tx<'_>, id: &AccountId, name: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute("INSERT INTO accounts (id, name, created_at) VALUES ($1, $2, $3)", &[id.as_str().into(), name.into(), now.into()]).map(drop)
}

/// The account of this installation, when there is one.
pub fn first(tx: &mut Tx<'_>) -> Result<Option<AccountId>, StoreError> {
    tx.query_opt("SELECT id FROM accounts ORDER BY id LIMIT 1", &[])?.map(|row| row.read().id()).transpose()
}
