//! `POST /v1/drifts/{drift}/repair`.

use axum::extract::State;

use super::WhichDrift;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
};

/// Repair a difference
///
/// Puts back in the cloud what is wanted; `repair` of the difference says beforehand what is done. Key policies and grants cannot be repaired: Keystead has no
/// permission to hand out the use of a key.
#[utoipa::path(post, path = "/v1/drifts/{drift}/repair", tag = "drift", params(WhichDrift, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn repair_drift(State(api): State<Api>, Caller(caller): Caller, Named(id): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let started = api.app.repair_drift(&caller, &change.request(&caller), &id).await?;
    answer(&api, &caller, started, change.wait).await
}
