//! `GET /v1/keystores/{keystore}/policy` (CM-069 to CM-073).

use axum::{Json, extract::State};
use keystead_app::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::WhichKeystore;
use crate::{
    api::Api,
    caller::Caller,
    extract::Named,
    problem::Refusal,
    query::{Query, truth},
};

/// How much the role shall be able to do.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AskedPolicy {
    /// Whether keys whose material is the cloud's shall be managed too, and not only be looked at: `true` or `false`.
    #[param(value_type = Option<bool>)]
    native: Option<String>,
}

/// What to set up in the cloud account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "trust_policy": { "Version": "2012-10-17", "Statement": [] }, "permission_policy": { "Version": "2012-10-17", "Statement": [] },
    "external_id": "keystead-6f1d0c2b4a59887766554433221100ff", "steps": ["Make the role keystead in the account 123456789012."]
}))]
pub(crate) struct KeystorePolicy {
    /// Who may assume the role.
    #[schema(value_type = Object)]
    trust_policy: Value,
    /// What the role may do.
    #[schema(value_type = Object)]
    permission_policy: Value,
    /// What the trust policy asks for.
    #[schema(required)]
    external_id: Option<String>,
    /// What to do with them, in this order.
    steps: Vec<String>,
}

/// Show the policies for a keystore's role
///
/// The least that Keystead needs in the cloud account, ready to paste. It lets Keystead look at every key, and change only those that it made; `native=true`
/// adds what it takes to manage the keys that were made in the cloud.
#[utoipa::path(get, path = "/v1/keystores/{keystore}/policy", tag = "keystores", params(WhichKeystore, AskedPolicy),
    responses((status = 200, description = "The policies.", body = KeystorePolicy)))]
pub(crate) async fn keystore_policy(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    Query(asked): Query<AskedPolicy>,
) -> Result<Json<KeystorePolicy>, Refusal> {
    let native = asked.native.as_deref().map_or(Ok(false), |text| truth("native", text))?;
    let (row, policy) = api.app.keystore_policy(&caller, &keystore, native).await?;
    Ok(Json(KeystorePolicy {
        trust_policy: json(&policy.trust)?,
        permission_policy: json(&policy.permissions)?,
        external_id: row.location.external_id,
        steps: policy.steps,
    }))
}

fn json(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Internal(format!("a policy is not JSON: {error}")))
}
