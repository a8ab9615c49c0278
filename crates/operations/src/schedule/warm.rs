//! The quiet refresher: import parameters are fetched ahead for the keys of keystores that shall be warm, in the background and with a share of the quota (FX-029).
//!
//! At most every second call of GetParametersForImport is its own, and none while somebody else waits for one. At AWS that is about one key in two seconds: parameters
//! live 24 hours and are fetched anew six hours before their end, so that some 30,000 keys in an account and Region can be warm at once.

use keystead_cloud::Call;
use keystead_domain::{
    KeystoreId, Timestamp,
    key::importance::Importance,
    time::{DAY, SECOND},
};
use keystead_store::{Store, StoreError, keys::KeyRow, keystores, keystores::KeystoreRow, locks, warm};

use crate::{Engine, engine::call::StepError, saga::restore_keystore::RestoreKeystore, stored::Stored};

/// Parameters that end within this time are fetched anew.
pub const REFRESH_AHEAD: i64 = DAY / 4;
/// How often one node looks.
const EVERY: i64 = 60 * SECOND;
/// How many keys one look takes on in a keystore, however wide its quota is.
const AT_ONCE: usize = 600;
/// Rows read at once to find the most important.
const PAGE: u32 = 1_000;
/// How many pages of due keys are gone through in a look.
const PAGES: usize = 20;
/// The name of the look, as nodes share it.
const WARM: &str = "warm";

impl Engine {
    pub(super) async fn keep_warm(&self) {
        loop {
            tokio::time::sleep(super::LOOK).await;
            super::told(self.warm_if_due().await);
        }
    }

    async fn warm_if_due(&self) -> Result<(), StoreError> {
        if self.takes(WARM, EVERY).await? {
            self.look_at_warm().await?;
        }
        Ok(())
    }

    /// One look at all keystores whose keys shall be warm. Answers for how many keys parameters were fetched.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_warm(&self) -> Result<usize, StoreError> {
        let now = self.now();
        let Some(wanted) = wanted(&self.parts().store).await? else { return Ok(0) };
        self.parts().store.write("warm.drop_ended", move |tx| warm::drop_ended(tx, now)).await?;
        let looks = wanted.into_iter().map(|keystore| self.warm_keystore(keystore, now));
        Ok(futures::future::try_join_all(looks).await?.into_iter().sum())
    }

    async fn warm_keystore(&self, id: KeystoreId, now: Timestamp) -> Result<usize, StoreError> {
        let wanted = id.clone();
        let Some(keystore) = self.parts().store.read("keystores.by_id", move |tx| keystores::by_id(tx, &wanted)).await? else { return Ok(0) };
        let Ok(cloud) = self.parts().clouds.connect(&keystore).await else { return Ok(0) };
        // Every second slot, for as long as the look may take.
        let pause = self.quotas().interval_micros(cloud.capabilities(), Call::WrappingKey).map_or(0, |interval| interval.saturating_mul(2));
        let room = EVERY.checked_div(pause).map_or(AT_ONCE, |room| usize::try_from(room).unwrap_or(AT_ONCE).min(AT_ONCE));
        let mut fetched = 0;
        for key in self.most_important(&id, now, room).await? {
            if self.parts().vault.is_sealed() || self.is_restored(&id).await? {
                break;
            }
            if self.quotas().is_free(cloud.capabilities(), Call::WrappingKey).await? {
                match self.warm_up(&keystore, &key).await {
                    Ok(()) => fetched += 1,
                    Err(error) => {
                        told(&keystore, &key, &error);
                        if !matches!(error, StepError::NotImportable(_) | StepError::Missing(_)) {
                            break;
                        }
                    }
                }
            }
            self.quotas().sleep(pause).await;
        }
        Ok(fetched)
    }

    /// Of the keys that are due the most important, and of the same importance the older.
    async fn most_important(&self, keystore: &KeystoreId, now: Timestamp, room: usize) -> Result<Vec<KeyRow>, StoreError> {
        let (mut best, mut after) = (Vec::new(), String::new());
        for _ in 0..PAGES {
            let (id, from) = (keystore.clone(), after.clone());
            let due = self.parts().store.read("warm.due", move |tx| warm::due(tx, &id, now, now.plus_micros(REFRESH_AHEAD), &from, PAGE)).await?;
            let Some(last) = due.last() else { break };
            after = last.id.to_string();
            best = first_of(best, due, room);
        }
        Ok(best)
    }

    /// Whether a restore runs: it needs the whole quota.
    async fn is_restored(&self, keystore: &KeystoreId) -> Result<bool, StoreError> {
        let lock = RestoreKeystore { keystore: Stored(keystore.clone()) }.lock();
        Ok(self.parts().store.read("locks.holder", move |tx| locks::holder(tx, &lock)).await?.is_some())
    }
}

/// The keystores whose keys shall be warm; `None` without any: a look that finds none costs no commit.
async fn wanted(store: &Store) -> Result<Option<Vec<KeystoreId>>, StoreError> {
    let wanted = store.read("warm.keystores", warm::keystores).await?;
    Ok(Some(wanted).filter(|wanted| !wanted.is_empty()))
}

/// Puts more keys behind those that are chosen, and keeps the most important of all.
fn first_of(chosen: Vec<KeyRow>, more: Vec<KeyRow>, room: usize) -> Vec<KeyRow> {
    let mut all = [chosen, more].concat();
    all.sort_by_key(|key| Importance::of(&key.tags));
    all.truncate(room);
    all
}

fn told(keystore: &KeystoreRow, key: &KeyRow, error: &StepError) {
    tracing::warn!(keystore = %keystore.name, key = %key.id, ?error, "import parameters could not be fetched ahead; the next look tries again");
}
