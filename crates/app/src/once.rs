//! Changes that are no operations, under an idempotency key: what was done is remembered with its doing, and the same request does not do it again.
//!
//! What it was answered with is not remembered. A token or a share of the root would then lie in the database, and an export serves one download: whoever lost
//! such an answer is told what was done and how to go on.

use keystead_domain::Timestamp;
use keystead_identity::Principal;
use keystead_store::{StoreError, Tx, operations, requests, requests::RequestRow};

use crate::{App, Error, Request, error::TxError};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A user was made.
    CreateUser,
    /// A user got another token.
    ReplaceToken,
    /// An export was downloaded.
    DownloadExport,
    /// The root of the vault was rotated.
    RotateRoot,
    /// The account key was rotated.
    RotateAccountKey,
    /// A ceremony began.
    BeginCeremony,
    /// A component was entered.
    EnterComponent,
    /// A ceremony was cancelled.
    CancelCeremony,
    /// An action on many keys began.
    BeginBatch,
    /// It was stopped.
    StopBatch,
    /// A plan of an estate began to be done.
    BeginApply,
    /// It was stopped.
    StopApply,
}

impl Deed {
    const ALL: [Self; 12] = [
        Self::CreateUser,
        Self::ReplaceToken,
        Self::DownloadExport,
        Self::RotateRoot,
        Self::RotateAccountKey,
        Self::BeginCeremony,
        Self::EnterComponent,
        Self::CancelCeremony,
        Self::BeginBatch,
        Self::StopBatch,
        Self::BeginApply,
        Self::StopApply,
    ];

    /// The audit log's word for it; the store has the same.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateUser => "user.create",
            Self::ReplaceToken => "user.replace-token",
            Self::DownloadExport => "key.download-export",
            Self::RotateRoot => "vault.rotate-root",
            Self::RotateAccountKey => "vault.rotate-account-key",
            Self::BeginCeremony => "ceremony.begin",
            Self::EnterComponent => "ceremony.enter",
            Self::CancelCeremony => "ceremony.cancel",
            Self::BeginBatch => "batch.begin",
            Self::StopBatch => "batch.stop",
            Self::BeginApply => "estate.apply",
            Self::StopApply => "estate.stop",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == text)
    }
}

/// A request that was done before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What.
    pub deed: Deed,
    /// To what: the name of a user or key, the id of a ceremony or batch, or the generation of the new root.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

impl App {
    /// What the request's idempotency key did before, if the request is the same.
    ///
    /// # Errors
    /// [`Error::IdempotencyMismatch`] for a key that came with another request.
    pub(crate) async fn done_before(&self, principal: &Principal, request: &Request) -> Result<Option<Done>, Error> {
        let Some(same) = request.idempotency.clone() else { return Ok(None) };
        let account = principal.account.clone();
        let look = move |tx: &mut Tx<'_>| {
            let started_an_operation = operations::by_idempotency(tx, &account, &same.key)?.is_some();
            let done = requests::by_idempotency(tx, &account, &same.key)?;
            let is_another = started_an_operation || done.as_ref().is_some_and(|done| done.same.request_hash != same.request_hash);
            if is_another { Err(TxError::App(Error::IdempotencyMismatch)) } else { Ok(done) }
        };
        let Some(row) = self.store().read("requests.by_idempotency", look).await? else { return Ok(None) };
        let deed = Deed::parse(&row.action).ok_or_else(|| Error::Internal(format!("a request did {}", row.action)))?;
        Ok(Some(Done { deed, subject: row.subject, at: row.at }))
    }

    /// Refuses what was done before.
    ///
    /// # Errors
    /// [`Error::AlreadyDone`], [`Error::IdempotencyMismatch`].
    pub(crate) async fn refuse_again(&self, principal: &Principal, request: &Request) -> Result<(), Error> {
        self.done_before(principal, request).await?.map_or(Ok(()), |done| Err(Error::AlreadyDone(done)))
    }

    /// What will be remembered of a request; nothing without an idempotency key.
    pub(crate) fn memory(&self, principal: &Principal, request: &Request, deed: Deed, subject: impl Into<String>) -> Memory {
        let row = |same| RequestRow { account_id: principal.account.clone(), same, action: deed.as_str().to_owned(), subject: subject.into(), at: self.now() };
        Memory(request.idempotency.clone().map(row))
    }

    /// Why a transaction was not kept. What stood in its way may be the same request a moment earlier: then it is done already.
    pub(crate) async fn met_itself(&self, principal: &Principal, request: &Request, error: TxError) -> TxError {
        match &error {
            TxError::Store(store) if store.is_unique("requests") => self.refuse_again(principal, request).await.err().unwrap_or(Error::MovedOn).into(),
            _ => error,
        }
    }
}

/// What a transaction will remember of its request.
#[derive(Debug, Clone)]
pub(crate) struct Memory(Option<RequestRow>);

impl Memory {
    /// Writes it. Call it before anything else in the transaction: of two requests at the same moment the second then learns that it is the same.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.0.as_ref().map_or(Ok(()), |row| requests::insert(tx, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deed_is_read_as_it_was_written() {
        assert!(Deed::ALL.into_iter().all(|deed| Deed::parse(deed.as_str()) == Some(deed)));
        assert_eq!(Deed::parse("user.disable"), None);
    }
}
