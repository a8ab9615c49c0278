//! `POST /v1/keys/{key}/rotate` (FT-077).

use axum::extract::State;
use keystead_app::keys::lifecycle::Ask;
use keystead_domain::rotation::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
};

/// How it shall be rotated.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "strategy": "in-place" }))]
pub(crate) struct RotateKey {
    /// `new-key`: a successor takes over the alias. `in-place`: the same cloud key gets new material. Left out: as the policy that counts says, where the cloud can.
    #[serde(default)]
    strategy: Option<String>,
}

impl Input for RotateKey {
    const MAY_BE_ABSENT: bool = true;
}

/// Rotate a key now
///
/// From ACTIVE, whatever its policy's window says. By a successor, as a renewal; behind the grace of its rotation policy, if that has one, the predecessor is
/// deactivated. Or in place: the ARN stays, what was encrypted before opens, and it cannot be undone; AES keys only, 25 times for life.
/// What a rotation does not do for the key's users stands in the answer's `warnings`, and before that in `GET /v1/rotation-policies/key:NAME`.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", tag = "keys", params(WhichKey, ChangeHeaders), request_body = RotateKey, responses(OperationAnswer))]
pub(crate) async fn rotate_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<RotateKey>) -> Result<Answered, Refusal> {
    let strategy = match change.body.strategy.as_deref() {
        Some(text) => Strategy::parse(text)?,
        None => api.app.rotation_strategy(&caller, &key).await?,
    };
    let ask = if strategy == Strategy::InPlace { Ask::RotateInPlace } else { Ask::Rotate };
    let warnings = api.app.rotation_warnings(&caller, &key, strategy).await?;
    Ok(super::ask(&api, &caller, &key, &change, ask).await?.warning(warnings))
}
