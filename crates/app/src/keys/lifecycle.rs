//! The events of a key's life that need nothing but the key: each asks the table, writes an intent, and starts.

use keystead_domain::{
    Custody, Event, Invalid, KeyState, Timestamp, Verdict,
    key::{deletion::WaitingDays, expiry},
    verdict,
};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Saga,
    saga::{
        activate_key::ActivateKey, cancel_deletion::CancelDeletion, deactivate_key::DeactivateKey, revert_key::RevertKey, schedule_deletion::ScheduleDeletion,
        upload_key::UploadKey,
    },
    stored::{Stored, StoredTime},
};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, views};

use super::action_of;
use crate::{App, Error, Request, Started, error::TxError, permit, who};

/// A lifecycle event as a caller asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// CM-054.
    Deactivate,
    /// CM-055.
    Activate,
    /// CM-056.
    Upload,
    /// CM-057.
    Renew,
    /// The same as the key's rotation policy would: behind its grace the predecessor is deactivated.
    Rotate,
    /// `capabilities.md`, decision 1.
    Revert,
    /// CM-058.
    ScheduleDeletion(WaitingDays),
    /// CM-060.
    CancelDeletion,
}

impl Ask {
    /// The event of the table.
    pub const fn event(self) -> Event {
        match self {
            Self::Deactivate => Event::Deactivate,
            Self::Activate => Event::Activate,
            Self::Upload => Event::Upload,
            Self::Renew | Self::Rotate => Event::Renew,
            Self::Revert => Event::Revert,
            Self::ScheduleDeletion(_) => Event::ScheduleDeletion,
            Self::CancelDeletion => Event::CancelDeletion,
        }
    }
}

/// How often a request is drawn anew when the key changed between the look and the intent.
pub(super) const TRIES: usize = 3;

pub(super) type Also = Box<dyn FnMut(&mut Tx<'_>) -> Result<(), TxError> + Send>;

impl App {
    /// Asks for a lifecycle event of a key.
    ///
    /// # Errors
    /// [`Error::WrongState`] when the table refuses; [`Error::Busy`] when another operation has the key.
    pub async fn ask(&self, principal: &Principal, request: &Request, id_or_name: &str, ask: Ask) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        for _ in 0..TRIES {
            let key = self.key(principal, id_or_name).await?;
            match self.try_ask(principal, request, key, ask).await {
                Err(Error::MovedOn) => {}
                Err(error) => return Err(self.or_root_changed(error).await),
                begun => return begun,
            }
        }
        Err(self.or_root_changed(Error::MovedOn).await)
    }

    async fn try_ask(&self, principal: &Principal, request: &Request, key: KeyRow, ask: Ask) -> Result<Started, Error> {
        let event = ask.event();
        let verdict = verdict(key.state, event);
        // The same request may have brought the key there, between our look for it and our look at the key.
        if !matches!(verdict, Verdict::To(_) | Verdict::Stay)
            && let Some(earlier) = self.earlier(principal, request).await?
        {
            return Ok(earlier);
        }
        match verdict {
            Verdict::NoOp => {
                self.note_no_op(principal, action_of(event), &key).await?;
                return Ok(Started { operation: None, key: Some(key) });
            }
            Verdict::Refused => {
                let error = Error::WrongState { key: key.name.clone(), state: key.state, event };
                return Err(self.refuse(principal, action_of(event), "lifecycle-table", &key, error).await);
            }
            Verdict::To(_) | Verdict::Stay => {}
        }
        if let Some(refused) = key.ties.custody.refusal(event) {
            return Err(self.refuse(principal, action_of(event), "custody", &key, refused.into()).await);
        }
        let (saga, also) = self.plan(principal, &key, ask).await?;
        self.begin(principal, request, key, saga, also).await
    }

    /// The saga for an event, and what else its intent writes.
    async fn plan(&self, principal: &Principal, key: &KeyRow, ask: Ask) -> Result<(Saga, Also), Error> {
        let id = Stored(key.id.clone());
        let keeps_material = !key.ties.custody.empties_on_deactivation();
        let now = self.now();
        let nothing: Also = Box::new(|_| Ok(()));
        Ok(match ask {
            Ask::Deactivate => (Saga::DeactivateKey(DeactivateKey { key: id, retires: false, keeps_material }), nothing),
            Ask::Activate => (Saga::ActivateKey(ActivateKey { key: id, expires: expiry_of(key, now), keeps_material }), nothing),
            Ask::Upload => (Saga::UploadKey(UploadKey { key: id, expires: expiry_of(key, now) }), nothing),
            Ask::CancelDeletion => (Saga::CancelDeletion(CancelDeletion { key: id, keeps_material }), nothing),
            Ask::ScheduleDeletion(days) => {
                let saga = ScheduleDeletion { key: id, from: key.state.as_str().to_owned(), enabled: key.enabled, days: days.get() };
                (Saga::ScheduleDeletion(saga), nothing)
            }
            Ask::Renew | Ask::Rotate => {
                if !key.is_current {
                    return Err(
                        Invalid::new("key", "is not the current key of its lineage", "Renew the current one: name the key instead of giving its id.").into()
                    );
                }
                let grace = if ask == Ask::Rotate { self.grace_of(key).await? } else { None };
                let prepared = self.engine.prepare_successor(key, &who(principal), now).await?.with_grace(grace);
                (prepared.saga(), Box::new(move |tx| Ok(prepared.write(tx)?)))
            }
            Ask::Revert => (self.revert(key).await?, nothing),
        })
    }

    async fn revert(&self, key: &KeyRow) -> Result<Saga, Error> {
        let refuse = |reason: &str, mend: &str| Error::Invalid(Invalid::new("key", reason, mend));
        let Some(predecessor) = key.predecessor_id.clone().filter(|_| key.is_current) else {
            return Err(refuse("has no predecessor to go back to", "Only the current key of a lineage that was renewed can be reverted."));
        };
        let wanted = predecessor.clone();
        let id = key.id.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((keys::by_id(tx, &wanted)?, views::of(tx, &id)?));
        let (old, view) = self.store().read("keys.by_id", look).await?;
        let old = old.ok_or_else(|| Error::Internal("a predecessor without a row".to_owned()))?;
        if !old.enabled || !old.material_present || !matches!(old.state, KeyState::Replaced | KeyState::Active) {
            let reason = format!("has a predecessor that cannot be used: it is {}", old.state.as_str());
            return Err(refuse(&reason, "Bring the predecessor back first: cancel its deletion, activate or upload it by its id."));
        }
        Ok(Saga::RevertKey(RevertKey {
            key: Stored(key.id.clone()),
            predecessor: Stored(predecessor),
            predecessor_replaced: old.state == KeyState::Replaced,
            lineage: Stored(key.lineage_id.clone()),
            alias: key.alias.as_ref().map(ToString::to_string),
            // The further aliases came with an adoption, and go back with it.
            more_aliases: view.filter(|_| old.ties.custody == Custody::Native).map(|view| view.aliases).unwrap_or_default(),
        }))
    }

    /// Writes the intent if the key is still as it was seen, and starts.
    pub(crate) async fn begin(&self, principal: &Principal, request: &Request, key: KeyRow, saga: Saga, mut also: Also) -> Result<Started, Error> {
        let keystore = self.keystore_by_id(&key.keystore_id).await?;
        let proof = permit(principal, Action::ManageKeys, &key.account_id.clone(), saga)?;
        let intent = self
            .engine
            .intend(&proof.payload, &keystore, &who(principal), proof.rule, request.idempotency.clone())
            .detail("name", key.name.clone())
            .detail("from_state", key.state.as_str());
        let holds: Vec<_> = proof.payload.locks(&keystore.id).into_iter().map(|id| (id, key.name.clone())).collect();
        let seen = key.clone();
        let written = self
            .store()
            .write("keys.intent", move |tx| {
                let operation = intent.write(tx)?;
                // Behind the lock nobody changes the key any more; before it, somebody may have.
                let now = keys::by_id(tx, &seen.id)?;
                if now.is_none_or(|now| now.revision != seen.revision) {
                    return Err(Error::MovedOn.into());
                }
                also(tx)?;
                Ok::<_, TxError>(operation)
            })
            .await;
        match written {
            Ok(operation) => {
                self.engine.start(operation.clone());
                Ok(Started { operation: Some(operation), key: Some(key) })
            }
            Err(error) => self.not_begun(principal, request, error, &holds).await,
        }
    }
}

/// Until when the same material shall live when it is imported again: as it was, or, when that is over, the same span from now.
fn expiry_of(key: &KeyRow, now: Timestamp) -> Option<StoredTime> {
    let (expires, span) = key.expires_at.zip(key.expiry_span)?;
    Some(if expires > now { expires } else { expiry::renewed(span, now) }.into())
}
