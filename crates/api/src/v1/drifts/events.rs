//! `GET` and `PUT /v1/keystores/{keystore}/event-queue`.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    v1::keystores::WhichKeystore,
    wire::drift::EventQueue,
};

/// Which queue tells what is done to the keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "queue": "arn:aws:sqs:eu-central-1:111122223333:keystead-events" }))]
pub(crate) struct SetEventQueue {
    /// The ARN of a standard queue of Amazon SQS in the keystore's own account and Region, into which EventBridge puts what CloudTrail records of AWS KMS.
    /// Left out: none, and what is done to the keys is seen when somebody or the schedule looks.
    #[serde(default)]
    queue: Option<String>,
}

impl Input for SetEventQueue {}

/// Show a keystore's event queue
///
/// The queue, when it was heard last, and what hinders that.
#[utoipa::path(get, path = "/v1/keystores/{keystore}/event-queue", tag = "drift", params(WhichKeystore),
    responses((status = 200, description = "The queue.", body = EventQueue)))]
pub(crate) async fn event_queue(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<EventQueue>, Refusal> {
    Ok(Json(EventQueue::of(api.app.event_queue(&caller, &keystore).await?)))
}

/// Set a keystore's event queue
///
/// From now on a key to which something is done is looked at at once, and differences say who made them. An event only wakes a look: what is kept of a key is what the
/// cloud says of it. The same again changes nothing; without a queue nothing is listened to.
#[utoipa::path(put, path = "/v1/keystores/{keystore}/event-queue", tag = "drift", params(WhichKeystore), request_body = SetEventQueue,
    responses((status = 200, description = "The queue.", body = EventQueue)))]
pub(crate) async fn set_event_queue(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Body(asked): Body<SetEventQueue>,
) -> Result<Json<EventQueue>, Refusal> {
    Ok(Json(EventQueue::of(api.app.set_event_queue(&caller, &keystore, asked.queue).await?)))
}
