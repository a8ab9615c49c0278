//! The engine: it runs operations, one task each, and never two on the same operation.

pub mod call;
mod decide;
mod family;
mod find;
mod here;
mod hooks;
mod import;
mod kill;
pub mod material;
mod perform;
mod restore;
mod rotate;
mod run;
mod stray;
mod sync;
mod usage;
mod warm;
mod woken;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

pub use hooks::{Flow, Hooks, NoHooks, Point};
use keystead_domain::{Clock, OperationId, Timestamp, time::SECOND};
use keystead_store::{Store, StoreError, operations, operations::OperationRow, users};
use keystead_vault::{Random, Vault};
pub use run::Interrupted;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
pub use usage::ASKED_AT_ONCE;
pub(crate) use woken::Looked;

use crate::{Clouds, alerts::Alerting, quota::Quotas, saga::kill_key, words::Who};

/// How long an interrupted operation rests, in microseconds: what interrupted it may still be there.
const BREATH: i64 = 2 * SECOND;
/// How often who waits for an operation looks whether another node has ended it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How the engine behaves; the server reads it from its configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an operation whose first call has certainly had no effect tries to reach the cloud, before it fails with nothing changed. Microseconds.
    pub patience_micros: i64,
    /// How long a lease holds. Microseconds.
    pub lease_micros: i64,
    /// How many operations run side by side.
    pub concurrency: usize,
    /// Whether calls wait for the cloud's quotas. Off only against a simulated cloud without them.
    pub quotas: bool,
    /// When somebody is told, and where.
    pub alerts: Alerting,
    /// How often each keystore is checked by itself, in microseconds; `None`: when somebody asks.
    pub check_micros: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { patience_micros: 30 * SECOND, lease_micros: 60 * SECOND, concurrency: 512, quotas: true, alerts: Alerting::default(), check_micros: None }
    }
}

/// What the engine works with.
pub struct Parts {
    /// Rows.
    pub store: Store,
    /// Material.
    pub vault: Arc<Vault>,
    /// Connections.
    pub clouds: Arc<dyn Clouds>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for ids and pauses.
    pub random: Arc<dyn Random>,
    /// Where tests look in and crash; nothing in production.
    pub hooks: Arc<dyn Hooks>,
    /// This process, as leases name it.
    pub node: String,
    /// Behaviour.
    pub settings: Settings,
}

/// An operation that a task has in hand.
struct Hand {
    engine: Engine,
    operation: OperationId,
}

impl Drop for Hand {
    fn drop(&mut self) {
        if let Some(grip) = self.engine.hands().remove(&self.operation) {
            grip.ended.notify_waiters();
        }
    }
}

/// What the others of this process share with the task that has an operation in hand.
#[derive(Clone, Default)]
struct Grip {
    /// The number of its newest lease.
    fence: Arc<AtomicI64>,
    /// Tells when the task lets the operation go.
    ended: Arc<Notify>,
}

/// Runs operations.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
    quotas: Arc<Quotas>,
    /// The operations that tasks of this process have in hand.
    running: Arc<Mutex<HashMap<OperationId, Grip>>>,
    permits: Arc<Semaphore>,
    /// Who makes a key pair.
    pair_maker: Arc<Semaphore>,
    /// Names of people by their ids, for the audit log.
    names: Arc<Mutex<HashMap<String, String>>>,
}

impl Engine {
    /// An engine over these parts. Nothing runs yet.
    pub fn new(parts: Parts) -> Self {
        let quotas = Quotas::new(parts.store.clone(), parts.clock.clone(), parts.settings.quotas);
        let permits = Semaphore::new(parts.settings.concurrency);
        Self {
            parts: Arc::new(parts),
            quotas: Arc::new(quotas),
            running: Arc::default(),
            permits: Arc::new(permits),
            pair_maker: Arc::new(Semaphore::new(1)),
            names: Arc::default(),
        }
    }

    /// What the engine works with.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Who waits for the clouds' quotas.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Until when a lease taken now holds.
    pub fn lease_until(&self) -> Timestamp {
        self.now().plus_micros(self.parts.settings.lease_micros)
    }

    /// Starts an operation whose intent this process has just written, with its lease.
    pub fn start(&self, operation: OperationRow) {
        self.spawn(operation, true);
    }

    /// Looks for operations that are due and held by nobody, and starts them. Answers how many.
    ///
    /// # Errors
    /// What the store says.
    pub async fn take_due(&self) -> Result<usize, StoreError> {
        let now = self.now();
        if !self.parts.store.read("operations.any_due", move |tx| operations::any_due(tx, now)).await? {
            return Ok(0);
        }
        let (owner, until) = (self.parts.node.clone(), self.lease_until());
        let due = self.parts.store.write("operations.lease_due", move |tx| operations::lease_due(tx, &owner, now, until, 256)).await?;
        let count = due.len();
        due.into_iter().for_each(|operation| self.spawn(operation, false));
        Ok(count)
    }

    /// Prolongs the leases of what this process has in hand.
    ///
    /// # Errors
    /// What the store says.
    pub async fn renew_leases(&self) -> Result<(), StoreError> {
        let (owner, until) = (self.parts.node.clone(), self.lease_until());
        let in_hand: Vec<OperationId> = self.hands().keys().cloned().collect();
        self.parts.store.write("operations.renew_leases", move |tx| operations::renew_leases(tx, &owner, &in_hand, until)).await.map(drop)
    }

    fn spawn(&self, operation: OperationRow, fresh: bool) {
        let Some(fence) = self.take_in_hand(&operation) else { return };
        let engine = self.clone();
        // Given back however the task ends, by a panic too: what stays in hand for ever is refused for ever.
        let hand = Hand { engine: self.clone(), operation: operation.id.clone() };
        tokio::spawn(async move {
            // What takes keys out of use at once waits for nobody. The semaphore is never closed.
            let _permit = if operation.kind == kill_key::NAME { None } else { engine.permits.acquire().await.ok() };
            let id = operation.id.clone();
            let ended = engine.run(operation, fence.clone(), fresh).await;
            match ended {
                Ok(()) => drop(hand),
                Err(interrupted) => {
                    tracing::warn!(operation = %id, %interrupted, "operation interrupted; it goes on when its lease is taken again");
                    engine.let_go(&id, &interrupted, fence.load(Ordering::SeqCst)).await;
                    drop(hand);
                }
            }
        });
    }

    /// Gives the lease of an interrupted run back, so that nobody waits for its end. If that fails too, it ends by itself. Behind a commit whose answer was lost it
    /// is left to do so, as behind a crash: until then the commit may still be on its way.
    async fn let_go(&self, id: &OperationId, interrupted: &Interrupted, fence: i64) {
        if matches!(interrupted, Interrupted::Store(error) if !matches!(error, StoreError::OutcomeUnknown(_))) {
            let (id, run_at) = (id.clone(), self.now().plus_micros(BREATH));
            let _ = self.parts.store.write("operations.let_go", move |tx| operations::let_go(tx, &id, fence, run_at)).await;
        }
    }

    /// `None` when a task of ours has the operation already; that task then goes on under the newer lease.
    fn take_in_hand(&self, operation: &OperationRow) -> Option<Arc<AtomicI64>> {
        let mut hands = self.hands();
        if let Some(grip) = hands.get(&operation.id) {
            grip.fence.store(operation.fence, Ordering::SeqCst);
            return None;
        }
        let grip = Grip { fence: Arc::new(AtomicI64::new(operation.fence)), ..Grip::default() };
        hands.insert(operation.id.clone(), grip.clone());
        Some(grip.fence)
    }

    fn hands(&self) -> std::sync::MutexGuard<'_, HashMap<OperationId, Grip>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a person's name for the entries that their operation will write.
    pub(crate) fn remember_name(&self, who: &Who) {
        if !who.name.is_empty() {
            self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(who.id.clone(), who.name.clone());
        }
    }

    /// Who asked for an operation: the name as it was at the intent, or, after a restart, as it is now.
    pub(crate) async fn who_asked(&self, operation: &OperationRow) -> Who {
        let id = operation.created_by.clone();
        if id == Who::system().id {
            return Who::system();
        }
        let known = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(name) = known {
            return Who { id, name };
        }
        let (account, wanted) = (operation.account_id.clone(), id.clone());
        let found = self.parts.store.read("users.find", move |tx| users::find(tx, &account, &wanted)).await;
        let who = Who { id, name: found.ok().flatten().map(|user| user.name).unwrap_or_default() };
        self.remember_name(&who);
        who
    }

    /// Held while a key pair is made. The semaphore is never closed.
    pub(crate) async fn turn_to_make_a_pair(&self) -> Option<SemaphorePermit<'_>> {
        self.pair_maker.acquire().await.ok()
    }

    /// Whether this process has an operation in hand.
    fn has_in_hand(&self, id: &OperationId) -> bool {
        self.hands().contains_key(id)
    }

    /// How many operations this process has in hand.
    pub fn in_hand(&self) -> usize {
        self.hands().len()
    }

    /// Waits until an operation has ended, at most this long; answers it as it then is.
    ///
    /// # Errors
    /// What the store says; `None` for an operation that does not exist.
    pub async fn wait(&self, id: &OperationId, at_most: Duration) -> Result<Option<OperationRow>, StoreError> {
        let deadline = tokio::time::Instant::now() + at_most;
        loop {
            // Asked before the row is read, so that an end between the two is not missed.
            let ended = self.hands().get(id).map(|grip| grip.ended.clone().notified_owned());
            let wanted = id.clone();
            let operation = self.parts.store.read("operations.by_id", move |tx| operations::by_id(tx, &wanted)).await?;
            let running = operation.as_ref().is_some_and(|operation| operation.state == "RUNNING");
            if !running || tokio::time::Instant::now() >= deadline {
                return Ok(operation);
            }
            // Another node may finish it: that is seen by looking again.
            let look_again = deadline.min(tokio::time::Instant::now() + LOOK_AGAIN);
            match ended {
                Some(ended) => drop(tokio::time::timeout_at(look_again, ended).await),
                None => tokio::time::sleep_until(look_again).await,
            }
        }
    }
}
