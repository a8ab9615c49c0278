//! `POST /v1/keys/{key}/end-rehearsal` (AW-045).

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

/// End a rehearsed deletion
///
/// The key is enabled now, before its time. Without this it is enabled at the end that was asked for.
#[utoipa::path(post, path = "/v1/keys/{key}/end-rehearsal", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn end_rehearsal(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let started = api.app.end_rehearsal(&caller, &change.request(&caller), &key).await?;
    answer(&api, &caller, started, change.wait).await
}
