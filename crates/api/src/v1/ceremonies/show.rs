//! `GET /v1/ceremonies/{ceremony}`.

use axum::{Json, extract::State};

use super::WhichCeremony;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal, wire::ceremony::Ceremony};

/// Show a ceremony
///
/// With who entered which component. What was entered is never shown.
#[utoipa::path(get, path = "/v1/ceremonies/{ceremony}", tag = "ceremonies", params(WhichCeremony),
    responses((status = 200, description = "The ceremony.", body = Ceremony)))]
pub(crate) async fn show_ceremony(State(api): State<Api>, Caller(caller): Caller, Named(id): Named) -> Result<Json<Ceremony>, Refusal> {
    Ok(Json(Ceremony::of(api.app.show_ceremony(&caller, &id).await?)))
}
