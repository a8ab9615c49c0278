//! `GET /v1/drifts/{drift}`.

use axum::{Json, extract::State};

use super::WhichDrift;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::drift::Drift};

/// Show a difference
#[utoipa::path(get, path = "/v1/drifts/{drift}", tag = "drift", params(WhichDrift),
    responses((status = 200, description = "The difference, and what can be done about it.", body = Drift)))]
pub(crate) async fn show_drift(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Json<Drift>, Refusal> {
    Ok(Json(Drift::of(api.app.show_drift(&caller, &id).await?)))
}
