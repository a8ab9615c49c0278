//! `POST /v1/keys/{key}/forget` (FT-067, FT-068).

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

/// Forget a virtual key
///
/// Of a key with custody `native` that the cloud has really deleted: the operation looks first, and fails with `cloud-key-still-there` while the cloud has it. The
/// pointer then leaves every list; the key's id still shows its record, and its entries in the audit log stay. Nothing is deleted in the cloud.
#[utoipa::path(post, path = "/v1/keys/{key}/forget", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn forget_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let started = api.app.forget_key(&caller, &change.request(&caller), &key).await?;
    answer(&api, &caller, started, change.wait).await
}
