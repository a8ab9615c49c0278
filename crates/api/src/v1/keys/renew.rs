//! `POST /v1/keys/{key}/renew` (CM-057).

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

/// Renew a key
///
/// From ACTIVE. A successor with new material takes over the aliases; this key becomes REPLACED and goes on decrypting.
/// Behind an ended operation the answer's key is the successor.
#[utoipa::path(post, path = "/v1/keys/{key}/renew", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn renew_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    super::ask(&api, &caller, &key, &change, Ask::Renew).await
}
