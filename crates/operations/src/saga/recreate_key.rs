//! A key that its cloud no longer has is made anew, with the same material and the same aliases. It has another name there, so it is another key here: the old one is DELETED,
//! and the new one takes its place in the lineage.

use keystead_domain::{KeyId, KeyState, LineageId, Timestamp, drift::DriftState};
use keystead_store::{
    StoreError, Tx, attempts, drifts, exports, keys, lineages, links, versions,
    views::{self, ViewRow},
};
use serde::{Deserialize, Serialize};

use super::{Shape, point};
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredAliases, StoredTime},
    sync::View,
};

/// The name in API, store and audit log.
pub const NAME: &str = "recreate-key";

/// The intent wrote the new key (CREATING), which shares the old one's material, in the transaction that wrote this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecreateKey {
    /// The key that is gone.
    pub key: Stored<KeyId>,
    /// The state that it had.
    pub from: String,
    /// The key that takes its place.
    pub successor: Stored<KeyId>,
    /// Their lineage.
    pub lineage: Stored<LineageId>,
    /// The aliases to point at it.
    pub aliases: StoredAliases,
    /// When its material shall expire.
    pub expires: Option<StoredTime>,
    /// Whether it is given its material; without it, it waits INACTIVE until its policy is what it was.
    pub imports: bool,
    /// Who asked: a user's id.
    pub asked_by: String,
}

impl Shape for RecreateKey {
    fn steps(&self) -> Vec<Planned> {
        let new = self.successor.0.clone();
        // A key that is there after all is not made twice, be it under another name than the row has.
        let mut steps = vec![
            harmless(Step::ConfirmGone(self.key.0.clone())),
            harmless(Step::FindStray(self.key.0.clone())),
            undoable(Step::CreateCloudKey(new.clone()), vec![Step::AbandonCloudKey(new.clone())]),
        ];
        if self.imports {
            // Abandoning the cloud key removes the material first.
            steps.push(harmless(Step::ImportMaterial(new.clone(), self.expires.map(Into::into))));
        }
        steps.extend(self.aliases.0.iter().map(|alias| point(alias, &new)));
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        let (old, new) = (&self.key.0, &self.successor.0);
        keys::transition(tx, old, KeyState::parse(&self.from)?, KeyState::Deleted, now)?;
        keys::transition(tx, new, KeyState::Creating, if self.imports { KeyState::Active } else { KeyState::Inactive }, now)?;
        keys::set_successor(tx, old, Some(new))?;
        lineages::set_current(tx, &self.lineage.0, old, new)?;
        links::hand_over(tx, old, new)?;
        // What the new one shares stays, and goes with the last that has it.
        versions::destroy(tx, old, now)?;
        exports::forget(tx, old)?;
        for drift in drifts::open_of_key(tx, old)? {
            drifts::end(tx, &drift.id, DriftState::Repaired, &self.asked_by, now)?;
        }
        if let Some(view) = views::of(tx, old)? {
            views::put(tx, &inherited(view, new))?;
        }
        attempts::forget(tx, old)
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        versions::delete_uncreated(tx, &self.successor.0, now)?;
        keys::delete_uncreated(tx, &self.successor.0)
    }
}

/// What was wanted of the old key beside its row, policy and grants, is wanted of the new one: the next sync compares it with that, and not with what a new key happens to have.
/// Of a policy that nobody knows every other differs, until somebody takes it for wanted.
fn inherited(view: ViewRow, new: &KeyId) -> ViewRow {
    let mut wanted = View::read(view.baseline.as_deref().unwrap_or(&view.facts));
    wanted.policy.get_or_insert_default();
    let baseline = Some(wanted.write_baseline());
    let (facts, differences) = ("{}".to_owned(), String::new());
    ViewRow { key_id: new.clone(), seen_by: None, seen_at: Timestamp::from_micros(0), aliases: Vec::new(), facts, differences, baseline }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::Aliases;

    fn saga(imports: bool) -> RecreateKey {
        let id = |n| Stored(KeyId::new(Timestamp::from_secs(1), [n; 10]));
        RecreateKey {
            key: id(1),
            from: "ACTIVE".to_owned(),
            successor: id(2),
            lineage: Stored(LineageId::new(Timestamp::from_secs(1), [1; 10])),
            aliases: StoredAliases(Aliases::parse(["orders"]).expect("are aliases")),
            expires: None,
            imports,
            asked_by: "user_1".to_owned(),
        }
    }

    /// Before anything is made it is looked whether the key is gone; and no alias points at a key without its material, unless that is to wait.
    #[test]
    fn it_is_looked_first_and_the_aliases_come_last() {
        let names = |imports: bool| saga(imports).steps().iter().map(|planned| planned.step.name()).collect::<Vec<_>>();
        assert_eq!(names(true), ["confirm-gone", "find-stray", "create-cloud-key", "import-material", "point-alias"]);
        assert_eq!(names(false), ["confirm-gone", "find-stray", "create-cloud-key", "point-alias"]);
    }
}
