//! The daily clean-up of one key: the cloud has deleted it, so its material is destroyed here (CM-061). The record and the audit log stay.

use keystead_domain::{KeyId, KeyState, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, attempts, exports, keys, lineages, versions};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::Stored,
};

/// The key and its lineage, whose name is free when all of it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanUpKey {
    /// The key.
    pub key: Stored<KeyId>,
    /// Its lineage.
    pub lineage: Stored<LineageId>,
}

impl Shape for CleanUpKey {
    fn steps(&self) -> Vec<Planned> {
        vec![harmless(Step::ConfirmGone(self.key.0.clone()))]
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.key.0, KeyState::PendingDeletion, KeyState::Deleted, now)?;
        versions::destroy(tx, &self.key.0, now)?;
        exports::forget(tx, &self.key.0)?;
        lineages::end_if_all_deleted(tx, &self.lineage.0)?;
        attempts::forget(tx, &self.key.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
