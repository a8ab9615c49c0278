//! `PUT /v1/drifts/{drift}/acceptance`.

use axum::{Json, extract::State};
use keystead_domain::Invalid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichDrift;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    wire::drift::Drift,
};

/// How long a reason may be, in characters.
const REASON_MAX: usize = 500;

/// Why it is accepted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "ticket 4711: the team renamed its cost centre" }))]
pub(crate) struct AcceptDrift {
    /// For the audit log; at most 500 characters.
    #[serde(default)]
    reason: String,
}

impl Input for AcceptDrift {
    const MAY_BE_ABSENT: bool = true;
}

/// Accept a difference
///
/// What is becomes what is wanted; nothing is changed in the cloud. Descriptions, tags, aliases, ends, policies and grants can be accepted; the others have a command
/// of their own, which the refusal names. Accepting it again changes nothing.
#[utoipa::path(put, path = "/v1/drifts/{drift}/acceptance", tag = "drift", params(WhichDrift), request_body = AcceptDrift,
    responses((status = 200, description = "The difference, accepted.", body = Drift)))]
pub(crate) async fn accept_drift(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    Body(asked): Body<AcceptDrift>,
) -> Result<Json<Drift>, Refusal> {
    if asked.reason.chars().count() > REASON_MAX {
        return Err(Invalid::new("reason", "is too long", format!("Give at most {REASON_MAX} characters.")).into());
    }
    Ok(Json(Drift::of(api.app.accept_drift(&caller, &id, &asked.reason).await?)))
}
