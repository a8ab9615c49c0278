//! The schedule: ticks that look and wake. What is to be done is found in the database and in the cloud, never in a tick.

use std::time::Duration;

use keystead_domain::{
    KeyId, KeyState, LineageId, Timestamp,
    key::expiry::{self, ExpiryPolicy},
    time::{DAY, SECOND},
};
use keystead_store::{StoreError, Tx, keys, keys::KeyRow, keystores, keystores::KeystoreRow, lineages, schedules};

use crate::{
    Engine, Saga,
    saga::{clean_up_key::CleanUpKey, renew_key::RenewKey, upload_key::UploadKey},
    stored::Stored,
    words::{self, Who},
};

/// How often operations that are due are looked for, in real time.
const TICK: Duration = Duration::from_millis(200);
/// How often leases are prolonged, in ticks.
const TICKS_A_LEASE: u32 = 50;
/// How often deletions that have ended are looked for. The word is daily; hourly is kinder and costs one look.
const CLEAN_UP_EVERY: i64 = 3600 * SECOND;
/// How often expiry is looked at.
const EXPIRY_EVERY: i64 = 3600 * SECOND;
/// How often leftovers are looked for.
const SWEEP_EVERY: i64 = DAY;
/// The longest lead of [`expiry::lead_micros`].
const AHEAD: i64 = 7 * DAY;
/// How many warnings one look gives at most.
const ALERTS_AT_ONCE: u32 = 10_000;
/// How many keys one look takes on; the next look takes the next ones.
const AT_ONCE: u32 = 500;

impl Engine {
    /// Runs the schedule until the process ends.
    pub async fn run_schedule(self) {
        let mut ticks: u32 = 0;
        loop {
            tokio::time::sleep(TICK).await;
            ticks = ticks.wrapping_add(1);
            if let Err(error) = self.tick(ticks).await {
                tracing::warn!(%error, "the schedule could not look");
            }
        }
    }

    async fn tick(&self, ticks: u32) -> Result<(), StoreError> {
        if ticks.is_multiple_of(TICKS_A_LEASE) && self.in_hand() > 0 {
            self.renew_leases().await?;
        }
        self.take_due().await?;
        // Ten ticks are two seconds: often enough for a demo whose clock jumps by days.
        if ticks.is_multiple_of(10) {
            self.run_periodic().await?;
        }
        Ok(())
    }

    /// Runs the periodic tasks that are due, each on one node.
    ///
    /// # Errors
    /// What the store says.
    pub async fn run_periodic(&self) -> Result<(), StoreError> {
        if self.takes("clean-up", CLEAN_UP_EVERY).await? {
            self.clean_up().await?;
        }
        if self.takes("expiry", EXPIRY_EVERY).await? {
            self.look_at_expiry().await?;
        }
        if self.takes("sweep", SWEEP_EVERY).await? {
            self.sweep_all().await;
        }
        Ok(())
    }

    async fn takes(&self, name: &'static str, every: i64) -> Result<bool, StoreError> {
        let now = self.now();
        // A look first: most of the time nothing is due, and a look costs no commit.
        let due = self.parts().store.read("schedules.is_due", move |tx| schedules::is_due(tx, name, now)).await?;
        if !due {
            return Ok(false);
        }
        self.parts().store.write("schedules.take", move |tx| schedules::take(tx, name, now, now.plus_micros(every))).await
    }

    /// The daily clean-up (CM-061): keys whose countdown has ended.
    ///
    /// # Errors
    /// What the store says.
    pub async fn clean_up(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let due = self.parts().store.read("keys.due_for_clean_up", move |tx| keys::due_for_clean_up(tx, now, AT_ONCE)).await?;
        let mut started = 0;
        for key in due {
            let saga = Saga::CleanUpKey(CleanUpKey { key: Stored(key.id.clone()), lineage: Stored(key.lineage_id.clone()) });
            started += usize::from(self.start_by_itself(&key, saga, "grace-period-ended", |_| Ok(())).await?);
        }
        Ok(started)
    }

    /// Keys whose policy acts or warns before their material expires (`capabilities.md`, decision 5), and those that have expired.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_expiry(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let due = self.parts().store.read("keys.due_for_expiry", move |tx| keys::due_for_expiry(tx, now.plus_micros(AHEAD), AT_ONCE)).await?;
        let mut started = 0;
        for key in due.into_iter().filter(|key| is_due(key, now)) {
            // A replaced key has its successor already; what it encrypted shall go on opening.
            let renew = key.expiry_policy == ExpiryPolicy::Renew && key.state == KeyState::Active && key.is_current;
            started += usize::from(if renew { self.renew_by_itself(&key, now).await? } else { self.extend(&key, now).await? });
        }
        self.warn_of_expiry(now).await?;
        self.look_at_expired(now).await?;
        Ok(started)
    }

    /// Warns once of each end of material that nobody will move by itself: in the log, and in the key's history.
    async fn warn_of_expiry(&self, now: Timestamp) -> Result<(), StoreError> {
        let due = self.parts().store.read("keys.due_for_alert", move |tx| keys::due_for_alert(tx, now, now.plus_micros(AHEAD), ALERTS_AT_ONCE)).await?;
        for key in due.into_iter().filter(|key| is_due(key, now)) {
            let Some(expires) = key.expires_at else { continue };
            let once = format!("alert/{}/{}", key.id, expires.as_micros());
            let entry = words::entry(self.parts().random.as_ref(), now, &key.account_id, &Who::system(), "key.expiry-alert", "expiry-policy-alert")
                .key(&key)
                .detail("expires_at_micros", expires.as_micros().to_string())
                .done();
            let told = self.parts().store.write("schedule.alert", move |tx| {
                let first = schedules::take(tx, &once, now, Timestamp::from_micros(i64::MAX))?;
                if first {
                    tx.audit(entry.clone());
                }
                Ok::<_, StoreError>(first)
            });
            if told.await? {
                tracing::warn!(key = %key.id, name = key.name, "material expires soon and its policy is alert: update --expires, or renew");
            }
        }
        Ok(())
    }

    /// Looks at keys whose material the cloud has forgotten by itself, so that the row says what is so. A cloud that cannot be reached is asked the next time.
    async fn look_at_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        let expired = self.parts().store.read("keys.expired_unseen", move |tx| keys::expired_unseen(tx, now, AT_ONCE)).await?;
        for key in expired {
            if let Err(error) = self.look_at(&key).await {
                tracing::warn!(key = %key.id, ?error, "a key whose material should have expired could not be looked at");
            }
        }
        Ok(())
    }

    async fn extend(&self, key: &KeyRow, now: Timestamp) -> Result<bool, StoreError> {
        let expires = key.expiry_span.map(|span| expiry::renewed(span, now));
        let saga = Saga::UploadKey(UploadKey { key: Stored(key.id.clone()), expires: expires.map(Into::into) });
        self.start_by_itself(key, saga, "expiry-policy-extend", |_| Ok(())).await
    }

    async fn renew_by_itself(&self, key: &KeyRow, now: Timestamp) -> Result<bool, StoreError> {
        let Ok(prepared) = self.prepare_successor(key, &Who::system(), now).await else {
            tracing::warn!(key = %key.id, "a renewal that is due waits: the vault is sealed or damaged");
            return Ok(false);
        };
        let saga = prepared.saga();
        self.start_by_itself(key, saga, "expiry-policy-renew", move |tx| prepared.write(tx)).await
    }

    /// Starts an operation that nobody asked for but the schedule; `false` when another operation has the key.
    async fn start_by_itself(
        &self,
        key: &KeyRow,
        saga: Saga,
        rule: &str,
        mut also: impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let Some(keystore) = self.keystore_of(key).await? else { return Ok(false) };
        let intent = self.intend(&saga, &keystore, &Who::system(), rule, None);
        let seen = key.clone();
        let written = self
            .parts()
            .store
            .write("schedule.intent", move |tx| {
                let operation = intent.write(tx)?;
                // Behind the lock nobody changes the key any more; since the look, somebody may have.
                if keys::by_id(tx, &seen.id)?.is_none_or(|now| now.revision != seen.revision) {
                    return Err(StoreError::MovedOn("key"));
                }
                also(tx)?;
                Ok(operation)
            })
            .await;
        match written {
            Ok(operation) => {
                self.start(operation);
                Ok(true)
            }
            // Somebody else has the key, or changed it: the next look sees what is to be done then.
            Err(StoreError::MovedOn(_)) => Ok(false),
            Err(error) if error.is_unique("locks") => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn keystore_of(&self, key: &KeyRow) -> Result<Option<KeystoreRow>, StoreError> {
        let id = key.keystore_id.clone();
        self.parts().store.read("keystores.by_id", move |tx| keystores::by_id(tx, &id)).await
    }

    /// Looks for leftovers in every keystore. One that cannot be reached is told and looked at the next time.
    pub async fn sweep_all(&self) -> usize {
        let Ok(active) = self.parts().store.read("keystores.active", keystores::active).await else { return 0 };
        let mut looked_at = 0;
        for keystore in active {
            match self.sweep_keystore(&keystore).await {
                Ok(()) => looked_at += 1,
                Err(error) => tracing::warn!(keystore = %keystore.name, ?error, "leftovers could not be looked for"),
            }
        }
        looked_at
    }
}

/// Whether the policy acts or warns now.
fn is_due(key: &KeyRow, now: Timestamp) -> bool {
    let Some((expires, span)) = key.expires_at.zip(key.expiry_span) else { return false };
    expires.as_micros() - now.as_micros() <= expiry::lead_micros(span)
}

/// A successor that is about to be written: its row and its sealed material.
pub struct PreparedSuccessor {
    pub(crate) key: KeyRow,
    pub(crate) version: keystead_store::versions::VersionRow,
    pub(crate) predecessor: KeyId,
    pub(crate) lineage: LineageId,
}

impl PreparedSuccessor {
    /// The saga that makes it.
    pub fn saga(&self) -> Saga {
        Saga::RenewKey(RenewKey {
            predecessor: Stored(self.predecessor.clone()),
            successor: Stored(self.key.id.clone()),
            lineage: Stored(self.lineage.clone()),
            alias: self.key.alias.as_ref().map(ToString::to_string),
            expires: self.key.expires_at.map(Into::into),
        })
    }

    /// The successor's id.
    pub fn id(&self) -> &KeyId {
        &self.key.id
    }

    /// Writes row and material; in the transaction of the intent.
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let lineage = lineages::by_id(tx, &self.lineage)?.ok_or_else(|| StoreError::Corrupt("a key without a lineage".to_owned()))?;
        if lineage.current_key_id != self.predecessor {
            return Err(StoreError::MovedOn("lineage"));
        }
        keys::insert(tx, &self.key)?;
        keystead_store::versions::insert(tx, &self.version)
    }
}
