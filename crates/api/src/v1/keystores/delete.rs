//! `DELETE /v1/keystores/{keystore}` (CM-038, CM-062).

use axum::extract::State;

use super::WhichKeystore;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
};

/// Delete a keystore
///
/// When every key in it is DELETED; otherwise the refusal names keys that are not. Its entries in the audit log stay.
#[utoipa::path(delete, path = "/v1/keystores/{keystore}", tag = "keystores", params(WhichKeystore, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn delete_keystore(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    change: Change<Nothing>,
) -> Result<Answered, Refusal> {
    let started = api.app.delete_keystore(&caller, &change.request(&caller), &keystore).await?;
    answer(&api, &caller, started, change.wait).await
}
