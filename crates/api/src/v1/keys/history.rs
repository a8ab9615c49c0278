//! `GET /v1/keys/{key}/history` (CM-006, CM-061, FX-031).

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::WhichKey;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    query::{Query, page},
    wire::{audit::AuditEntry, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyHistory {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Show what happened to a key
///
/// The audit log's entries about it, newest first. They stay when the key is deleted.
#[utoipa::path(get, path = "/v1/keys/{key}/history", tag = "keys", params(WhichKey, KeyHistory),
    responses((status = 200, description = "A page of entries.", body = Listing<AuditEntry>)))]
pub(crate) async fn key_history(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    Query(asked): Query<KeyHistory>,
) -> Result<Json<Listing<AuditEntry>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let listed = api.app.key_history(&caller, &key, page).await?;
    Ok(Json(Listing::try_of(listed, AuditEntry::of)?))
}
