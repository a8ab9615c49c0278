//! `GET /v1/keys/{key}/kills` (FT-019).

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
    wire::{kill::Kill, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyKills {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the kills of a key
///
/// Those that were asked of this key, the newest first: what each took out of use, and how long it was until the cloud refused it.
#[utoipa::path(get, path = "/v1/keys/{key}/kills", tag = "keys", params(WhichKey, KeyKills),
    responses((status = 200, description = "A page of kills.", body = Listing<Kill>)))]
pub(crate) async fn key_kills(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    Query(asked): Query<KeyKills>,
) -> Result<Json<Listing<Kill>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.key_kills(&caller, &key, page).await?, Kill::of)))
}
