//! `GET /v1/estate/applies`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{estate_plan::Apply, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListApplies {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List applies
///
/// In the order in which they began, those that ended included.
#[utoipa::path(get, path = "/v1/estate/applies", tag = "estate", params(ListApplies),
    responses((status = 200, description = "A page of applies.", body = Listing<Apply>)))]
pub(crate) async fn list_applies(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListApplies>) -> Result<Json<Listing<Apply>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::of(api.app.list_applies(&caller, page).await?, Apply::of)))
}
