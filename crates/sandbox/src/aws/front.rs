//! The front door: from an HTTP request to an authenticated call, through the scripted faults, to an answer or to a connection that breaks.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value};

use super::authenticate::{Clocks, authenticate};
use super::call::{Call, Operation, Reply, Service, perform};
use super::errors::{AwsError, Code};
use super::regions::Place;
use super::request::Request;
use super::sigv4::SignedRequest;
use super::{kms, sqs, sts, wire};
use crate::clock::system_micros;
use crate::fault::Effect;
use crate::listen::Wire;
use crate::random;
use crate::world::Shared;

/// Longest request that is read.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Answers any request that is not for the control plane.
pub(crate) async fn handle(State(shared): State<Arc<Shared>>, ConnectInfo(wire): ConnectInfo<Wire>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let service = match target(&parts) {
        None => Service::Sts,
        Some(target) if target.starts_with("AmazonSQS.") => Service::Sqs,
        Some(_) => Service::Kms,
    };
    let request_id = random::uuid().unwrap_or_default();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return wire::refusal(service, &AwsError::new(Code::Serialization, "The request is too long."), &request_id);
    };
    let call = match receive(&shared, service, &parts, &body, &request_id) {
        Ok(call) => Arc::new(call),
        Err(error) => return wire::refusal(service, &error, &request_id),
    };
    let (latency, fault) = shared.with_world(|world, _| (world.settings.latency_ms, world.faults.take(call.operation.name)));
    pause(latency).await;
    let ending = play(&shared, &call, fault).await;
    for late in shared.with_world(|world, _| world.due_late()) {
        drop(perform(&shared, &late).await);
    }
    finish(ending, &shared, &call, &wire)
}

/// How a call ends for its client.
enum Ending {
    Answered(Result<Reply, AwsError>),
    Scripted {
        code: String,
        status: u16,
        message: String,
    },
    Bare500,
    Silent,
    /// Silent, and the effect comes after this many further calls.
    SilentThenLate(u32),
}

async fn play(shared: &Arc<Shared>, call: &Arc<Call>, fault: Option<Effect>) -> Ending {
    match fault {
        None => Ending::Answered(perform(shared, call).await),
        Some(Effect::Delay { millis }) => {
            pause(millis).await;
            Ending::Answered(perform(shared, call).await)
        }
        Some(Effect::Duplicate) => {
            drop(perform(shared, call).await);
            Ending::Answered(perform(shared, call).await)
        }
        Some(Effect::Lost) => {
            drop(perform(shared, call).await);
            Ending::Silent
        }
        Some(Effect::Late { calls: None, millis: Some(millis) }) => {
            spawn_late(Arc::clone(shared), Arc::clone(call), millis);
            Ending::Silent
        }
        Some(Effect::Late { calls, .. }) => Ending::SilentThenLate(calls.unwrap_or(1).max(1)),
        Some(Effect::Error { code, status, message }) => Ending::Scripted { code, status, message },
        Some(Effect::Http500) => Ending::Bare500,
        Some(Effect::Drop) => Ending::Silent,
    }
}

fn finish(ending: Ending, shared: &Shared, call: &Arc<Call>, wire: &Wire) -> Response {
    let (service, request_id) = (call.operation.service, &call.request_id);
    match ending {
        Ending::Answered(Ok(reply)) => return wire::answer(service, call.operation.name, reply, request_id),
        Ending::Answered(Err(error)) => return wire::refusal(service, &error, request_id),
        Ending::Bare500 => return wire::bare_500(),
        Ending::Scripted { code, status, message } => {
            let error = Some((code.clone(), message.clone()));
            shared.with_world(|world, now| world.record_call(call, &[], error, now));
            return wire::raw_error(service, &code, status, &message, request_id);
        }
        Ending::SilentThenLate(calls) => shared.with_world(|world, _| world.late.push((calls, Arc::clone(call)))),
        Ending::Silent => {}
    }
    wire.cut();
    Response::default()
}

fn spawn_late(shared: Arc<Shared>, call: Arc<Call>, millis: u64) {
    drop(tokio::spawn(async move {
        pause(millis).await;
        drop(perform(&shared, &call).await);
    }));
}

async fn pause(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// Parses and authenticates.
fn receive(shared: &Shared, service: Service, parts: &Parts, body: &Bytes, request_id: &str) -> Result<Call, AwsError> {
    if parts.method != http::Method::POST || parts.uri.path() != "/" {
        return Err(AwsError::new(Code::UnknownOperation, "Only POST / is an operation."));
    }
    let (operation, members) = match service {
        Service::Kms | Service::Sqs => json_operation(service, parts, body)?,
        Service::Sts => sts_operation(body)?,
    };
    let signed_request = SignedRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        authority: parts.uri.authority().map(http::uri::Authority::as_str),
        body,
    };
    let scope = match service {
        Service::Kms => "kms",
        Service::Sqs => "sqs",
        Service::Sts => "sts",
    };
    let signed = shared.with_world(|world, now| authenticate(&signed_request, scope, &world.iam, Clocks { real: system_micros(), virtual_: now }))?;
    let place = Place { account: signed.caller.account.clone(), region: signed.region };
    Ok(Call { operation, caller: signed.caller, place, request: Request::new(members), request_id: request_id.to_owned(), event_id: random::uuid()? })
}

/// What names service and operation in the JSON protocols.
fn target(parts: &Parts) -> Option<&str> {
    parts.headers.get("x-amz-target").map(|target| target.to_str().unwrap_or_default())
}

fn json_operation(service: Service, parts: &Parts, body: &[u8]) -> Result<(&'static Operation, Map<String, Value>), AwsError> {
    let target = target(parts).unwrap_or_default();
    let name = target.split_once('.').map_or("", |(_, name)| name);
    let unknown = || AwsError::new(Code::UnknownOperation, format!("The sandbox does not simulate {target:?}."));
    let operation = match service {
        Service::Sqs => sqs::OPERATIONS.iter().find(|operation| operation.name == name),
        _ => target.strip_prefix("TrentService.").and_then(kms::operation),
    };
    let operation = operation.ok_or_else(unknown)?;
    let unreadable = || AwsError::new(Code::Serialization, "The request is not a JSON object.");
    let members = if body.is_empty() { Map::new() } else { serde_json::from_slice(body).map_err(|_| unreadable())? };
    Ok((operation, members))
}

fn sts_operation(body: &[u8]) -> Result<(&'static Operation, Map<String, Value>), AwsError> {
    let members = wire::parse_form(body).ok_or_else(|| AwsError::new(Code::Validation, "The request is not a form."))?;
    let action = members.get("Action").and_then(Value::as_str).unwrap_or_default();
    let version = members.get("Version").and_then(Value::as_str).unwrap_or_default();
    let unknown = || AwsError::new(Code::UnknownOperation, format!("Could not find operation {action} for version {version}"));
    let operation = sts::OPERATIONS.iter().find(|operation| operation.name == action).ok_or_else(unknown)?;
    Ok((operation, members))
}
