//! A replica of a multi-Region key is made in another Region, and gets the same material (FT-047, FT-048 lifted).

use keystead_domain::{KeyId, KeyState, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, keys, lineages, versions};
use serde::{Deserialize, Serialize};

use super::{Shape, point};
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredAliases, StoredTime},
};

/// The intent wrote the replica (CREATING), its lineage and its version, which shares the primary's material, in the transaction that wrote this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddReplica {
    /// The replica.
    pub replica: Stored<KeyId>,
    /// Its primary.
    pub primary: Stored<KeyId>,
    /// The replica's own lineage.
    pub lineage: Stored<LineageId>,
    /// The aliases to point at it, in its Region.
    #[serde(default, alias = "alias")]
    pub aliases: StoredAliases,
    /// When the material shall expire there: as the primary's does.
    pub expires: Option<StoredTime>,
}

impl Shape for AddReplica {
    fn steps(&self) -> Vec<Planned> {
        let (replica, primary) = (self.replica.0.clone(), self.primary.0.clone());
        let mut steps = vec![
            undoable(Step::ReplicateCloudKey { replica: replica.clone(), primary }, vec![Step::AbandonCloudKey(replica.clone())]),
            harmless(Step::ImportMaterial(replica.clone(), self.expires.map(Into::into))),
        ];
        steps.extend(self.aliases.0.iter().map(|alias| point(alias, &replica)));
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.replica.0, KeyState::Creating, KeyState::Active, now)
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        versions::delete_uncreated(tx, &self.replica.0, now)?;
        keys::delete_uncreated(tx, &self.replica.0)?;
        lineages::delete(tx, &self.lineage.0)
    }
}
