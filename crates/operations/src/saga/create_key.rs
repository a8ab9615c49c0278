//! A key is made: CM-053, and FX-012, FX-017 to FX-024 step by step.

use keystead_domain::{CeremonyId, KeyId, KeyState, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, ceremonies, keys, lineages, links, versions};
use serde::{Deserialize, Serialize};

use super::{Shape, point};
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredAliases, StoredTime},
};

/// The intent wrote the key (CREATING), its lineage and its sealed material in the transaction that wrote this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// Its lineage.
    pub lineage: Stored<LineageId>,
    /// The aliases to point at it.
    #[serde(default, alias = "alias")]
    pub aliases: StoredAliases,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
    /// The key whose material it shares; of a copy only (FT-015).
    #[serde(default)]
    pub copy_of: Option<Stored<KeyId>>,
    /// Whether the vault forgets the material once the cloud has it (FT-037).
    #[serde(default)]
    pub forgets: bool,
    /// The ceremony whose components made its material; they are wiped when the key is made, and wait again if it is not.
    #[serde(default)]
    pub ceremony: Option<Stored<CeremonyId>>,
}

impl Shape for CreateKey {
    fn steps(&self) -> Vec<Planned> {
        let key = self.key.0.clone();
        let mut steps = vec![
            undoable(Step::CreateCloudKey(key.clone()), vec![Step::AbandonCloudKey(key.clone())]),
            // Abandoning the cloud key removes the material first.
            harmless(Step::ImportMaterial(key.clone(), self.expires.map(Into::into))),
        ];
        steps.extend(self.aliases.0.iter().map(|alias| point(alias, &key)));
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        if self.forgets {
            // Until here it was needed: a recovery imports it again.
            versions::forget_material(tx, &self.key.0, now)?;
            keys::become_native(tx, &self.key.0)?;
        }
        if let Some(ceremony) = &self.ceremony {
            ceremonies::complete(tx, &ceremony.0, now)?;
        }
        keys::transition(tx, &self.key.0, KeyState::Creating, KeyState::Active, now)
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        if let Some(ceremony) = &self.ceremony {
            ceremonies::take_back(tx, &ceremony.0)?;
        }
        links::delete_uncreated(tx, &self.key.0)?;
        versions::delete_uncreated(tx, &self.key.0, now)?;
        keys::delete_uncreated(tx, &self.key.0)?;
        lineages::delete(tx, &self.lineage.0)
    }
}
