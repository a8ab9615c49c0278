//! A key is rotated in place: new material under the same cloud key, so that its name stays and what it encrypted before opens (cloud-byok.md, section 2.5).
//!
//! The new material goes to the primary first and then to its replicas, which take it as material that is known already. Until the cloud is told to rotate,
//! everything can be taken back; from then on the operation only goes forward, because the cloud knows no way back.

use keystead_domain::{KeyId, LineageId, Timestamp, VersionId};
use keystead_store::{StoreError, Tx, attempts, keys, keys::CloudFacts, rotations, versions};
use serde::{Deserialize, Serialize};

use super::Shape;
use crate::{
    step::{Planned, Step, pivot, undoable},
    stored::{Stored, StoredTime},
};

/// A key and its new version. The intent wrote the version, pending, in the transaction that wrote this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVersion {
    /// The key.
    pub key: Stored<KeyId>,
    /// Its version with the new material.
    pub version: Stored<VersionId>,
}

/// The key, its lineage, and the new version of each member of its family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateInPlace {
    /// The key that is rotated; of a family the primary.
    pub rotated: NewVersion,
    /// Its replicas.
    #[serde(default)]
    pub replicas: Vec<NewVersion>,
    /// The lineage of the key.
    pub lineage: Stored<LineageId>,
    /// When the new material shall expire.
    pub expires: Option<StoredTime>,
}

impl RotateInPlace {
    fn members(&self) -> impl Iterator<Item = &NewVersion> {
        std::iter::once(&self.rotated).chain(&self.replicas)
    }
}

/// Its row says what it encrypts under now, and its lineage that it was rotated; a replica's goes on from there if it is promoted.
fn follow(tx: &mut Tx<'_>, member: &NewVersion, now: Timestamp) -> Result<(), StoreError> {
    let material_id = versions::by_id(tx, &member.version.0)?.and_then(|version| version.material_id);
    keys::keep_facts(tx, &member.key.0, &CloudFacts { material_id, ..CloudFacts::default() }, now)?;
    let row = keys::by_id(tx, &member.key.0)?.ok_or(StoreError::MovedOn("key"))?;
    rotations::rotated(tx, &row.lineage_id, now)
}

/// Whether the cloud has rotated in what was to be taken back.
fn went_in<'a>(tx: &mut Tx<'_>, mut members: impl Iterator<Item = &'a NewVersion>) -> Result<bool, StoreError> {
    members.try_fold(false, |found, member| Ok(found || versions::by_id(tx, &member.version.0)?.is_some_and(|version| !version.is_pending)))
}

/// The material is the key's own, whatever became of the operation: without it nothing opens that the cloud encrypts from now on.
fn keep(tx: &mut Tx<'_>, member: &NewVersion, now: Timestamp) -> Result<(), StoreError> {
    if versions::by_id(tx, &member.version.0)?.is_some_and(|version| version.is_pending) {
        versions::rotated_in(tx, &member.version.0)?;
    }
    follow(tx, member, now)
}

impl Shape for RotateInPlace {
    fn steps(&self) -> Vec<Planned> {
        let imports = self.members().map(|member| {
            let (key, version) = (&member.key.0, &member.version.0);
            let import = Step::ImportPending { key: key.clone(), version: version.clone(), expires: self.expires.map(Into::into) };
            undoable(import, vec![Step::DeletePending(key.clone(), version.clone())])
        });
        let rotation = pivot(Step::RotateIn(self.rotated.key.0.clone(), self.rotated.version.0.clone()));
        imports.chain([rotation]).collect()
    }

    fn finish(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.members().try_for_each(|member| versions::rotated_in(tx, &member.version.0))?;
        rotations::rotated(tx, &self.lineage.0, now)?;
        self.replicas.iter().try_for_each(|member| follow(tx, member, now))?;
        attempts::forget(tx, &self.rotated.key.0)
    }

    fn abandon(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        if went_in(tx, self.members())? {
            return self.members().try_for_each(|member| keep(tx, member, now));
        }
        // A replica's version has the material of the primary's: it goes first.
        self.replicas.iter().chain([&self.rotated]).try_for_each(|member| versions::delete_pending(tx, &member.version.0))
    }
}
