//! How far a kill reaches, and what a restore brings back (FT-019).

use std::collections::{BTreeMap, VecDeque};

use keystead_cloud::{Call, Capabilities};
use keystead_domain::{KeyId, KeyState, Timestamp, key::expiry, time::SECOND};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow},
};

use crate::{
    Engine,
    engine::call::StepError,
    link,
    saga::{
        kill_key::{KillKey, Victim},
        restore_key::{RestoreKey, Restored},
    },
    stored::{Stored, StoredTime},
};

/// Everything with the material of a key: whose it is, its copies in other keystores, and all their replicas. With `lineage` the same of the predecessors, whose
/// ciphertext could be read on; never of a successor.
///
/// # Errors
/// What the store says.
pub fn everything(tx: &mut Tx<'_>, key: &KeyRow, lineage: bool) -> Result<Vec<KeyRow>, StoreError> {
    let mut found = BTreeMap::from([(key.id.clone(), key.clone())]);
    let mut left = VecDeque::from([key.clone()]);
    while let Some(next) = left.pop_front() {
        let mut near = keys::sharing(tx, &link::source_of(&next))?;
        near.extend(keys::sharing(tx, &next.id)?);
        if let Some(predecessor) = next.predecessor_id.as_ref().filter(|_| lineage) {
            near.extend(keys::by_id(tx, predecessor)?);
        }
        for key in near {
            if found.insert(key.id.clone(), key.clone()).is_none() {
                left.push_back(key);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// What a kill of a key takes out of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Keys that can be used, the one that is named last.
    pub usable: Vec<KeyRow>,
    /// Keys that are being made just now: another operation has them.
    pub unborn: Vec<KeyRow>,
    /// Keys that are out of use already.
    pub idle: Vec<KeyRow>,
}

/// Looks how far a kill reaches.
///
/// # Errors
/// What the store says.
pub fn reached(tx: &mut Tx<'_>, key: &KeyRow, lineage: bool) -> Result<Reached, StoreError> {
    let all = everything(tx, key, lineage)?;
    let of = |state: KeyState| all.iter().filter(move |other| other.state == state).cloned().collect::<Vec<_>>();
    let (unborn, idle) = (of(KeyState::Creating), of(KeyState::Inactive));
    let mut usable: Vec<KeyRow> = all.into_iter().filter(|other| matches!(other.state, KeyState::Active | KeyState::Replaced)).collect();
    usable.sort_by_key(|other| other.id == key.id);
    Ok(Reached { usable, unborn, idle })
}

impl Reached {
    /// The saga that takes them out of use; `None` when none is in use.
    pub fn saga(&self, key: &KeyId) -> Option<KillKey> {
        let victims = self.usable.iter().map(victim).collect();
        (!self.usable.is_empty()).then(|| KillKey { key: Stored(key.clone()), victims, drill: None })
    }
}

fn victim(key: &KeyRow) -> Victim {
    Victim { key: Stored(key.id.clone()), from: key.state.as_str().to_owned(), material_stays: !key.ties.custody.empties_on_deactivation() }
}

/// Until when the same material shall live when it is imported again: as it was, or, when that is over, the same span from now.
pub fn expiry_of(key: &KeyRow, now: Timestamp) -> Option<StoredTime> {
    let (expires, span) = key.expires_at.zip(key.expiry_span)?;
    Some(if expires > now { expires } else { expiry::renewed(span, now) }.into())
}

/// The saga that brings back what a kill took out of use and is so still; `None` when nothing is.
///
/// # Errors
/// What the store says.
pub fn restoration(tx: &mut Tx<'_>, kill: &KillKey, now: Timestamp) -> Result<Option<RestoreKey>, StoreError> {
    let mut restored = Vec::new();
    for Victim { key, from, material_stays } in &kill.victims {
        let Some(row) = keys::by_id(tx, &key.0)?.filter(|row| row.state == KeyState::Inactive) else { continue };
        restored.push(Restored { key: key.clone(), to: from.clone(), material_stays: *material_stays, expires: expiry_of(&row, now) });
    }
    Ok((!restored.is_empty()).then(|| RestoreKey { key: kill.key.clone(), restored, drill: kill.drill.clone() }))
}

/// How long kills take in one cloud account and Region, because that takes so many calls a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// What the quotas are counted by: cloud, account and Region.
    pub scope: String,
    /// How many keys are disabled there.
    pub keys: usize,
    /// How many of them are emptied.
    pub emptied: usize,
    /// From the first call to the last, in microseconds: what the quotas allow, when nobody else uses them.
    pub micros: i64,
}

impl Engine {
    /// How long a kill of these keys takes in each account and Region. No cloud is called.
    ///
    /// # Errors
    /// What the store says; a keystore whose place cannot be connected.
    pub async fn kill_paces(&self, keys: &[KeyRow]) -> Result<Vec<Pace>, StepError> {
        let mut counts: BTreeMap<_, (usize, usize)> = BTreeMap::new();
        for key in keys.iter().filter(|key| !key.is_in_vault()) {
            let (disabled, emptied) = counts.entry(key.keystore_id.clone()).or_default();
            *disabled += 1;
            *emptied += usize::from(key.ties.custody.empties_on_deactivation());
        }
        // Keystores of one account and Region share its quotas.
        let mut scopes: BTreeMap<String, Pace> = BTreeMap::new();
        for (keystore, (disabled, emptied)) in counts {
            let Some(cloud) = self.site(&keystore).await?.cloud else { continue };
            let capabilities = cloud.capabilities();
            let scope = capabilities.quota_scope.clone();
            let pace = scopes.entry(scope.clone()).or_insert(Pace { scope, keys: 0, emptied: 0, micros: 0 });
            pace.keys += disabled;
            pace.emptied += emptied;
            pace.micros = span(capabilities, Call::Disable, pace.keys).max(span(capabilities, Call::DeleteMaterial, pace.emptied));
        }
        Ok(scopes.into_values().collect())
    }
}

/// How long so many calls take: the first goes at once.
fn span(capabilities: &Capabilities, call: Call, count: usize) -> i64 {
    let quota = capabilities.quotas.iter().find(|quota| quota.call == call).map_or(f64::INFINITY, |quota| quota.per_second);
    (count.saturating_sub(1) as f64 / quota * SECOND as f64) as i64
}
