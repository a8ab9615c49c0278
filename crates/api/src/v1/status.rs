//! `GET /v1/status`.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::Api, caller::Caller, problem::Refusal, wire::time::rfc3339};

/// How this Keystead stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "version": "0.1.0", "time": "2026-09-21T09:10:00.000000Z", "sealed": false, "root_changed": false, "database": "sqlite",
    "operations_running": 2,
    "cloud_identity": "arn:aws:iam::999999999999:role/keystead"
}))]
pub(crate) struct Status {
    /// Version of the program.
    version: String,
    /// Its clock; simulated in a demo.
    #[schema(format = DateTime)]
    time: String,
    /// Whether the vault is sealed.
    sealed: bool,
    /// Whether it is sealed because the root was changed on another node: unseal this one with the new secret.
    root_changed: bool,
    /// `sqlite` or `postgres`.
    database: &'static str,
    /// Operations that this process has in hand.
    operations_running: usize,
    /// Who Keystead is at the cloud before it assumes a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_identity: Option<String>,
}

/// Show how Keystead stands
#[utoipa::path(get, path = "/v1/status", tag = "service", responses((status = 200, description = "How it stands.", body = Status)))]
pub(crate) async fn status(State(api): State<Api>, _: Caller) -> Result<Json<Status>, Refusal> {
    let engine = api.app.engine();
    Ok(Json(Status {
        version: api.settings.version.clone(),
        time: rfc3339(engine.now()),
        sealed: api.app.is_sealed(),
        root_changed: api.app.is_root_changed(),
        database: api.settings.database,
        operations_running: engine.in_hand(),
        cloud_identity: api.settings.cloud_identity.clone(),
    }))
}
