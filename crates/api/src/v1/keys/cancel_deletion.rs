//! `POST /v1/keys/{key}/cancel-deletion` (CM-060).

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

/// Cancel a key's deletion
///
/// From PENDING_DELETION. The countdown stops in the cloud, the material is removed there, and the key is INACTIVE.
#[utoipa::path(post, path = "/v1/keys/{key}/cancel-deletion", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn cancel_deletion(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    super::ask(&api, &caller, &key, &change, Ask::CancelDeletion).await
}
