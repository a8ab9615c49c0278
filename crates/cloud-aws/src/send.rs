//! One call to AWS: whether it left the house, and what became of it.

use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_kms::{error::SdkError, operation::RequestId};
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef},
        orchestrator::HttpResponse,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use keystead_cloud::{CloudError, Kind, Reply, Retry};

use crate::{client::AwsCloud, error};

/// Notes the moment at which a request is handed to the network. Until then a failure certainly had no effect: the client finds credentials, and assumes the
/// role, inside the same call.
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<AtomicBool>);

impl Sent {
    /// Whether the request was handed over.
    pub fn is_sent(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "Sent"
    }

    fn read_before_transmit(&self, _: &BeforeTransmitInterceptorContextRef<'_>, _: &RuntimeComponents, _: &mut ConfigBag) -> Result<(), BoxError> {
        self.0.store(true, Ordering::Release);
        Ok(())
    }
}

/// Makes one call: `send!(cloud, "DescribeKey", cloud.kms.describe_key().key_id(id))` gives `Result<Reply<DescribeKeyOutput>, CloudError>`.
///
/// A macro, because the official client gives every operation its own builder type and no trait that joins them. A session that has ended is renewed, and the
/// call made once more: AWS has refused it at the door.
macro_rules! send {
    ($cloud:expr, $call:expr, $request:expr) => {{
        let request = $request;
        match $crate::send::send_once!($cloud, $call, request.clone()) {
            Err(error) if $crate::send::session_has_ended(&error) => $crate::send::send_once!($cloud, $call, request),
            done => done,
        }
    }};
}
pub(crate) use send;

macro_rules! send_once {
    ($cloud:expr, $call:expr, $request:expr) => {{
        let sent = $crate::send::Sent::default();
        let result = $request.customize().interceptor(sent.clone()).send().await;
        $cloud.outcome($call, &sent, result)
    }};
}
pub(crate) use send_once;

/// Whether AWS says that the session is over, which a fresh one mends.
pub(crate) fn session_has_ended(error: &CloudError) -> bool {
    error.kind == Kind::Credentials && error.retry == Retry::Backoff
}

impl AwsCloud {
    /// Turns the client's answer into ours, and forgets a session that AWS no longer takes.
    pub(crate) fn outcome<T, E>(&self, call: &'static str, sent: &Sent, result: Result<T, SdkError<E, HttpResponse>>) -> Result<Reply<T>, CloudError>
    where
        T: RequestId,
        E: StdError + ProvideErrorMetadata + 'static,
    {
        match result {
            Ok(value) => Ok(Reply { request_id: value.request_id().map(ToOwned::to_owned), value }),
            Err(failure) => {
                let error = error::from_sdk(call, sent.is_sent(), &failure);
                tracing::debug!(call, code = error.code, kind = ?error.kind, request_id = error.request_id, "AWS call failed");
                if error.kind == Kind::Credentials {
                    self.session.forget();
                }
                Err(error)
            }
        }
    }
}
