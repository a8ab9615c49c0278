//! One client a keystore: Region, role, endpoint, credentials.

use std::time::Duration;

use aws_config::{BehaviorVersion, default_provider::credentials::DefaultCredentialsChain, sts::AssumeRoleProvider};
use aws_sdk_kms::config::{Credentials, IdentityCache, SharedCredentialsProvider, StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, sdk_config::SharedTimeSource};
use keystead_cloud::{Capabilities, Quota};
use keystead_domain::{
    Invalid,
    keystore::{AwsLocation, check_account, check_external_id, check_role_arn},
};
use tokio::sync::OnceCell;

use crate::{
    capabilities,
    events::{Reader, session_arn},
    regions::{Region, check_region},
    session::Session,
};

/// Other addresses than AWS's own: a VPC endpoint, a FIPS endpoint, the sandbox. They come from the operator's configuration, never from a caller of the API,
/// because whoever names an address receives our signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// For AWS KMS, for example `https://kms-fips.us-east-1.amazonaws.com`.
    pub kms: Option<String>,
    /// For AWS STS.
    pub sts: Option<String>,
    /// For Amazon SQS.
    pub sqs: Option<String>,
}

/// The credentials that Keystead itself has; with them it assumes the keystore's role. No `Debug`: one of them holds a secret.
#[derive(Clone)]
pub enum BaseCredentials {
    /// AWS's own default chain: environment, profile, web identity, container, instance.
    DefaultChain,
    /// An access key of the operator's configuration.
    Static(AccessKey),
}

/// An access key and its secret. It shows nothing, and clones share the one copy, which is wiped at the end.
#[derive(Clone)]
pub struct AccessKey(SharedCredentialsProvider);

impl AccessKey {
    /// Takes both halves over.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self(SharedCredentialsProvider::new(Credentials::new(id, secret, None, None, "keystead.toml")))
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For one call from its beginning to the last byte of the answer, assuming the role included.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), call: Duration::from_secs(15) }
    }
}

/// What a connection is made of.
pub struct Settings {
    /// Region, account and role.
    pub location: AwsLocation,
    /// Other addresses.
    pub endpoints: Endpoints,
    /// Who we are before we assume the role.
    pub base: BaseCredentials,
    /// The name of our sessions in the customer's CloudTrail: 2 to 64 of `A-Z a-z 0-9 _ + = , . @ -`.
    pub session_name: String,
    /// The account of this Keystead, written on every key that it makes.
    pub installation: String,
    /// The operator's own figures in place of the table's, for accounts with other quotas.
    pub quotas: Vec<Quota>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// AWS KMS in one account and Region.
pub struct AwsCloud {
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) sqs_endpoint: Option<String>,
    /// For how many seconds a call may wait for a message.
    pub(crate) longest_wait: i32,
    pub(crate) events: Reader,
    /// The sessions of the role that we assume, as CloudTrail names them; `None` where we assume none.
    pub(crate) role_session: Option<String>,
    /// Who we are where we assume none, once STS has said so.
    pub(crate) identity: OnceCell<String>,
    pub(crate) session: Session,
    pub(crate) region: Region,
    pub(crate) account: String,
    pub(crate) installation: String,
    pub(crate) capabilities: Capabilities,
    /// Whether we arrive in the account by a role of that account. Otherwise it is looked up once, before the first key is made.
    pub(crate) account_checked: OnceCell<()>,
}

impl AwsCloud {
    /// Prepares the clients. Nothing is sent: an unreachable cloud does not hinder a start.
    ///
    /// # Errors
    /// [`Invalid`] naming `region`, `account`, `role_arn`, `external_id`, `session_name` or `endpoints`.
    pub async fn connect(settings: Settings) -> Result<Self, Invalid> {
        let region = check(&settings)?;
        if !region.listed {
            tracing::warn!(region = region.name, partition = region.partition.name, "a Region that is not in the table, taken by its pattern");
        }
        let session = Session::new(settings.timeouts.call * 2);
        let base = base_credentials(&settings.base, &region).await;
        let here = |endpoint: &Option<String>, timeouts| shared_config(&region, endpoint.as_deref(), timeouts);
        let credentials = match &settings.location.role_arn {
            Some(role) => assume(role, &settings, &here(&settings.endpoints.sts, half(settings.timeouts)), base).await,
            None => base,
        };
        let with_session = |config: SdkConfig| config.into_builder().credentials_provider(credentials.clone()).identity_cache(session.clone()).build();
        Ok(Self {
            kms: aws_sdk_kms::Client::new(&with_session(here(&settings.endpoints.kms, settings.timeouts))),
            sts: aws_sdk_sts::Client::new(&with_session(here(&settings.endpoints.sts, settings.timeouts))),
            sqs: aws_sdk_sqs::Client::new(&with_session(here(&settings.endpoints.sqs, settings.timeouts))),
            sqs_endpoint: settings.endpoints.sqs,
            longest_wait: longest_wait(settings.timeouts),
            events: Reader { region: region.name.clone(), account: settings.location.account.clone() },
            role_session: settings.location.role_arn.as_deref().and_then(|role| session_arn(role, &settings.session_name)),
            identity: OnceCell::new(),
            capabilities: capabilities::of(&region, &settings.location.account, &settings.quotas),
            account_checked: OnceCell::new_with(settings.location.role_arn.is_some().then_some(())),
            account: settings.location.account,
            installation: settings.installation,
            region,
            session,
        })
    }
}

fn check(settings: &Settings) -> Result<Region, Invalid> {
    let AwsLocation { region, account, role_arn, external_id } = &settings.location;
    let region = check_region(region)?;
    check_account(account)?;
    role_arn.as_deref().map_or(Ok(()), |role| check_role_arn(role, region.partition.name, account))?;
    external_id.as_deref().map_or(Ok(()), check_external_id)?;
    check_session_name(&settings.session_name)?;
    for (field, address) in [("endpoints.kms", &settings.endpoints.kms), ("endpoints.sts", &settings.endpoints.sts), ("endpoints.sqs", &settings.endpoints.sqs)]
    {
        address.as_deref().map_or(Ok(()), |address| check_address(field, address))?;
    }
    Ok(region)
}

/// STS API reference, AssumeRole, RoleSessionName.
fn check_session_name(name: &str) -> Result<(), Invalid> {
    if (2..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)) {
        return Ok(());
    }
    Err(Invalid::new("session_name", "is not a session name", "Give 2 to 64 letters, digits and _+=,.@-, for example keystead."))
}

fn check_address(field: &str, address: &str) -> Result<(), Invalid> {
    let host = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    if host.is_some_and(|host| !host.is_empty() && !host.starts_with('/')) {
        return Ok(());
    }
    Err(Invalid::new(field, "is not an address", "Give a URL that begins with https:// or http://."))
}

/// STS gets the smaller half of the time, so that its own failure is reported and not only that the whole call was late.
fn half(timeouts: Timeouts) -> Timeouts {
    Timeouts { connect: timeouts.connect.min(timeouts.call / 2), call: timeouts.call / 2 }
}

/// A wait for messages ends before the call's own time is over; 20 seconds is the longest that SQS knows.
fn longest_wait(timeouts: Timeouts) -> i32 {
    i32::try_from(timeouts.call.as_secs() / 2).unwrap_or(20).min(20)
}

async fn base_credentials(base: &BaseCredentials, region: &Region) -> SharedCredentialsProvider {
    match base {
        BaseCredentials::Static(AccessKey(provider)) => provider.clone(),
        BaseCredentials::DefaultChain => {
            let region = aws_types::region::Region::new(region.name.clone());
            SharedCredentialsProvider::new(DefaultCredentialsChain::builder().region(region).build().await)
        }
    }
}

async fn assume(role: &str, settings: &Settings, config: &SdkConfig, base: SharedCredentialsProvider) -> SharedCredentialsProvider {
    let mut builder = AssumeRoleProvider::builder(role).configure(config).session_name(&settings.session_name);
    if let Some(external_id) = &settings.location.external_id {
        builder = builder.external_id(external_id);
    }
    SharedCredentialsProvider::new(builder.build_from_provider(base).await)
}

/// What the clients share. The client's own retries are off: it would retry LimitExceededException, and CreateKey after a lost answer; `operations` decides.
fn shared_config(region: &Region, endpoint: Option<&str>, timeouts: Timeouts) -> SdkConfig {
    let waits = TimeoutConfig::builder().connect_timeout(timeouts.connect).operation_attempt_timeout(timeouts.call).build();
    let builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_types::region::Region::new(region.name.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(waits)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::no_cache())
        .time_source(SharedTimeSource::default());
    match endpoint {
        Some(url) => builder.endpoint_url(url).build(),
        None => builder.build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            location: AwsLocation {
                region: "eu-west-1".into(),
                account: "123456789012".into(),
                role_arn: Some("arn:aws:iam::123456789012:role/keystead".into()),
                external_id: Some("x-1".into()),
            },
            endpoints: Endpoints::default(),
            base: BaseCredentials::Static(AccessKey::new("AKIDEXAMPLE", "secret")),
            session_name: "keystead".into(),
            installation: "acct_1".into(),
            quotas: Vec::new(),
            timeouts: Timeouts::default(),
        }
    }

    async fn refused(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = settings();
        change(&mut settings);
        AwsCloud::connect(settings).await.err().expect("refused").field
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_by_name() {
        assert_eq!(refused(|s| s.location.region = "eu-west".into()).await, "region");
        assert_eq!(refused(|s| s.location.account = "1".into()).await, "account");
        assert_eq!(refused(|s| s.location.role_arn = Some("arn:aws:iam::999999999999:role/keystead".into())).await, "role_arn");
        assert_eq!(refused(|s| s.location.role_arn = Some("arn:aws-cn:iam::123456789012:role/keystead".into())).await, "role_arn");
        assert_eq!(refused(|s| s.location.external_id = Some("x".into())).await, "external_id");
        assert_eq!(refused(|s| s.session_name = "two words".into()).await, "session_name");
        assert_eq!(refused(|s| s.endpoints.kms = Some("file:///etc/passwd".into())).await, "endpoints.kms");
    }
}
