//! Cloud keys by our own tags: the probe after a lost answer, and the sweep of leftovers.

use std::collections::HashSet;

use keystead_cloud::{Call, CloudKeyId, Found};
use keystead_domain::{KeystoreId, OperationId, key::deletion::WaitingDays};
use keystead_store::{StoreError, Tx, keys, keystores, operations, operations::OperationRow};

use super::{Engine, call::StepError, perform::Bench, perform::Outcome};
use crate::{Saga, words};

/// Whether an operation worked in a keystore: its own, or that of another key which it changed, for example a replica's in another Region.
fn worked_in(tx: &mut Tx<'_>, operation: &OperationRow, keystore: &KeystoreId) -> Result<bool, StoreError> {
    if operation.keystore_id == *keystore {
        return Ok(true);
    }
    let Ok(saga) = serde_json::from_str::<Saga>(&operation.params) else { return Ok(false) };
    for key in saga.keys() {
        if keys::by_id(tx, key)?.is_some_and(|row| row.keystore_id == *keystore) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Engine {
    /// The cloud keys that an operation made and no row names, oldest first.
    pub(super) async fn find_made_by(&self, bench: &Bench, operation: &OperationId) -> Result<Vec<Found>, StepError> {
        let known = self.known(&bench.keystore.id).await?;
        let is_known = move |id: &str| known.contains(id);
        let mut found = self.look(bench, Call::List, bench.cloud.find(operation.as_str(), &is_known)).await?;
        found.sort_by_key(|key| key.created);
        Ok(found)
    }

    pub(super) async fn known(&self, keystore: &KeystoreId) -> Result<HashSet<String>, StoreError> {
        let keystore = keystore.clone();
        let ids = self.parts.store.read("keys.cloud_key_ids", move |tx| keys::cloud_key_ids(tx, &keystore)).await?;
        Ok(ids.into_iter().collect())
    }

    /// Counts every leftover down to deletion: a cloud key with our tags that no row names, made by an operation that has ended. What an unknown operation made
    /// is left alone and told: the database may be an old backup, and the key somebody's data.
    pub(super) async fn sweep(&self, bench: &Bench) -> Result<Outcome, StepError> {
        let known = self.known(&bench.keystore.id).await?;
        let is_known = move |id: &str| known.contains(id);
        let own = self.look(bench, Call::List, bench.cloud.list_own(&is_known)).await?;
        let mut swept = 0;
        for leftover in own.iter().filter(|found| !found.pending_deletion) {
            if self.may_sweep(bench, leftover).await? {
                self.abandon(bench, &leftover.id).await?;
                self.note_sweep(bench, leftover).await?;
                swept += 1;
            }
        }
        let (keystore, now) = (bench.keystore.id.clone(), self.now());
        self.parts.store.write("keystores.set_swept", move |tx| keystores::set_swept(tx, &keystore, now)).await?;
        Ok(Outcome::default().detail("swept", swept.to_string()))
    }

    /// Only what an ended operation of this very keystore left behind, and what no row names now that it has ended. The list was read before: a key that was
    /// finished meanwhile is nobody's leftover, and neither is a key of another keystore in the same cloud account and Region.
    async fn may_sweep(&self, bench: &Bench, leftover: &Found) -> Result<bool, StepError> {
        let Ok(id) = OperationId::parse(&leftover.own.operation) else { return Ok(false) };
        let (cloud_key, arn, keystore) = (leftover.id.0.clone(), leftover.arn.clone(), bench.keystore.id.clone());
        let look = move |tx: &mut Tx<'_>| {
            let operation = operations::by_id(tx, &id)?;
            let worked_here = match &operation {
                Some(operation) => worked_in(tx, operation, &keystore)?,
                None => false,
            };
            Ok::<_, StoreError>((operation, worked_here, keys::names_cloud_key(tx, &cloud_key, &arn)?))
        };
        let (operation, worked_here, named) = self.parts.store.read("operations.leftover", look).await?;
        if operation.is_none() {
            tracing::warn!(arn = leftover.arn, "a key with Keystead's tags was made by an operation that this database does not know; it is left alone");
        }
        Ok(!named && operation.is_some_and(|operation| operation.state != "RUNNING") && worked_here)
    }

    async fn note_sweep(&self, bench: &Bench, leftover: &Found) -> Result<(), StepError> {
        let parts = self.parts();
        let entry =
            words::entry(parts.random.as_ref(), self.now(), &bench.keystore.account_id, &words::Who::system(), "key.sweep-leftover", "leftovers-are-swept")
                .keystore(&bench.keystore.id, &bench.keystore.name)
                .detail("cloud_key", leftover.arn.clone())
                .detail("made_by_operation", leftover.own.operation.clone())
                .done();
        Ok(parts
            .store
            .write("operations.note_sweep", move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?)
    }

    /// Empties a cloud key and counts it down: it never was, or never became, a key of ours.
    pub(super) async fn abandon(&self, bench: &Bench, id: &CloudKeyId) -> Result<(), StepError> {
        let cloud = &bench.cloud;
        let Some(seen) = self.look(bench, Call::Observe, cloud.observe(id)).await? else { return Ok(()) };
        if !seen.is_ending() {
            self.call(bench, Call::DeleteMaterial, cloud.delete_material(id, None)).await?;
            self.call(bench, Call::ScheduleDeletion, cloud.schedule_deletion(id, WaitingDays::SHORTEST)).await?;
        }
        Ok(())
    }
}

impl Engine {
    /// Looks for leftovers in one keystore and counts them down.
    ///
    /// # Errors
    /// The cloud's or the store's.
    pub async fn sweep_keystore(&self, keystore: &keystead_store::keystores::KeystoreRow) -> Result<(), StepError> {
        if keystore.is_vault() {
            return Ok(());
        }
        let cloud = self.parts.clouds.connect(keystore).await?;
        self.sweep(&Bench::to_look(keystore.clone(), cloud, self.now())).await.map(drop)
    }
}
