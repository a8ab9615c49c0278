//! A rotation in place that is about to be written: what the key allows, its new version and the saga.

use std::sync::Arc;

use keystead_cloud::{Call, Capabilities, Cloud};
use keystead_domain::{KeyId, KeystoreId, LineageId, Timestamp, key::expiry, rotation::Turnable, time::SECOND};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, keystores, versions, versions::VersionRow, waves};

use crate::{
    Engine, Saga,
    birth::Origin,
    engine::call::StepError,
    family::PreparedCopy,
    saga::rotate_in_place::{NewVersion, RotateInPlace},
    stored::Stored,
    words::Who,
};

/// New material of a key that is about to be written.
pub struct PreparedInPlace {
    version: VersionRow,
    lineage: LineageId,
    expires: Option<Timestamp>,
    /// The versions of the replicas, which share the material.
    replicas: Vec<PreparedCopy>,
}

impl PreparedInPlace {
    /// The saga that brings it into use.
    pub fn saga(&self) -> Saga {
        let member = |row: &VersionRow| NewVersion { key: Stored(row.key_id.clone()), version: Stored(row.id.clone()) };
        let replicas = self.replicas.iter().map(|copy| member(copy.version())).collect();
        let (lineage, expires) = (Stored(self.lineage.clone()), self.expires.map(Into::into));
        Saga::RotateInPlace(RotateInPlace { rotated: member(&self.version), replicas, lineage, expires })
    }

    /// A keyed MAC of the new material, for the audit log.
    pub fn fingerprint(&self) -> &str {
        &self.version.fingerprint
    }

    /// Writes the sealed material; in the transaction of the intent. Its number is taken when the key got another version meanwhile.
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        versions::insert(tx, &self.version)?;
        self.replicas.iter().try_for_each(|copy| copy.write(tx))
    }
}

/// The calls of one rotation, of either kind.
const CALLS: [Call; 5] = [Call::CreateKey, Call::WrappingKey, Call::Import, Call::UpdateAlias, Call::Rotate];

impl Engine {
    /// How long one rotation takes in a keystore where many follow each other, in microseconds: the narrowest of its quotas.
    ///
    /// # Errors
    /// The store's; the cloud's when its connection cannot be made ready. No call is made.
    pub async fn rotation_micros(&self, keystore: &KeystoreId) -> Result<i64, StepError> {
        let Some(cloud) = self.cloud_of(keystore).await? else { return Ok(0) };
        let quotas = cloud.capabilities().quotas.iter().filter(|quota| CALLS.contains(&quota.call));
        let slowest = quotas.map(|quota| quota.per_second).fold(f64::INFINITY, f64::min);
        Ok((SECOND as f64 / slowest) as i64)
    }

    /// What a key's rotation in place hangs on.
    ///
    /// # Errors
    /// The store's; the cloud's when its connection cannot be made ready. No call is made.
    pub async fn turnable(&self, key: &KeyRow) -> Result<Turnable, StepError> {
        let id = key.id.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((versions::of_key(tx, &id)?, waves::copies_in_use(tx, &id)?, keys::replicas_of(tx, &id)?));
        let (versions, copies, replicas) = self.parts().store.read("versions.of_key", look).await?;
        let cloud = self.cloud_of(&key.keystore_id).await?;
        // The first version was not rotated in, and a pending one is not yet.
        let rotations_done = versions.iter().filter(|version| !version.is_pending).count().saturating_sub(1);
        Ok(Turnable {
            spec: key.spec,
            custody: key.ties.custody_to_come(),
            has_absent_replica: replicas.iter().any(|replica| replica.state != key.state),
            has_copies: !copies.is_empty(),
            rotations_max: cloud.and_then(|cloud| cloud.capabilities().rotations_max),
            rotations_done: u32::try_from(rotations_done).unwrap_or(u32::MAX),
        })
    }

    /// What a keystore's cloud can do; `None` for the vault, which is in none.
    ///
    /// # Errors
    /// The store's; the cloud's when its connection cannot be made ready. No call is made.
    pub async fn capabilities_of(&self, keystore: &KeystoreId) -> Result<Option<Capabilities>, StepError> {
        Ok(self.cloud_of(keystore).await?.map(|cloud| cloud.capabilities().clone()))
    }

    /// The connection to a keystore's cloud; `None` for the vault, which is in none.
    async fn cloud_of(&self, keystore: &KeystoreId) -> Result<Option<Arc<dyn Cloud>>, StepError> {
        let id = keystore.clone();
        let row = self.parts().store.read("keystores.by_id", move |tx| keystores::by_id(tx, &id)).await?;
        let row = row.ok_or(StepError::Store(StoreError::MovedOn("keystore")))?;
        if row.is_vault() { Ok(None) } else { Ok(Some(self.parts().clouds.connect(&row).await?)) }
    }

    /// Draws the new material of a key: the same kind, the same span of life.
    ///
    /// # Errors
    /// The store's or the vault's.
    pub async fn prepare_in_place(&self, key: &KeyRow, who: &Who, now: Timestamp) -> Result<PreparedInPlace, StepError> {
        let sealing = self.account_key(&key.account_id).await?;
        let number = self.newest_number(&key.id).await? + 1;
        let born = self.birth(&key.account_id, &sealing, &key.id, key.spec, who, now, Origin::Generated, None).await?;
        let version = VersionRow { number, is_pending: true, ..born };
        let replicas = self.followers(key).await?.iter().map(|replica| self.copy_of(&version, &replica.id, who, now)).collect();
        Ok(PreparedInPlace { version, lineage: key.lineage_id.clone(), expires: key.expiry_span.map(|span| expiry::renewed(span, now)), replicas })
    }

    async fn newest_number(&self, key: &KeyId) -> Result<u32, StepError> {
        let id = key.clone();
        let versions = self.parts().store.read("versions.of_key", move |tx| versions::of_key(tx, &id)).await?;
        Ok(versions.last().map_or(0, |version| version.number))
    }
}
