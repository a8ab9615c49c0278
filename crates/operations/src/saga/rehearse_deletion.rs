//! A key is disabled for a while, to see who needs it (AW-045). Nothing else changes: state, material and aliases stay.
//!
//! Its end is no step of this saga. A kill or a deactivation shall not wait for it, and the row that the intent wrote has the schedule enable the key again, whatever becomes of
//! this process and of whoever asked.

use keystead_domain::{KeyId, RehearsalId, Timestamp, rehearsal::RehearsalState};
use keystead_store::{StoreError, Tx, rehearsals};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredTime},
};

/// The key, and the row that ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearseDeletion {
    /// The key.
    pub key: Stored<KeyId>,
    /// The rehearsal.
    pub rehearsal: Stored<RehearsalId>,
    /// When it is over: from then on the key is not disabled any more.
    pub end: StoredTime,
}

impl Shape for RehearseDeletion {
    fn steps(&self) -> Vec<Planned> {
        let key = &self.key.0;
        // Seen first: an undo would enable what somebody else has disabled.
        vec![harmless(Step::ConfirmEnabled(key.clone())), undoable(Step::DisableBefore(key.clone(), self.end.into()), vec![Step::Enable(key.clone())])]
    }

    fn finish(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        rehearsals::end(tx, &self.rehearsal.0, RehearsalState::Running, RehearsalState::Failed, None, now)
    }
}
