//! A key that was disabled for a rehearsal is enabled again. If that fails it is tried again, for as long as it takes: the rehearsal's row remembers.

use keystead_domain::{KeyId, RehearsalId, Timestamp, rehearsal::RehearsalState, rehearsal::WATCH, time::SECOND};
use keystead_store::{StoreError, Tx, rehearsals};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless},
    stored::Stored,
};

/// How long it rests when it failed: an application may stand still for it.
const REST: i64 = 60 * SECOND;

/// The key, and its rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRehearsal {
    /// The key.
    pub key: Stored<KeyId>,
    /// The rehearsal.
    pub rehearsal: Stored<RehearsalId>,
}

impl Shape for EndRehearsal {
    fn steps(&self) -> Vec<Planned> {
        // Enabled is what the key shall be: there is nothing to take back.
        vec![harmless(Step::Enable(self.key.0.clone()))]
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        rehearsals::transition(tx, &self.rehearsal.0, RehearsalState::Ending, RehearsalState::Watching, now.plus_micros(WATCH))
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        rehearsals::failed(tx, &self.rehearsal.0, now.plus_micros(REST))
    }
}
