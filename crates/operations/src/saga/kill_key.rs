//! A key is taken out of use wherever its material is: first every copy is cut off, then every one is emptied, then each is tried until it is refused (FT-019).

use keystead_domain::{DrillId, KeyId, KeyState, Timestamp};
use keystead_store::{StoreError, Tx, attempts, drills, keys};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, harmless, pivot},
    stored::Stored,
};

/// The name of the operation.
pub const NAME: &str = "kill-key";

/// A key that is taken out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// The key.
    pub key: Stored<KeyId>,
    /// The state that it has now, by its name: a restore gives it back.
    pub from: String,
    /// Whether its material stays in the cloud, because it could not come back: then the key is disabled only.
    pub material_stays: bool,
}

/// The key that was named, and all that are taken out of use with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillKey {
    /// The key that was named.
    pub key: Stored<KeyId>,
    /// All that are in use, the key itself last.
    pub victims: Vec<Victim>,
    /// The drill that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Stored<DrillId>>,
}

impl KillKey {
    /// What is done to all of them at once.
    fn together(&self, step: fn(KeyId) -> Step) -> Vec<Step> {
        self.victims.iter().map(|victim| step(victim.key.0.clone())).collect()
    }
}

impl Shape for KillKey {
    fn steps(&self) -> Vec<Planned> {
        let emptied: Vec<Step> = self.victims.iter().filter(|victim| !victim.material_stays).map(|victim| Step::Empty(victim.key.0.clone())).collect();
        // Cut off, they are out of use: from there it only goes forward, whatever a cloud refuses. Nothing waits between the first two.
        let cut_off = pivot(Step::Together(self.together(Step::CutOff)));
        let empty = (!emptied.is_empty()).then(|| pivot(Step::Together(emptied)));
        [cut_off].into_iter().chain(empty).chain([harmless(Step::Together(self.together(Step::ConfirmDark)))]).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        for victim in &self.victims {
            keys::transition(tx, &victim.key.0, KeyState::parse(&victim.from)?, KeyState::Inactive, now)?;
            attempts::forget(tx, &victim.key.0)?;
        }
        // What changes one of them from here on is somebody's word, and the drill gives way to it.
        self.drill.iter().try_for_each(|drill| drills::note_victims(tx, &drill.0, self.victims.iter().map(|victim| &victim.key.0)))
    }

    fn abandon(&self, _: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn victim(n: u8, material_stays: bool) -> Victim {
        Victim { key: Stored(KeyId::new(Timestamp::from_secs(1), [n; 10])), from: "ACTIVE".to_owned(), material_stays }
    }

    fn names(saga: &KillKey) -> Vec<(&'static str, usize)> {
        let count = |step: &Step| if let Step::Together(steps) = step { steps.len() } else { 1 };
        saga.steps().iter().map(|planned| (planned.step.name(), count(&planned.step))).collect()
    }

    /// FT-019: nothing is emptied before all are cut off, and what could never come back is not emptied.
    #[test]
    fn all_are_cut_off_before_any_is_emptied() {
        let saga = KillKey { key: victim(3, false).key, victims: vec![victim(1, false), victim(2, true), victim(3, false)], drill: None };
        assert_eq!(names(&saga), [("cut-off", 3), ("empty", 2), ("confirm-dark", 3)]);
        let native = KillKey { key: victim(2, true).key, victims: vec![victim(2, true)], drill: None };
        assert_eq!(names(&native), [("cut-off", 1), ("confirm-dark", 1)]);
    }
}
