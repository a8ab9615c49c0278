//! `GET /v1/alerts/{alert}`.

use axum::{Json, extract::State};
use utoipa::IntoParams;

use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::alert::Alert};

/// Which alert, in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "the document's words for what `Named` reads")]
pub(crate) struct WhichAlert {
    /// The alert's id.
    #[param(example = "alert_01997c2044117a3e8b5c6d7e8f901234")]
    alert: String,
}

/// Show an alert
#[utoipa::path(get, path = "/v1/alerts/{alert}", tag = "alerts", params(WhichAlert),
    responses((status = 200, description = "The alert, and what became of it on each channel.", body = Alert)))]
pub(crate) async fn show_alert(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Json<Alert>, Refusal> {
    Ok(Json(Alert::of(api.app.show_alert(&caller, &id).await?)))
}
