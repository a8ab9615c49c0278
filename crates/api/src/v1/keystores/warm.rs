//! `PUT /v1/keystores/{keystore}/warm` (FX-029).

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WhichKeystore;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    wire::restore::RestoreForecast,
};

/// Whether a keystore's keys are kept warm.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "on": true }))]
pub(crate) struct SetWarm {
    /// `true`: import parameters are fetched ahead; `false`: not, and what was fetched goes.
    on: bool,
}

impl Input for SetWarm {}

/// Keep a keystore warm
///
/// Import parameters of its keys are fetched ahead, in the background and with half the quota at most, so that a restore need not wait for them. They live 24 hours and
/// are fetched anew before; the most important keys come first. The answer foretells a restore as things stand now.
#[utoipa::path(put, path = "/v1/keystores/{keystore}/warm", tag = "keystores", params(WhichKeystore), request_body = SetWarm,
    responses((status = 200, description = "What a restore would take now.", body = RestoreForecast)))]
pub(crate) async fn set_warm(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Body(asked): Body<SetWarm>,
) -> Result<Json<RestoreForecast>, Refusal> {
    let keystore = api.app.set_warm(&caller, &keystore, asked.on).await?;
    Ok(Json(api.app.restore_outlook(&caller, keystore.id.as_str()).await?.into()))
}
