//! One call of an operation: how it runs against the world, and what is recorded of it.
//!
//! An operation is a function that runs under the world's lock. Work that takes long (private-key operations, waiting for a wrapping key) it hands back
//! as a [`Stage::Heavy`]: that runs on a blocking thread without the lock, and what it returns finishes the operation under the lock again.

use std::sync::Arc;

use serde_json::Value;

use super::errors::{AwsError, Code};
use super::iam::Caller;
use super::regions::Place;
use super::request::Request;
use crate::clock::Micros;
use crate::pool::KeyPool;
use crate::world::{Shared, World};

/// Which service an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Kms,
    Sqs,
    Sts,
}

/// One operation of the API.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) service: Service,
    /// CloudTrail's `readOnly`.
    pub(crate) read_only: bool,
    pub(crate) run: fn(&mut Scene<'_>) -> Result<Stage, AwsError>,
}

/// A good answer; `None` has an empty body.
pub(crate) type Reply = Option<Value>;
/// Work without the lock.
pub(crate) type Heavy = Box<dyn FnOnce() -> Result<Finish, AwsError> + Send>;
/// The last step, under the lock.
pub(crate) type Finish = Box<dyn FnOnce(&mut Scene<'_>) -> Result<Reply, AwsError> + Send>;

/// How far the first step came.
pub(crate) enum Stage {
    Done(Reply),
    Heavy(Heavy),
}

impl From<Value> for Stage {
    fn from(reply: Value) -> Self {
        Self::Done(Some(reply))
    }
}

/// An authenticated call.
pub(crate) struct Call {
    pub(crate) operation: &'static Operation,
    pub(crate) caller: Caller,
    /// The caller's account in the Region of the signature.
    pub(crate) place: Place,
    pub(crate) request: Request,
    pub(crate) request_id: String,
    pub(crate) event_id: String,
}

/// What an operation works with.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) call: &'a Call,
    pub(crate) pool: &'a KeyPool,
    pub(crate) now: Micros,
    /// ARNs that the call touched, for the event trail.
    pub(crate) touched: &'a mut Vec<String>,
}

impl<'a> Scene<'a> {
    /// The call's request; it outlives the borrow of the scene.
    pub(crate) fn request(&self) -> &'a Request {
        &self.call.request
    }

    /// Refuses unless the caller may do `action` on this resource.
    pub(crate) fn authorize_action(&self, action: &str, resource: &str) -> Result<(), AwsError> {
        self.call.caller.authorize(action, resource)
    }

    /// Refuses unless the caller may do this call's own action on this resource.
    pub(crate) fn authorize(&self, resource: &str) -> Result<(), AwsError> {
        self.authorize_action(&format!("kms:{}", self.call.operation.name), resource)
    }

    /// When what is changed now shows to others.
    pub(crate) fn visible_at(&self) -> Micros {
        let delay = i64::try_from(self.world.settings.visibility_ms).unwrap_or(i64::MAX);
        self.now.saturating_add(delay.saturating_mul(1_000))
    }
}

/// Runs a call to its end and records it.
pub(crate) async fn perform(shared: &Arc<Shared>, call: &Arc<Call>) -> Result<Reply, AwsError> {
    let mut touched = Vec::new();
    let outcome = stages(shared, call, &mut touched).await;
    let error = outcome.as_ref().err().map(|error| (error.code.json_name().to_owned(), error.message.clone()));
    shared.with_world(|world, now| world.record_call(call, &touched, error, now));
    outcome
}

async fn stages(shared: &Arc<Shared>, call: &Arc<Call>, touched: &mut Vec<String>) -> Result<Reply, AwsError> {
    let first = shared.with_world(|world, now| {
        admit(world, call, now)?;
        (call.operation.run)(&mut Scene { world, call, pool: &shared.pool, now, touched })
    })?;
    let heavy = match first {
        Stage::Done(reply) => return Ok(reply),
        Stage::Heavy(heavy) => heavy,
    };
    let finish = tokio::task::spawn_blocking(heavy).await.map_err(|_| AwsError::internal("a background task of the sandbox failed"))??;
    shared.with_world(|world, now| finish(&mut Scene { world, call, pool: &shared.pool, now, touched }))
}

fn admit(world: &mut World, call: &Call, now: Micros) -> Result<(), AwsError> {
    let settings = &world.settings;
    if !settings.quotas || world.quotas.admit(&call.place, call.operation.name, &settings.quota_overrides, now) {
        return Ok(());
    }
    Err(AwsError::new(Code::Throttling, "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."))
}
