//! A kill is undone: each key gets its material back, is enabled, and stands where it stood before (FT-019).

use keystead_domain::{DrillId, KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, drills, keys, rotations};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, undoable},
    stored::{Stored, StoredTime},
};

/// The name of the operation.
pub const NAME: &str = "restore-key";

/// A key that comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The key.
    pub key: Stored<KeyId>,
    /// The state that it had before the kill, by its name.
    pub to: String,
    /// Whether its material is in the cloud still: then the key is enabled only.
    pub material_stays: bool,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
}

/// The key that was named, and all that come back with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreKey {
    /// The key that was named.
    pub key: Stored<KeyId>,
    /// All that come back, the key itself last.
    pub restored: Vec<Restored>,
    /// The drill that this ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Stored<DrillId>>,
}

impl Shape for RestoreKey {
    fn steps(&self) -> Vec<Planned> {
        let imports = self.restored.iter().filter(|one| !one.material_stays).map(|one| {
            let key = &one.key.0;
            undoable(Step::ImportMaterial(key.clone(), one.expires.map(Into::into)), vec![Step::DeleteMaterial(key.clone())])
        });
        let enables = self.restored.iter().map(|one| undoable(Step::Enable(one.key.0.clone()), vec![Step::Disable(one.key.0.clone())]));
        imports.chain(enables).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        for one in &self.restored {
            let to = KeyState::parse(&one.to)?;
            keys::transition(tx, &one.key.0, KeyState::Inactive, to, now)?;
            if to == KeyState::Active {
                // A rotation that was missed meanwhile is planned again.
                rotations::reconsider(tx, &one.key.0)?;
            }
        }
        Ok(())
    }

    fn abandon(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        // Its own attempt is nobody's word.
        self.drill.iter().try_for_each(|drill| drills::note_victims(tx, &drill.0, self.restored.iter().map(|one| &one.key.0)))
    }
}
