//! `POST /v1/keystores` (CM-039, CM-048).

use axum::extract::State;
use keystead_app::keystores::NewKeystore;
use keystead_domain::{Invalid, Name, keystore::AwsLocation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{on_wire, update::alert_channels};
use crate::{
    answer::Made,
    api::Api,
    caller::Caller,
    extract::{Body, Input},
    problem::Refusal,
    wire::keystore::Keystore,
};

/// A keystore as it is asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "frankfurt", "cloud": "aws", "region": "eu-central-1", "account": "123456789012", "role_arn": "arn:aws:iam::123456789012:role/keystead" }))]
pub(crate) struct CreateKeystore {
    /// 1 to 64 letters, digits, `.`, `_` and `-`.
    name: String,
    /// `aws`; or `vault`: its keys live in the vault alone, and none of `region`, `account`, `role_arn` and `external_id` is given.
    cloud: String,
    /// Region, for example `eu-central-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// The twelve digits of the cloud account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// The role that Keystead assumes there; left out, it uses its own credentials.
    #[serde(default)]
    role_arn: Option<String>,
    /// What the role's trust policy asks for; left out, Keystead makes one.
    #[serde(default)]
    external_id: Option<String>,
    /// The channels of the server's configuration that hear of it and of its keys, 1 to 10; left out, or null: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 10)]
    alert_channels: Option<Vec<String>>,
}

impl Input for CreateKeystore {}

impl CreateKeystore {
    fn read(self) -> Result<NewKeystore, Invalid> {
        let location = AwsLocation {
            region: self.region.unwrap_or_default(),
            account: self.account.unwrap_or_default(),
            role_arn: self.role_arn,
            external_id: self.external_id,
        };
        let alert_channels = alert_channels(self.alert_channels)?;
        Ok(NewKeystore { name: Name::parse(&self.name)?, cloud: self.cloud, location, alert_channels })
    }
}

/// Create a keystore
///
/// A cloud account and Region in which keys shall live, or the vault. No cloud is called: the role may not exist yet, and `policy` says how to make it.
#[utoipa::path(post, path = "/v1/keystores", tag = "keystores", request_body = CreateKeystore,
    responses((status = 201, description = "It is made.", body = Keystore, headers(("Location" = String, description = "The keystore.")))))]
pub(crate) async fn create_keystore(State(api): State<Api>, Caller(caller): Caller, Body(asked): Body<CreateKeystore>) -> Result<Made<Keystore>, Refusal> {
    let row = api.app.create_keystore(&caller, asked.read()?).await?;
    Ok(Made { at: Some(format!("/v1/keystores/{}", row.id)), body: on_wire(&api, row) })
}
