//! `GET` and `POST /v1/keys/{key}/recreate` (FX-003).

use axum::{Json, extract::State};

use super::WhichKey;
use crate::{
    answer::{Answered, OperationAnswer, answer},
    api::Api,
    caller::Caller,
    change::{Change, ChangeHeaders},
    extract::{Named, Nothing},
    problem::Refusal,
    wire::recreation::RecreationPlan,
};

/// Foretell what making a key anew comes to
///
/// What comes back with another key of the same material, and what never does. Nothing is changed, and no cloud is called.
#[utoipa::path(get, path = "/v1/keys/{key}/recreate", tag = "keys", params(WhichKey),
    responses((status = 200, description = "What it would come to.", body = RecreationPlan)))]
pub(crate) async fn recreation(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<RecreationPlan>, Refusal> {
    Ok(Json(api.app.recreation(&caller, &key).await?.into()))
}

/// Make a key anew that its cloud no longer has
///
/// From ACTIVE or INACTIVE, of the current key of its lineage. A new cloud key with the same kind, description and tags gets the material that the vault has, and the
/// aliases; this key becomes DELETED. It looks first whether the key is gone, and fails while it is there. What cannot come back stands in `warnings`, and before that in
/// `GET` of the same path. Key policies are never written: the new key has the cloud's default. Where the old one had another, or none was seen, the new one waits INACTIVE
/// without material until it is activated.
#[utoipa::path(post, path = "/v1/keys/{key}/recreate", tag = "keys", params(WhichKey, ChangeHeaders), responses(OperationAnswer))]
pub(crate) async fn recreate_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named, change: Change<Nothing>) -> Result<Answered, Refusal> {
    let warnings = api.app.recreation_warnings(&caller, &key).await?;
    let started = api.app.recreate_key(&caller, &change.request(&caller), &key).await?;
    Ok(answer(&api, &caller, started, change.wait).await?.warning(warnings))
}
