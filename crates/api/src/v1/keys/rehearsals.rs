//! `GET /v1/keys/{key}/rehearsals` (AW-045).

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
    wire::{listing::Listing, rehearsal::Rehearsal},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyRehearsals {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the rehearsed deletions of a key
///
/// The newest first: until when each kept the key disabled, and when the key was used before and behind it.
#[utoipa::path(get, path = "/v1/keys/{key}/rehearsals", tag = "keys", params(WhichKey, KeyRehearsals),
    responses((status = 200, description = "A page of rehearsals.", body = Listing<Rehearsal>)))]
pub(crate) async fn key_rehearsals(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    Query(asked): Query<KeyRehearsals>,
) -> Result<Json<Listing<Rehearsal>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.rehearsals(&caller, &key, page).await?, Rehearsal::of)))
}
