//! `POST /v1/keys/{key}/activate` (CM-055).

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

/// Activate a key
///
/// From INACTIVE. The material is imported into the cloud again and the key enabled. On an ACTIVE key nothing has to be done.
#[utoipa::path(post, path = "/v1/keys/{key}/activate", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn activate_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    super::ask(&api, &caller, &key, &change, Ask::Activate).await
}
