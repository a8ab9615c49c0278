//! `POST /v1/keystores/{keystore}/check` (CM-070, CM-072).

use axum::{Json, extract::State};
use keystead_cloud::{Finding, ProbeReport, Standing};
use serde::Serialize;
use utoipa::ToSchema;

use super::WhichKeystore;
use crate::{
    api::Api,
    caller::Caller,
    extract::{Body, Named, Nothing},
    problem::Refusal,
};

/// How the role's permissions stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "identity": "arn:aws:sts::123456789012:assumed-role/keystead/keystead", "account": "123456789012", "sufficient": false,
    "findings": [{ "action": "kms:ImportKeyMaterial", "standing": "missing", "mend": "Allow kms:ImportKeyMaterial in the role's policy." }]
}))]
pub(crate) struct KeystoreCheck {
    /// Who Keystead is there: the ARN of the assumed role.
    identity: String,
    /// The cloud account that it ends in.
    account: String,
    /// Whether nothing is missing.
    sufficient: bool,
    /// One a permission.
    findings: Vec<PermissionFinding>,
}

/// How one permission stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionFinding {
    /// The action in the cloud's own name.
    action: String,
    /// `granted`, `missing`, `excess` (there and not needed), or `untested` (it could not be told without changing something).
    standing: &'static str,
    /// What to do, when something is to be done.
    #[schema(required)]
    mend: Option<String>,
}

impl From<ProbeReport> for KeystoreCheck {
    fn from(report: ProbeReport) -> Self {
        let sufficient = report.is_sufficient();
        let findings = report.findings.into_iter().map(PermissionFinding::from).collect();
        Self { identity: report.identity, account: report.account, sufficient, findings }
    }
}

impl From<Finding> for PermissionFinding {
    fn from(finding: Finding) -> Self {
        let standing = match finding.standing {
            Standing::Granted => "granted",
            Standing::Missing => "missing",
            Standing::Excess => "excess",
            Standing::Untested => "untested",
        };
        Self { action: finding.action, standing, mend: finding.mend }
    }
}

/// Check a keystore's permissions
///
/// Assumes the role and tries each permission without changing anything: what is missing, what is too much.
#[utoipa::path(post, path = "/v1/keystores/{keystore}/check", tag = "keystores", params(WhichKeystore),
    responses((status = 200, description = "What was found.", body = KeystoreCheck)))]
pub(crate) async fn check_keystore(
    State(api): State<Api>,
    Caller(caller): Caller,
    Named(keystore): Named,
    _: Body<Nothing>,
) -> Result<Json<KeystoreCheck>, Refusal> {
    let report = api.app.check_keystore(&caller, &keystore).await?;
    Ok(Json(report.into()))
}
