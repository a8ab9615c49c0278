//! `POST /v1/keys/{key}/schedule-deletion` (CM-058).

use axum::extract::State;
use keystead_app::keys::lifecycle::Ask;
use keystead_domain::key::deletion::WaitingDays;
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

/// When a key shall go.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "days": 30 }))]
pub(crate) struct ScheduleDeletion {
    /// Days until the cloud deletes it.
    #[schema(minimum = 7, maximum = 30)]
    days: i64,
}

impl Input for ScheduleDeletion {}

/// Schedule a key's deletion
///
/// From ACTIVE, INACTIVE and REPLACED. From now on nobody can use the key, so that every bad effect shows at once; until its last day the deletion can be
/// cancelled. Then the cloud deletes the key, and the vault destroys the material. What it encrypted is lost.
#[utoipa::path(post, path = "/v1/keys/{key}/schedule-deletion", tag = "keys", params(WhichKey, ChangeHeaders), request_body = ScheduleDeletion, responses(OperationAnswer))]
pub(crate) async fn schedule_deletion(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    change: Change<ScheduleDeletion>,
) -> Result<Answered, Refusal> {
    let days = WaitingDays::parse(change.body.days)?;
    super::ask(&api, &caller, &key, &change, Ask::ScheduleDeletion(days)).await
}
