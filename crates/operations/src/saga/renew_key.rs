//! A key is renewed: a successor with new material takes over the aliases; the predecessor stays enabled and still decrypts (CM-020 to CM-024, CM-057).

use keystead_domain::{KeyId, KeyState, LineageId, Timestamp};
use keystead_store::{StoreError, Tx, attempts, keys, lineages, links, rotations, versions, waves};
use serde::{Deserialize, Serialize};

use super::{Shape, hand_over};
use crate::{
    step::{Planned, Step, harmless, undoable},
    stored::{Stored, StoredAliases, StoredTime},
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
    /// The aliases that move.
    #[serde(default, alias = "alias")]
    pub aliases: StoredAliases,
    /// When the successor's material shall expire.
    pub expires: Option<StoredTime>,
    /// How long behind the end the predecessor is deactivated, in microseconds; without it, it stays enabled.
    #[serde(default)]
    pub grace: Option<i64>,
    /// The replicas of a multi-Region key, each with its successor in the same keystore.
    #[serde(default)]
    pub replicas: Vec<RenewedReplica>,
    /// Whether the predecessor's material is the cloud's: an adoption (FT-079).
    #[serde(default)]
    pub adopts: bool,
}

/// A replica that is renewed with its primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewedReplica {
    /// The replica of the key that is renewed.
    pub predecessor: Stored<KeyId>,
    /// The replica of the key that takes over.
    pub successor: Stored<KeyId>,
    /// Their lineage.
    pub lineage: Stored<LineageId>,
    /// The aliases that move.
    #[serde(default, alias = "alias")]
    pub aliases: StoredAliases,
}

impl RenewKey {
    /// Predecessor, successor and lineage of every Region, the primary's first.
    fn pairs(&self) -> impl Iterator<Item = (&KeyId, &KeyId, &LineageId)> {
        let own = (&self.predecessor.0, &self.successor.0, &self.lineage.0);
        std::iter::once(own).chain(self.replicas.iter().map(|replica| (&replica.predecessor.0, &replica.successor.0, &replica.lineage.0)))
    }
}

impl Shape for RenewKey {
    fn steps(&self) -> Vec<Planned> {
        let (old, new) = (&self.predecessor.0, &self.successor.0);
        let import = |key: &KeyId| harmless(Step::ImportMaterial(key.clone(), self.expires.map(Into::into)));
        let mut steps = vec![undoable(Step::CreateCloudKey(new.clone()), vec![Step::AbandonCloudKey(new.clone())]), import(new)];
        // No alias moves before every Region can open what any of them encrypts.
        for RenewedReplica { successor: Stored(replica), .. } in &self.replicas {
            let undo = vec![Step::AbandonCloudKey(replica.clone())];
            steps.push(undoable(Step::ReplicateCloudKey { replica: replica.clone(), primary: new.clone() }, undo));
            steps.push(import(replica));
        }
        steps.extend(self.replicas.iter().flat_map(|one| hand_over(&one.aliases, &one.predecessor.0, &one.successor.0)));
        steps.extend(hand_over(&self.aliases, old, new));
        steps
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        for (old, new, lineage) in self.pairs() {
            keys::transition(tx, old, KeyState::Active, KeyState::Replaced, now)?;
            keys::transition(tx, new, KeyState::Creating, KeyState::Active, now)?;
            keys::set_successor(tx, old, Some(new))?;
            lineages::set_current(tx, lineage, old, new)?;
            rotations::rotated(tx, lineage, now)?;
        }
        keys::set_retirement(tx, &self.predecessor.0, self.grace.map(|grace| now.plus_micros(grace)))?;
        attempts::forget(tx, &self.predecessor.0)
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        waves::forget(tx, &self.successor.0)?;
        links::delete_uncreated(tx, &self.successor.0)?;
        // The replicas' versions share the material of the primary's.
        let successors: Vec<&KeyId> = self.pairs().map(|(_, new, _)| new).collect();
        successors.iter().rev().try_for_each(|new| versions::delete_uncreated(tx, new, now).and_then(|()| keys::delete_uncreated(tx, new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::Aliases;

    /// No alias moves before every Region can open what any of them encrypts.
    #[test]
    fn the_aliases_of_a_family_move_when_all_its_regions_have_the_material() {
        let id = |n| Stored(KeyId::new(Timestamp::from_secs(1), [n; 10]));
        let lineage = |n| Stored(LineageId::new(Timestamp::from_secs(1), [n; 10]));
        let aliases = || StoredAliases(Aliases::parse(["orders", "bills"]).expect("are aliases"));
        let replica = RenewedReplica { predecessor: id(3), successor: id(4), lineage: lineage(2), aliases: aliases() };
        let saga = RenewKey {
            predecessor: id(1),
            successor: id(2),
            lineage: lineage(1),
            aliases: aliases(),
            expires: None,
            grace: None,
            replicas: vec![replica],
            adopts: false,
        };
        let names: Vec<&str> = saga.steps().iter().map(|planned| planned.step.name()).collect();
        assert_eq!(
            names,
            ["create-cloud-key", "import-material", "replicate-cloud-key", "import-material", "point-alias", "point-alias", "point-alias", "point-alias"]
        );
    }

    /// A record from before there were families, and several aliases, is read.
    #[test]
    fn a_record_without_replicas_is_read() {
        let old = r#"{"predecessor":"key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70","successor":"key_01997c1f2a5b7d0e8f4a6b2c1d3e5f71",
            "lineage":"lin_01997c1f2a5b7d0e8f4a6b2c1d3e5f70","alias":"orders","expires":null}"#;
        let lineage = LineageId::new(Timestamp::from_secs(1), [1; 10]).to_string();
        let old = old.replace("lin_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", &lineage);
        let saga: RenewKey = serde_json::from_str(&old).expect("is read");
        assert!(saga.replicas.is_empty());
        assert_eq!(saga.aliases.0.to_strings(), ["orders"]);
    }
}
