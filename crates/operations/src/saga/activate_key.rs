//! A key is taken into use again: the same material, then enabled (CM-055). The alias does not move (`capabilities.md`, decision 1).

use keystead_domain::{KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, keys, rotations};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, undoable},
    stored::{Stored, StoredTime},
};

/// The key, and until when its material shall live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
    /// Whether its material stayed in the cloud, which alone has it: then it is only enabled.
    #[serde(default)]
    pub keeps_material: bool,
}

impl Shape for ActivateKey {
    fn steps(&self) -> Vec<Planned> {
        let key = &self.key.0;
        let import = || undoable(Step::ImportMaterial(key.clone(), self.expires.map(Into::into)), vec![Step::DeleteMaterial(key.clone())]);
        let import = (!self.keeps_material).then(import);
        import.into_iter().chain([undoable(Step::Enable(key.clone()), vec![Step::Disable(key.clone())])]).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.key.0, KeyState::Inactive, KeyState::Active, now)?;
        // A rotation that was missed meanwhile is planned again.
        rotations::reconsider(tx, &self.key.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
