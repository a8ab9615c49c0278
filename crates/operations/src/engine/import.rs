//! The way of a key's materials into its cloud and out of it: all that belong to the key for good, because the cloud lets it be used only when none is missing
//! (cloud-byok.md, section 2.5).

use keystead_cloud::{Call, CloudKeyId, Import, Imported, Kind, Reply, Retry, Which, WrappingKey};
use keystead_domain::{KeyId, Timestamp};
use keystead_store::{
    keys::{CloudFacts, KeyRow},
    versions::MaterialFacts,
};

use super::{
    Engine,
    call::StepError,
    material::{Material, at_the_vault},
    perform::{Bench, Outcome, facts_of},
};

impl Engine {
    /// Imports every material of a key, the oldest first, each until the same date.
    pub(super) async fn import_materials(&self, bench: &Bench, key: &KeyRow, expires: Option<Timestamp>) -> Result<Outcome, StepError> {
        let id = CloudKeyId(key.cloud_key_id.clone().ok_or_else(|| StepError::Missing(key.id.clone()))?);
        let materials = self.materials(key).await?;
        let current = materials.last().ok_or_else(|| StepError::Missing(key.id.clone()))?;
        let mut outcome = Outcome::default();
        for material in &materials {
            let which = if materials.len() == 1 { Which::Only } else { Which::Existing(material.version.material_id.clone()) };
            let done = self.import_one(bench, key, &id, material, which, expires).await?;
            outcome = outcome.and(done);
        }
        let seen = self.look_until(bench, &id, |seen| seen.material_present == Some(true)).await?;
        if seen.enabled {
            self.compare(bench, key, &id, current).await?;
        }
        let facts = CloudFacts { expires_at: Some(expires), ..facts_of(&seen) };
        Ok(outcome.facts(&key.id, facts))
    }

    /// Imports one material: a fresh wrapping key, wrapped in the vault, handed over. The id that the cloud gives it must be the one that it gave the same material
    /// before.
    pub(super) async fn import_one(
        &self,
        bench: &Bench,
        key: &KeyRow,
        id: &CloudKeyId,
        material: &Material,
        which: Which,
        expires: Option<Timestamp>,
    ) -> Result<Outcome, StepError> {
        let (cloud, capabilities) = (&bench.cloud, bench.cloud.capabilities());
        let preferred = capabilities.wrap_for(key.spec).ok_or(StepError::NotImportable(key.spec))?;
        let method = self.parts().vault.method_for_cloud(key.spec, preferred)?;
        // Before the effect: a vault that is sealed behind it must not hide what was done.
        let way_around = self.parts().vault.way_around(key.spec, method)?;
        let warm = self.warm_of(key, method, capabilities.wrapping_key).await?;
        let mut spent = warm.as_ref().map(|warm| warm.fetched_at);
        let mut parameters_request = None;
        let mut tried = None;
        if let Some(warm) = warm {
            tried = self.hand_over(bench, key, id, material, warm.offered, which.clone(), expires).await.map(Some).or_else(stale)?;
        }
        let reply = match tried {
            Some(reply) => reply,
            None => {
                // The cloud no longer takes them: they go at once, so that a retry does not try them again.
                if let Some(fetched_at) = spent.take() {
                    self.spend(key, fetched_at).await?;
                }
                let offered = self.look(bench, Call::WrappingKey, cloud.wrapping_key(id, method, capabilities.wrapping_key)).await?;
                parameters_request = offered.request_id;
                self.hand_over(bench, key, id, material, offered.value, which, expires).await?
            }
        };
        let told = reply.value.material_id.clone();
        if let (Some(told), Some(before)) = (&told, &material.version.material_id)
            && told != before
        {
            return Err(StepError::OtherMaterial);
        }
        let facts = MaterialFacts { material_id: told, expires_at: Some(expires) };
        let mut outcome = Outcome::of(reply).material(&material.version.id, facts);
        outcome.spent.extend(spent.map(|fetched_at| (key.id.clone(), fetched_at)));
        let outcome = match spent {
            Some(fetched_at) => outcome.detail("wrapping_key_fetched_at", fetched_at.rfc3339()),
            None => outcome.detail("wrapping_key_request", parameters_request.unwrap_or_default()),
        };
        // Told each time: a way around may have been allowed since the key was born.
        Ok(way_around.into_iter().fold(outcome, |outcome, way| outcome.detail("way_around", way.as_str())))
    }

    /// Wraps a material in the vault, and hands it over.
    #[expect(clippy::too_many_arguments, reason = "what is handed over, to whom, under what and until when")]
    async fn hand_over(
        &self,
        bench: &Bench,
        key: &KeyRow,
        id: &CloudKeyId,
        material: &Material,
        offered: WrappingKey,
        which: Which,
        expires: Option<Timestamp>,
    ) -> Result<Reply<Imported>, StepError> {
        let wrapped = self.wrap(key, &material.sealed, &offered, bench.cloud.capabilities().wrapping_key)?;
        let import = Import { token: offered.token, wrapped, expires, which };
        self.call(bench, Call::Import, bench.cloud.import(id, &import)).await
    }

    /// Whether the cloud holds the pair that we sent: its public half shows it. A disabled key shows none.
    async fn compare(&self, bench: &Bench, key: &KeyRow, id: &CloudKeyId, current: &Material) -> Result<(), StepError> {
        let held = current.sealed.held().ok_or_else(|| StepError::Missing(key.id.clone()))?;
        let Some(ours) = at_the_vault(&self.parts().vault, |vault| vault.public_key(&held))? else { return Ok(()) };
        let theirs = match self.look(bench, Call::PublicKey, bench.cloud.public_key(id)).await {
            Err(StepError::Cloud(error)) if error.kind == Kind::WrongState => return Err(StepError::NotVisible),
            other => other?,
        };
        if theirs == ours { Ok(()) } else { Err(StepError::OtherMaterial) }
    }

    /// Removes every material of a key from its cloud, the current one last: without it the key is empty, whatever a crash left behind before.
    pub(super) async fn delete_materials(&self, bench: &Bench, key: &KeyId) -> Result<Outcome, StepError> {
        let row = self.key(key).await?;
        let id = CloudKeyId(row.cloud_key_id.clone().ok_or_else(|| StepError::Missing(key.clone()))?);
        let older: Vec<String> = {
            let mut versions = self.versions(&row).await?;
            versions.pop();
            versions.into_iter().filter_map(|version| version.material_id).collect()
        };
        for material in &older {
            self.delete_one(bench, &id, material).await?;
        }
        let reply = self.call(bench, Call::DeleteMaterial, bench.cloud.delete_material(&id, None)).await?;
        let seen = self.look_until(bench, &id, |seen| seen.material_present != Some(true)).await?;
        Ok(Outcome::of(reply).facts(key, facts_of(&seen)))
    }

    /// Removes one material from its cloud. One that the cloud does not know any more is gone: the order came twice, or it went with the primary's.
    pub(super) async fn delete_one(&self, bench: &Bench, id: &CloudKeyId, material: &str) -> Result<Outcome, StepError> {
        match self.call(bench, Call::DeleteMaterial, bench.cloud.delete_material(id, Some(material))).await {
            Err(StepError::Cloud(error)) if error.kind == Kind::NotFound => Ok(Outcome::default()),
            other => Ok(Outcome::of(other?)),
        }
    }
}

/// Parameters that were fetched ahead and that the cloud does not take, any more or at all, are no failure: there are fresh ones.
fn stale(error: StepError) -> Result<Option<Reply<Imported>>, StepError> {
    match error {
        StepError::Cloud(error) if error.retry == Retry::FreshWrappingKey => Ok(None),
        other => Err(other),
    }
}
