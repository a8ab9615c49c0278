//! A key is taken into use again: the same material, then enabled (CM-055). The alias does not move (`capabilities.md`, decision 1).

use keystead_domain::{KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, keys, rotations};
use serde::{Deserialize, Serialize};

use super::{Shape, members};
use crate::{
    step::{Planned, Step, undoable},
    stored::{Stored, StoredTime},
};

/// The name of the operation.
pub const NAME: &str = "activate-key";

/// The key, and until when its material shall live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
    /// Whether its material is in the cloud still: then the key is enabled only.
    #[serde(default)]
    pub material_stays: bool,
    /// Its replicas in other Regions, which come along.
    #[serde(default)]
    pub replicas: Vec<Stored<KeyId>>,
    /// Of a replica that comes back alone: its primary, which must stay as it is meanwhile.
    #[serde(default)]
    pub primary: Option<Stored<KeyId>>,
}

impl ActivateKey {
    /// Who was out of use while the primary got another span of life or policy has it now, too.
    fn fall_into_step(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (leader, followers) = match &self.primary {
            Some(primary) => (primary, std::slice::from_ref(&self.key)),
            None => (&self.key, self.replicas.as_slice()),
        };
        let Some(leader) = keys::by_id(tx, &leader.0)?.filter(|_| !followers.is_empty()) else { return Ok(()) };
        let expires = self.expires.map(Into::into);
        followers.iter().try_for_each(|key| keys::set_end(tx, &key.0, expires, leader.expiry_span, leader.expiry_policy))
    }
}

impl Shape for ActivateKey {
    fn steps(&self) -> Vec<Planned> {
        let expires = self.expires.map(Into::into);
        let importing = members(&self.key, &self.replicas).filter(|_| !self.material_stays);
        let import = |key: &KeyId| undoable(Step::ImportMaterial(key.clone(), expires), vec![Step::DeleteMaterial(key.clone())]);
        let enable = |key: &KeyId| undoable(Step::Enable(key.clone()), vec![Step::Disable(key.clone())]);
        importing.map(import).chain(members(&self.key, &self.replicas).map(enable)).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        members(&self.key, &self.replicas).try_for_each(|key| keys::transition(tx, key, KeyState::Inactive, KeyState::Active, now))?;
        self.fall_into_step(tx)?;
        // A rotation that was missed meanwhile is planned again.
        rotations::reconsider(tx, &self.key.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
