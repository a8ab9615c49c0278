//! `GET /v1/batches`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{batch::Batch, listing::Listing},
};

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBatches {
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List batches
///
/// In the order in which they began, those that ended included.
#[utoipa::path(get, path = "/v1/batches", tag = "batches", params(ListBatches),
    responses((status = 200, description = "A page of batches.", body = Listing<Batch>)))]
pub(crate) async fn list_batches(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ListBatches>) -> Result<Json<Listing<Batch>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    Ok(Json(Listing::try_of(api.app.list_batches(&caller, page).await?, Batch::of)?))
}
