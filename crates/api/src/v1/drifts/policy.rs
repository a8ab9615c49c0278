//! `GET` and `PUT /v1/keystores/{keystore}/drift-policy`.

use axum::{Json, extract::State};
use keystead_domain::{Invalid, drift::AutoRepair, duration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Input, Named},
    problem::Refusal,
    v1::keystores::WhichKeystore,
    wire::drift::DriftPolicy,
};

/// How a keystore shall be looked through.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "every": "6h", "auto_repair": "safe" }))]
pub(crate) struct SetDriftPolicy {
    /// How often, as a span such as `6h`, 15 minutes at least; left out: when somebody asks.
    #[serde(default)]
    every: Option<String>,
    /// What is mended without a person: `none` (when left out), or `safe`: descriptions, tags, the end of material, and aliases that point at nothing, on keys without
    /// graver differences.
    #[serde(default)]
    auto_repair: Option<String>,
}

impl Input for SetDriftPolicy {}

impl SetDriftPolicy {
    fn read(self) -> Result<(Option<i64>, AutoRepair), Invalid> {
        let every = self.every.map(|text| duration::parse("every", &text)).transpose()?;
        let auto_repair = self.auto_repair.as_deref().map_or(Ok(AutoRepair::None), AutoRepair::parse)?;
        Ok((every, auto_repair))
    }
}

/// Show a keystore's drift policy
#[utoipa::path(get, path = "/v1/keystores/{keystore}/drift-policy", tag = "drift", params(WhichKeystore),
    responses((status = 200, description = "How it is looked through.", body = DriftPolicy)))]
pub(crate) async fn drift_policy(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<DriftPolicy>, Refusal> {
    Ok(Json(DriftPolicy::of(api.app.drift_policy(&caller, &keystore).await?)))
}

/// Set a keystore's drift policy
///
/// How often the keystore is looked through, and what is mended without a person. What widens or takes away somebody's use of a key, and what destroys, always waits for
/// one. The same again changes nothing.
#[utoipa::path(put, path = "/v1/keystores/{keystore}/drift-policy", tag = "drift", params(WhichKeystore), request_body = SetDriftPolicy,
    responses((status = 200, description = "How it is looked through now.", body = DriftPolicy)))]
pub(crate) async fn set_drift_policy(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Body(asked): Body<SetDriftPolicy>,
) -> Result<Json<DriftPolicy>, Refusal> {
    let (every, auto_repair) = asked.read()?;
    Ok(Json(DriftPolicy::of(api.app.set_drift_policy(&caller, &keystore, every, auto_repair).await?)))
}
