//! The countdown is stopped: first that, then the material is removed, so that the key comes back out of use (CM-060; `capabilities.md`, decision 3).

use keystead_domain::{KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, keys};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, pivot},
    stored::Stored,
};

/// The key, and whether its material stays in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelDeletion {
    /// The key.
    pub key: Stored<KeyId>,
    /// Whether its material stays in the cloud, which alone has it: the key then comes back disabled.
    #[serde(default)]
    pub keeps_material: bool,
}

impl Shape for CancelDeletion {
    fn steps(&self) -> Vec<Planned> {
        // A cancelled key is disabled, which is safe: from there the operation only goes forward. If the cloud refuses to cancel at once, nothing has changed.
        let empties = (!self.keeps_material).then(|| pivot(Step::DeleteMaterial(self.key.0.clone())));
        std::iter::once(pivot(Step::CancelDeletion(self.key.0.clone()))).chain(empties).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.key.0, KeyState::PendingDeletion, KeyState::Inactive, now)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
