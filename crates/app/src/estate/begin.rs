//! An apply begins: the plan is drawn again, and begun only if it is the one that somebody said yes to, for the state that it was made for.

use std::collections::BTreeMap;

use keystead_audit::Outcome;
use keystead_domain::{
    ApplyId, KeyId,
    batch::{BatchState, ItemState},
    estate::{Change, Estate},
};
use keystead_identity::{Action, Principal};
use keystead_store::{
    Tx, estates,
    estates::{ApplyRow, ChangeRow},
    keys,
    keystores::{self, KeystoreRow},
};

use super::{Apply, BEGIN, EstatePlan, Seen};
use crate::{App, Error, Request, error::TxError, once::Deed, permit};

/// A plan that shall be done.
#[derive(Debug, Clone)]
pub struct NewApply {
    /// What is wanted.
    pub estate: Estate,
    /// The digest of the plan that was shown.
    pub digest: String,
    /// The keys as that plan saw them, if it is known: they tell what has moved.
    pub seen: Vec<(String, i64)>,
}

impl App {
    /// Begins to do a plan. Its changes are begun by and by.
    ///
    /// # Errors
    /// [`Error::Mistakes`]; [`Error::PlanStale`] when the plan is another one by now; [`Error::ApplyRuns`] while another one is being done.
    pub async fn begin_apply(&self, principal: &Principal, request: &Request, new: NewApply) -> Result<Apply, Error> {
        if let Some(done) = self.done_before(principal, request).await? {
            return self.show_apply(principal, &done.subject).await;
        }
        permit(principal, Action::ManageKeystores, &principal.account, ())?;
        let proof = permit(principal, Action::ManageKeys, &principal.account, new)?;
        let new = proof.payload;
        let plan = self.plan_estate(principal, &new.estate).await?;
        if plan.digest != new.digest {
            let stale = self.stale(principal, &new.seen).await;
            return Err(self.refuse_apply(principal, "plan-is-current", &new.digest, stale).await);
        }
        let apply = self.apply_row(principal, &plan);
        let changes = change_rows(&apply, &plan);
        let entry = self.entry(principal, BEGIN, proof.rule).subject("apply", apply.id.as_str(), "");
        let entry = entry.detail("digest", apply.digest.clone()).detail("changes", changes.len().to_string()).done();
        let memory = self.memory(principal, request, Deed::BeginApply, apply.id.as_str());
        let (id, account) = (apply.id.to_string(), principal.account.clone());
        let begun = self.store().write("estates.begin", move |tx: &mut Tx<'_>| {
            memory.write(tx)?;
            if let Some(open) = estates::open_of(tx, &account)? {
                return Err(Error::ApplyRuns { apply: open.id.to_string() }.into());
            }
            demand_unmoved(tx, &plan.seen, &plan.keystores)?;
            estates::insert(tx, &apply)?;
            changes.iter().try_for_each(|(row, waits_for)| estates::insert_change(tx, row, waits_for))?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        match begun.await {
            Ok(()) => self.show_apply(principal, &id).await,
            // The same request a moment earlier: its apply is the answer.
            Err(error) => match self.done_before(principal, request).await? {
                Some(done) => self.show_apply(principal, &done.subject).await,
                None => {
                    let error = self.not_applied(principal, error).await;
                    Err(self.refuse_apply(principal, "one-at-a-time", &new.digest, error).await)
                }
            },
        }
    }

    /// Says to the audit log that a plan was not begun, and answers why.
    async fn refuse_apply(&self, principal: &Principal, rule: &str, digest: &str, error: Error) -> Error {
        if !matches!(error, Error::PlanStale { .. } | Error::ApplyRuns { .. }) {
            return error;
        }
        let entry = self.entry(principal, BEGIN, rule).outcome(Outcome::Refused).detail("digest", digest).done();
        self.tell(entry).await.err().unwrap_or(error)
    }

    /// Of two that begin at the same moment the second one learns of the first.
    async fn not_applied(&self, principal: &Principal, error: TxError) -> Error {
        if !matches!(&error, TxError::Store(store) if store.is_unique("estate_applies")) {
            return error.into();
        }
        let account = principal.account.clone();
        match self.store().read("estates.open_of", move |tx| estates::open_of(tx, &account)).await {
            Ok(Some(open)) => Error::ApplyRuns { apply: open.id.to_string() },
            Ok(None) => Error::MovedOn,
            Err(error) => error.into(),
        }
    }

    /// A plan that is not what it was: which of the keys that it saw have changed since.
    async fn stale(&self, principal: &Principal, seen: &[(String, i64)]) -> Error {
        let mut moved = Vec::new();
        for (id, revision) in seen {
            match self.key(principal, id).await {
                Ok(key) if key.revision == *revision => {}
                Ok(key) => moved.push(key.name),
                Err(Error::NotFound { .. }) => moved.push(id.clone()),
                Err(error) => return error,
            }
        }
        Error::PlanStale { moved }
    }

    fn apply_row(&self, principal: &Principal, plan: &EstatePlan) -> ApplyRow {
        ApplyRow {
            id: ApplyId::new(self.now(), self.random()),
            account_id: principal.account.clone(),
            digest: plan.digest.clone(),
            state: BatchState::Running,
            created_by: principal.user.to_string(),
            created_by_name: principal.name.clone(),
            created_at: self.now(),
            finished_at: None,
        }
    }
}

/// Every key, and every keystore, is as the plan saw it.
fn demand_unmoved(tx: &mut Tx<'_>, seen: &[Seen], places: &[KeystoreRow]) -> Result<(), TxError> {
    let mut moved = Vec::new();
    for place in places {
        let is_there = keystores::hold_active(tx, &place.id)?;
        let now = keystores::by_id(tx, &place.id)?.filter(|_| is_there);
        if now.is_none_or(|now| !is_as_seen(&now, place)) {
            moved.push(place.name.clone());
        }
    }
    for Seen { key, name, revision } in seen {
        if keys::by_id(tx, key)?.is_none_or(|now| now.revision != *revision) {
            moved.push(name.clone());
        }
    }
    if moved.is_empty() { Ok(()) } else { Err(Error::PlanStale { moved }.into()) }
}

fn is_as_seen(now: &KeystoreRow, seen: &KeystoreRow) -> bool {
    (&now.name, &now.cloud, &now.location, &now.alert_channels) == (&seen.name, &seen.cloud, &seen.location, &seen.alert_channels)
}

/// The rows of the changes, each with the places of what it waits for.
fn change_rows(apply: &ApplyRow, plan: &EstatePlan) -> Vec<(ChangeRow, Vec<u32>)> {
    let seen: BTreeMap<&KeyId, i64> = plan.seen.iter().map(|seen| (&seen.key, seen.revision)).collect();
    let place = |place: usize| u32::try_from(place + 1).unwrap_or(u32::MAX);
    let row = |(at, (change, interval)): (usize, (&Change, &i64))| {
        let row = ChangeRow {
            apply_id: apply.id.clone(),
            position: place(at),
            path: change.path.clone(),
            action: change.action.as_str().to_owned(),
            subject: change.subject.kind().to_owned(),
            name: change.subject.name().to_owned(),
            keystore: change.subject.keystore().unwrap_or_default().to_owned(),
            key_id: change.key.clone(),
            seen_revision: change.key.as_ref().and_then(|id| seen.get(id)).copied(),
            change: EstatePlan::does(change),
            call_interval: *interval,
            state: ItemState::Waiting,
            operation_id: None,
            problem: None,
            not_before: apply.created_at,
        };
        (row, change.waits_for.iter().map(|before| place(*before)).collect())
    };
    plan.changes.iter().zip(&plan.intervals).enumerate().map(row).collect()
}
