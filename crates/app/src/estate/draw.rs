//! A plan: the exact changes, judged by the rules of the commands that would do them, how long they take under the quotas, and what they cost. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use keystead_cloud::{Capabilities, Prices};
use keystead_domain::{
    Invalid, KeyId, KeystoreId,
    estate::{self, Change, Difference, Estate},
};
use keystead_identity::{Action, Principal};
use keystead_operations::{
    effort::{Calls, Effort},
    sync::sha256,
};
use keystead_store::{keys::KeyRow, keystores::KeystoreRow};

use super::{
    CHANGES_MAX, MISTAKES_MAX,
    judge::Stage,
    standing::Read,
    stored::{canonical, to_json},
};
use crate::{
    App, Error,
    batches::{foresee::Work, words::problem_of},
    permit,
};

/// What would be done.
#[derive(Debug, Clone)]
pub struct EstatePlan {
    /// In order.
    pub changes: Vec<Change>,
    /// How many keystores and keys of the estate are as they shall be.
    pub unchanged: usize,
    /// How long all of it takes under the quotas, in microseconds.
    pub micros: i64,
    /// What the clouds would charge more, or less, for a month, in US cents, as far as somebody says.
    pub cents_month: i64,
    /// Where the prices come from.
    pub prices: Option<Prices>,
    /// The keys that change, as they were seen.
    pub seen: Vec<Seen>,
    /// SHA-256 over all changes and the state that they are for.
    pub digest: String,
    /// How long one change like each takes under the quotas, in microseconds.
    pub(super) intervals: Vec<i64>,
    /// The keystores that are there already, and in which something changes.
    pub(super) keystores: Vec<KeystoreRow>,
}

/// A key as a plan saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub key: KeyId,
    /// Its name.
    pub name: String,
    /// Counts its changes.
    pub revision: i64,
}

impl App {
    /// Says what would be done to come from what is to an estate.
    ///
    /// # Errors
    /// [`Error::Mistakes`] with everything that cannot be.
    pub async fn plan_estate(&self, principal: &Principal, wanted: &Estate) -> Result<EstatePlan, Error> {
        permit(principal, Action::Read, &principal.account, ())?;
        let read = self.standing(&principal.account).await?;
        let Difference { changes, unchanged } = estate::difference(wanted, &read.standing, self.now()).map_err(Error::Mistakes)?;
        check_count(changes.len())?;
        let (seen, keystores) = (seen(&changes, &read), touched(&changes, &read));
        let mut stage = Stage { keys: read.keys, made: BTreeMap::new(), keystores: read.keystores };
        let (mut tally, mut mistakes) = (Tally::default(), Vec::new());
        for change in &changes {
            match self.judge_change(principal, &mut stage, change).await {
                Ok(work) => tally.add(&work, |at| self.capabilities_at(&stage, at)),
                Err(error) => mistakes.push(mistake(change, error)?),
            }
            if mistakes.len() > MISTAKES_MAX {
                break;
            }
        }
        if !mistakes.is_empty() {
            return Err(Error::Mistakes(mistakes));
        }
        let digest = sha256(&canonical(&principal.account, &changes, &keystores, &seen));
        let Tally { effort, cents_month, prices, intervals, .. } = tally;
        Ok(EstatePlan { changes, unchanged, micros: effort.micros(), cents_month, prices, seen, digest, intervals, keystores })
    }

    fn capabilities_at(&self, stage: &Stage, at: &KeystoreId) -> Option<Capabilities> {
        let row = stage.keystores.values().find(|row| row.id == *at)?;
        self.catalog.capabilities(&row.cloud, &row.location)
    }
}

/// What changes come to together.
#[derive(Default)]
struct Tally {
    effort: Effort,
    cents_month: i64,
    prices: Option<Prices>,
    intervals: Vec<i64>,
    /// What each keystore's cloud can do, looked up once.
    capabilities: BTreeMap<KeystoreId, Option<Capabilities>>,
}

impl Tally {
    fn add(&mut self, work: &Work, look_up: impl Fn(&KeystoreId) -> Option<Capabilities>) {
        let (mut interval, mut cents) = (0, 0);
        for (at, calls) in calls_of(work) {
            let Some(capabilities) = self.capabilities.entry(at.clone()).or_insert_with(|| look_up(&at)) else { continue };
            self.effort.add(capabilities, &calls);
            interval = calls.micros(capabilities).max(interval);
            if let Some(prices) = capabilities.prices.filter(|_| work.keys_charged != 0) {
                cents = work.keys_charged * i64::from(prices.key_month_cents);
                self.prices = Some(prices);
            }
        }
        self.cents_month += cents;
        self.intervals.push(interval);
    }
}

fn calls_of(work: &Work) -> BTreeMap<KeystoreId, Calls> {
    let mut calls: BTreeMap<KeystoreId, Calls> = BTreeMap::new();
    work.steps.iter().for_each(|(at, step)| calls.entry(at.clone()).or_default().add_step(step));
    calls
}

fn seen(changes: &[Change], read: &Read) -> Vec<Seen> {
    let rows: BTreeMap<&KeyId, &KeyRow> = changes.iter().flat_map(Change::keys).filter_map(|id| Some((id, read.keys.get(id)?))).collect();
    rows.into_values().map(|row| Seen { key: row.id.clone(), name: row.name.clone(), revision: row.revision }).collect()
}

fn check_count(changes: usize) -> Result<(), Invalid> {
    if changes <= CHANGES_MAX {
        return Ok(());
    }
    let mend = format!("Plan {CHANGES_MAX} at most: divide the files, for example by keystore, and apply one after the other.");
    Err(Invalid::new("estate", format!("comes to {changes} changes, which are too many for one plan; nothing was done"), mend))
}

fn touched(changes: &[Change], read: &Read) -> Vec<KeystoreRow> {
    let names: BTreeSet<&str> = changes.iter().filter_map(|change| change.subject.keystore()).collect();
    names.into_iter().filter_map(|name| read.keystores.get(name).cloned()).collect()
}

/// A refusal as a mistake of the estate; what is no refusal stays the error that it is.
fn mistake(change: &Change, error: Error) -> Result<Invalid, Error> {
    match error {
        Error::Invalid(invalid) if invalid.field == "key" => Ok(Invalid { field: format!("{}.name", change.path), ..invalid }),
        Error::Invalid(invalid) => Ok(Invalid { field: format!("{}.{}", change.path, invalid.field), ..invalid }),
        Error::Taken { field, value } => {
            let reason = format!("would be {value}, which is in use");
            Ok(Invalid::new(format!("{}.{field}", change.path), reason, "Choose another one. `keystead key list --name` shows who bears a name."))
        }
        error @ (Error::WrongState { .. } | Error::NotFound { .. }) => {
            let problem = problem_of(&error);
            Ok(Invalid::new(change.path.clone(), format!("cannot be: {}", problem.detail.trim_end_matches('.')), problem.mend))
        }
        error => Err(error),
    }
}

impl EstatePlan {
    /// What a change's row keeps of it.
    pub(super) fn does(change: &Change) -> String {
        to_json(&change.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_so_many_changes_and_no_more() {
        assert_eq!(check_count(CHANGES_MAX), Ok(()));
        let refused = check_count(CHANGES_MAX + 1).expect_err("too many");
        assert!(refused.reason.contains("100001") && refused.mend.contains("100000"), "{refused:?}");
    }
}
