//! The countdown is stopped: first that, then the material is removed, so that the key comes back out of use (CM-060; `capabilities.md`, decision 3).

use keystead_domain::{KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, keys};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, pivot},
    stored::Stored,
};

/// The key, and whether it is emptied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelDeletion {
    /// The key.
    pub key: Stored<KeyId>,
    /// Whether its material stays in the cloud, because it could not come back.
    #[serde(default)]
    pub material_stays: bool,
    /// Of a replica: its primary, which must stay as it is meanwhile.
    #[serde(default)]
    pub primary: Option<Stored<KeyId>>,
}

impl Shape for CancelDeletion {
    fn steps(&self) -> Vec<Planned> {
        // A cancelled key is disabled, which is safe: from there the operation only goes forward. If the cloud refuses to cancel at once, nothing has changed.
        let mut steps = vec![pivot(Step::CancelDeletion(self.key.0.clone()))];
        if !self.material_stays {
            steps.push(pivot(Step::DeleteMaterial(self.key.0.clone())));
        }
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.key.0, KeyState::PendingDeletion, KeyState::Inactive, now)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
