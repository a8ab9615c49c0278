//! Keys: everything that can be asked of them.

pub mod adopt;
pub mod adoption;
pub mod blast;
pub mod copy;
pub mod create;
pub mod dependants;
pub mod export;
pub mod family;
pub mod kill;
pub mod lifecycle;
pub(crate) mod make_way;
pub mod recreate;
pub mod rehearsal;
pub mod rotation;
pub(crate) mod rules;
pub mod show;
mod unwrapping;
pub mod update;
pub mod uses;
pub mod waves;

use keystead_audit::{Entry, Outcome};
use keystead_domain::{Event, KeyId};
use keystead_identity::{Action, Principal};
use keystead_operations::words::Words;
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, locks, operations, requests};

use self::lifecycle::Also;
use crate::{App, Error, Request, Started, error::TxError, permit};

impl App {
    /// A key by id or name, if the caller may see it.
    pub(crate) async fn key(&self, principal: &Principal, id_or_name: &str) -> Result<KeyRow, Error> {
        let (account, wanted) = (principal.account.clone(), id_or_name.to_owned());
        let found = self.store().read("keys.find", move |tx| keys::find(tx, &account, &wanted)).await?;
        let key = found.ok_or_else(|| Error::NotFound { what: "key", name: id_or_name.to_owned() })?;
        permit(principal, Action::Read, &key.account_id.clone(), key).map(|proof| proof.payload)
    }

    /// The operation that an idempotency key started, if the request is the same.
    pub(crate) async fn earlier(&self, principal: &Principal, request: &Request) -> Result<Option<Started>, Error> {
        let Some(same) = request.idempotency.clone() else { return Ok(None) };
        let account = principal.account.clone();
        let key = same.key.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((operations::by_idempotency(tx, &account, &key)?, requests::by_idempotency(tx, &account, &key)?));
        let (operation, hash) = match self.store().read("operations.by_idempotency", look).await? {
            (Some(found), _) => found,
            (None, None) => return Ok(None),
            // The key came with a request that is no operation: never with this one.
            (None, Some(_)) => return Err(Error::IdempotencyMismatch),
        };
        if hash != same.request_hash {
            return Err(Error::IdempotencyMismatch);
        }
        let id = operation.key_id.clone();
        let key = self.store().read("keys.by_id", move |tx| id.as_ref().map_or(Ok(None), |id| keys::by_id(tx, id))).await?;
        Ok(Some(Started { operation: Some(operation), key }))
    }

    /// What becomes of a request whose intent was not written. What stood in its way may be the same request a moment earlier: then its operation is the answer.
    pub(crate) async fn not_begun(&self, principal: &Principal, request: &Request, error: TxError, holds: &[(String, String)]) -> Result<Started, Error> {
        match self.earlier(principal, request).await? {
            Some(earlier) => Ok(earlier),
            None => Err(self.explain(error, holds).await),
        }
    }

    /// Turns a broken constraint of an intent into the caller's words.
    async fn explain(&self, error: TxError, holds: &[(String, String)]) -> Error {
        match &error {
            TxError::Store(store) if store.is_unique("locks") => self.busy(holds).await,
            TxError::Store(store) if store.is_unique("operations") => Error::MovedOn,
            _ => error.into(),
        }
    }

    /// Who holds one of these (id, name).
    async fn busy(&self, holds: &[(String, String)]) -> Error {
        for (id, name) in holds.iter().cloned() {
            let holder = self.store().read("locks.holder", move |tx| locks::holder(tx, &id)).await;
            if let Ok(Some(operation)) = holder {
                return Error::Busy { name, operation: operation.to_string() };
            }
        }
        Error::MovedOn
    }

    /// Says a refusal to the audit log, and answers it.
    pub(crate) async fn refuse(&self, principal: &Principal, action: &str, rule: &str, key: &KeyRow, error: Error) -> Error {
        let entry = self.entry(principal, action, rule).key(key).outcome(Outcome::Refused).detail("state", key.state.as_str()).done();
        // A decision that cannot be told to the audit log is not answered as if it had been.
        self.tell(entry).await.err().unwrap_or(error)
    }

    /// Says to the audit log that what was asked for is already so.
    pub(crate) async fn note_no_op(&self, principal: &Principal, action: &str, key: &KeyRow) -> Result<(), Error> {
        self.tell(self.entry(principal, action, "lifecycle-table").key(key).detail("no_op", "true").detail("state", key.state.as_str()).done()).await
    }

    /// The same of a key that shall be out of use, and is, with these others: a drill that has killed one of them brings it back no more.
    pub(crate) async fn note_out_of_use(&self, principal: &Principal, action: &str, key: &KeyRow, all: Vec<KeyId>) -> Result<(), Error> {
        let entry = self.entry(principal, action, "lifecycle-table").key(key).detail("no_op", "true").detail("state", key.state.as_str()).done();
        let mut overrule = self.overruling(principal, all);
        let noted = self.store().write("keys.out_of_use", move |tx| {
            overrule(tx)?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        Ok(noted.await?)
    }

    /// Ends the drills that would bring one of these keys back; one that is brought back at this moment is busy.
    pub(crate) fn overruling(&self, principal: &Principal, keys: Vec<KeyId>) -> Also {
        let (engine, name) = (self.engine.clone(), principal.name.clone());
        Box::new(move |tx: &mut Tx<'_>| match engine.overrule_drills(tx, &keys, &name)? {
            Some((key, operation)) => Err(Error::Busy { name: key.name, operation: operation.to_string() }.into()),
            None => Ok(()),
        })
    }

    /// Says to the audit log that a name or alias was refused because it is in use, and answers the refusal.
    pub(crate) async fn refuse_taken(&self, words: Words, field: &'static str, value: String) -> Error {
        let entry = words.outcome(Outcome::Refused).detail("field", field).detail("taken", value.clone()).done();
        self.tell(entry).await.err().unwrap_or(Error::Taken { field, value })
    }

    /// Says something to the audit log that changes nothing else.
    pub(crate) async fn tell(&self, entry: Entry) -> Result<(), Error> {
        let told = self.store().write("audit.tell", move |tx| {
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        });
        Ok(told.await?)
    }
}

/// The audit log's word for an event.
pub(crate) fn action_of(event: Event) -> &'static str {
    match event {
        Event::Deactivate | Event::Retire => "key.deactivate",
        Event::Kill => "key.kill",
        Event::Activate => "key.activate",
        Event::Upload => "key.upload",
        Event::Renew => "key.renew",
        Event::Recreate => "key.recreate",
        Event::RotateInPlace => "key.rotate-in-place",
        Event::Revert | Event::Reinstate => "key.revert",
        Event::RehearseDeletion => "key.rehearse-deletion",
        Event::ScheduleDeletion => "key.schedule-deletion",
        Event::CancelDeletion => "key.cancel-deletion",
        Event::CleanUp => "key.clean-up",
        Event::PrepareExport => "key.prepare-export",
        Event::DownloadExport => "key.download-export",
        Event::Update => "key.update",
        Event::Replicate => "key.replicate",
        Event::Promote => "key.promote",
    }
}
