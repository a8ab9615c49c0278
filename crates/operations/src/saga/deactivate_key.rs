//! A key is taken out of use: first disabled, then emptied (CM-054; `capabilities.md`, decision 3).

use keystead_domain::{KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, attempts, keys};
use serde::{Deserialize, Serialize};

use super::{Shape, members};
use crate::{
    step::{Planned, Step, pivot},
    stored::Stored,
};

/// Nothing but the key is needed, and whether it is in use or was replaced: then the grace of a rotation is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeactivateKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// Whether it retires: it is REPLACED and not ACTIVE.
    #[serde(default)]
    pub retires: bool,
    /// Whether its material stays in the cloud, because it could not come back: then the key is disabled only.
    #[serde(default)]
    pub material_stays: bool,
    /// Its replicas in other Regions, which go along.
    #[serde(default)]
    pub replicas: Vec<Stored<KeyId>>,
}

impl Shape for DeactivateKey {
    fn steps(&self) -> Vec<Planned> {
        // Once disabled the safe half is done: if the cloud then refuses to delete the material, the key stays disabled and the operation waits for a person.
        // All of a family are disabled before the first of them is emptied: nowhere can anybody go on with it.
        let disable = members(&self.key, &self.replicas).map(|key| pivot(Step::Disable(key.clone())));
        let emptied = members(&self.key, &self.replicas).filter(|_| !self.material_stays);
        disable.chain(emptied.map(|key| pivot(Step::DeleteMaterial(key.clone())))).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let from = if self.retires { KeyState::Replaced } else { KeyState::Active };
        members(&self.key, &self.replicas).try_for_each(|key| keys::transition(tx, key, from, KeyState::Inactive, now))?;
        if self.retires {
            keys::set_retirement(tx, &self.key.0, None)?;
            attempts::forget(tx, &self.key.0)?;
        }
        Ok(())
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CM-054, FT-047: a family that is half emptied is out of use everywhere already.
    #[test]
    fn every_region_is_disabled_before_the_first_is_emptied() {
        let id = |n| Stored(KeyId::new(Timestamp::from_secs(1), [n; 10]));
        let saga = DeactivateKey { key: id(1), retires: false, material_stays: false, replicas: vec![id(2), id(3)] };
        let names: Vec<&str> = saga.steps().iter().map(|planned| planned.step.name()).collect();
        assert_eq!(names, ["disable", "disable", "disable", "delete-material", "delete-material", "delete-material"]);
    }
}
