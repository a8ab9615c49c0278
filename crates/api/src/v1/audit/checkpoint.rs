//! `GET /v1/audit/checkpoint`.

use axum::extract::State;

use crate::{api::Api, caller::Caller, problem::Refusal};

/// Show a signed checkpoint
///
/// Of the log as it is now (C2SP tlog-checkpoint, signed-note). Keep it elsewhere: whoever has it notices when the log is cut short or rewritten.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit",
    responses((status = 200, description = "The signed note.", body = String, content_type = "text/plain")))]
pub(crate) async fn audit_checkpoint(State(api): State<Api>, _: Caller) -> Result<String, Refusal> {
    Ok(api.app.checkpoint().await?)
}
