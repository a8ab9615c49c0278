//! `GET /v1/keys/{key}/waves` (FT-074, FT-078).

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
    wire::{listing::Listing, wave::Wave},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RotationWaves {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the copies that are rotated behind a key
///
/// Of the key's newest rotation, each with its wave and how it stands: PENDING, BEGUN, DONE, FAILED or STOPPED, which means that something before it failed.
#[utoipa::path(get, path = "/v1/keys/{key}/waves", tag = "keys", params(WhichKey, RotationWaves),
    responses((status = 200, description = "A page of copies.", body = Listing<Wave>)))]
pub(crate) async fn rotation_waves(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(key): Named,
    Query(asked): Query<RotationWaves>,
) -> Result<Json<Listing<Wave>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.rotation_waves(&caller, &key, page).await?, Wave::of)))
}
