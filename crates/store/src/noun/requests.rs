//! Requests that changed something without an operation, and the idempotency key that came with each: the same request is not done twice. What it was answered
//! with is not kept, because it may have held a secret. Rows are few (people, rotations, exports) and stay.

use keystead_domain::{AccountId, Timestamp};

use super::operations::Idempotency;
use crate::{StoreError, Tx};

/// A request that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Account.
    pub account_id: AccountId,
    /// What makes a request the same as this one.
    pub same: Idempotency,
    /// What was done, in the audit log's word.
    pub action: String,
    /// To what: a name.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

/// Remembers a request, in the transaction that does it. A key that was used is [`StoreError::Unique`] in the table `requests`.
pub fn insert(tx: &mut Tx<'_>, request: &RequestRow) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO requests (account_id, idempotency_key, request_hash, action, subject, at) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            request.account_id.as_str().into(),
            (&request.same.key).into(),
            (&request.same.request_hash).into(),
            (&request.action).into(),
            (&request.subject).into(),
            request.at.into(),
        ],
    )
    .map(drop)
}

/// The request that came with an idempotency key, when there was one.
pub fn by_idempotency(tx: &mut Tx<'_>, account: &AccountId, key: &str) -> Result<Option<RequestRow>, StoreError> {
    let sql = "SELECT request_hash, action, subject, at FROM requests WHERE account_id = $1 AND idempotency_key = $2";
    let row = tx.query_opt(sql, &[account.as_str().into(), key.into()])?;
    row.map(|row| {
        let mut row = row.read();
        let same = Idempotency { key: key.to_owned(), request_hash: row.text()? };
        Ok(RequestRow { account_id: account.clone(), same, action: row.text()?, subject: row.text()?, at: row.time()? })
    })
    .transpose()
}
