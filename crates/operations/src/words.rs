//! Entries for the audit log, made in one place so that they are all alike.

use std::collections::BTreeMap;

use keystead_audit::{Actor, ActorKind, Entry, Outcome, Subject};
use keystead_domain::{AccountId, EntryId, KeystoreId, OperationId, Timestamp};
use keystead_store::keys::KeyRow;
use keystead_vault::Random;

use crate::Saga;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// A user's id, `system` or `anonymous`.
    pub id: String,
    /// A user's name, `keystead` or `anonymous`.
    pub name: String,
}

impl Who {
    /// Keystead itself: the schedule, the sweep.
    pub fn system() -> Self {
        Self { id: "system".to_owned(), name: "keystead".to_owned() }
    }

    /// Somebody who has not proved who they are.
    pub fn anonymous() -> Self {
        Self { id: "anonymous".to_owned(), name: "anonymous".to_owned() }
    }

    fn actor(&self) -> Actor {
        let kind = match self.id.as_str() {
            "system" => ActorKind::System,
            "anonymous" => ActorKind::Anonymous,
            _ => ActorKind::User,
        };
        Actor { kind, id: self.id.clone(), name: self.name.clone() }
    }
}

/// An entry that is being written.
pub struct Words(Entry);

/// Begins an entry: who did what, allowed by which rule, when.
pub fn entry(random: &dyn Random, now: Timestamp, account: &AccountId, who: &Who, action: &str, rule: &str) -> Words {
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    Words(Entry {
        id: EntryId::new(now, bytes).to_string(),
        at_micros: now.as_micros(),
        account: account.to_string(),
        actor: who.actor(),
        action: action.to_owned(),
        subject: Vec::new(),
        rule: rule.to_owned(),
        outcome: Outcome::Succeeded,
        operation: None,
        cloud_request: None,
        detail: BTreeMap::new(),
    })
}

impl Words {
    /// About this key.
    #[must_use]
    pub fn key(mut self, key: &KeyRow) -> Self {
        self.0.subject.push(Subject { kind: "key".to_owned(), id: key.id.to_string(), name: key.name.clone() });
        self
    }

    /// About this keystore.
    #[must_use]
    pub fn keystore(mut self, id: &KeystoreId, name: &str) -> Self {
        self.0.subject.push(Subject { kind: "keystore".to_owned(), id: id.to_string(), name: name.to_owned() });
        self
    }

    /// About something else.
    #[must_use]
    pub fn subject(mut self, kind: &str, id: &str, name: &str) -> Self {
        self.0.subject.push(Subject { kind: kind.to_owned(), id: id.to_owned(), name: name.to_owned() });
        self
    }

    /// In the course of this operation.
    #[must_use]
    pub fn operation(mut self, id: &OperationId) -> Self {
        self.0.operation = Some(id.to_string());
        self
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// The cloud's id of the request.
    #[must_use]
    pub fn cloud_request(mut self, id: Option<&str>) -> Self {
        self.0.cloud_request = id.map(str::to_owned);
        self
    }

    /// One more fact. Never material.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.detail.insert(name.to_owned(), value.into());
        self
    }

    /// The finished entry.
    pub fn done(self) -> Entry {
        self.0
    }
}

/// The audit log's word for what a saga does: `key.renew`.
pub(crate) fn action_of(saga: &Saga) -> String {
    match saga {
        Saga::CreateKey(saga) if saga.copy_of.is_some() => "key.copy",
        Saga::CreateKey(_) => "key.create",
        Saga::DeactivateKey(_) => "key.deactivate",
        Saga::KillKey(_) => "key.kill",
        Saga::RestoreKey(_) => "key.restore",
        Saga::ActivateKey(_) => "key.activate",
        Saga::UploadKey(_) => "key.upload",
        Saga::RenewKey(saga) if saga.adopts => "key.adopt",
        Saga::RenewKey(_) => "key.renew",
        Saga::RecreateKey(_) => "key.recreate",
        Saga::RotateInPlace(_) => "key.rotate-in-place",
        Saga::RevertKey(_) => "key.revert",
        Saga::RepairKey(_) => "key.repair",
        Saga::RehearseDeletion(_) => "key.rehearse-deletion",
        Saga::EndRehearsal(_) => "key.end-rehearsal",
        Saga::ScheduleDeletion(_) => "key.schedule-deletion",
        Saga::CancelDeletion(_) => "key.cancel-deletion",
        Saga::CleanUpKey(_) => "key.clean-up",
        Saga::ForgetKey(_) => "key.forget",
        Saga::UpdateKey(_) => "key.update",
        Saga::AddReplica(_) => "key.replicate",
        Saga::PromoteReplica(_) => "key.promote",
        Saga::DeleteKeystore(_) => "keystore.delete",
        Saga::SyncKeystore(_) => "keystore.sync",
        Saga::RestoreKeystore(_) => "keystore.restore",
    }
    .to_owned()
}
