//! One call to a cloud: wait for the quota, let the harness look in, call, look in again.

use std::sync::atomic::Ordering;

use keystead_cloud::{Call, Capabilities, CloudError, Kind, Reply};
use keystead_domain::KeyId;
use keystead_store::StoreError;
use keystead_vault::VaultError;

use super::{Engine, Flow, Point, perform::Bench};

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
    /// The cloud still has what should be gone.
    NotYet(String),
    /// The cloud no longer has the key.
    Gone,
    /// A row that the step needs is not there.
    Missing(KeyId),
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
        let reply = self.exchange(bench.cloud.capabilities(), call, answer).await?;
        bench.touched.store(true, Ordering::SeqCst);
        Ok(reply)
    }

    async fn exchange<T>(
        &self,
        capabilities: &Capabilities,
        call: Call,
        answer: impl Future<Output = Result<Reply<T>, CloudError>>,
    ) -> Result<Reply<T>, StepError> {
        self.quotas.wait(capabilities, call).await?;
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
        Ok(self.exchange(bench.cloud.capabilities(), call, wrapped).await?.value)
    }

    /// Tells the harness; in production nobody listens.
    pub(super) fn reach(&self, point: Point) -> Result<(), StepError> {
        match self.parts.hooks.reached(point) {
            Flow::On => Ok(()),
            Flow::Die => Err(StepError::Died),
        }
    }
}
