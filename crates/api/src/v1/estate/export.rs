//! `GET /v1/estate`.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{api::Api, caller::Caller, problem::Refusal, query::Query, wire::estate::Estate};

/// Of which keystore.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportEstate {
    /// Only this keystore and its keys, by id or name.
    keystore: Option<String>,
}

/// Export the estate
///
/// What exists, as an estate of which a plan is empty. Keys that count down to their deletion, and pointers to keys that are a cloud's own, are not in it. It holds no material
/// and no secret; the external ids of roles are in it.
#[utoipa::path(get, path = "/v1/estate", tag = "estate", params(ExportEstate), responses((status = 200, description = "The estate.", body = Estate)))]
pub(crate) async fn export_estate(State(api): State<Api>, Caller(caller): Caller, Query(asked): Query<ExportEstate>) -> Result<Json<Estate>, Refusal> {
    Ok(Json(api.app.export_estate(&caller, asked.keystore.as_deref()).await?.into()))
}
