//! The steps of a rotation in place: the new material waits beside the key's others, and is then rotated in.

use std::time::Duration;

use keystead_cloud::{Call, CloudKeyId, Kind, MaterialPart, MaterialSeen, Retry, Which};
use keystead_domain::{KeyId, RegionRole, Timestamp, VersionId};

use super::{
    Engine,
    call::StepError,
    perform::{Bench, Outcome, facts_of},
};

impl Engine {
    /// Imports a pending version. One that lies there already, by the label that it was imported with, is imported once more: its date may not be the right one.
    pub(super) async fn import_pending(&self, bench: &Bench, key: &KeyId, version: &VersionId, expires: Option<Timestamp>) -> Result<Outcome, StepError> {
        let row = self.key(key).await?;
        let id = self.cloud_id(key).await?;
        let material = self.pending(&row, version).await?;
        let import = async |which| self.import_one(bench, &row, &id, &material, which, expires).await;
        let outcome = match self.known_as(bench, &id, version).await? {
            Some(known) => import(Which::Existing(Some(known))).await?,
            // What a primary was given is known to its replicas, which take nothing new (cloud-byok.md, section 2.5).
            None if row.ties.role == RegionRole::Replica => import(Which::Existing(material.sealed.version.material_id.clone())).await?,
            None => match import(Which::New(version.to_string())).await {
                // The order may have reached the cloud twice, and the second is refused because of the first.
                Err(StepError::Cloud(error)) if matches!(error.kind, Kind::WrongMaterial | Kind::WrongState) => {
                    let known = self.known_as(bench, &id, version).await?.ok_or(StepError::Cloud(error))?;
                    import(Which::Existing(Some(known))).await?
                }
                other => other?,
            },
        };
        let named = outcome.materials.first().and_then(|(_, facts)| facts.material_id.clone());
        Ok(outcome.detail("material", named.unwrap_or_default()))
    }

    /// The cloud's id of a version that waits there.
    async fn known_as(&self, bench: &Bench, id: &CloudKeyId, version: &VersionId) -> Result<Option<String>, StepError> {
        Ok(self.materials_there(bench, id).await?.into_iter().find(|seen| is_ours(seen, version)).map(|seen| seen.id))
    }

    /// Takes a pending version out of its cloud again. Of a family, AWS takes it from every Region when the primary loses it.
    pub(super) async fn delete_pending(&self, bench: &Bench, key: &KeyId, version: &VersionId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let Some(known) = self.known_as(bench, &id, version).await? else { return Ok(Outcome::default()) };
        match self.call(bench, Call::DeleteMaterial, bench.cloud.delete_material(&id, Some(&known))).await {
            // It went in this moment, with the primary's.
            Err(StepError::Cloud(error)) if error.kind == Kind::NotFound => Ok(Outcome::default()),
            other => Ok(Outcome::of(other?)),
        }
    }

    /// Makes the pending version the current one. A rotation that has happened, or that runs, is not ordered again: the cloud counts them.
    pub(super) async fn rotate_in(&self, bench: &Bench, key: &KeyId, version: &VersionId) -> Result<Outcome, StepError> {
        let row = self.key(key).await?;
        let id = self.cloud_id(key).await?;
        let material = self.pending(&row, version).await?.version.material_id.ok_or_else(|| StepError::Missing(key.clone()))?;
        let mut outcome = Outcome::default();
        if !self.is_in(bench, &id, &material).await? {
            outcome = match self.call(bench, Call::Rotate, bench.cloud.rotate(&id)).await {
                // The order may have reached the cloud twice, and the second is refused because of the first: then there is no way back.
                Err(StepError::Cloud(error)) if error.retry != Retry::Never || !self.comes_in(bench, &id, &material).await? => return Err(error.into()),
                Err(StepError::Cloud(_)) => Outcome::default(),
                other => Outcome::of(other?),
            };
        }
        let seen = self.look_until(bench, &id, |seen| seen.material_id.as_deref() == Some(&*material)).await?;
        Ok(outcome.facts(key, facts_of(&seen)).detail("material", material))
    }

    /// Whether a material is the current one.
    async fn is_in(&self, bench: &Bench, id: &CloudKeyId, material: &str) -> Result<bool, StepError> {
        let there = self.materials_there(bench, id).await?;
        Ok(there.iter().any(|seen| seen.id == material && seen.part == MaterialPart::Current))
    }

    /// The same, a moment later too: the cloud is eventually consistent.
    async fn comes_in(&self, bench: &Bench, id: &CloudKeyId, material: &str) -> Result<bool, StepError> {
        for pause in [50, 200, 800] {
            if self.is_in(bench, id, material).await? {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        self.is_in(bench, id, material).await
    }

    async fn materials_there(&self, bench: &Bench, id: &CloudKeyId) -> Result<Vec<MaterialSeen>, StepError> {
        self.look(bench, Call::ListMaterials, bench.cloud.materials(id)).await
    }
}

/// Whether a material that waits is this version's: its label says so. A replica shows the material of its primary, and no label before its own import.
fn is_ours(seen: &MaterialSeen, version: &VersionId) -> bool {
    matches!(seen.part, MaterialPart::Pending | MaterialPart::PendingElsewhere) && seen.label.as_deref() == Some(version.as_str())
}
