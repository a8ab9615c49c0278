//! `GET /v1/ceremonies`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{ceremony::Ceremony, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCeremonies {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List ceremonies
///
/// In the order in which they began, those that ended included.
#[utoipa::path(get, path = "/v1/ceremonies", tag = "ceremonies", params(ListCeremonies),
    responses((status = 200, description = "A page of ceremonies.", body = Listing<Ceremony>)))]
pub(crate) async fn list_ceremonies(
    State(api): State<Api>,
    Caller(caller): Caller,
    Query(asked): Query<ListCeremonies>,
) -> Result<Json<Listing<Ceremony>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.list_ceremonies(&caller, page).await?, Ceremony::of)))
}
