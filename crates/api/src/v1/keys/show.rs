//! `GET /v1/keys/{key}`.

use axum::{Json, extract::State};
use keystead_domain::RegionRole;
use keystead_store::page::{LIMIT_DEFAULT, Page};

use super::WhichKey;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::key::Key};

/// Show a key
///
/// With its health, and the generations of its material: fingerprint and birth record of each; with its links to a source, or to copies; of a multi-Region key with the other members
/// of its family; and with what the cloud shows of it, as the last sync saw it: policy, grants, further aliases, relatives. The material itself is never shown.
#[utoipa::path(get, path = "/v1/keys/{key}", tag = "keys", params(WhichKey), responses((status = 200, description = "The key.", body = Key)))]
pub(crate) async fn show_key(State(api): State<Api>, Caller(caller): Caller, Named(key): Named) -> Result<Json<Key>, Refusal> {
    let (row, versions) = api.app.show_key(&caller, &key).await?;
    let health = api.app.key_health(&row).await?;
    let (id, is_of_a_family) = (row.id.clone(), row.ties.role != RegionRole::Single);
    let links = api.app.key_links(&caller, row.id.as_str(), Page { after: None, limit: LIMIT_DEFAULT }).await?;
    let (view, adopted_from) = api.app.view_of(&caller, &row).await?;
    let shown = Key::with_health((row, health)).with_versions(versions).with_links(links.rows).with_view(view, adopted_from);
    if !is_of_a_family {
        return Ok(Json(shown));
    }
    let family = api.app.family(&caller, id.as_str()).await?;
    Ok(Json(shown.with_family(std::iter::once(family.primary).chain(family.replicas).collect())))
}
