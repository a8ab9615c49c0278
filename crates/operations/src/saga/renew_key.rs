//! A key is renewed: a successor with new material takes over the alias; the predecessor stays enabled and still decrypts (CM-020 to CM-024, CM-057).

use keystead_domain::{KeyId, KeyState, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, attempts, keys, lineages, rotations, versions, views};
use serde::{Deserialize, Serialize};

use super::{Shape, create_key::read_alias};
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredTime},
};

/// The intent wrote the successor (CREATING) and its sealed material in the transaction that wrote this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewKey {
    /// The key that is renewed.
    pub predecessor: Stored<KeyId>,
    /// The key that takes over.
    pub successor: Stored<KeyId>,
    /// Their lineage.
    pub lineage: Stored<LineageId>,
    /// The alias that moves.
    pub alias: Option<String>,
    /// When the successor's material shall expire.
    pub expires: Option<StoredTime>,
    /// How long behind the end the predecessor is deactivated, in microseconds; without it, it stays enabled.
    #[serde(default)]
    pub grace: Option<i64>,
    /// Further aliases of the cloud's key, which move as well.
    #[serde(default)]
    pub more_aliases: Vec<String>,
    /// Whether the predecessor's material is the cloud's: an adoption (FT-079).
    #[serde(default)]
    pub adopts: bool,
}

/// Every alias of a key moves from one to another.
pub(super) fn moves(alias: Option<&String>, more: &[String], from: &KeyId, to: &KeyId) -> Vec<Planned> {
    let aliases = alias.into_iter().chain(more).filter_map(|alias| read_alias(Some(alias)));
    aliases
        .map(|alias| {
            let back = Step::PointAlias { alias: alias.clone(), to: from.clone(), from: Some(to.clone()) };
            undoable(Step::PointAlias { alias, to: to.clone(), from: Some(from.clone()) }, vec![back])
        })
        .collect()
}

/// What is known of the further aliases moves with them.
pub(super) fn move_aliases(tx: &mut Tx<'_>, more: &[String], from: &KeyId, to: &KeyId, now: Timestamp) -> Result<(), StoreError> {
    if more.is_empty() {
        return Ok(());
    }
    views::set_aliases(tx, from, &[], now)?;
    views::set_aliases(tx, to, more, now)
}

impl Shape for RenewKey {
    fn steps(&self) -> Vec<Planned> {
        let (old, new) = (&self.predecessor.0, &self.successor.0);
        let mut steps = vec![
            undoable(Step::CreateCloudKey(new.clone()), vec![Step::AbandonCloudKey(new.clone())]),
            harmless(Step::ImportMaterial(new.clone(), self.expires.map(Into::into))),
        ];
        steps.extend(moves(self.alias.as_ref(), &self.more_aliases, old, new));
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        keys::transition(tx, &self.predecessor.0, KeyState::Active, KeyState::Replaced, now)?;
        keys::transition(tx, &self.successor.0, KeyState::Creating, KeyState::Active, now)?;
        keys::set_successor(tx, &self.predecessor.0, Some(&self.successor.0))?;
        lineages::set_current(tx, &self.lineage.0, &self.predecessor.0, &self.successor.0)?;
        rotations::rotated(tx, &self.lineage.0, now)?;
        move_aliases(tx, &self.more_aliases, &self.predecessor.0, &self.successor.0, now)?;
        keys::set_retirement(tx, &self.predecessor.0, self.grace.map(|grace| now.plus_micros(grace)))?;
        attempts::forget(tx, &self.predecessor.0)
    }

    fn abandon(&self, tx: &mut Tx<'_>, _: Timestamp) -> Result<(), StoreError> {
        versions::delete_uncreated(tx, &self.successor.0)?;
        keys::delete_uncreated(tx, &self.successor.0)
    }
}
