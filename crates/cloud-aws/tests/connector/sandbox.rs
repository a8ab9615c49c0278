//! The connector against our sandbox: the conformance suite without any exception, and what can be shown only where time and faults are ours.

use std::sync::LazyLock;

use keystead_cloud::{Cloud as _, CloudKeyId, Import, Kind, NewCloudKey, OwnTags, Retry, Standing, Which};
use keystead_cloud_aws::{
    AwsCloud, Settings,
    actions::{Action, FORBIDDEN, NEEDED},
};
use keystead_domain::{
    Hash, KeySpec, KeyUsage, Timestamp, WrapMethod, WrappingKeySpec,
    key::deletion::WaitingDays,
    time::{DAY, SECOND},
};
use keystead_sandbox::{Config, Effect, Fault, KeyPool, RoleSeed, Sandbox, Statement, UserSeed};
use keystead_testkit::conformance::cloud::{self, Subject};

const ACCOUNT: &str = "111122223333";
const ACCESS_KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
const ROLE: &str = "arn:aws:iam::111122223333:role/Keystead";
const EXTERNAL_ID: &str = "keystead-external-id";
const OAEP: WrapMethod = WrapMethod::RsaOaep(Hash::Sha256);

/// RSA pairs are costly; every sandbox of this process takes from one pool.
static POOL: LazyLock<KeyPool> = LazyLock::new(KeyPool::new);

/// A role with exactly our list of actions, and our denials.
fn least_privilege() -> RoleSeed {
    let of = |actions: Vec<String>| vec![Statement { actions, resources: vec!["*".into()] }];
    let mut role = RoleSeed::new(ROLE, &["arn:aws:iam::111122223333:user/keystead"], Some(EXTERNAL_ID));
    let events = ["sqs:ReceiveMessage", "sqs:DeleteMessage"].map(str::to_owned);
    role.allow = of(NEEDED.iter().map(|action| action.as_str().to_owned()).chain(events).collect());
    role.deny = of(FORBIDDEN.iter().map(|pattern| (*pattern).to_owned()).collect());
    role
}

async fn sandbox() -> Sandbox {
    let users = vec![UserSeed::new("keystead", ACCOUNT, ACCESS_KEY.0, ACCESS_KEY.1)];
    Sandbox::start(Config { users, roles: vec![least_privilege()], pool: POOL.clone(), ..Config::default() }).await.expect("the sandbox starts")
}

fn by_role(sandbox: &Sandbox) -> Settings {
    let mut settings = crate::settings(&sandbox.endpoint(), ACCOUNT, ACCESS_KEY);
    settings.location.role_arn = Some(ROLE.into());
    settings.location.external_id = Some(EXTERNAL_ID.into());
    settings
}

async fn start() -> (Sandbox, AwsCloud) {
    let sandbox = sandbox().await;
    let aws = crate::connect(by_role(&sandbox)).await;
    (sandbox, aws)
}

fn fault(operation: &str, count: u32, effect: Effect) -> [Fault; 1] {
    [Fault { operation: operation.into(), skip: 0, count, effect }]
}

fn refusal(code: &str) -> Effect {
    Effect::Error { code: code.into(), status: 400, message: String::new() }
}

fn order(operation: &str) -> NewCloudKey {
    let own = OwnTags { key: "key_1".into(), operation: operation.into(), installation: crate::INSTALLATION.into() };
    NewCloudKey { spec: KeySpec::Aes256, usage: KeyUsage::Encrypt, description: String::new(), tags: Vec::new(), own, multi_region: false }
}

async fn made(aws: &AwsCloud, operation: &str) -> CloudKeyId {
    aws.create_key(&order(operation)).await.expect("a key is made").value.id
}

async fn count(aws: &AwsCloud, operation: &str) -> usize {
    aws.find(operation, &|_| false).await.expect("a search").len()
}

#[tokio::test]
async fn the_connector_conforms_on_the_sandbox_without_exception() {
    let (sandbox, aws) = start().await;
    let now = Timestamp::from_micros(sandbox.clock().now_micros());
    cloud::all(&Subject::new(&aws, now, crate::INSTALLATION, &[])).await;
    let mut elsewhere = by_role(&sandbox);
    elsewhere.location.region = "us-east-1".into();
    cloud::families(&Subject::new(&aws, now, crate::INSTALLATION, &[]), &crate::connect(elsewhere).await).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_lost_answer_leaves_one_key_that_is_found_and_a_lost_request_none() {
    let (sandbox, aws) = start().await;
    for (operation, effect, keys) in [("op_lost", Effect::Lost, 1), ("op_drop", Effect::Drop, 0), ("op_twice", Effect::Duplicate, 2)] {
        sandbox.add_faults(fault("CreateKey", 1, effect.clone()));
        let outcome = aws.create_key(&order(operation)).await;
        assert_eq!(outcome.is_err_and(|error| error.outcome_unknown()), effect != Effect::Duplicate, "{operation}");
        assert_eq!(count(&aws, operation).await, keys, "{operation}");
    }
}

#[tokio::test]
async fn throttling_is_told_once_and_a_scan_goes_on_through_it() {
    let (sandbox, aws) = start().await;
    let key = made(&aws, "op_1").await;
    sandbox.add_faults(fault("EnableKey", 1, refusal("ThrottlingException")));
    let error = aws.enable(&key).await.expect_err("throttled");
    assert_eq!((error.kind, error.retry), (Kind::Throttled, Retry::Backoff));
    sandbox.add_faults(fault("ListResourceTags", 2, refusal("ThrottlingException")));
    assert_eq!(count(&aws, "op_1").await, 1);
}

#[tokio::test]
async fn a_scan_that_cannot_see_everything_fails_instead_of_answering_less() {
    let (sandbox, aws) = start().await;
    made(&aws, "op_1").await;
    sandbox.add_faults(fault("ListResourceTags", 1, refusal("InvalidArnException")));
    assert!(aws.find("op_1", &|_| false).await.is_err());
}

#[tokio::test]
async fn a_session_that_has_ended_is_renewed_within_the_call() {
    let (sandbox, aws) = start().await;
    let key = made(&aws, "op_1").await;
    sandbox.advance(2 * 3_600 * SECOND.unsigned_abs());
    assert!(aws.observe(&key).await.expect("a fresh session").is_some());
}

#[tokio::test]
async fn what_is_not_yet_visible_is_retried_for_a_while() {
    let (sandbox, aws) = start().await;
    sandbox.set_settings(keystead_sandbox::Settings { visibility_ms: 60_000, ..sandbox.settings() });
    let key = made(&aws, "op_1").await;
    assert_eq!(aws.observe(&key).await.expect("an answer"), None);
    let error = aws.wrapping_key(&key, OAEP, WrappingKeySpec::Rsa2048).await.expect_err("not yet");
    assert_eq!((error.kind, error.retry), (Kind::NotFound, Retry::UntilVisible));
    let delay = aws.capabilities().visibility_delay_micros;
    assert!(delay > 60 * SECOND);
    sandbox.advance(delay.unsigned_abs());
    assert!(aws.observe(&key).await.expect("an answer").is_some());
}

#[tokio::test]
async fn a_countdown_ends_in_nothing() {
    let (sandbox, aws) = start().await;
    let key = made(&aws, "op_1").await;
    aws.schedule_deletion(&key, WaitingDays::SHORTEST).await.expect("scheduled");
    sandbox.advance(9 * DAY.unsigned_abs());
    assert_eq!(aws.observe(&key).await.expect("an answer"), None);
    assert_eq!(count(&aws, "op_1").await, 0);
}

#[tokio::test]
async fn expired_material_is_gone_and_an_expired_token_asks_for_a_fresh_one() {
    let (sandbox, aws) = start().await;
    let key = made(&aws, "op_1").await;
    let old = aws.wrapping_key(&key, OAEP, WrappingKeySpec::Rsa2048).await.expect("a wrapping key").value;
    sandbox.advance(2 * DAY.unsigned_abs());
    let error = aws.import(&key, &Import { token: old.token, wrapped: vec![0; 256], expires: None, which: Which::Only }).await.expect_err("24 hours are over");
    assert_eq!((error.kind, error.retry), (Kind::BadToken, Retry::FreshWrappingKey));
}

#[tokio::test]
async fn keys_beyond_the_first_page_are_found() {
    let (sandbox, aws) = start().await;
    for _ in 0..1_003 {
        made(&aws, "op_many").await;
    }
    made(&aws, "op_last").await;
    assert_eq!(count(&aws, "op_last").await, 1);
    assert_eq!(aws.list_own(&|_| false).await.expect("a list").len(), 1_004);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn another_installation_sees_none_of_ours() {
    let (sandbox, aws) = start().await;
    made(&aws, "op_1").await;
    let other = crate::connect(Settings { installation: "acct_other".into(), ..by_role(&sandbox) }).await;
    assert_eq!(count(&other, "op_1").await, 0);
    assert!(other.list_own(&|_| false).await.expect("a list").is_empty());
}

#[tokio::test]
async fn nothing_is_made_in_another_account_than_the_keystores() {
    let sandbox = sandbox().await;
    let mut settings = crate::settings(&sandbox.endpoint(), "999999999999", ACCESS_KEY);
    let error = crate::connect(settings).await.create_key(&order("op_1")).await.expect_err("another account");
    assert_eq!((error.kind, error.code.as_str(), error.outcome_unknown()), (Kind::Credentials, "WrongAccount", false));
    settings = crate::settings(&sandbox.endpoint(), ACCOUNT, ACCESS_KEY);
    assert_eq!(count(&crate::connect(settings).await, "op_1").await, 0);
}

#[tokio::test]
async fn credentials_and_role_are_told_apart() {
    let sandbox = sandbox().await;
    let key = CloudKeyId("k".into());
    let mut wrong_id = by_role(&sandbox);
    wrong_id.location.external_id = Some("another-id".into());
    let mut wrong_secret = crate::settings(&sandbox.endpoint(), ACCOUNT, (ACCESS_KEY.0, "wrong"));
    let direct = crate::connect(wrong_secret).await.observe(&key).await.expect_err("the wrong secret");
    wrong_secret = crate::settings(&sandbox.endpoint(), ACCOUNT, (ACCESS_KEY.0, "wrong"));
    wrong_secret.location.role_arn = Some(ROLE.into());
    let through_role = crate::connect(wrong_secret).await.observe(&key).await.expect_err("the wrong secret");
    let role = crate::connect(wrong_id).await.observe(&key).await.expect_err("the wrong external id");
    assert_eq!((role.kind, role.call), (Kind::RoleNotAssumable, "AssumeRole"), "{role}");
    assert_eq!((direct.kind, direct.call), (Kind::Credentials, "DescribeKey"), "{direct}");
    assert_eq!((through_role.kind, through_role.call), (Kind::Credentials, "AssumeRole"), "{through_role}");
}

#[tokio::test]
async fn the_probe_tells_each_permission_that_is_missing_and_each_that_is_too_much_cm_070() {
    let (sandbox, aws) = start().await;
    for missing in NEEDED {
        let mut role = least_privilege();
        role.allow[0].actions.retain(|action| action != missing.as_str());
        sandbox.put_role(role).expect("a role");
        let report = aws.probe().await.expect("a probe");
        if *missing == Action::CreateKey {
            // Whether the permission is looked at before the order is, nobody knows; "granted" is never said.
            assert!(report.findings.iter().all(|finding| finding.action != missing.as_str() || finding.standing != Standing::Granted));
            continue;
        }
        let found: Vec<&str> = report.findings.iter().filter(|finding| finding.standing == Standing::Missing).map(|finding| finding.action.as_str()).collect();
        assert_eq!(found, [missing.as_str()]);
    }
    let mut role = least_privilege();
    role.allow[0].actions = vec!["kms:*".into()];
    role.deny.clear();
    sandbox.put_role(role).expect("a role");
    let report = aws.probe().await.expect("a probe");
    assert!(report.is_sufficient());
    let excess = report.findings.iter().filter(|finding| finding.standing == Standing::Excess).count();
    assert!(excess >= 3, "{report:#?}");
    assert!(aws.list_own(&|_| false).await.expect("a list").is_empty(), "nothing was made");
}

#[tokio::test]
async fn an_aes_key_is_refused_for_china_before_anything_is_sent() {
    let sandbox = sandbox().await;
    let mut settings = crate::settings(&sandbox.endpoint(), ACCOUNT, ACCESS_KEY);
    settings.location.region = "cn-north-1".into();
    let error = crate::connect(settings).await.create_key(&order("op_1")).await.expect_err("SM4");
    assert_eq!((error.kind, error.retry), (Kind::Unsupported, Retry::Never));
    assert!(error.message.contains("SM4"), "{error}");
}

#[tokio::test]
async fn a_limit_is_not_taken_for_throttling() {
    let (sandbox, aws) = start().await;
    sandbox.set_settings(keystead_sandbox::Settings { keys_max: 1, ..sandbox.settings() });
    made(&aws, "op_1").await;
    let error = aws.create_key(&order("op_2")).await.expect_err("one key only");
    assert_eq!((error.kind, error.retry, error.outcome_unknown()), (Kind::LimitExceeded, Retry::Never, false));
}

#[tokio::test]
async fn a_queue_of_events_is_heard_cm_018() {
    let (sandbox, aws) = start().await;
    crate::queue::is_heard(&aws, &sandbox.endpoint(), ACCOUNT, ACCESS_KEY).await;
}
