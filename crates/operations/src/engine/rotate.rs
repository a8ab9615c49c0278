//! The steps of a rotation in place: the new material waits beside the key's others, and is then rotated in.

use std::{sync::atomic::Ordering, time::Duration};

use keystead_cloud::{Call, CloudKeyId, Kind, MaterialPart, MaterialSeen, Retry, Which};
use keystead_domain::{KeyId, RegionRole, Timestamp, VersionId};
use keystead_store::{StoreError, versions};

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
        let there = self.materials_there(bench, &id).await?;
        let outcome = match there.iter().find(|seen| waits(seen) && is_of(seen, version, None)) {
            Some(known) => import(Which::Existing(Some(known.id.clone()))).await?,
            // What a primary was given is known to its replicas, which take nothing new (cloud-byok.md, section 2.5).
            None if row.ties.role == RegionRole::Replica => import(Which::Existing(material.sealed.version.material_id.clone())).await?,
            None => {
                self.remove_strays(bench, &id, &there).await?;
                match import(Which::New(version.to_string())).await {
                    // The order may have reached the cloud twice, and the second is refused because of the first.
                    Err(StepError::Cloud(error)) if matches!(error.kind, Kind::WrongMaterial | Kind::WrongState) => {
                        // If the first does not show yet, whoever takes this back shall look for it.
                        bench.touched.store(true, Ordering::SeqCst);
                        let known = self.material_of(bench, &id, version, None).await?.ok_or(StepError::Cloud(error))?;
                        import(Which::Existing(Some(known.id))).await?
                    }
                    other => other?,
                }
            }
        };
        let named = outcome.materials.first().and_then(|(_, facts)| facts.material_id.clone());
        Ok(outcome.detail("material", named.unwrap_or_default()))
    }

    /// A version as the cloud shows it.
    async fn material_of(&self, bench: &Bench, id: &CloudKeyId, version: &VersionId, material: Option<&str>) -> Result<Option<MaterialSeen>, StepError> {
        self.find_material(bench, id, |seen| is_of(seen, version, material)).await
    }

    /// Takes away what waits there under the label of a version that no row knows: an order that came late, or a database that was put back. The cloud takes no other
    /// material while it waits.
    async fn remove_strays(&self, bench: &Bench, id: &CloudKeyId, there: &[MaterialSeen]) -> Result<(), StepError> {
        for stray in there.iter().filter(|seen| waits(seen)) {
            let Some(version) = stray.label.as_deref().and_then(|label| VersionId::parse(label).ok()) else { continue };
            if self.version(&version).await?.is_none() {
                self.delete_one(bench, id, &stray.id).await?;
            }
        }
        Ok(())
    }

    async fn version(&self, id: &VersionId) -> Result<Option<versions::VersionRow>, StoreError> {
        let id = id.clone();
        self.parts.store.read("versions.by_id", move |tx| versions::by_id(tx, &id)).await
    }

    /// Takes a pending version out of its cloud again. Of a family, AWS takes it from every Region when the primary loses it. One that the cloud has rotated in
    /// meanwhile, because a person ordered it there or an order came late, is the key's own from then on and stays: the vault must not lose it.
    pub(super) async fn delete_pending(&self, bench: &Bench, key: &KeyId, version: &VersionId) -> Result<Outcome, StepError> {
        let id = self.cloud_id(key).await?;
        let Some(row) = self.version(version).await? else { return Ok(Outcome::default()) };
        let confirmed = row.material_id.as_deref();
        let known = match self.material_of(bench, &id, version, confirmed).await? {
            Some(seen) if !waits(&seen) => return Ok(Outcome::default().rotated_in(version)),
            Some(seen) => seen.id,
            // What was confirmed and is not listed is deleted by its id: the list may be old.
            None => match confirmed {
                Some(material) => material.to_owned(),
                None => return Ok(Outcome::default()),
            },
        };
        let outcome = self.delete_one(bench, &id, &known).await?;
        let went_in = self.materials_there(bench, &id).await?.iter().any(|seen| seen.id == known && !waits(seen));
        Ok(if went_in { outcome.rotated_in(version) } else { outcome })
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
                Err(StepError::Cloud(_)) => {
                    bench.touched.store(true, Ordering::SeqCst);
                    Outcome::default()
                }
                other => Outcome::of(other?),
            };
        }
        let seen = self.look_until(bench, &id, |seen| seen.material_id.as_deref() == Some(&*material)).await?;
        Ok(outcome.facts(key, facts_of(&seen)).detail("material", material))
    }

    /// Whether a material is the current one.
    async fn is_in(&self, bench: &Bench, id: &CloudKeyId, material: &str) -> Result<bool, StepError> {
        Ok(self.materials_there(bench, id).await?.iter().any(|seen| is_current(seen, material)))
    }

    /// The same, a moment later too.
    async fn comes_in(&self, bench: &Bench, id: &CloudKeyId, material: &str) -> Result<bool, StepError> {
        Ok(self.find_material(bench, id, |seen| is_current(seen, material)).await?.is_some())
    }

    /// Looks for a material, a moment later too: the cloud is eventually consistent.
    async fn find_material(&self, bench: &Bench, id: &CloudKeyId, wanted: impl Fn(&MaterialSeen) -> bool) -> Result<Option<MaterialSeen>, StepError> {
        for pause in [50, 200, 800] {
            let found = self.materials_there(bench, id).await?.into_iter().find(&wanted);
            if found.is_some() {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Ok(self.materials_there(bench, id).await?.into_iter().find(&wanted))
    }

    async fn materials_there(&self, bench: &Bench, id: &CloudKeyId) -> Result<Vec<MaterialSeen>, StepError> {
        self.look(bench, Call::ListMaterials, bench.cloud.materials(id)).await
    }
}

/// Whether a material is this version's: its label says so, or the id that the cloud confirmed. A replica shows the material of its primary, and no label before its
/// own import.
fn is_of(seen: &MaterialSeen, version: &VersionId, material: Option<&str>) -> bool {
    seen.label.as_deref() == Some(version.as_str()) || material == Some(&*seen.id)
}

fn is_current(seen: &MaterialSeen, material: &str) -> bool {
    seen.id == material && seen.part == MaterialPart::Current
}

/// Whether a material waits to be rotated in.
fn waits(seen: &MaterialSeen) -> bool {
    matches!(seen.part, MaterialPart::Pending | MaterialPart::PendingElsewhere)
}
