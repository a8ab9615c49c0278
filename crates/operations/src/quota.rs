//! Quotas: calls wait for their slot, so that all nodes together stay below what the cloud allows.
//!
//! A bucket is one number in the database: when the next call may go out. A node reserves a stretch of slots at a time (at most what passes in 100 ms) and hands
//! them out; at one call per second that is one slot. Only the task at the head of a node's queue reserves, for itself and
//! for who comes next, so that a crash loses two stretches at most.

use std::{collections::HashMap, sync::Arc, sync::PoisonError, time::Duration};

use keystead_cloud::{Call, Capabilities};
use keystead_domain::{Clock, time::SECOND};
use keystead_store::{Store, StoreError, quotas};
use tokio::sync::Mutex;

/// How far below the quota Keystead keeps: calls reach the cloud with jitter, and a bucket that is just full throttles the one that comes a moment early.
const HEADROOM: f64 = 0.97;
/// The longest stretch that is reserved at once, in microseconds.
const STRETCH: i64 = SECOND / 10;
/// How long everybody pauses after the cloud throttled all the same: others use the same quota.
const THROTTLED_PAUSE: i64 = SECOND;

/// The buckets as this node sees them.
pub struct Quotas {
    store: Store,
    clock: Arc<dyn Clock>,
    enabled: bool,
    queues: std::sync::Mutex<HashMap<(String, Call), Queue>>,
}

/// Who waits for one bucket on this node, one behind the other.
type Queue = Arc<Mutex<Slots>>;

/// Slots that are reserved and not yet used.
#[derive(Default)]
struct Slots {
    next: i64,
    left: u32,
}

impl Quotas {
    /// Buckets in this database.
    pub fn new(store: Store, clock: Arc<dyn Clock>, enabled: bool) -> Self {
        Self { store, clock, enabled, queues: std::sync::Mutex::default() }
    }

    /// Waits until the call may go out.
    ///
    /// # Errors
    /// What the store says.
    pub async fn wait(&self, capabilities: &Capabilities, call: Call) -> Result<(), StoreError> {
        let Some(interval) = self.interval_micros(capabilities, call) else { return Ok(()) };
        let queue = self.queue(&capabilities.quota_scope, call);
        let mut slots = queue.lock().await;
        if slots.left == 0 {
            *slots = self.reserve(&capabilities.quota_scope, call, interval).await?;
        }
        let at = slots.next;
        slots.next += interval;
        slots.left -= 1;
        // Somebody stands behind us: besides the map and us, they hold the queue. Their stretch is reserved while we sleep; behind our sleep it would begin late by that and
        // by a commit, each time.
        if slots.left == 0 && Arc::strong_count(&queue) > 2 {
            *slots = self.reserve(&capabilities.quota_scope, call, interval).await?;
        }
        self.sleep(at - self.clock.now().as_micros()).await;
        Ok(())
    }

    /// The time between two calls, in microseconds; `None` when nobody waits for quotas.
    pub fn interval_micros(&self, capabilities: &Capabilities, call: Call) -> Option<i64> {
        interval_micros(capabilities, call).filter(|_| self.enabled)
    }

    /// Sleeps so many microseconds of the clock.
    pub async fn sleep(&self, micros: i64) {
        if let Ok(pause @ 1..) = u64::try_from(micros) {
            tokio::time::sleep(Duration::from_micros(pause) / self.clock.pace()).await;
        }
    }

    /// Whether nobody waits for a call of this kind, on any node: one that came now would go out at once.
    ///
    /// # Errors
    /// What the store says.
    pub async fn is_free(&self, capabilities: &Capabilities, call: Call) -> Result<bool, StoreError> {
        if !self.enabled {
            return Ok(true);
        }
        let (scope, now) = (capabilities.quota_scope.clone(), self.clock.now());
        let next = self.store.read("quotas.next_at", move |tx| quotas::next_at(tx, &scope, call.as_str())).await?;
        Ok(next.is_none_or(|next| next <= now))
    }

    async fn reserve(&self, scope: &str, call: Call, interval: i64) -> Result<Slots, StoreError> {
        let count = (STRETCH / interval).max(1);
        let (scope, now) = (scope.to_owned(), self.clock.now());
        let first = self.store.write("quotas.reserve", move |tx| quotas::reserve(tx, &scope, call.as_str(), now, count * interval)).await?;
        Ok(Slots { next: first.as_micros(), left: u32::try_from(count).unwrap_or(1) })
    }

    /// The cloud throttled: everybody pauses.
    ///
    /// # Errors
    /// What the store says.
    pub async fn throttled(&self, capabilities: &Capabilities, call: Call) -> Result<(), StoreError> {
        let (scope, until) = (capabilities.quota_scope.clone(), self.clock.now().plus_micros(THROTTLED_PAUSE));
        tracing::info!(scope, call = call.as_str(), "the cloud throttles although Keystead keeps below its quota: somebody else uses it too");
        self.store.write("quotas.push_back", move |tx| quotas::push_back(tx, &scope, call.as_str(), until)).await
    }

    fn queue(&self, scope: &str, call: Call) -> Queue {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry((scope.to_owned(), call)).or_default().clone()
    }
}

/// The time between two calls, in microseconds; `None` without a quota.
fn interval_micros(capabilities: &Capabilities, call: Call) -> Option<i64> {
    let quota = capabilities.quotas.iter().find(|quota| quota.call == call)?;
    Some((SECOND as f64 / (quota.per_second * HEADROOM)).ceil() as i64)
}

/// How long so many calls take under a quota, in microseconds: what every bulk change tells beforehand.
pub fn forecast_micros(capabilities: &Capabilities, call: Call, count: u64) -> i64 {
    interval_micros(capabilities, call).map_or(0, |interval| interval.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
}

#[cfg(test)]
pub(crate) mod tests {
    use keystead_domain::WrappingKeySpec;

    use super::*;

    /// What a place without quotas can do.
    pub fn capabilities() -> Capabilities {
        Capabilities {
            cloud: "aws",
            quota_scope: String::new(),
            importable: Vec::new(),
            refusals: &[],
            rotations_max: None,
            wrapping_key: WrappingKeySpec::Rsa4096,
            quotas: Vec::new(),
            visibility_delay_micros: 0,
            prices: None,
        }
    }

    #[test]
    fn a_forecast_keeps_below_the_quota_and_is_nothing_without_one() {
        let quotas = vec![keystead_cloud::Quota { call: Call::Import, per_second: 15.0 }];
        let with = Capabilities { quotas, ..capabilities() };
        assert_eq!(forecast_micros(&with, Call::Import, 1_000), 68_729_000);
        assert_eq!(forecast_micros(&with, Call::WrappingKey, 1_000), 0);
    }
}
