//! `POST /v1/keys/{key}/deactivate` (CM-054).

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

/// Deactivate a key
///
/// From ACTIVE. The cloud's key is disabled and its material removed there; the vault keeps the material, and `activate` brings it back.
/// On an INACTIVE key nothing has to be done.
#[utoipa::path(post, path = "/v1/keys/{key}/deactivate", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn deactivate_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    super::ask(&api, &caller, &key, &change, Ask::Deactivate).await
}
