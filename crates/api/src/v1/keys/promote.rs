//! `POST /v1/keys/{key}/promote` (FT-047).

use axum::extract::State;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
};

/// Promote a replica
///
/// Asked of a replica: it becomes the primary of its family, and the primary a replica. Both must be ACTIVE. Material, states and aliases stay as they are, and
/// applications notice nothing. Asked of a primary, it is already so.
#[utoipa::path(post, path = "/v1/keys/{key}/promote", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn promote_replica(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let (request, wait) = (change.request(&caller), change.wait);
    let started = api.app.promote_replica(&caller, &request, &key).await?;
    answer(&api, &caller, started, wait).await
}
