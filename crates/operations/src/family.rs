//! Families of Regions: who goes along with a primary, and the rows of a replica that is about to be made.

use std::collections::BTreeMap;

use keystead_domain::{Custody, KeyId, KeyState, LineageId, RegionRole, Timestamp, VersionId};
use keystead_store::{
    StoreError, Tx,
    keys::{self, KeyRow, Ties},
    versions::{self, MaterialFacts, VersionRow},
};

use crate::{Engine, Saga, engine::call::StepError, saga::renew_key::RenewedReplica, stored::Stored, words::Who};

/// The replicas that stand where their primary stands: an event of the primary takes them along. Others were taken out of use or count down, and stay as they are.
///
/// # Errors
/// What the store says.
pub fn followers(tx: &mut Tx<'_>, key: &KeyRow) -> Result<Vec<KeyRow>, StoreError> {
    if key.ties.role != RegionRole::Primary {
        return Ok(Vec::new());
    }
    let replicas = keys::replicas_of(tx, &key.id)?;
    Ok(replicas.into_iter().filter(|replica| replica.state == key.state).collect())
}

/// Their ids, for a saga's record.
pub fn ids(followers: &[KeyRow]) -> Vec<Stored<KeyId>> {
    followers.iter().map(|key| Stored(key.id.clone())).collect()
}

/// Demands that a saga takes along who follows its key now; behind the locks, so that nobody comes or goes any more.
pub(crate) fn demand(tx: &mut Tx<'_>, saga: &Saga) -> Result<(), StoreError> {
    let Some((key, planned)) = saga.followers() else { return Ok(()) };
    let row = keys::by_id(tx, key)?.ok_or(StoreError::MovedOn("key"))?;
    let now = followers(tx, &row)?;
    let has_same_aliases = |key: &KeyRow| saga.aliases_of(&key.id).is_none_or(|planned| *planned == key.aliases);
    let is_as_planned = now.iter().map(|key| &key.id).eq(planned) && now.iter().all(has_same_aliases);
    if is_as_planned { Ok(()) } else { Err(StoreError::MovedOn("family of Regions")) }
}

impl Engine {
    /// The replicas that go along with a key.
    ///
    /// # Errors
    /// What the store says.
    pub async fn followers(&self, key: &KeyRow) -> Result<Vec<KeyRow>, StoreError> {
        let row = key.clone();
        if row.ties.role != RegionRole::Primary {
            return Ok(Vec::new());
        }
        self.parts().store.read("keys.replicas_of", move |tx| followers(tx, &row)).await
    }

    /// Draws the versions of a replica: each shares the material of one of its primary's.
    ///
    /// # Errors
    /// The store's; [`StepError::Missing`] when the primary's material is gone.
    pub async fn prepare_copies(&self, primary: &KeyRow, replica: &KeyId, who: &Who, now: Timestamp) -> Result<Vec<PreparedCopy>, StepError> {
        let materials = self.materials(primary).await?;
        Ok(materials.iter().map(|material| self.copy_of(&material.version, replica, who, now)).collect())
    }

    pub(crate) fn copy_of(&self, version: &VersionRow, key: &KeyId, who: &Who, now: Timestamp) -> PreparedCopy {
        let mut random = [0; 10];
        self.parts().random.fill(&mut random);
        let source = version.source_id.clone().unwrap_or_else(|| version.id.clone());
        let birth = BTreeMap::from([
            ("origin", "shares the material of another key's version".to_owned()),
            ("source_version", source.to_string()),
            ("asked_by", if who.name.is_empty() { who.id.clone() } else { format!("{} ({})", who.name, who.id) }),
            ("born_at_micros", now.as_micros().to_string()),
        ]);
        let row = VersionRow {
            id: VersionId::new(now, random),
            key_id: key.clone(),
            sealed: None,
            birth: serde_json::Value::from_iter(birth).to_string(),
            created_at: now,
            destroyed_at: None,
            source_id: Some(source),
            material_id: None,
            expires_at: None,
            ..version.clone()
        };
        PreparedCopy { version: row, material_id: version.material_id.clone() }
    }
}

/// A version that is about to be written, and the cloud's id of its material: a family has one id of each.
#[derive(Debug, Clone)]
pub struct PreparedCopy {
    version: VersionRow,
    material_id: Option<String>,
}

impl PreparedCopy {
    pub(crate) fn version(&self) -> &VersionRow {
        &self.version
    }

    /// The same for a key that is of no family with the one whose material it shares: the cloud makes an id of its own of it.
    pub(crate) fn alone(self) -> Self {
        Self { version: VersionRow { number: 1, ..self.version }, material_id: None }
    }

    /// Writes it; in the transaction of the intent, behind what it shares.
    ///
    /// # Errors
    /// [`StoreError::MovedOn`] when the material is gone.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        versions::insert(tx, &self.version)?;
        versions::keep_facts(tx, &self.version.id, &MaterialFacts { material_id: self.material_id.clone(), expires_at: None })
    }
}

/// A replica's successor, and its place in the renewal of its family.
pub(crate) struct PreparedFollower {
    key: KeyRow,
    copy: PreparedCopy,
    predecessor: KeyId,
    lineage: LineageId,
}

impl PreparedFollower {
    pub(crate) fn new(successor: KeyRow, copy: PreparedCopy, predecessor: &KeyRow) -> Self {
        Self { key: successor, copy, predecessor: predecessor.id.clone(), lineage: predecessor.lineage_id.clone() }
    }

    pub(crate) fn record(&self) -> RenewedReplica {
        RenewedReplica {
            predecessor: Stored(self.predecessor.clone()),
            successor: Stored(self.key.id.clone()),
            lineage: Stored(self.lineage.clone()),
            aliases: self.key.aliases.clone().into(),
        }
    }

    pub(crate) fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        keys::insert(tx, &self.key)?;
        self.copy.write(tx)
    }
}

/// What ties a replica to its primary, whose material is that of `holder`.
pub fn ties_of_replica(primary: &KeyId, holder: &KeyId, is_exportable: bool) -> Ties {
    Ties { custody: Custody::Linked, is_exportable, source: Some(holder.clone()), role: RegionRole::Replica, primary: Some(primary.clone()) }
}

/// A key that is about to be made in the likeness of another: nothing is known of it in the cloud.
pub fn unborn(like: &KeyRow, id: KeyId, who: &Who, now: Timestamp) -> KeyRow {
    KeyRow {
        id,
        state: KeyState::Creating,
        predecessor_id: None,
        successor_id: None,
        cloud_key_id: None,
        cloud_arn: None,
        cloud_state: None,
        enabled: false,
        material_present: false,
        material_id: None,
        deletion_at: None,
        rotation: Default::default(),
        awaits_policy: false,
        created_at: now,
        created_by: who.id.clone(),
        updated_at: now,
        revision: 1,
        ..like.clone()
    }
}
