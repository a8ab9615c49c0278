//! `GET /v1/keystores/{keystore}/policy` (CM-069 to CM-073).

use axum::{Json, extract::State};
use keystead_app::Error;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::WhichKeystore;
use crate::{api::Api, caller::Caller, extract::Named, problem::Refusal};

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
/// The least that Keystead needs in the cloud account, ready to paste.
#[utoipa::path(get, path = "/v1/keystores/{keystore}/policy", tag = "keystores", params(WhichKeystore),
    responses((status = 200, description = "The policies.", body = KeystorePolicy)))]
pub(crate) async fn keystore_policy(State(api): State<Api>, Caller(caller): Caller, Named(keystore): Named) -> Result<Json<KeystorePolicy>, Refusal> {
    let (row, policy) = api.app.keystore_policy(&caller, &keystore).await?;
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
