//! `GET /v1/keystores/{keystore}/restore` (FX-030, FT-019).

use axum::{Json, extract::State};

use super::WhichKeystore;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::restore::RestoreForecast};

/// Foretell a restore
///
/// How many keys would be given their material back, how many of them are warm, in which order they come, and how long it takes under the cloud's quotas when
/// nobody else uses them. No cloud is called: which keys have lost their material is told as last seen.
#[utoipa::path(get, path = "/v1/keystores/{keystore}/restore", tag = "keystores", params(WhichKeystore),
    responses((status = 200, description = "What it would take.", body = RestoreForecast)))]
pub(crate) async fn restore_forecast(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<RestoreForecast>, Refusal> {
    let outlook = api.app.restore_outlook(&caller, &keystore).await?;
    Ok(Json(outlook.into()))
}
