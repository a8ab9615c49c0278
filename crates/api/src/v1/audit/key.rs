//! `GET /v1/audit/key`.

use axum::{Json, extract::State};

use crate::{api::Api, caller::Caller, problem::Refusal, wire::audit::AuditKey};

/// Show the key that signs checkpoints
///
/// Its public half. Note it when the installation is made: what is asked of the server later, the server could change.
#[utoipa::path(get, path = "/v1/audit/key", tag = "audit", responses((status = 200, description = "The key.", body = AuditKey)))]
pub(crate) async fn audit_key(State(api): State<Api>, _: Caller) -> Result<Json<AuditKey>, Refusal> {
    let signer = api.app.audit_key().await?;
    Ok(Json(AuditKey { origin: signer.origin, vkey: signer.vkey }))
}
