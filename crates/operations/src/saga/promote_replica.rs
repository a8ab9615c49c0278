//! A replica becomes the primary of its family, and the primary a replica (AWS KMS: UpdatePrimaryRegion). Material, states and aliases stay as they are.

use keystead_domain::{KeyId, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, keys, rotations};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, undoable},
    stored::Stored,
};

/// The two that change places, and their lineages: a rotation policy of the family goes with the part of the primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromoteReplica {
    /// The replica.
    pub replica: Stored<KeyId>,
    /// The primary.
    pub primary: Stored<KeyId>,
    /// The replica's lineage.
    pub replica_lineage: Stored<LineageId>,
    /// The primary's lineage.
    pub primary_lineage: Stored<LineageId>,
}

impl Shape for PromoteReplica {
    fn steps(&self) -> Vec<Planned> {
        let (from, to) = (self.primary.0.clone(), self.replica.0.clone());
        vec![undoable(Step::Promote { from: from.clone(), to: to.clone() }, vec![Step::Promote { from: to, to: from }])]
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::promote(tx, &self.primary.0, &self.replica.0, now)?;
        rotations::hand_over(tx, &self.primary_lineage.0, &self.replica_lineage.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
