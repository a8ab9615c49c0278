//! `POST /v1/keys/{key}/restore` (FT-019).

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

/// Restore a killed key
///
/// Undoes the newest kill that was asked of this key: every key that it took out of use, and that is INACTIVE still, gets its material back, is enabled, and has the
/// state that it had before: what was REPLACED is REPLACED again.
#[utoipa::path(post, path = "/v1/keys/{key}/restore", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn restore_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let started = api.app.restore_key(&caller, &change.request(&caller), &key).await?;
    answer(&api, &caller, started, change.wait).await
}
