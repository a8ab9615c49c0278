//! `GET /v1/operations`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::Api,
    caller::Caller,
    problem::Refusal,
    query::{Query, page},
    wire::{listing::Listing, operation::Operation},
};

/// Which operations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOperations {
    /// Only those about this key, by id or name.
    key: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List operations
///
/// Newest first.
#[utoipa::path(get, path = "/v1/operations", tag = "operations", params(ListOperations),
    responses((status = 200, description = "A page of operations.", body = Listing<Operation>)))]
pub(crate) async fn list_operations(
    State(api): State<Api>,
    Caller(caller): Caller,
    Query(asked): Query<ListOperations>,
) -> Result<Json<Listing<Operation>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let listed = api.app.list_operations(&caller, asked.key.as_deref(), page).await?;
    Ok(Json(Listing::of(listed, Operation::of)))
}
