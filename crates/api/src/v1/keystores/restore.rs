//! `POST /v1/keystores/{keystore}/restore` (CM-037, FX-003).

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

/// Restore a keystore
///
/// Looks at every key that is in use, and imports the material again of each that has lost it, by an upload of its own: the most important first, by the tag
/// `keystead-priority` (1 comes first, 9 last, 5 without it). Keys whose import parameters were fetched ahead do not wait for the others. Keys that are gone themselves
/// cannot come back: the operation's `restore` names them. `GET` of the same path foretells how long it takes.
#[utoipa::path(post, path = "/v1/keystores/{keystore}/restore", tag = "keystores", params(WhichKeystore, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn restore_keystore(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    change: Change<Nothing>,
) -> Result<Answered, Refusal> {
    let started = api.app.restore_keystore(&caller, &change.request(&caller), &keystore).await?;
    answer(&api, &caller, started, change.wait).await
}
