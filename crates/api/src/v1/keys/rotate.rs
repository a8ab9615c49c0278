//! `POST /v1/keys/{key}/rotate` (FT-077).

use axum::extract::State;
use keystead_app::keys::lifecycle::Ask;
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
#[schema(example = json!({ "in_place": false }))]
pub(crate) struct RotateKey {
    /// Whether the same cloud key shall get new material. Refused so far.
    #[serde(default)]
    in_place: bool,
}

impl Input for RotateKey {
    const MAY_BE_ABSENT: bool = true;
}

/// Rotate a key now
///
/// From ACTIVE, whatever its policy's window says. As a renewal; behind the grace of its rotation policy, if that has one, the predecessor is deactivated.
/// What an alias that moves does not help with stands in the answer's `warnings`, and before that in `GET /v1/rotation-policies/key:NAME`.
#[utoipa::path(post, path = "/v1/keys/{key}/rotate", tag = "keys", params(WhichKey, ChangeHeaders), request_body = RotateKey, responses(OperationAnswer))]
pub(crate) async fn rotate_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<RotateKey>) -> Result<Answered, Refusal> {
    if change.body.in_place {
        return Err(api.app.refuse_in_place(&caller, &key).await.into());
    }
    let warnings = api.app.rotation_warnings(&caller, &key).await?;
    Ok(super::ask(&api, &caller, &key, &change, Ask::Rotate).await?.warning(warnings))
}
