//! The undo of a renewal: the aliases go back to the predecessor (`capabilities.md`, decision 1; CM-025 left this to the user).

use keystead_domain::{KeyId, KeyState, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, keys, lineages};
use serde::{Deserialize, Serialize};

use super::{Shape, hand_over};
use crate::{
    step::Planned,
    stored::{Stored, StoredAliases},
};

/// Both keys exist; only the aliases and the states change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevertKey {
    /// The successor, which gives the aliases back.
    pub key: Stored<KeyId>,
    /// The predecessor, which gets them.
    pub predecessor: Stored<KeyId>,
    /// Whether the predecessor is REPLACED; it may already be ACTIVE.
    pub predecessor_replaced: bool,
    /// Their lineage.
    pub lineage: Stored<LineageId>,
    /// The aliases that move.
    #[serde(default, alias = "alias")]
    pub aliases: StoredAliases,
    /// The replicas of a multi-Region key, each with its predecessor in the same keystore.
    #[serde(default)]
    pub replicas: Vec<RevertKey>,
}

impl Shape for RevertKey {
    fn steps(&self) -> Vec<Planned> {
        self.replicas.iter().chain([self]).flat_map(|one| hand_over(&one.aliases, &one.key.0, &one.predecessor.0)).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.replicas.iter().try_for_each(|replica| replica.finish(tx, now))?;
        keys::transition(tx, &self.key.0, KeyState::Active, KeyState::Replaced, now)?;
        if self.predecessor_replaced {
            keys::transition(tx, &self.predecessor.0, KeyState::Replaced, KeyState::Active, now)?;
        }
        keys::set_successor(tx, &self.predecessor.0, None)?;
        // Both are in use again, or stay it: neither waits for its deactivation.
        keys::set_retirement(tx, &self.predecessor.0, None)?;
        keys::set_retirement(tx, &self.key.0, None)?;
        lineages::set_current(tx, &self.lineage.0, &self.key.0, &self.predecessor.0)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
