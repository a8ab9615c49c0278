//! The events of a key's life that need nothing but the key: each asks the table, writes an intent, and starts.

use keystead_domain::{Event, Invalid, KeyState, RegionRole, Verdict, key::deletion::WaitingDays, verdict};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Saga, family,
    kill::expiry_of,
    saga::{
        activate_key::ActivateKey, cancel_deletion::CancelDeletion, deactivate_key::DeactivateKey, revert_key::RevertKey, schedule_deletion::ScheduleDeletion,
        upload_key::UploadKey,
    },
    schedule::waves::WithCopies,
    stored::Stored,
};
use keystead_store::{Tx, keys, keys::KeyRow};

use super::{action_of, rules::check_ask, waves::with_copies};
use crate::{App, Error, Request, Started, error::TxError, permit, request::Item, who};

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
    /// As the key's rotation policy says: behind its grace the predecessor is deactivated.
    Rotate,
    /// New material under the same cloud key.
    RotateInPlace,
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
            Self::RotateInPlace => Event::RotateInPlace,
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
        self.ask_with(principal, request, id_or_name, ask, None).await
    }

    /// The same; behind a rotation the copies that are chosen are rotated, too.
    pub(super) async fn ask_with(
        &self,
        principal: &Principal,
        request: &Request,
        id_or_name: &str,
        ask: Ask,
        copies: Option<WithCopies>,
    ) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        for _ in 0..TRIES {
            let key = self.key(principal, id_or_name).await?;
            match self.try_ask(principal, request, key, ask, copies.clone()).await {
                Err(Error::MovedOn) => {}
                Err(error) => return Err(self.or_root_changed(error).await),
                begun => return begun,
            }
        }
        Err(self.or_root_changed(Error::MovedOn).await)
    }

    async fn try_ask(&self, principal: &Principal, request: &Request, key: KeyRow, ask: Ask, copies: Option<WithCopies>) -> Result<Started, Error> {
        let event = ask.event();
        let verdict = verdict(key.state, event);
        // The same request may have brought the key there, between our look for it and our look at the key.
        if !matches!(verdict, Verdict::To(_) | Verdict::Stay)
            && let Some(earlier) = self.earlier(principal, request).await?
        {
            return Ok(earlier);
        }
        match judge(&key, ask) {
            Err((rule, error)) => return Err(self.refuse(principal, action_of(event), rule, &key, *error).await),
            Ok(Verdict::NoOp) if ask == Ask::Deactivate => {
                self.note_out_of_use(principal, action_of(event), &key, vec![key.id.clone()]).await?;
                return Ok(Started { operation: None, key: Some(key) });
            }
            Ok(Verdict::NoOp) => {
                self.note_no_op(principal, action_of(event), &key).await?;
                return Ok(Started { operation: None, key: Some(key) });
            }
            Ok(_) => {}
        }
        let primary = self.check_reach(principal, &key, event).await?;
        let (saga, also) = self.plan(principal, &key, primary.as_ref(), ask).await?;
        let also = with_copies(copies, &saga, also, self.now());
        self.begin(principal, request, key, saga, unchanged(primary, also)).await
    }

    /// The saga for an event, and what else its intent writes.
    pub(crate) async fn plan(&self, principal: &Principal, key: &KeyRow, primary: Option<&KeyRow>, ask: Ask) -> Result<(Saga, Also), Error> {
        let id = Stored(key.id.clone());
        let now = self.now();
        let replicas = family::ids(&self.engine.followers(key).await?);
        let of_primary = primary.map(|primary| Stored(primary.id.clone()));
        let nothing: Also = Box::new(|_| Ok(()));
        let material_stays = !key.ties.custody.empties_on_deactivation();
        Ok(match ask {
            Ask::Deactivate => (Saga::DeactivateKey(DeactivateKey { key: id, retires: false, material_stays, replicas }), nothing),
            // A replica that comes back alone gets the end that its family has.
            Ask::Activate => {
                let expires = expiry_of(primary.unwrap_or(key), now);
                (Saga::ActivateKey(ActivateKey { key: id, expires, material_stays, replicas, primary: of_primary }), nothing)
            }
            Ask::Upload => (Saga::UploadKey(UploadKey { key: id, expires: expiry_of(key, now), replicas }), nothing),
            Ask::CancelDeletion => (Saga::CancelDeletion(CancelDeletion { key: id, material_stays, primary: of_primary }), nothing),
            Ask::ScheduleDeletion(days) => {
                let saga = ScheduleDeletion { key: id, from: key.state.as_str().to_owned(), enabled: key.enabled, days: days.get() };
                (Saga::ScheduleDeletion(saga), last_of_family(key))
            }
            Ask::Renew | Ask::Rotate => {
                check_current(key)?;
                let grace = if ask == Ask::Rotate { self.grace_of(key).await? } else { None };
                if key.ties.is_copy() {
                    return self.plan_to_follow(principal, key, grace).await;
                }
                let prepared = self.engine.prepare_successor(key, &who(principal), now).await?.with_grace(grace);
                (prepared.saga(), Box::new(move |tx| Ok(prepared.write(tx)?)))
            }
            Ask::RotateInPlace => {
                self.engine.turnable(key).await?.check_left()?;
                let prepared = self.engine.prepare_in_place(key, &who(principal), now).await?;
                (prepared.saga(), Box::new(move |tx| Ok(prepared.write(tx)?)))
            }
            Ask::Revert => (self.revert(key).await?, nothing),
        })
    }

    /// The undo of a renewal: of a multi-Region key in every Region.
    async fn revert(&self, key: &KeyRow) -> Result<Saga, Error> {
        let mut own = self.revert_one(key).await?;
        for replica in self.engine.followers(key).await? {
            own.replicas.push(self.revert_one(&replica).await?);
        }
        self.check_goes_back_whole(&own).await?;
        Ok(Saga::RevertKey(own))
    }

    async fn revert_one(&self, key: &KeyRow) -> Result<RevertKey, Error> {
        let refuse = |reason: &str, mend: &str| Error::Invalid(Invalid::new("key", reason, mend));
        let Some(predecessor) = key.predecessor_id.clone().filter(|_| key.is_current) else {
            if key.ties.role == RegionRole::Replica {
                let reason = format!("has a replica that came after the renewal: {}", key.name);
                let mend = format!("Remove it first: `keystead key replica remove {}`. Then revert.", key.name);
                return Err(refuse(&reason, &mend));
            }
            return Err(refuse(
                "has no predecessor to go back to",
                "Only the current key of a lineage that was renewed can be reverted; what was rotated in place stays so, because its cloud knows no way back.",
            ));
        };
        let wanted = predecessor.clone();
        let old = self.store().read("keys.by_id", move |tx| keys::by_id(tx, &wanted)).await?;
        let old = old.ok_or_else(|| Error::Internal("a predecessor without a row".to_owned()))?;
        if !old.enabled || !old.material_present || !matches!(old.state, KeyState::Replaced | KeyState::Active) {
            let reason = format!("has a predecessor that cannot be used: it is {}", old.state.as_str());
            return Err(refuse(&reason, "Bring the predecessor back first: cancel its deletion, activate or upload it by its id."));
        }
        Ok(RevertKey {
            key: Stored(key.id.clone()),
            predecessor: Stored(predecessor),
            predecessor_replaced: old.state == KeyState::Replaced,
            lineage: Stored(key.lineage_id.clone()),
            aliases: key.aliases.clone().into(),
            replicas: Vec::new(),
        })
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
        let item = request.item.clone();
        // Since the batch looked, somebody may have taken it out of use: the next look tells so.
        if matches!(proof.payload, Saga::ActivateKey(_)) && item.as_ref().is_some_and(|item| key.updated_at > item.began) {
            return Err(Error::MovedOn);
        }
        if item.as_ref().and_then(|item| item.seen).is_some_and(|seen| seen != key.revision) {
            return Err(Error::MovedOn);
        }
        let intent = item.iter().map(Item::told).fold(intent, |intent, (of, id)| intent.detail(of, id));
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
                item.iter().try_for_each(|item| item.begin(tx, &operation.id))?;
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

/// What the table and the rules beside it say of an event, by the key alone: the verdict, or the rule that refuses and its words. A pure function.
pub(crate) fn judge(key: &KeyRow, ask: Ask) -> Result<Verdict, (&'static str, Box<Error>)> {
    let event = ask.event();
    match verdict(key.state, event) {
        Verdict::NoOp => return Ok(Verdict::NoOp),
        Verdict::Refused => return Err(("lifecycle-table", Error::WrongState { key: key.name.clone(), state: key.state, event }.into())),
        Verdict::To(_) | Verdict::Stay => {}
    }
    check_ask(key, ask).map_err(|(rule, refused)| (rule, Error::from(refused).into()))?;
    match key.ties.custody.refusal(event) {
        Some(refused) => Err(("custody", Error::from(refused).into())),
        None => Ok(verdict(key.state, event)),
    }
}

/// A successor follows the current key of a lineage, and no other.
pub(crate) fn check_current(key: &KeyRow) -> Result<(), Invalid> {
    if key.is_current {
        return Ok(());
    }
    Err(Invalid::new("key", "is not the current key of its lineage", "Renew the current one: name the key instead of giving its id."))
}

/// The same, and the primary that was looked at is still as it was.
pub(super) fn unchanged(primary: Option<KeyRow>, mut also: Also) -> Also {
    Box::new(move |tx| {
        if let Some(seen) = &primary
            && keys::by_id(tx, &seen.id)?.is_none_or(|now| now.revision != seen.revision)
        {
            return Err(Error::MovedOn.into());
        }
        also(tx)
    })
}

/// Nobody of a primary's family lives any more.
fn last_of_family(key: &KeyRow) -> Also {
    let key = key.clone();
    Box::new(move |tx| {
        let lives = keys::replicas_of(tx, &key.id)?.iter().any(|replica| replica.state != KeyState::PendingDeletion);
        if lives { Err(Error::MovedOn.into()) } else { Ok(()) }
    })
}
