//! `POST /v1/alerts/test`.

use axum::{Json, extract::State};

use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Nothing},
    problem::Refusal,
    wire::alert::Alert,
};

/// Test the channels
///
/// Writes a test alert, which is sent on every channel within seconds; show it to see what became of it. Each request is another test.
#[utoipa::path(post, path = "/v1/alerts/test", tag = "alerts",
    responses((status = 200, description = "The alert. Its deliveries are still PENDING.", body = Alert)))]
pub(crate) async fn test_alerts(State(api): State<Api>, Caller(caller): Caller, _: Body<Nothing>) -> Result<Json<Alert>, Refusal> {
    Ok(Json(Alert::of(api.app.test_alerts(&caller).await?)))
}
