//! From the AWS client's errors to ours. The question that matters most is answered exactly: can the call have had its effect?

pub mod codes;

use std::error::Error as StdError;

use aws_sdk_kms::{error::SdkError, operation::RequestId};
use aws_sdk_sts::{error::ProvideErrorMetadata, operation::assume_role::AssumeRoleError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use keystead_cloud::{CloudError, Fault, Kind, Retry};

/// Our own code for a refusal that never left the house.
pub const REFUSED_HERE: &str = "RefusedHere";

/// A refusal before anything was sent.
pub fn refused(call: &'static str, kind: Kind, message: impl Into<String>) -> CloudError {
    made(call, kind, Fault::Ours, Retry::Never, REFUSED_HERE, message)
}

/// A success that lacks what it must hold. The call has had its effect, but we cannot say which.
pub fn unreadable(call: &'static str, missing: &str, request_id: Option<&str>) -> CloudError {
    let error = made(call, Kind::OutcomeUnknown, Fault::Theirs, Retry::Backoff, "ReplyUnreadable", format!("The answer has no {missing}."));
    CloudError { request_id: request_id.map(ToOwned::to_owned), ..error }
}

/// What went wrong with a call. `sent` says whether the request was handed to the network.
pub fn from_sdk<E>(call: &'static str, sent: bool, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: StdError + ProvideErrorMetadata + 'static,
{
    let request_id = error.request_id().map(ToOwned::to_owned);
    let judged = match error {
        SdkError::ServiceError(service) => answered(call, service.raw().status().as_u16(), service.err()),
        SdkError::ResponseError(_) => lost(call, "ReplyUnreadable", error),
        _ if !sent => unsent(call, error),
        _ if find::<hyper_util::client::legacy::Error>(error).is_some_and(hyper_util::client::legacy::Error::is_connect) => {
            made(call, Kind::Unreachable, Fault::Wire, Retry::Backoff, "ConnectFailed", chain_text(error))
        }
        SdkError::TimeoutError(_) => lost(call, "TimedOut", error),
        _ => lost(call, "ReplyLost", error),
    };
    CloudError { request_id: request_id.or(judged.request_id.clone()), ..judged }
}

/// KMS answered with an error.
fn answered(call: &'static str, status: u16, error: &impl ProvideErrorMetadata) -> CloudError {
    let code = error.code().unwrap_or("NoCode");
    let message = error.message().unwrap_or("AWS gave no message.");
    let (kind, fault, retry) = match codes::kms(code) {
        Some(row) => (row.kind, row.fault, refine(row, message)),
        None => codes::unknown(status),
    };
    made(call, kind, fault, retry, code, message)
}

/// Wrong state may only mean "not yet visible": a key that is still being made, or whose import has just been acknowledged.
///
/// Source: AWS KMS Developer Guide, "Key states of AWS KMS keys", the messages under the table.
fn refine(row: codes::Row, message: &str) -> Retry {
    let passing = ["is creating", "is updating", "is pending import"].iter().any(|state| message.contains(state));
    if row.kind == Kind::WrongState && passing { Retry::UntilVisible } else { row.retry }
}

/// The answer is lost: the call may have had its effect.
fn lost(call: &'static str, code: &str, error: &(dyn StdError + 'static)) -> CloudError {
    made(call, Kind::OutcomeUnknown, Fault::Wire, Retry::Backoff, code, chain_text(error))
}

/// The request never left: credentials could not be had, the input could not be written, or time ran out before.
fn unsent<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: StdError + 'static,
{
    let assuming = find::<SdkError<AssumeRoleError, HttpResponse>>(error);
    if let Some(SdkError::ServiceError(denied)) = assuming {
        let error = role_denied(denied.raw().status().as_u16(), denied.err());
        return CloudError { request_id: assuming.and_then(|failure| failure.request_id()).map(ToOwned::to_owned), ..error };
    }
    let text = chain_text(error);
    let unreachable = |code| made(call, Kind::Unreachable, Fault::Wire, Retry::Backoff, code, text.clone());
    match error {
        SdkError::ConstructionFailure(_) => made(call, Kind::BadInput, Fault::Ours, Retry::Never, REFUSED_HERE, text),
        SdkError::TimeoutError(_) => unreachable("CredentialsTimedOut"),
        _ if wire_failed(error) => unreachable("CredentialsUnreachable"),
        _ => made(call, Kind::Credentials, Fault::Ours, Retry::Never, "NoCredentials", text),
    }
}

/// STS answered, and the answer was no.
fn role_denied(status: u16, error: &AssumeRoleError) -> CloudError {
    let code = error.code().unwrap_or("NoCode");
    let message = error.message().unwrap_or("AWS gave no message.");
    let (kind, fault, retry) = match codes::sts(code) {
        Some(row) => (row.kind, row.fault, row.retry),
        None => codes::unknown_of_sts(status),
    };
    made("AssumeRole", kind, fault, retry, code, message)
}

/// Whether the way to whoever gives credentials failed: no connection, or no answer in time.
fn wire_failed(error: &(dyn StdError + 'static)) -> bool {
    links(error).any(|link| {
        link.is::<hyper_util::client::legacy::Error>()
            || matches!(link.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>(), Some(SdkError::TimeoutError(_) | SdkError::ResponseError(_)))
    })
}

fn made(call: &'static str, kind: Kind, fault: Fault, retry: Retry, code: &str, message: impl Into<String>) -> CloudError {
    CloudError { kind, fault, retry, call, code: code.to_owned(), message: message.into(), request_id: None }
}

/// An error and what caused it, outermost first.
fn links<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link| (**link).source())
}

fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    links(error).find_map(|link| link.downcast_ref::<T>())
}

/// The whole chain in one line, for operators. Only `Display` is used: `Debug` of the client's errors shows headers.
fn chain_text(error: &(dyn StdError + 'static)) -> String {
    links(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_kms::operation::describe_key::DescribeKeyError;
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::{body::SdkBody, error::ErrorMetadata};

    type Failure = SdkError<DescribeKeyError, HttpResponse>;

    fn reply(status: u16) -> HttpResponse {
        HttpResponse::new(status.try_into().expect("a status"), SdkBody::empty())
    }

    fn service(status: u16, code: &str, message: &str) -> Failure {
        SdkError::service_error(DescribeKeyError::generic(ErrorMetadata::builder().code(code).message(message).build()), reply(status))
    }

    fn judged(sent: bool, error: Failure) -> (Kind, Fault, Retry) {
        let error = from_sdk("DescribeKey", sent, &error);
        (error.kind, error.fault, error.retry)
    }

    #[test]
    fn what_was_sent_and_not_answered_may_have_had_its_effect() {
        let lost = (Kind::OutcomeUnknown, Fault::Wire, Retry::Backoff);
        assert_eq!(judged(true, SdkError::timeout_error("late")), lost);
        assert_eq!(judged(true, SdkError::dispatch_failure(ConnectorError::io("reset".into()))), lost);
        assert_eq!(judged(true, SdkError::response_error("not JSON", reply(200))), lost);
        assert_eq!(judged(true, service(500, "KMSInternalException", "")).0, Kind::CloudFailure);
        assert_eq!(judged(true, service(503, "Strange", "")), (Kind::CloudFailure, Fault::Theirs, Retry::Backoff));
    }

    #[test]
    fn what_was_not_sent_certainly_had_no_effect() {
        for error in [
            SdkError::timeout_error("late"),
            SdkError::dispatch_failure(ConnectorError::other("no credentials".into(), None)),
            SdkError::construction_failure("no name"),
        ] {
            let error: CloudError = from_sdk("DescribeKey", false, &error as &Failure);
            assert!(!error.outcome_unknown(), "{error}");
        }
    }

    #[test]
    fn a_state_that_may_pass_is_retried_for_a_while_and_others_are_not() {
        let state = |message| judged(true, service(400, "KMSInvalidStateException", message));
        assert_eq!(state("arn:aws:kms:… is creating."), (Kind::WrongState, Fault::Ours, Retry::UntilVisible));
        assert_eq!(state("arn:aws:kms:… is pending import."), (Kind::WrongState, Fault::Ours, Retry::UntilVisible));
        assert_eq!(state("arn:aws:kms:… is pending deletion."), (Kind::WrongState, Fault::Ours, Retry::Never));
    }

    fn while_assuming(error: SdkError<AssumeRoleError, HttpResponse>) -> CloudError {
        let outer: Failure = SdkError::dispatch_failure(ConnectorError::other(Box::new(error), None));
        from_sdk("DescribeKey", false, &outer)
    }

    #[test]
    fn a_refusal_of_sts_is_dug_out_with_its_own_words() {
        let denied =
            AssumeRoleError::generic(ErrorMetadata::builder().code("AccessDenied").message("User x is not authorized to perform: sts:AssumeRole").build());
        let error = while_assuming(SdkError::service_error(denied, reply(403)));
        assert_eq!((error.kind, error.call, error.code.as_str()), (Kind::RoleNotAssumable, "AssumeRole", "AccessDenied"));
        assert_eq!(error.message, "User x is not authorized to perform: sts:AssumeRole");
    }

    #[test]
    fn a_lame_sts_is_unreachable_and_not_a_lost_answer() {
        let failed = AssumeRoleError::generic(ErrorMetadata::builder().code("InternalFailure").build());
        assert_eq!(while_assuming(SdkError::service_error(failed, reply(500))).kind, Kind::Unreachable);
        assert_eq!(while_assuming(SdkError::timeout_error("late")).kind, Kind::Unreachable);
    }

    #[test]
    fn the_request_id_is_kept_for_the_audit_log() {
        let meta = ErrorMetadata::builder().code("NotFoundException").build();
        let mut raw = reply(400);
        raw.headers_mut().insert("x-amzn-requestid", "r-1");
        let error = from_sdk("DescribeKey", true, &(SdkError::service_error(DescribeKeyError::generic(meta), raw) as Failure));
        assert_eq!((error.kind, error.request_id.as_deref()), (Kind::NotFound, Some("r-1")));
    }
}
