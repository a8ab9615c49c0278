//! The connector against servers: our sandbox, two independent emulators, and ports where nobody or nobody sensible answers.

mod iam;
mod localemu;
mod ministack;
mod queue;
mod sandbox;
mod wire;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keystead_cloud_aws::{AccessKey, AwsCloud, BaseCredentials, Endpoints, Settings, Timeouts};
use keystead_domain::{Timestamp, keystore::AwsLocation};

/// The installation in whose name every test connects.
const INSTALLATION: &str = "acct_conformance";

/// Settings that lead to one address for both KMS and STS.
fn settings(address: &str, account: &str, access_key: (&str, &str)) -> Settings {
    Settings {
        location: AwsLocation { region: "eu-west-1".into(), account: account.into(), role_arn: None, external_id: None },
        endpoints: Endpoints { kms: Some(address.into()), sts: Some(address.into()), sqs: Some(address.into()) },
        base: BaseCredentials::Static(AccessKey::new(access_key.0, access_key.1)),
        session_name: "keystead-test".into(),
        installation: INSTALLATION.into(),
        quotas: Vec::new(),
        // Emulators make an RSA pair for each wrapping key, and the machine may be busy.
        timeouts: Timeouts { connect: Duration::from_secs(10), call: Duration::from_secs(60) },
    }
}

async fn connect(settings: Settings) -> AwsCloud {
    AwsCloud::connect(settings).await.expect("good settings")
}

/// The clock of servers that have no other.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_secs(i64::try_from(since.as_secs()).expect("before the end of time"))
}
