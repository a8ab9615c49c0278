//! `POST /v1/keys/{key}/upload` (CM-056).

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

/// Upload a key's material again
///
/// From ACTIVE and REPLACED: when the cloud lost the material, or to import it with a later end. The key's state does not change.
#[utoipa::path(post, path = "/v1/keys/{key}/upload", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn upload_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    super::ask(&api, &caller, &key, &change, Ask::Upload).await
}
