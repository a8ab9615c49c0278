//! Intents: the transaction that stands before every first call. It writes the operation with all it will ever use, takes the locks, says the decision to the
//! audit log, and the first *about to* to the journal.

use keystead_audit::{Outcome, Subject};
use keystead_domain::{OperationId, Timestamp};
use keystead_store::{
    StoreError, Tx,
    journal::{self, JournalRow},
    keystores::KeystoreRow,
    locks,
    operations::{self, Idempotency, OperationRow},
};

use crate::{Engine, Saga, family, words, words::Who};

/// An operation that is about to be written.
#[derive(Debug, Clone)]
pub struct Intent {
    operation: OperationRow,
    lease_until: Timestamp,
    locks: Vec<String>,
    first: &'static str,
    idempotency: Option<Idempotency>,
    entry: keystead_audit::Entry,
    saga: Saga,
}

impl Engine {
    /// Draws the id and the lease of an operation. Nothing is written yet.
    pub fn intend(&self, saga: &Saga, keystore: &KeystoreRow, who: &Who, rule: &str, idempotency: Option<Idempotency>) -> Intent {
        let now = self.now();
        self.remember_name(who);
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        let id = OperationId::new(now, random);
        let mut entry =
            words::entry(self.parts().random.as_ref(), now, &keystore.account_id, who, &words::action_of(saga), rule).operation(&id).outcome(Outcome::Allowed);
        if let Some(key) = saga.key() {
            entry = entry.subject("key", key.as_str(), "");
        }
        let entry = entry.keystore(&keystore.id, &keystore.name).done();
        let operation = OperationRow {
            account_id: keystore.account_id.clone(),
            kind: saga.name().to_owned(),
            keystore_id: keystore.id.clone(),
            key_id: saga.key().cloned(),
            state: "RUNNING".to_owned(),
            step: 0,
            direction: "forward".to_owned(),
            params: serde_json::to_string(saga).unwrap_or_default(),
            problem: None,
            attempts: 0,
            run_at: now,
            lease_owner: Some(self.parts().node.clone()),
            fence: 1,
            created_by: who.id.clone(),
            created_at: now,
            finished_at: None,
            id,
        };
        let first = saga.shape().steps().first().map_or("conclude", |planned| planned.step.name());
        Intent { operation, lease_until: self.lease_until(), locks: saga.locks(&keystore.id), first, idempotency, entry, saga: saga.clone() }
    }
}

impl Intent {
    /// Adds a fact to the decision's entry.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.entry.detail.insert(name.to_owned(), value.into());
        self
    }

    /// Says to the decision's entry that it is about this, too.
    #[must_use]
    pub fn subject(mut self, kind: &str, id: &str, name: &str) -> Self {
        self.entry.subject.push(Subject { kind: kind.to_owned(), id: id.to_owned(), name: name.to_owned() });
        self
    }

    /// The id that the operation will have.
    pub fn id(&self) -> &OperationId {
        &self.operation.id
    }

    /// Writes the intent. A key that another operation holds is [`StoreError::Unique`] in the table `locks`, an idempotency key that was used in `operations`;
    /// a family of Regions in which somebody came or went is [`StoreError::MovedOn`].
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<OperationRow, StoreError> {
        let operation = &self.operation;
        operations::insert(tx, operation, self.lease_until, self.idempotency.as_ref())?;
        self.locks.iter().try_for_each(|subject| locks::take(tx, subject, &operation.id))?;
        family::demand(tx, &self.saga)?;
        let about = JournalRow { seq: 1, at: operation.created_at, step: 0, name: self.first.to_owned(), phase: "about".to_owned(), record: "{}".to_owned() };
        journal::append(tx, &operation.id, &about)?;
        tx.audit(self.entry.clone());
        Ok(operation.clone())
    }
}
