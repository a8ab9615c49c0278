//! What a sandbox is started with. The same JSON shapes of users and roles serve the control plane.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::clock::VirtualClock;
use crate::pool::KeyPool;

/// How a sandbox starts. `Config::default()` listens on a free port of 127.0.0.1, knows no user, throttles nothing, shows everything at once and answers
/// as fast as it can.
pub struct Config {
    /// Where to listen; a loopback address. Port 0: any free one.
    pub bind: SocketAddr,
    /// IAM users.
    pub users: Vec<UserSeed>,
    /// IAM roles.
    pub roles: Vec<RoleSeed>,
    /// The clock; give a clone of your own to move several sandboxes together.
    pub clock: VirtualClock,
    /// RSA pairs for import parameters; give a clone of your own to share the costly pairs among sandboxes of one process.
    pub pool: KeyPool,
    /// What can be changed while the sandbox runs.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            users: Vec::new(),
            roles: Vec::new(),
            clock: VirtualClock::new(),
            pool: KeyPool::new(),
            settings: Settings::default(),
        }
    }
}

/// What can be changed while the sandbox runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether request rates are limited as at AWS.
    pub quotas: bool,
    /// Requests a second by operation, instead of AWS's default. Counts only while `quotas` is on. Zero refuses every call.
    pub quota_overrides: BTreeMap<String, f64>,
    /// Milliseconds of real time that every call takes longer.
    pub latency_ms: u64,
    /// Milliseconds (of the virtual clock) until others see a new key, a new alias, a moved alias, a replica or a rotation.
    pub visibility_ms: u64,
    /// Milliseconds (of the virtual clock) for which a key that was just disabled is used on: its state shows at once, and the hosts that encrypt learn of it later.
    /// One that is emptied meanwhile too answers dry runs only.
    pub disable_lag_ms: u64,
    /// Milliseconds (of the virtual clock) until an event arrives in a queue.
    pub events_delay_ms: u64,
    /// Customer keys an account may have in one Region.
    pub keys_max: usize,
    /// Aliases a key may have.
    pub aliases_per_key_max: usize,
}

impl Default for Settings {
    /// Limits of cloud-byok.md, section 2.8; no throttling, no delays.
    fn default() -> Self {
        Self {
            quotas: false,
            quota_overrides: BTreeMap::new(),
            latency_ms: 0,
            visibility_ms: 0,
            disable_lag_ms: 0,
            events_delay_ms: 0,
            keys_max: 100_000,
            aliases_per_key_max: 50,
        }
    }
}

/// A secret access key. It can be compared with nothing, printed nowhere, and is wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
pub struct SecretAccessKey(Zeroizing<String>);

impl From<String> for SecretAccessKey {
    fn from(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }
}

impl SecretAccessKey {
    /// From text.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// An IAM user with one access key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSeed {
    /// Name, unique in its account.
    pub name: String,
    /// Twelve digits.
    pub account: String,
    /// For example `AKIAIOSFODNN7EXAMPLE`.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretAccessKey,
    /// `aws` (default), `aws-us-gov` or `aws-cn`: credentials never cross partitions.
    #[serde(default = "standard_partition")]
    pub partition: String,
    /// Allowed actions, with `*` and `?` as in IAM; default everything.
    #[serde(default = "everything")]
    pub allow: Vec<String>,
    /// Denied actions; a denial beats any permission.
    #[serde(default)]
    pub deny: Vec<String>,
}

impl UserSeed {
    /// A user of the standard partition that may do everything.
    pub fn new(name: &str, account: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            name: name.to_owned(),
            account: account.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: SecretAccessKey::new(secret_key),
            partition: standard_partition(),
            allow: everything(),
            deny: Vec::new(),
        }
    }
}

/// An IAM role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSeed {
    /// For example `arn:aws:iam::111122223333:role/Keystead`.
    pub arn: String,
    /// ARNs of the users and roles that may assume it; `arn:aws:iam::ACCOUNT:root` trusts a whole account.
    pub trusted: Vec<String>,
    /// The ExternalId that must be given.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Longest session in seconds; default 3600, as at AWS.
    #[serde(default = "one_hour")]
    pub max_session_seconds: u32,
    /// What it allows; default nothing.
    #[serde(default)]
    pub allow: Vec<Statement>,
    /// What it denies; a denial beats any permission.
    #[serde(default)]
    pub deny: Vec<Statement>,
}

impl RoleSeed {
    /// A role that allows every action of KMS and SQS.
    pub fn new(arn: &str, trusted: &[&str], external_id: Option<&str>) -> Self {
        Self {
            arn: arn.to_owned(),
            trusted: trusted.iter().map(|arn| (*arn).to_owned()).collect(),
            external_id: external_id.map(str::to_owned),
            max_session_seconds: one_hour(),
            allow: vec![Statement { actions: vec!["kms:*".to_owned(), "sqs:*".to_owned()], resources: everything() }],
            deny: Vec::new(),
        }
    }
}

/// Actions on resources. Conditions are not simulated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// For example `kms:DescribeKey`, `kms:*`.
    pub actions: Vec<String>,
    /// ARN patterns with `*` and `?`; default every resource.
    #[serde(default = "everything")]
    pub resources: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn standard_partition() -> String {
    "aws".to_owned()
}

fn one_hour() -> u32 {
    3_600
}
