//! One call to a cloud: wait for the quota, let the harness look in, call, look in again.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use keystead_cloud::{Call, Capabilities, CloudError, Kind, Reply};
use keystead_domain::{KeyId, KeySpec, OperationId, Timestamp, time::SECOND};
use keystead_store::{StoreError, operations};
use keystead_vault::VaultError;

use super::{Engine, Flow, Point, perform::Bench};

/// What must be left of a lease when a call goes out, in microseconds: longer than a call may take.
const LEASE_LEFT: i64 = 20 * SECOND;

/// The lease under which a step is done.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) operation: OperationId,
    pub(super) fence: Arc<AtomicI64>,
}

/// Why a step did not succeed.
#[derive(Debug)]
pub enum StepError {
    /// The cloud, or the way to it.
    Cloud(CloudError),
    /// The vault.
    Vault(VaultError),
    /// The database.
    Store(StoreError),
    /// The cloud does not show yet what was just done.
    NotVisible,
    /// The cloud still lets be used what was cut off.
    StillUsable,
    /// The cloud still has what should be gone.
    NotYet(String),
    /// A cloud key that no row names has the tags of the key, or of its lineage: its full name.
    Stray(String),
    /// An alias of the key is another cloud key's.
    AliasElsewhere {
        /// The alias, as the cloud writes it.
        alias: String,
        /// The cloud's id of the key that has it.
        key: String,
    },
    /// The cloud does not let the key be used, in this state, by somebody else's doing.
    NotEnabled(String),
    /// What should have been done before then was not.
    TooLate(Timestamp),
    /// The cloud no longer has the key.
    Gone,
    /// The location takes no key of this kind.
    NotImportable(KeySpec),
    /// The cloud says that it holds other material than we sent.
    OtherMaterial,
    /// A row that the step needs is not there.
    Missing(KeyId),
    /// Operations that this one began, so many at least, wait for something themselves.
    Unfinished(usize),
    /// The harness let the process die here.
    Died,
}

impl From<CloudError> for StepError {
    fn from(error: CloudError) -> Self {
        Self::Cloud(error)
    }
}

impl From<VaultError> for StepError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl StepError {
    /// Whether the step may have had an effect although it failed.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Cloud(error) => error.outcome_unknown(),
            Self::NotVisible | Self::Died => true,
            _ => false,
        }
    }
}

impl Engine {
    /// Makes one call that has an effect. From then on the step has touched the cloud, even if what follows in it fails.
    pub(super) async fn call<T>(&self, bench: &Bench, call: Call, answer: impl Future<Output = Result<Reply<T>, CloudError>>) -> Result<Reply<T>, StepError> {
        let reply = self.exchange(bench.cloud.capabilities(), bench.lease.as_ref(), call, answer).await?;
        bench.touched.store(true, Ordering::SeqCst);
        Ok(reply)
    }

    async fn exchange<T>(
        &self,
        capabilities: &Capabilities,
        lease: Option<&Lease>,
        call: Call,
        answer: impl Future<Output = Result<Reply<T>, CloudError>>,
    ) -> Result<Reply<T>, StepError> {
        self.quotas.wait(capabilities, call).await?;
        self.still_ours(lease).await?;
        self.reach(Point::BeforeCall(call))?;
        let answer = answer.await;
        self.reach(Point::AfterCall(call))?;
        if let Err(error) = &answer
            && error.kind == Kind::Throttled
        {
            self.quotas.throttled(capabilities, call).await?;
        }
        Ok(answer?)
    }

    /// Makes one call that only looks.
    pub(super) async fn look<T>(&self, bench: &Bench, call: Call, answer: impl Future<Output = Result<T, CloudError>>) -> Result<T, StepError> {
        let wrapped = async { answer.await.map(|value| Reply { value, request_id: None }) };
        Ok(self.exchange(bench.cloud.capabilities(), None, call, wrapped).await?.value)
    }

    /// Whether the lease still holds, longer than a call takes. Between the last journal write and the call may lie a long queue or a stopped machine, and another
    /// node may have gone on meanwhile. A node that is alone needs no look.
    async fn still_ours(&self, lease: Option<&Lease>) -> Result<(), StepError> {
        let Some(lease) = lease.filter(|_| !self.parts.store.is_exclusive()) else { return Ok(()) };
        let (id, fence, until) = (lease.operation.clone(), lease.fence.load(Ordering::SeqCst), self.now().plus_micros(LEASE_LEFT));
        let held = self.parts.store.read("operations.is_held", move |tx| operations::is_held(tx, &id, fence, until)).await?;
        if held { Ok(()) } else { Err(StepError::Store(StoreError::MovedOn("operation lease"))) }
    }

    /// Tells the harness; in production nobody listens.
    pub(super) fn reach(&self, point: Point) -> Result<(), StepError> {
        match self.parts.hooks.reached(point) {
            Flow::On => Ok(()),
            Flow::Die => Err(StepError::Died),
        }
    }
}
