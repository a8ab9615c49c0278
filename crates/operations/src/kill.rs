//! How far a kill reaches, and what a restore brings back (FT-019).

use std::collections::{BTreeMap, VecDeque};

use keystead_domain::{KeyId, KeyState};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow},
};

use crate::{
    link,
    saga::kill_key::{KillKey, Victim},
    stored::Stored,
};

/// Everything with the material of a key: whose it is, its copies in other keystores, and all their replicas. With `lineage` the same of the predecessors, whose
/// ciphertext could be read on; never of a successor.
fn everything(tx: &mut Tx<'_>, key: &KeyRow, lineage: bool) -> Result<Vec<KeyRow>, StoreError> {
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
}

/// Looks how far a kill reaches.
///
/// # Errors
/// What the store says.
pub fn reached(tx: &mut Tx<'_>, key: &KeyRow, lineage: bool) -> Result<Reached, StoreError> {
    let all = everything(tx, key, lineage)?;
    let unborn = all.iter().filter(|other| other.state == KeyState::Creating).cloned().collect();
    let mut usable: Vec<KeyRow> = all.into_iter().filter(|other| matches!(other.state, KeyState::Active | KeyState::Replaced)).collect();
    usable.sort_by_key(|other| other.id == key.id);
    Ok(Reached { usable, unborn })
}

impl Reached {
    /// The saga that takes them out of use; `None` when none is in use.
    pub fn saga(&self, key: &KeyId) -> Option<KillKey> {
        let victims = self.usable.iter().map(victim).collect();
        (!self.usable.is_empty()).then(|| KillKey { key: Stored(key.clone()), victims })
    }
}

fn victim(key: &KeyRow) -> Victim {
    Victim { key: Stored(key.id.clone()), from: key.state.as_str().to_owned(), material_stays: !key.ties.custody.empties_on_deactivation() }
}
