//! `GET /v1/keys/{key}`.

use axum::{Json, extract::State};

use super::WhichKey;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::key::Key};

/// Show a key
///
/// With the generations of its material: fingerprint and birth record of each; and with what the cloud shows of it, as the last sync saw it: policy, grants, further
/// aliases, relatives in other Regions. The material itself is never shown.
#[utoipa::path(get, path = "/v1/keys/{key}", tag = "keys", params(WhichKey), responses((status = 200, description = "The key.", body = Key)))]
pub(crate) async fn show_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<Key>, Refusal> {
    let (row, versions) = api.app.show_key(&caller, &key).await?;
    let (view, adopted_from) = api.app.view_of(&caller, &row).await?;
    Ok(Json(Key::of(row).with_versions(versions).with_view(view, adopted_from)))
}
