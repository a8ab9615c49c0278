//! `POST /v1/keys/{key}/revert` (CM-025).

use axum::extract::State;
use keystead_app::keys::lifecycle::Ask;

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
};

/// Undo a renewal
///
/// Asked of the successor: the aliases go back to its predecessor, which becomes ACTIVE again, and the successor becomes REPLACED.
#[utoipa::path(post, path = "/v1/keys/{key}/revert", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn revert_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    super::ask(&api, &caller, &key, &change, Ask::Revert).await
}
