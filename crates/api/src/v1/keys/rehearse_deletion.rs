//! `POST /v1/keys/{key}/rehearse-deletion` (AW-045).

use axum::extract::State;
use keystead_domain::rehearsal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Input, Named},
    problem::Refusal,
};

/// For how long.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "for": "15m" }))]
pub(crate) struct RehearseDeletion {
    /// A span from 1m to 24h, after which the key is enabled again.
    #[serde(rename = "for")]
    span: String,
}

impl Input for RehearseDeletion {}

/// Rehearse a key's deletion
///
/// The key is disabled in its cloud for the span, and enabled again by itself, whatever becomes of who asked and of the server: the end is written before the key is disabled.
/// Whoever needs the key finds out while nothing is lost. Its state, material and aliases stay, and so do its replicas, copies and predecessors. What takes it out of use meanwhile,
/// a kill or a deactivation, counts: then it is not enabled. A quarter of an hour behind the end the cloud is asked who used it, and an alert tells. From ACTIVE and REPLACED.
#[utoipa::path(post, path = "/v1/keys/{key}/rehearse-deletion", tag = "keys", params(WhichKey, ChangeHeaders), request_body = RehearseDeletion,
    responses(OperationAnswer))]
pub(crate) async fn rehearse_deletion(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    change: Change<RehearseDeletion>,
) -> Result<Answered, Refusal> {
    let span = rehearsal::span(&change.body.span)?;
    let started = api.app.rehearse_deletion(&caller, &change.request(&caller), &key, span).await?;
    answer(&api, &caller, started, change.wait).await
}
