//! Steps that concern two Regions: a replica is made, and the part of the primary handed on. The call goes to the primary's keystore, and what came of it is looked
//! for in both.

use std::time::Duration;

use keystead_cloud::{Call, CloudError, CloudKeyId, Kind, NewCloudKey, Observed, Reply};
use keystead_domain::{KeyId, KeystoreId, Timestamp, key::deletion::WaitingDays};
use keystead_store::{StoreError, keys, keys::KeyRow};

use super::{
    Engine,
    call::StepError,
    perform::{Bench, Outcome, created, facts_of, order},
};

/// Pauses between looks, in milliseconds.
const PAUSES: [u64; 6] = [20, 50, 100, 200, 400, 800];
/// What a replica counts as in its own Region (AWS KMS Developer Guide, "Request quotas", ReplicateKey).
const CREATIONS_A_REPLICA: usize = 2;

impl Engine {
    /// Another keystore of the same operation. What is done there counts for the step.
    async fn beside(&self, bench: &Bench, keystore: &KeystoreId) -> Result<Bench, StepError> {
        let site = self.site(keystore).await?;
        let cloud = site.cloud.ok_or_else(|| StoreError::Corrupt("a member of a family lives in no cloud".to_owned()))?;
        let (operation, began, touched, lease) = (bench.operation.clone(), bench.began, bench.touched.clone(), bench.lease.clone());
        Ok(Bench { keystore: site.keystore, cloud, operation, began, touched, lease })
    }

    /// Makes the replica that a row stands for. A Region has one replica of a key at most: one that is there already is ours if it carries this operation's tag.
    pub(super) async fn replicate_cloud_key(&self, bench: &Bench, replica: &KeyId, primary: &KeyId) -> Result<Outcome, StepError> {
        let key = self.key(replica).await?;
        let at_primary = self.beside(bench, &self.key(primary).await?.keystore_id).await?;
        let id = self.cloud_id(primary).await?;
        let outcome = match self.replicate(bench, &at_primary, &id, &order(bench, &key)).await {
            Err(StepError::Cloud(error)) if error.kind == Kind::ReplicaThere => self.adopt_replica(bench, &key, &id, error).await?,
            other => {
                let reply = other?;
                let made = reply.value.clone();
                Outcome::of(reply).facts(replica, created(made.id.0, made.arn.clone())).detail("cloud_key", made.arn)
            }
        };
        self.look_until_made(bench, &id).await?;
        Ok(outcome)
    }

    async fn replicate(&self, bench: &Bench, at_primary: &Bench, id: &CloudKeyId, new: &NewCloudKey) -> Result<Reply<keystead_cloud::CloudKey>, StepError> {
        for _ in 0..CREATIONS_A_REPLICA {
            self.quotas.wait(bench.cloud.capabilities(), Call::CreateKey).await?;
        }
        self.call(at_primary, Call::Replicate, at_primary.cloud.replicate(id, &bench.keystore.location.region, new)).await
    }

    async fn adopt_replica(&self, bench: &Bench, key: &KeyRow, id: &CloudKeyId, there: CloudError) -> Result<Outcome, StepError> {
        let is_another = |other: &str| other != id.0;
        for pause in PAUSES {
            let found = self.look(bench, Call::List, bench.cloud.find(bench.operation.as_str(), &is_another)).await?;
            if let Some(found) = found.into_iter().find(|found| !found.pending_deletion) {
                return Ok(Outcome::default().facts(&key.id, created(found.id.0, found.arn)).detail("adopted", "true"));
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        // What is still being made may not show its tags yet; what shows none of ours is somebody else's.
        match self.look(bench, Call::Observe, bench.cloud.observe(id)).await? {
            Some(seen) if !seen.is_in_transit => Err(StepError::Cloud(there)),
            _ => Err(StepError::NotVisible),
        }
    }

    /// Looks until the replica is made: nothing can be imported before.
    async fn look_until_made(&self, bench: &Bench, id: &CloudKeyId) -> Result<(), StepError> {
        for pause in PAUSES {
            let seen = self.look(bench, Call::Observe, bench.cloud.observe(id)).await?;
            if seen.is_some_and(|seen| !seen.is_in_transit) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        Err(StepError::NotVisible)
    }

    /// Hands the part of the primary on, and looks until both Regions show it.
    pub(super) async fn promote(&self, bench: &Bench, from: &KeyId, to: &KeyId) -> Result<Outcome, StepError> {
        let next = self.key(to).await?;
        let (id, region) = (self.cloud_id(from).await?, next.region.clone());
        let there = self.beside(bench, &next.keystore_id).await?;
        let shows = |seen: &Observed| !seen.is_in_transit && seen.family.as_ref().is_some_and(|family| family.primary_region == region);
        self.quotas.wait(there.cloud.capabilities(), Call::Promote).await?;
        let reply = self.call(bench, Call::Promote, bench.cloud.promote(&id, &region)).await?;
        self.look_until(&there, &id, shows).await?;
        let seen = self.look_until(bench, &id, shows).await?;
        Ok(Outcome::of(reply).facts(from, facts_of(&seen)).detail("primary_region", region))
    }

    /// When a primary's countdown ends that begins only with the end of its last replica. The cloud gives no date yet; this is the earliest.
    pub(super) async fn behind_replicas(&self, primary: &KeyId, days: WaitingDays) -> Result<Timestamp, StepError> {
        let id = primary.clone();
        let replicas = self.parts().store.read("keys.replicas_of", move |tx| keys::replicas_of(tx, &id)).await?;
        let last = replicas.iter().filter_map(|replica| replica.deletion_at).max();
        Ok(last.unwrap_or_else(|| self.now()).plus_days(i64::from(days.get())))
    }
}
