//! The reconciler: keystores are looked through as often as their policies say, and what may be mended without a person is mended where a policy says so (CM-018,
//! FX-042). It takes no input: whatever woke it, it looks at the cloud itself.

use std::sync::Arc;

use keystead_domain::{
    KeyId, KeystoreId, Timestamp,
    drift::{Attribute, AutoRepair, DriftClass},
    time::{DAY, SECOND},
};
use keystead_store::{
    StoreError, Tx,
    drifts::{self, DriftRow},
    keys::{self, KeyRow},
    keystores::{self, KeystoreRow},
    schedules, syncs,
};

use super::Looked;
use crate::{
    Engine, Saga,
    saga::{
        repair_key::{RepairKey, fixes},
        sync_keystore::SyncKeystore,
    },
    stored::Stored,
    words::Who,
};

/// How many keys one look mends at most.
const MENDED_AT_ONCE: u32 = 32;
/// For how long what a look saw is gone by, without a person.
const FRESH: i64 = 900 * SECOND;
/// How long a difference rests behind a try to mend it, doubled each time, at most a day.
const REST: i64 = 900 * SECOND;

impl Engine {
    /// Begins the sweeps that are due. A keystore in which a sync runs is left to it.
    pub(super) async fn look_through_keystores(&self) -> Result<(), StoreError> {
        let scheduled = self.parts().store.read("drifts.scheduled", drifts::scheduled).await?;
        for policy in scheduled {
            let Some(every) = policy.every else { continue };
            if self.takes_sweep(&policy.keystore_id, every).await? {
                self.begin_sweep(&policy.keystore_id).await?;
            }
        }
        Ok(())
    }

    async fn takes_sweep(&self, keystore: &KeystoreId, every: i64) -> Result<bool, StoreError> {
        let (name, now) = (sweep_name(keystore), self.now());
        let wanted = name.clone();
        if !self.parts().store.read("schedules.is_due", move |tx| schedules::is_due(tx, &wanted, now)).await? {
            return Ok(false);
        }
        self.parts().store.write("schedules.take", move |tx| schedules::take(tx, &name, now, now.plus_micros(every))).await
    }

    async fn begin_sweep(&self, keystore: &KeystoreId) -> Result<(), StoreError> {
        let id = keystore.clone();
        let Some(keystore) = self.parts().store.read("keystores.by_id", move |tx| keystores::by_id(tx, &id)).await? else { return Ok(()) };
        let saga = Saga::SyncKeystore(SyncKeystore { keystore: Stored(keystore.id.clone()) });
        let intent = self.intend(&saga, &keystore, &Who::system(), "drift-policy", None);
        let written = self.parts().store.write("schedule.sync", move |tx| {
            let operation = intent.write(tx)?;
            syncs::begin(tx, &operation.id, &keystore.id, SyncKeystore::first_step())?;
            Ok::<_, StoreError>(operation)
        });
        match written.await {
            Ok(operation) => self.start(operation),
            Err(error) if error.is_unique("locks") => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Mends what may be mended without a person.
    pub(super) async fn mend_drift(&self) -> Result<Looked, StoreError> {
        let now = self.now();
        let keys = self.parts().store.read("drifts.keys_to_mend", move |tx| drifts::keys_to_mend(tx, now, MENDED_AT_ONCE)).await?;
        let more = keys.len() == MENDED_AT_ONCE as usize;
        let mut acted = 0;
        for key in keys {
            match self.mend_key(&key).await {
                Ok(begun) => acted += usize::from(begun),
                Err(error @ StoreError::Corrupt(_)) => tracing::error!(%key, %error, "the differences of a key cannot be read; it is left out"),
                Err(error) => return Err(error),
            }
        }
        Ok(Looked { acted, more })
    }

    async fn mend_key(&self, key: &KeyId) -> Result<bool, StoreError> {
        let (id, now) = (key.clone(), self.now());
        let read = move |tx: &mut Tx<'_>| {
            let Some(row) = keys::by_id(tx, &id)? else { return Ok::<_, StoreError>(None) };
            let Some(keystore) = keystores::by_id(tx, &row.keystore_id)? else { return Ok(None) };
            let is_allowed = drifts::policy_of(tx, &keystore.id)?.is_some_and(|policy| policy.auto_repair == AutoRepair::Safe);
            let open = drifts::open_of_key(tx, &id)?;
            Ok(is_allowed.then_some((row, keystore, open)))
        };
        let Some((row, keystore, open)) = self.parts().store.read("drifts.to_mend", read).await? else { return Ok(false) };
        // Where something graver is open, somebody may be at work on the key: nothing is done beside it.
        // And what was seen a while ago may be otherwise now: the next look says it again.
        let is_stale = open.iter().any(|drift| now.as_micros() - drift.seen_at.as_micros() > FRESH);
        if is_stale || open.iter().any(|drift| !harms_nobody(drift)) {
            return self.rest_drift(open, now).await.map(|()| false);
        }
        // An alias that somebody gave the key by hand stays: an application may use it.
        let alone: Vec<DriftRow> = open.iter().filter(|drift| drift.attribute.is_mended_alone()).cloned().collect();
        let Some(saga) = repair_of(&row, &alone, &open, &Who::system(), now) else { return self.rest_drift(open, now).await.map(|()| false) };
        self.begin_repair(row, Arc::new(keystore), saga, open, now).await
    }

    async fn begin_repair(&self, row: KeyRow, keystore: Arc<KeystoreRow>, saga: RepairKey, open: Vec<DriftRow>, now: Timestamp) -> Result<bool, StoreError> {
        let intent = self.intend(&Saga::RepairKey(saga), &keystore, &Who::system(), "drift-policy", None);
        let written = self.parts().store.write("schedule.repair", move |tx| {
            let operation = intent.write(tx)?;
            if keys::by_id(tx, &row.id)?.is_none_or(|now| now.revision != row.revision) {
                return Err(StoreError::MovedOn("key"));
            }
            // The same differences, and no other: one that says something else now is another one.
            let ids = |rows: &[DriftRow]| rows.iter().map(|drift| drift.id.clone()).collect::<Vec<_>>();
            if ids(&drifts::open_of_key(tx, &row.id)?) != ids(&open) {
                return Err(StoreError::MovedOn("drift"));
            }
            open.iter().try_for_each(|drift| drifts::tried(tx, &drift.id, now.plus_micros(rest(drift.tries))))?;
            Ok::<_, StoreError>(operation)
        });
        match written.await {
            Ok(operation) => {
                self.start(operation);
                Ok(true)
            }
            Err(StoreError::MovedOn(_)) => Ok(false),
            Err(error) if error.is_unique("locks") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn rest_drift(&self, open: Vec<DriftRow>, now: Timestamp) -> Result<(), StoreError> {
        let resting = move |tx: &mut Tx<'_>| open.iter().try_for_each(|drift| drifts::tried(tx, &drift.id, now.plus_micros(rest(drift.tries))));
        self.parts().store.write("drifts.rest", resting).await
    }
}

/// The name under which nodes share a keystore's sweep.
pub fn sweep_name(keystore: &KeystoreId) -> String {
    format!("drift/{keystore}")
}

/// The operation that puts a key's differences right; `None` when Keystead can put none of them right.
pub fn repair_of(row: &KeyRow, drifts: &[DriftRow], open: &[DriftRow], who: &Who, now: Timestamp) -> Option<RepairKey> {
    let has_fix = |drift: &&DriftRow| drift.attribute.is_mended_by_keystead() && !fixes(row, std::slice::from_ref(*drift), open, now).is_empty();
    let mended: Vec<DriftRow> = drifts.iter().filter(has_fix).cloned().collect();
    let fixes = fixes(row, &mended, open, now);
    let ended = mended.into_iter().map(|drift| Stored(drift.id)).collect();
    (!fixes.is_empty()).then(|| RepairKey { key: Stored(row.id.clone()), drifts: ended, fixes, asked_by: who.id.clone() })
}

/// Whether a difference leaves what Keystead mends by itself free to be mended.
fn harms_nobody(drift: &DriftRow) -> bool {
    let attribute: Attribute = drift.attribute;
    let is_harmless = matches!(drift.class, DriftClass::Repairable | DriftClass::Benign);
    is_harmless && (attribute.is_mended_alone() || attribute == Attribute::AliasAdded)
}

/// How long a difference rests behind so many tries.
fn rest(tries: u32) -> i64 {
    REST.saturating_mul(1 << tries.min(10)).min(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_day() {
        assert_eq!((rest(0), rest(1), rest(50)), (REST, 2 * REST, DAY));
    }
}
