//! `GET /healthz`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "status": "ok" }))]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Tell whether the process lives
///
/// For a liveness probe: it looks at nothing else, so that a database that is away does not make an orchestrator kill processes that would recover by themselves.
#[utoipa::path(get, path = "/healthz", tag = "service", security(()), responses((status = 200, description = "It lives.", body = Health)))]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}
