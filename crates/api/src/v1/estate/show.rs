//! `GET /v1/estate/applies/{apply}`.

use axum::{Json, extract::State};

use super::WhichApply;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::estate_plan::Apply};

/// Show an apply
///
/// With how many of its changes stand where.
#[utoipa::path(get, path = "/v1/estate/applies/{apply}", tag = "estate", params(WhichApply), responses((status = 200, description = "The apply.", body = Apply)))]
pub(crate) async fn show_apply(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Json<Apply>, Refusal> {
    Ok(Json(Apply::of(api.app.show_apply(&caller, &id).await?)))
}
