//! `GET /v1/keys/{key}/links` (FT-028, FT-029, FT-035).

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
    wire::{link::Link, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyLinks {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List a key's links
///
/// Of a copy the one to its source; of a source those of its copies, in the order in which they were made, deleted ones included.
#[utoipa::path(get, path = "/v1/keys/{key}/links", tag = "keys", params(WhichKey, KeyLinks),
    responses((status = 200, description = "A page of links.", body = Listing<Link>)))]
pub(crate) async fn key_links(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    Query(asked): Query<KeyLinks>,
) -> Result<Json<Listing<Link>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.key_links(&caller, &key, page).await?, Link::of)))
}
