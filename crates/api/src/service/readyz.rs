//! `GET /readyz`.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::Api, problem::Refusal};

/// Requests can be served.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "status": "ready" }))]
pub(crate) struct Readiness {
    /// `ready`.
    status: &'static str,
}

/// Tell whether requests can be served
///
/// The database answers, the vault is open, and a hardware module, if the root lies in one, works. Otherwise 503, with a problem that says which of the three it is.
#[utoipa::path(get, path = "/readyz", tag = "service", security(()), responses((status = 200, description = "They can.", body = Readiness)))]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Json<Readiness>, Refusal> {
    api.app.check_ready().await?;
    Ok(Json(Readiness { status: "ready" }))
}
