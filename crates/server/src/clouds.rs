//! The clouds that this server knows: connections for operations, rules and policies for the application.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use keystead_app::{Catalog, catalog::Policy};
use keystead_cloud::{Capabilities, Cloud, CloudError, Fault, Kind, Retry};
use keystead_cloud_aws::{AwsCloud, BaseCredentials, Endpoints, Settings, Timeouts, policy, regions::check_region};
use keystead_domain::{Invalid, KeySpec, KeystoreId, keystore::AwsLocation};
use keystead_operations::Clouds;
use keystead_store::keystores::KeystoreRow;

/// What all keystores at AWS share.
#[derive(Clone)]
pub struct AwsSettings {
    /// Other addresses than AWS's own.
    pub endpoints: Endpoints,
    /// Who we are before we assume a role.
    pub base: BaseCredentials,
    /// The name of our sessions.
    pub session_name: String,
    /// The principal in trust policies.
    pub identity_arn: Option<String>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// Connections to AWS, one a keystore, made when first asked for.
pub struct AwsClouds {
    settings: AwsSettings,
    open: Mutex<HashMap<KeystoreId, Arc<AwsCloud>>>,
}

/// What stands in a trust policy while the operator has not said who Keystead is.
const IDENTITY_UNKNOWN: &str = "arn:aws:iam::KEYSTEADS_OWN_ACCOUNT:role/KEYSTEADS_OWN_ROLE";

impl AwsClouds {
    /// No connection yet.
    pub fn new(settings: AwsSettings) -> Self {
        Self { settings, open: Mutex::default() }
    }

    fn known(&self, keystore: &KeystoreId) -> Option<Arc<AwsCloud>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(keystore).cloned()
    }
}

#[async_trait]
impl Clouds for AwsClouds {
    async fn connect(&self, keystore: &KeystoreRow) -> Result<Arc<dyn Cloud>, CloudError> {
        if let Some(cloud) = self.known(&keystore.id) {
            return Ok(cloud);
        }
        let cloud = AwsCloud::connect(Settings {
            location: keystore.location.clone(),
            endpoints: self.settings.endpoints.clone(),
            base: self.settings.base.clone(),
            session_name: self.settings.session_name.clone(),
            installation: keystore.account_id.to_string(),
            quotas: Vec::new(),
            timeouts: self.settings.timeouts,
        })
        .await
        .map_err(misconfigured)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Two tasks may have connected at once: the first stays, so that its session is shared.
        Ok(open.entry(keystore.id.clone()).or_insert_with(|| Arc::new(cloud)).clone())
    }
}

/// A keystore whose row the connector refuses: it was checked when it was made, so this is the operator's configuration.
fn misconfigured(invalid: Invalid) -> CloudError {
    CloudError {
        kind: Kind::BadInput,
        fault: Fault::Ours,
        retry: Retry::Never,
        call: "connect",
        code: "Configuration".to_owned(),
        message: invalid.to_string(),
        request_id: None,
    }
}

impl Catalog for AwsClouds {
    fn check_location(&self, cloud: &str, location: &AwsLocation) -> Result<String, Invalid> {
        match cloud {
            "aws" => Ok(check_region(&location.region)?.partition.name.to_owned()),
            _ => Err(Invalid::new("cloud", "is not a cloud that Keystead knows", "Give aws or vault.")),
        }
    }

    fn capabilities(&self, cloud: &str, location: &AwsLocation) -> Option<Capabilities> {
        let region = Some(cloud).filter(|cloud| *cloud == "aws").and_then(|_| check_region(&location.region).ok())?;
        Some(keystead_cloud_aws::capabilities::of(&region, &location.account, &[]))
    }

    fn check_importable(&self, location: &AwsLocation, spec: KeySpec) -> Result<(), Invalid> {
        let region = check_region(&location.region)?;
        keystead_cloud_aws::capabilities::of(&region, &location.account, &[]).check_importable(spec)
    }

    fn check_multi_region(&self, cloud: &str, location: &AwsLocation) -> Result<(), Invalid> {
        match cloud {
            "aws" => check_region(&location.region).map(drop),
            _ => Err(Invalid::new("multi_region", "is for keys in AWS KMS only: this keystore's cloud has no Regions", "Choose a keystore at AWS.")),
        }
    }

    fn check_queue(&self, cloud: &str, location: &AwsLocation, queue: &str) -> Result<(), Invalid> {
        if cloud != "aws" {
            return Err(Invalid::new("queue", "is given, but this keystore's cloud tells nothing by itself", "Leave it out."));
        }
        check_region(&location.region)?.queue_name(queue, &location.account).map(drop)
    }

    fn policy(&self, keystore: &KeystoreRow, native: bool, queue: Option<&str>) -> Policy {
        let at = &keystore.location;
        let identity = self.settings.identity_arn.as_deref().unwrap_or(IDENTITY_UNKNOWN);
        let trust = policy::trust_policy(identity, at.external_id.as_deref().unwrap_or_default());
        let permissions = match check_region(&at.region) {
            Ok(region) => {
                policy::permission_policy(&policy::Reach { region: &region, only_this_region: true, account: &at.account, alias_prefix: "", native, queue })
            }
            Err(_) => String::new(),
        };
        Policy { trust, permissions, steps: steps(keystore) }
    }
}

/// The way from an AWS account to a working keystore (CM-073).
fn steps(keystore: &KeystoreRow) -> Vec<String> {
    let name = &keystore.name;
    let role = keystore.location.role_arn.clone().unwrap_or_else(|| format!("arn:aws:iam::{}:role/keystead", keystore.location.account));
    let short = role.rsplit('/').next().unwrap_or("keystead").to_owned();
    vec![
        format!("Sign in to the AWS account {} as somebody who may make roles.", keystore.location.account),
        format!("Save the trust policy as trust.json and run: aws iam create-role --role-name {short} --assume-role-policy-document file://trust.json"),
        format!(
            "Save the permission policy as permissions.json and run: aws iam put-role-policy --role-name {short} --policy-name keystead --policy-document file://permissions.json"
        ),
        format!("Allow Keystead's own identity sts:AssumeRole on {role}."),
        "Only for multi-Region keys, once in the account: aws iam create-service-linked-role --aws-service-name mrk.kms.amazonaws.com (by it AWS KMS keeps the family in step; without it the role needs iam:CreateServiceLinkedRole for that service at its first replica).".to_owned(),
        format!("Check it: keystead keystore check {name}"),
    ]
}
