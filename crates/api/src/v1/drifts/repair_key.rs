//! `POST /v1/keys/{key}/repair`.

use axum::extract::State;

use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
    v1::keys::WhichKey,
};

/// Repair a key
///
/// Puts back in the cloud what is wanted, of every open difference of the key that Keystead can put right. A key without differences is left as it is.
#[utoipa::path(post, path = "/v1/keys/{key}/repair", tag = "drift", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn repair_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let started = api.app.repair_key(&caller, &change.request(&caller), &key).await?;
    answer(&api, &caller, started, change.wait).await
}
