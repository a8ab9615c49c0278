//! A key is taken out of use: first disabled, then emptied (CM-054; `capabilities.md`, decision 3).

use keystead_domain::{KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, attempts, keys};
use serde::{Deserialize, Serialize};

use super::Shape;
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
    /// Whether its material stays in the cloud, which alone has it: then it is only disabled.
    #[serde(default)]
    pub keeps_material: bool,
}

impl Shape for DeactivateKey {
    fn steps(&self) -> Vec<Planned> {
        // Once disabled the safe half is done: if the cloud then refuses to delete the material, the key stays disabled and the operation waits for a person.
        let empties = (!self.keeps_material).then(|| pivot(Step::DeleteMaterial(self.key.0.clone())));
        std::iter::once(pivot(Step::Disable(self.key.0.clone()))).chain(empties).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let from = if self.retires { KeyState::Replaced } else { KeyState::Active };
        keys::transition(tx, &self.key.0, from, KeyState::Inactive, now)?;
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
