//! `GET /v1/batches/{batch}/items`.

use axum::{Json, extract::State};
use keystead_domain::batch::ItemState;
use serde::Deserialize;
use utoipa::IntoParams;

use super::WhichBatch;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    query::{Query, page},
    wire::{batch::BatchItem, listing::Listing},
};

/// Which of its keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BatchItems {
    /// Only those that stand there: WAITING, RUNNING, DONE, SKIPPED or FAILED.
    #[param(example = "FAILED")]
    state: Option<String>,
    /// How many at most; 100 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the keys of a batch
///
/// In the order in which they are begun, each with its operation, or why it waits, was skipped or failed.
#[utoipa::path(get, path = "/v1/batches/{batch}/items", tag = "batches", params(WhichBatch, BatchItems),
    responses((status = 200, description = "A page of keys.", body = Listing<BatchItem>)))]
pub(crate) async fn batch_items(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(id): Named,
    Query(asked): Query<BatchItems>,
) -> Result<Json<Listing<BatchItem>>, Refusal> {
    let page = page(asked.limit.as_deref(), asked.cursor.as_deref())?;
    let state = asked.state.as_deref().map(ItemState::parse).transpose()?;
    Ok(Json(Listing::of(api.app.batch_items(&caller, &id, state, page).await?, BatchItem::of)))
}
