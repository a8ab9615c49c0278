//! Drift: what differs between Keystead and the clouds, what can be done about it, and how keystores are looked through (CM-018, FX-042).

use keystead_audit::Outcome;
use keystead_domain::{
    Alias, Aliases, DriftId, Invalid, RegionRole,
    drift::{Attribute, AutoRepair, DriftClass, DriftState},
    time::SECOND,
};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    Saga,
    saga::repair_key::fixes,
    schedule::drift::{repair_of, sweep_name},
    sync::{View, refresh_words, sha256},
};
use keystead_store::{
    StoreError, Tx,
    drifts::{self, Drift, DriftFilter, DriftPolicyRow, DriftRow},
    keys::{self, KeyProperties, KeyRow},
    keystores::KeystoreRow,
    lineages, locks,
    page::{Listed, Page},
    schedules, views,
};

use crate::{App, Error, Request, Started, error::TxError, keystores::demand_cloud, permit, who};

/// The shortest time between two sweeps of a keystore, in microseconds: one of 100,000 keys takes a quarter of an hour.
pub const EVERY_MIN: i64 = 900 * SECOND;

/// A difference, and what can be done about it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The difference.
    pub drift: Drift,
    /// What a repair does, in order; empty when Keystead cannot put it right.
    pub repair: Vec<String>,
    /// What a person does where that is so.
    pub instead_of_repairing: Option<String>,
    /// What a person does who wants it as it is, where it cannot be accepted.
    pub instead_of_accepting: Option<String>,
}

/// Which differences are asked for, in callers' words.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// A keystore's id or name.
    pub keystore: Option<String>,
    /// A key's id or name.
    pub key: Option<String>,
    /// A class.
    pub class: Option<DriftClass>,
    /// A state.
    pub state: Option<DriftState>,
}

impl App {
    /// A page of differences, the oldest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a keystore or key that is not there.
    pub async fn list_drift(&self, principal: &Principal, asked: Asked, page: Page) -> Result<Listed<Shown>, Error> {
        let keystore = match &asked.keystore {
            Some(keystore) => Some(self.keystore(principal, keystore).await?.id),
            None => None,
        };
        let key = match &asked.key {
            Some(key) => Some(self.key(principal, key).await?.id),
            None => None,
        };
        let (filter, account, now) = (DriftFilter { keystore, key, class: asked.class, state: asked.state }, principal.account.clone(), self.now());
        let listed = self.store().read("drifts.list", move |tx| {
            let Listed { rows, next } = drifts::list(tx, &account, &filter, &page)?;
            let rows = rows.into_iter().map(|drift| shown(tx, drift, now)).collect::<Result<_, StoreError>>()?;
            Ok::<_, StoreError>(Listed { rows, next })
        });
        Ok(listed.await?)
    }

    /// One difference.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_drift(&self, principal: &Principal, id: &str) -> Result<Shown, Error> {
        let not_found = || Error::NotFound { what: "drift", name: id.to_owned() };
        let wanted = DriftId::parse(id).map_err(|_| not_found())?;
        let (account, now) = (principal.account.clone(), self.now());
        let found = self.store().read("drifts.find", move |tx| drifts::find(tx, &account, &wanted)?.map(|drift| shown(tx, drift, now)).transpose());
        found.await?.ok_or_else(not_found)
    }

    /// Takes what is for what is wanted. Accepted once is accepted.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a difference that has ended, or that has a command of its own; [`Error::Busy`].
    pub async fn accept_drift(&self, principal: &Principal, id: &str, reason: &str) -> Result<Shown, Error> {
        let Shown { drift, .. } = self.show_drift(principal, id).await?;
        if drift.row.state == DriftState::Accepted {
            return self.show_drift(principal, id).await;
        }
        let row = drift.row;
        let key = self.key_of(&row).await?;
        if let Err(invalid) = acceptable(&row, key.as_ref()) {
            return Err(self.refuse_drift(principal, "drift.accept", &row, key.as_ref(), invalid.into()).await);
        }
        let key = key.ok_or_else(|| Error::Internal("a difference without a key was to be accepted".to_owned()))?;
        let proof = permit(principal, Action::ManageKeys, &row.account_id.clone(), ())?;
        let entry = self
            .entry(principal, "drift.accept", proof.rule)
            .key(&key)
            .subject("drift", row.id.as_str(), "")
            .detail("attribute", row.attribute.as_str())
            .detail("was_wanted", shortened(&row.wanted))
            .detail("is_wanted", shortened(&row.live))
            .detail("reason", reason)
            .done();
        let (by, now, name) = (principal.user.to_string(), self.now(), key.name.clone());
        let written = self.store().write("drifts.accept", move |tx| {
            if let Some(operation) = locks::holder(tx, key.id.as_str())? {
                return Err(Error::Busy { name: name.clone(), operation: operation.to_string() }.into());
            }
            if keys::by_id(tx, &key.id)?.is_none_or(|now| now.revision != key.revision) || !drifts::end(tx, &row.id, DriftState::Accepted, &by, now)? {
                return Err(Error::MovedOn.into());
            }
            take_for_wanted(tx, &row, &key, now)?;
            refresh_words(tx, &key.id)?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        match written.await {
            Ok(()) => self.show_drift(principal, id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Puts back what is wanted, of one difference.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a difference that has ended, or that Keystead cannot put right; [`Error::Busy`].
    pub async fn repair_drift(&self, principal: &Principal, request: &Request, id: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let Shown { drift, .. } = self.show_drift(principal, id).await?;
        let row = drift.row;
        let key = self.key_of(&row).await?;
        if let Err(invalid) = repairable(&row, key.as_ref()) {
            return Err(self.refuse_drift(principal, "key.repair", &row, key.as_ref(), invalid.into()).await);
        }
        let key = key.ok_or_else(|| Error::Internal("a difference without a key was to be repaired".to_owned()))?;
        self.repair(principal, request, key, vec![row]).await
    }

    /// Puts back what is wanted, of every open difference of a key that Keystead can put right.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] when there is none, [`Error::Busy`].
    pub async fn repair_key(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let key = self.key(principal, id_or_name).await?;
        let id = key.id.clone();
        let open = self.store().read("drifts.open_of_key", move |tx| drifts::open_of_key(tx, &id)).await?;
        if open.is_empty() {
            self.note_no_op(principal, "key.repair", &key).await?;
            return Ok(Started { operation: None, key: Some(key) });
        }
        self.repair(principal, request, key, open).await
    }

    async fn repair(&self, principal: &Principal, request: &Request, key: KeyRow, open: Vec<DriftRow>) -> Result<Started, Error> {
        let id = key.id.clone();
        let all = self.store().read("drifts.open_of_key", move |tx| drifts::open_of_key(tx, &id)).await?;
        let Some(saga) = repair_of(&key, &open, &all, &who(principal), self.now()) else {
            let mends: Vec<String> = open.iter().map(|drift| drift.attribute.instead_of_repairing(&key.name)).collect();
            let invalid = Invalid::new("key", "has no difference that Keystead can put right", mends.join(" "));
            return Err(self.refuse(principal, "key.repair", "drift-table", &key, invalid.into()).await);
        };
        let (id, mended) = (key.id.clone(), saga.drifts.clone());
        let still_open = move |tx: &mut Tx<'_>| {
            let open = drifts::open_of_key(tx, &id)?;
            let all = mended.iter().all(|drift| open.iter().any(|one| one.id == drift.0));
            if all { Ok(()) } else { Err(Error::MovedOn.into()) }
        };
        self.begin(principal, request, key, Saga::RepairKey(saga), Box::new(still_open)).await
    }

    async fn key_of(&self, row: &DriftRow) -> Result<Option<KeyRow>, Error> {
        let Some(id) = row.key_id.clone() else { return Ok(None) };
        Ok(self.store().read("keys.by_id", move |tx| keys::by_id(tx, &id)).await?)
    }

    async fn refuse_drift(&self, principal: &Principal, action: &str, row: &DriftRow, key: Option<&KeyRow>, error: Error) -> Error {
        let entry = self.entry(principal, action, "drift-table").subject("drift", row.id.as_str(), "").outcome(Outcome::Refused);
        let entry = key.into_iter().fold(entry, |entry, key| entry.key(key)).detail("attribute", row.attribute.as_str());
        self.tell(entry.done()).await.err().unwrap_or(error)
    }

    /// How a keystore is looked through; where nobody has said, when somebody asks, and nothing is mended.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn drift_policy(&self, principal: &Principal, keystore: &str) -> Result<(KeystoreRow, Option<DriftPolicyRow>), Error> {
        let keystore = self.active_keystore(principal, keystore).await?;
        let id = keystore.id.clone();
        let policy = self.store().read("drifts.policy_of", move |tx| drifts::policy_of(tx, &id)).await?;
        Ok((keystore, policy))
    }

    /// Sets how a keystore is looked through. The first sweep begins at once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming `every` or `keystore`.
    pub async fn set_drift_policy(
        &self,
        principal: &Principal,
        keystore: &str,
        every: Option<i64>,
        auto_repair: AutoRepair,
    ) -> Result<(KeystoreRow, Option<DriftPolicyRow>), Error> {
        let found = self.active_keystore(principal, keystore).await?;
        demand_cloud(&found)?;
        check_wish(every, auto_repair)?;
        let proof = permit(principal, Action::ManageKeystores, &found.account_id.clone(), ())?;
        let policy = DriftPolicyRow { keystore_id: found.id.clone(), every, auto_repair, set_at: self.now(), set_by: principal.user.to_string() };
        let words = self.entry(principal, "keystore.set-drift-policy", proof.rule).keystore(&found.id, &found.name);
        let entry =
            words.detail("every_micros", every.map_or("never".to_owned(), |every| every.to_string())).detail("auto_repair", auto_repair.as_str()).done();
        let now = self.now();
        let written = self.store().write("drifts.set_policy", move |tx| {
            drifts::set_policy(tx, &policy)?;
            schedules::hasten(tx, &sweep_name(&policy.keystore_id), now)?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        });
        written.await?;
        self.drift_policy(principal, keystore).await
    }
}

/// Whether a keystore can be looked through like this.
pub(crate) fn check_wish(every: Option<i64>, auto_repair: AutoRepair) -> Result<(), Invalid> {
    if every.is_some_and(|every| every < EVERY_MIN) {
        return Err(Invalid::new("every", "is shorter than a sweep may be", "Give 15m or more: a look at a large keystore takes as long."));
    }
    if every.is_none() && auto_repair == AutoRepair::Safe {
        return Err(Invalid::new("auto_repair", "is safe, and nobody looks", "Say how often the keystore is looked through: every 6h, for example."));
    }
    Ok(())
}

fn shown(tx: &mut Tx<'_>, drift: Drift, now: keystead_domain::Timestamp) -> Result<Shown, StoreError> {
    let row = &drift.row;
    let key = row.key_id.as_ref().map_or(Ok(None), |id| keys::by_id(tx, id))?;
    let is_open = row.state == DriftState::Open;
    let name = drift.key_name.as_deref().unwrap_or_default();
    let repair: Vec<String> = match &key {
        Some(key) if is_open => fixes(key, std::slice::from_ref(row), &drifts::open_of_key(tx, &key.id)?, now).iter().map(|fix| fix.told()).collect(),
        _ => Vec::new(),
    };
    let instead_of_repairing = (is_open && repair.is_empty()).then(|| row.attribute.instead_of_repairing(name));
    let instead_of_accepting = match acceptable(row, key.as_ref()) {
        Err(invalid) if is_open => Some(invalid.mend),
        _ => None,
    };
    Ok(Shown { repair, instead_of_repairing, instead_of_accepting, drift })
}

fn open(row: &DriftRow) -> Result<(), Invalid> {
    if row.state == DriftState::Open {
        return Ok(());
    }
    Err(Invalid::new("drift", format!("has ended: it is {}", row.state.as_str()), "Look for those that are open: `keystead drift list`."))
}

/// Whether what is can be taken for what is wanted.
fn acceptable(row: &DriftRow, key: Option<&KeyRow>) -> Result<(), Invalid> {
    open(row)?;
    let name = key.map_or("", |key| key.name.as_str());
    let refuse = |reason: &str, mend: String| Err(Invalid::new("drift", reason, mend));
    let Some(key) = key.filter(|_| row.attribute.can_be_accepted()) else {
        return refuse(&format!("is of {}, which is not accepted as it is", row.attribute.as_str()), row.attribute.instead_of_accepting(name));
    };
    if row.attribute == Attribute::AliasAdded && !key.is_current {
        return refuse("gives an alias to a key that was replaced", "Aliases belong to the current key: repair it, and give the alias to that one.".to_owned());
    }
    if row.attribute == Attribute::AliasAdded && key.aliases.len() >= Aliases::MAX {
        return refuse("would give the key more aliases than a key has", "Remove one first: `keystead key update --remove-alias`.".to_owned());
    }
    if row.attribute == Attribute::Expires && key.ties.role == RegionRole::Replica {
        return refuse(
            "is the end of a replica, which goes with its primary's",
            "Repair it, or move the primary's end: `keystead key update --expires`.".to_owned(),
        );
    }
    Ok(())
}

fn repairable(row: &DriftRow, key: Option<&KeyRow>) -> Result<(), Invalid> {
    open(row)?;
    if key.is_some() && row.attribute.is_mended_by_keystead() {
        return Ok(());
    }
    let reason = format!("is of {}, which Keystead cannot put right", row.attribute.as_str());
    Err(Invalid::new("drift", reason, row.attribute.instead_of_repairing(key.map_or("", |key| key.name.as_str()))))
}

/// What is becomes what is wanted, as the last look saw it.
fn take_for_wanted(tx: &mut Tx<'_>, drift: &DriftRow, key: &KeyRow, now: keystead_domain::Timestamp) -> Result<(), TxError> {
    let view = views::of(tx, &key.id)?.ok_or(Error::MovedOn)?;
    let seen = View::read(&view.facts);
    let facts = seen.facts.clone().ok_or(Error::MovedOn)?;
    let mut properties = KeyProperties {
        description: key.description.clone(),
        tags: key.tags.clone(),
        expires_at: key.expires_at,
        expiry_span: key.expiry_span,
        expiry_policy: key.expiry_policy,
    };
    match drift.attribute {
        Attribute::Description => properties.description = facts.description,
        Attribute::Tags => properties.tags = keystead_domain::Tags::peoples(facts.tags),
        Attribute::Expires => {
            properties.expires_at = facts.expires.map(Into::into);
            properties.expiry_span = properties.expires_at.map(|end| end.as_micros() - now.as_micros());
        }
        Attribute::AliasMissing | Attribute::AliasAdded => {
            let alias: Aliases = Alias::parse(&drift.item).map_err(Error::from)?.into();
            let rest = key.aliases.without(&alias);
            let aliases = if drift.attribute == Attribute::AliasAdded { rest.iter().chain(&alias).cloned().collect() } else { rest };
            return Ok(lineages::set_aliases(tx, &key.lineage_id, &aliases)?);
        }
        Attribute::Policy | Attribute::Grants => return accept_access(tx, key, view, &seen, drift.attribute),
        _ => return Err(Error::MovedOn.into()),
    }
    Ok(keys::set_properties(tx, &key.id, &properties, now)?)
}

fn accept_access(tx: &mut Tx<'_>, key: &KeyRow, view: views::ViewRow, seen: &View, attribute: Attribute) -> Result<(), TxError> {
    let mut wanted = View::read(view.baseline.as_deref().unwrap_or(&view.facts));
    if attribute == Attribute::Policy {
        (wanted.policy, wanted.policy_sha256) = (seen.policy.clone(), seen.policy_sha256.clone());
        keys::settle_policy(tx, &key.id)?;
    } else {
        (wanted.grants, wanted.grantees) = (seen.grants, seen.grantees.clone());
    }
    Ok(views::put(tx, &views::ViewRow { baseline: Some(wanted.write_baseline()), ..view })?)
}

/// A text for the audit log: policies are long, and stand in the difference; what exactly was accepted, their digest says.
fn shortened(text: &str) -> String {
    if text.chars().count() <= 200 { text.to_owned() } else { format!("SHA-256 {}", sha256(text)) }
}
