//! What Prometheus reads.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicI64, AtomicU64},
    time::{Duration, Instant},
};

use keystead_app::App;
use keystead_domain::{
    Timestamp,
    drift::DriftClass,
    health::{Health, percent_left},
};
use keystead_operations::restore::WARM_MARGIN;
use keystead_store::{
    Store, StoreError, Tx, alerts, drifts,
    drills::{self, DrillCounts},
    health, operations,
    operations::Count,
    quotas::{self, Spent},
    warm::{self, Warmth},
};
use keystead_vault::Member;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use tokio::sync::Mutex;

use crate::Settings;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    method: &'static str,
    path: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kept {
    kind: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Deliveries {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Drifts {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    health: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    call: String,
}

/// The states of an operation: each kind has a figure for each of them, be it 0.
const STATES: [&str; 3] = ["RUNNING", "SUCCEEDED", "FAILED"];
/// How long a count of the operations is good: `/metrics` needs no token, and counting takes a reader of the database.
const COUNT_IS_GOOD: Duration = Duration::from_secs(5);
/// How long a count of the health of all keys is good.
const HEALTH_IS_GOOD: Duration = Duration::from_secs(60);
/// How long a count may take; a database that is not there shall not take the other figures with it.
const COUNT_TAKES: Duration = Duration::from_secs(2);

/// Upper ends of the latency's buckets, in seconds: a look, a commit, an Argon2id, a wait.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Of the hardware modules together: their names are nobody's business here.
#[derive(Default)]
struct Modules {
    known: Gauge<i64, AtomicI64>,
    up: Gauge<i64, AtomicI64>,
    sessions: Gauge<i64, AtomicI64>,
    waiting: Gauge<i64, AtomicI64>,
}

impl Modules {
    fn register(&self, registry: &mut Registry) {
        registry.register("hsm_modules", "Hardware modules that the configuration names", self.known.clone());
        registry.register("hsm_modules_up", "Those that hold the root and did their last work", self.up.clone());
        registry.register("hsm_sessions", "Sessions with hardware modules", self.sessions.clone());
        registry.register("hsm_waiting", "Uses of the vault that wait for a hardware module or run in it", self.waiting.clone());
    }

    fn set(&self, members: &[Member]) {
        let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.known.set(whole(members.len()));
        self.up.set(whole(members.iter().filter(|member| member.is_up()).count()));
        self.sessions.set(whole(members.iter().map(|member| member.condition.sessions).sum()));
        self.waiting.set(whole(members.iter().map(|member| member.condition.waiting).sum()));
    }
}

/// Of the keys that shall be warm.
#[derive(Default)]
struct Warm {
    wanted: Gauge<i64, AtomicI64>,
    warm: Gauge<i64, AtomicI64>,
    first_end: Gauge<i64, AtomicI64>,
}

impl Warm {
    fn register(&self, registry: &mut Registry) {
        registry.register("keys_to_be_warm", "Keys whose import parameters shall be fetched ahead, at most 5 seconds ago", self.wanted.clone());
        registry.register("keys_warm", "Those whose import parameters are here", self.warm.clone());
        registry.register("warm_first_end_timestamp_seconds", "When the first of these parameters end; 0 without any", self.first_end.clone());
    }

    fn set(&self, warmth: &Warmth) {
        self.wanted.set(warmth.wanted);
        self.warm.set(warmth.warm);
        self.first_end.set(warmth.first_end.map_or(0, Timestamp::as_secs));
    }
}

/// Keystores by health, keys by health, and what was used of quotas.
type Counts = (BTreeMap<Health, i64>, BTreeMap<Health, i64>, Vec<Spent>);

/// Of the health of keystores and keys: how many of each word. Their names are nobody's business here.
#[derive(Default)]
struct Healths {
    keystores: Family<Of, Gauge<i64, AtomicI64>>,
    keys: Family<Of, Gauge<i64, AtomicI64>>,
    quota_left: Family<Called, Gauge<i64, AtomicI64>>,
    /// Of which moment the figures are.
    counted: Gauge<i64, AtomicI64>,
    /// When keys were last counted.
    counted_at: Mutex<Option<Instant>>,
}

impl Healths {
    fn register(&self, registry: &mut Registry) {
        registry.register("keystores_by_health", "Keystores in use, by health, when they were last counted", self.keystores.clone());
        registry.register("keys_by_health", "Keys that are not DELETED, by health, when they were last counted", self.keys.clone());
        let words = "What is left of the quota of a call where it is used most, in percent of the minute before they were last counted";
        registry.register("quota_left_percent", words, self.quota_left.clone());
        let words = "When health was last counted, at most a minute ago unless the database is slow or away; 0: not yet";
        registry.register("health_counted_timestamp_seconds", words, self.counted.clone());
    }

    /// What could not be counted stays as it was, with its time beside it: figures that vanish would end the alerts that they caused.
    fn keep(&self, counted: Result<Counts, StoreError>, now: Timestamp) {
        match counted {
            Ok((keystores, keys, quotas)) => {
                self.set(&keystores, &keys, &quotas);
                self.counted.set(now.as_secs());
            }
            Err(error) => tracing::warn!(%error, "health could not be counted"),
        }
    }

    fn set(&self, keystores: &BTreeMap<Health, i64>, keys: &BTreeMap<Health, i64>, quotas: &[Spent]) {
        for health in Health::ALL {
            let of = |counts: &BTreeMap<Health, i64>| counts.get(health).copied().unwrap_or(0);
            self.keystores.get_or_create(&Of { health: health.as_str() }).set(of(keystores));
            self.keys.get_or_create(&Of { health: health.as_str() }).set(of(keys));
        }
        self.quota_left.clear();
        for quota in quotas {
            let most = quotas.iter().filter(|other| other.call == quota.call).map(|other| other.micros).max().unwrap_or(0);
            self.quota_left.get_or_create(&Called { call: quota.call.clone() }).set(i64::from(percent_left(most)));
        }
    }
}

/// Of the keystores whose kill switch is drilled, all together: their names are nobody's business here.
#[derive(Default)]
struct Drilled {
    keystores: Gauge<i64, AtomicI64>,
    without_success: Gauge<i64, AtomicI64>,
    oldest_success: Gauge<i64, AtomicI64>,
}

impl Drilled {
    fn register(&self, registry: &mut Registry) {
        registry.register("drilled_keystores", "Keystores whose kill switch is drilled, at most 5 seconds ago", self.keystores.clone());
        registry.register("drilled_keystores_without_success", "Those whose kill switch no drill has shown to work yet", self.without_success.clone());
        registry.register(
            "drill_oldest_success_timestamp_seconds",
            "The last drill that succeeded, of the keystore where that is longest ago; 0 without any",
            self.oldest_success.clone(),
        );
    }

    fn set(&self, counts: &DrillCounts) {
        self.keystores.set(counts.drilled);
        self.without_success.set(counts.without_success);
        self.oldest_success.set(counts.oldest_success.map_or(0, Timestamp::as_secs));
    }
}

/// The metrics of this process.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Served, Counter<u64, AtomicU64>>,
    latency: Family<Route, Histogram, fn() -> Histogram>,
    in_hand: Gauge<i64, AtomicI64>,
    sealed: Gauge<i64, AtomicI64>,
    modules: Modules,
    operations: Family<Kept, Gauge<i64, AtomicI64>>,
    deliveries: Family<Deliveries, Gauge<i64, AtomicI64>>,
    drifts: Family<Drifts, Gauge<i64, AtomicI64>>,
    warm: Warm,
    healths: Healths,
    drilled: Drilled,
    /// When the operations were last counted; held while somebody counts, so that one does it for all who wait.
    counted_at: Mutex<Option<Instant>>,
}

impl Metrics {
    pub fn new(settings: &Settings) -> Self {
        let mut registry = Registry::with_prefix("keystead");
        let metrics = Self {
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            in_hand: Gauge::default(),
            sealed: Gauge::default(),
            modules: Modules::default(),
            operations: Family::default(),
            deliveries: Family::default(),
            drifts: Family::default(),
            warm: Warm::default(),
            healths: Healths::default(),
            drilled: Drilled::default(),
            counted_at: Mutex::default(),
            registry: Registry::default(),
        };
        let build = vec![("version", settings.version.clone()), ("database", settings.database.to_owned())];
        registry.register("build", "This program", Info::new(build));
        registry.register("http_requests", "Requests served, by matched path", metrics.requests.clone());
        registry.register("http_request_duration_seconds", "Time to the answer's head, by matched path", metrics.latency.clone());
        registry.register("operations_in_hand", "Operations that this process runs now", metrics.in_hand.clone());
        registry.register("operations", "Operations of the whole installation, by kind and state, at most 5 seconds ago", metrics.operations.clone());
        registry.register(
            "alert_deliveries",
            "Alerts still to be delivered, and those given up, on all channels, at most 5 seconds ago",
            metrics.deliveries.clone(),
        );
        registry.register(
            "drifts",
            "Open differences between what is wanted and what the clouds have, by class, at most 5 seconds ago",
            metrics.drifts.clone(),
        );
        registry.register("vault_sealed", "1 while the vault is sealed", metrics.sealed.clone());
        metrics.modules.register(&mut registry);
        metrics.warm.register(&mut registry);
        metrics.healths.register(&mut registry);
        metrics.drilled.register(&mut registry);
        Self { registry, ..metrics }
    }

    /// Counts an answer.
    pub fn served(&self, method: &'static str, path: &str, status: u16, latency: Duration) {
        self.requests.get_or_create(&Served { method, path: path.to_owned(), status }).inc();
        self.latency.get_or_create(&Route { method, path: path.to_owned() }).observe(latency.as_secs_f64());
    }

    /// Counts the operations, if that was not done a moment ago. When they cannot be counted there are no figures: old ones would look like new ones.
    pub async fn count_operations(&self, store: &Store, now: Timestamp) {
        let mut counted_at = self.counted_at.lock().await;
        if counted_at.is_some_and(|at| at.elapsed() < COUNT_IS_GOOD) {
            return;
        }
        let until = now.plus_micros(WARM_MARGIN);
        let counting = store.read("operations.counts", move |tx| {
            let kept = (operations::counts(tx)?, alerts::counts(tx)?, drifts::counts(tx)?, warm::warmth(tx, now, until)?);
            Ok::<_, StoreError>((kept, drills::counts(tx)?))
        });
        match tokio::time::timeout(COUNT_TAKES, counting).await.unwrap_or_else(|_| Err(StoreError::Unavailable("it takes too long".to_owned()))) {
            Ok(((counts, (pending, given_up), drifts, warmth), drilled)) => {
                self.drilled.set(&drilled);
                self.keep(&counts);
                self.keep_drifts(&drifts);
                self.warm.set(&warmth);
                self.deliveries.get_or_create(&Deliveries { state: "PENDING" }).set(pending);
                self.deliveries.get_or_create(&Deliveries { state: "GIVEN_UP" }).set(given_up);
            }
            Err(error) => {
                tracing::warn!(%error, "the operations could not be counted");
                self.operations.clear();
                self.deliveries.clear();
                self.drifts.clear();
            }
        }
        *counted_at = Some(Instant::now());
    }

    /// Counts the health of keystores and keys, if that was not done within a minute: every key is looked at for it.
    pub async fn count_health(&self, app: &App) {
        let mut counted_at = self.healths.counted_at.lock().await;
        if counted_at.is_some_and(|at| at.elapsed() < HEALTH_IS_GOOD) {
            return;
        }
        let now = app.engine().now();
        let counting = async {
            let keystores = app.count_keystores_by_health().await?;
            let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((health::count_keys(tx, now)?, quotas::spent(tx, now)?));
            let (keys, quotas) = app.engine().parts().store.read("health.count_keys", look).await?;
            Ok::<_, StoreError>((keystores, keys, quotas))
        };
        let counted = tokio::time::timeout(COUNT_TAKES, counting).await;
        self.healths.keep(counted.unwrap_or_else(|_| Err(StoreError::Unavailable("it takes too long".to_owned()))), now);
        *counted_at = Some(Instant::now());
    }

    fn keep_drifts(&self, counts: &[(String, DriftClass, i64)]) {
        for class in DriftClass::ALL {
            let count = counts.iter().filter(|(_, of, _)| of == class).map(|(_, _, count)| count).sum();
            self.drifts.get_or_create(&Drifts { class: class.as_str() }).set(count);
        }
    }

    fn keep(&self, counts: &[Count]) {
        for Count { kind, .. } in counts {
            for state in STATES {
                let found = counts.iter().find(|count| count.kind == *kind && count.state == state);
                self.operations.get_or_create(&Kept { kind: kind.clone(), state }).set(found.map_or(0, |count| count.count));
            }
        }
    }

    /// All of it as text, with what is looked up only now.
    ///
    /// # Errors
    /// None that a `String` would give.
    pub fn text(&self, in_hand: usize, sealed: bool, members: &[Member]) -> Result<String, fmt::Error> {
        self.modules.set(members);
        self.in_hand.set(i64::try_from(in_hand).unwrap_or(i64::MAX));
        self.sealed.set(i64::from(sealed));
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_that_cannot_be_counted_stays_as_it_was_with_its_time_beside_it_fx_042() {
        let (healths, mut registry) = (Healths::default(), Registry::with_prefix("keystead"));
        healths.register(&mut registry);
        let told = || {
            let mut out = String::new();
            text::encode(&mut out, &registry).expect("text");
            out
        };
        assert!(told().contains("keystead_health_counted_timestamp_seconds 0\n"));
        healths.keep(Ok((BTreeMap::from([(Health::Failing, 2)]), BTreeMap::from([(Health::Ok, 7)]), Vec::new())), Timestamp::from_secs(1_000));
        healths.keep(Err(StoreError::Unavailable("slow".to_owned())), Timestamp::from_secs(2_000));
        let lines = ["keystores_by_health{health=\"failing\"} 2\n", "keys_by_health{health=\"ok\"} 7\n", "health_counted_timestamp_seconds 1000\n"];
        assert!(lines.iter().all(|line| told().contains(line)), "{}", told());
    }
}
