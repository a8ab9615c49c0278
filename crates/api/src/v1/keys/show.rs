//! `GET /v1/keys/{key}`.

use axum::{Json, extract::State};
use keystead_domain::RegionRole;

use super::WhichKey;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::key::Key};

/// Show a key
///
/// With the generations of its material: fingerprint and birth record of each; of a multi-Region key with the other members of its family. The material itself is
/// never shown.
#[utoipa::path(get, path = "/v1/keys/{key}", tag = "keys", params(WhichKey), responses((status = 200, description = "The key.", body = Key)))]
pub(crate) async fn show_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<Key>, Refusal> {
    let (row, versions) = api.app.show_key(&caller, &key).await?;
    let (id, is_of_a_family) = (row.id.clone(), row.ties.role != RegionRole::Single);
    let shown = Key::of(row).with_versions(versions);
    if !is_of_a_family {
        return Ok(Json(shown));
    }
    let family = api.app.family(&caller, id.as_str()).await?;
    Ok(Json(shown.with_family(std::iter::once(family.primary).chain(family.replicas).collect())))
}
