//! `GET /v1/batches/{batch}`.

use axum::{Json, extract::State};

use super::WhichBatch;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::batch::Batch};

/// Show a batch
///
/// With how many of its keys stand where.
#[utoipa::path(get, path = "/v1/batches/{batch}", tag = "batches", params(WhichBatch), responses((status = 200, description = "The batch.", body = Batch)))]
pub(crate) async fn show_batch(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Json<Batch>, Refusal> {
    Ok(Json(Batch::of(api.app.show_batch(&caller, &id).await?)?))
}
