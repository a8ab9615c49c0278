//! The countdown to deletion begins (CM-058, CM-059). While it runs the key cannot be used, so that bad effects show before it is too late.

use keystead_domain::{KeyId, KeyState, Timestamp, key::deletion::WaitingDays};
use keystead_store::{StoreError, Tx, keys};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, undoable},
    stored::Stored,
};

/// The key, from where it goes, and for how long it waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDeletion {
    /// The key.
    pub key: Stored<KeyId>,
    /// The state that it has now, by its name.
    pub from: String,
    /// Whether the cloud let it be used.
    pub enabled: bool,
    /// Days of waiting, 7 to 30.
    pub days: u8,
}

impl Shape for ScheduleDeletion {
    fn steps(&self) -> Vec<Planned> {
        let key = &self.key.0;
        let days = WaitingDays::parse(i64::from(self.days)).unwrap_or(WaitingDays::LONGEST);
        let mut undo = vec![Step::CancelDeletion(key.clone())];
        // A cancelled countdown leaves the key disabled; before, it may have been in use.
        if self.enabled {
            undo.push(Step::Enable(key.clone()));
        }
        vec![undoable(Step::ScheduleDeletion(key.clone(), days), undo)]
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.key.0, KeyState::parse(&self.from)?, KeyState::PendingDeletion, now)
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}
