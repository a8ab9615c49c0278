//! `POST /v1/estate/applies/{apply}/stop`.

use axum::{Json, extract::State};

use super::WhichApply;
use crate::{
    api::Api,
    caller::Caller,
    change::{Change, IdempotencyHeader},
    extract::{Named, Nothing},
    problem::Refusal,
    wire::estate_plan::Apply,
};

/// Stop an apply
///
/// Nothing new is begun: changes that wait are SKIPPED. Operations that run go on to their ends; nothing is taken back.
#[utoipa::path(post, path = "/v1/estate/applies/{apply}/stop", tag = "estate", params(WhichApply, IdempotencyHeader),
    responses((status = 200, description = "It is stopped.", body = Apply)))]
pub(crate) async fn stop_apply(State(api): State<Api>, Caller(caller): Caller, Named(id): Named, change: Change<Nothing>) -> Result<Json<Apply>, Refusal> {
    Ok(Json(Apply::of(api.app.stop_apply(&caller, &change.request(&caller), &id).await?)))
}
