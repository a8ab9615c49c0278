//! `POST /v1/keystores/{keystore}/sync` (FT-051 to FT-056).

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

/// Sync a keystore
///
/// Looks at every key of its account and Region, whoever made it; nothing is changed there. New ones become virtual keys (custody `native`), known ones are brought
/// up to date, and in what Keystead's own keys differ is noticed. The operation's `sync` says how many there were. ListGrants may be called 100 times a second:
/// 100,000 keys take a quarter of an hour.
#[utoipa::path(post, path = "/v1/keystores/{keystore}/sync", tag = "keystores", params(WhichKeystore, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn sync_keystore(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    change: Change<Nothing>,
) -> Result<Answered, Refusal> {
    let started = api.app.sync_keystore(&caller, &change.request(&caller), &keystore).await?;
    answer(&api, &caller, started, change.wait).await
}
