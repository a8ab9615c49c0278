//! The connector against ministack, an AWS emulator by others (PyPI): one misunderstanding cannot then sit on both sides.
//!
//! It is found by the environment variable KEYSTEAD_MINISTACK, the path of its executable.

use keystead_cloud::{Cloud as _, CloudKeyId, Kind as Failure, Standing};
use keystead_testkit::{
    conformance::cloud::{self, Known, Subject},
    emulator::{Kind, ROOT_KEY},
};

use crate::iam::{ACCOUNT, EXTERNAL_ID, House, boto3_flow};

/// What ministack 1.5.33 does otherwise than AWS.
const KNOWN: [Known; 9] = [
    Known::ListsNoMaterials,
    Known::TakesOtherMaterial,
    Known::RestartsCountdown,
    Known::CancelsWithoutCountdown,
    Known::EnablesDuringCountdown,
    Known::DisablesEmptyKeys,
    Known::FillsReplicas,
    Known::CannotPromote,
    Known::CountsDownBeforeReplicas,
];

#[tokio::test]
async fn the_connector_conforms_on_ministack_under_our_own_policies() {
    let Some(house) = House::start(Kind::Ministack).await else { return };
    for wrong in [None, Some("another-id")] {
        let error = house.connect(wrong).await.observe(&CloudKeyId("k".into())).await.expect_err("the wrong external id");
        assert_eq!((error.kind, error.call), (Failure::RoleNotAssumable, "AssumeRole"), "{error}");
    }
    let aws = house.connect(Some(EXTERNAL_ID)).await;
    cloud::all(&Subject::new(&aws, crate::now(), crate::INSTALLATION, &KNOWN)).await;
    let there = house.connect_in("us-east-1", Some(EXTERNAL_ID)).await;
    cloud::families(&Subject::new(&aws, crate::now(), crate::INSTALLATION, &KNOWN), &there).await;
    crate::queue::is_heard(&aws, &house.address(), ACCOUNT, (ROOT_KEY, ROOT_KEY)).await;
    the_probe_tells_what_is_missing_and_what_is_too_much(&house, &aws).await;
}

async fn the_probe_tells_what_is_missing_and_what_is_too_much(house: &House, aws: &keystead_cloud_aws::AwsCloud) {
    let ours = aws.probe().await.expect("a probe");
    assert!(
        ours.findings.iter().all(|finding| matches!(finding.standing, Standing::Granted | Standing::Untested)),
        "our own policy is neither too little nor too much: {ours:#?}"
    );
    house.allow(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Deny","Action":"kms:ImportKeyMaterial","Resource":"*"}]}"#).await;
    let report = aws.probe().await.expect("a probe");
    let standing = |action: &str| report.findings.iter().find(|finding| finding.action == action).map(|finding| finding.standing);
    assert!(!report.is_sufficient());
    assert_eq!(standing("kms:ImportKeyMaterial"), Some(Standing::Missing));
    assert_eq!(standing("kms:EnableKey"), Some(Standing::Granted));
    assert_eq!(standing("kms:Encrypt"), Some(Standing::Excess));
    assert_eq!(report.account, ACCOUNT);
}

#[tokio::test]
async fn the_official_python_client_finds_ministack_as_the_table_says() {
    boto3_flow(Kind::Ministack).await;
}
