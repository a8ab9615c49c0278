//! `POST /v1/batches/{batch}/stop`.

use axum::{Json, extract::State};

use super::WhichBatch;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Named, Nothing},
    problem::Refusal,
    wire::batch::Batch,
};

/// Stop a batch
///
/// Nothing new is begun: keys that wait are SKIPPED. Operations that run go on to their ends; nothing is taken back.
#[utoipa::path(post, path = "/v1/batches/{batch}/stop", tag = "batches", params(WhichBatch, IdempotencyHeader),
    responses((status = 200, description = "It is stopped.", body = Batch)))]
pub(crate) async fn stop_batch(State(api): State<Api>, Caller(caller): Caller, Named(id): Named, change: Change<Nothing>) -> Result<Json<Batch>, Refusal> {
    Ok(Json(Batch::of(api.app.stop_batch(&caller, &change.request(&caller), &id).await?)?))
}
