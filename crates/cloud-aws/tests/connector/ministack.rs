//! The connector against ministack, an AWS emulator by others (PyPI): one misunderstanding cannot then sit on both sides.
//!
//! It is found by the environment variable KEYSTEAD_MINISTACK, the path of its executable. Without it the test says so and passes, unless
//! KEYSTEAD_REQUIRE_PEERS=1 makes absence an error.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use keystead_cloud::{Cloud as _, CloudKeyId, Kind, Standing};
use keystead_cloud_aws::{Reach, check_region, permission_policy, trust_policy};
use keystead_domain::Timestamp;
use keystead_testkit::conformance::cloud::{self, Known, Subject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const ACCOUNT: &str = "000000000000";
const EXTERNAL_ID: &str = "keystead-external-id";

/// What ministack 1.5.33 does otherwise than AWS.
const KNOWN: [Known; 5] =
    [Known::TakesOtherMaterial, Known::RestartsCountdown, Known::CancelsWithoutCountdown, Known::EnablesDuringCountdown, Known::DisablesEmptyKeys];

/// A running emulator; it ends with the test.
struct Ministack {
    process: Child,
    port: u16,
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ministack {
    /// Starts it, or says why not.
    async fn start() -> Option<Self> {
        let Some(path) = std::env::var_os("KEYSTEAD_MINISTACK") else {
            assert!(std::env::var("KEYSTEAD_REQUIRE_PEERS").as_deref() != Ok("1"), "KEYSTEAD_MINISTACK must name ministack's executable");
            eprintln!("not run: KEYSTEAD_MINISTACK does not name ministack's executable");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").await.and_then(|listener| listener.local_addr()).expect("a free port").port();
        let settings =
            [("BIND_HOST", "127.0.0.1"), ("GATEWAY_PORT", &port.to_string()), ("AUTH", "true"), ("SERVICES", "kms,sts,iam"), ("IOT_MTLS_ENABLED", "0")];
        let process = Command::new(path).envs(settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ministack starts");
        let started = Self { process, port };
        for _ in 0..100 {
            if started.http("GET", "/_ministack/health", "", "").await.is_some_and(|answer| answer.contains("200")) {
                return Some(started);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("ministack did not become ready");
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// A call to IAM as the emulator's root, whose signature it does not check.
    async fn iam(&self, form: &[(&str, &str)]) -> String {
        let headers = "authorization: AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x\r\n\
                       content-type: application/x-www-form-urlencoded\r\n";
        let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let answer = self.http("POST", "/", headers, &form.join("&")).await.expect("IAM answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// A user that may do nothing but take the role. Gives the access key.
    async fn user(&self) -> (String, String) {
        self.iam(&[("Action", "CreateUser"), ("UserName", "keystead")]).await;
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::{ACCOUNT}:role/keystead"}}]}}"#
        );
        self.iam(&[("Action", "PutUserPolicy"), ("UserName", "keystead"), ("PolicyName", "p"), ("PolicyDocument", &policy)]).await;
        let answer = self.iam(&[("Action", "CreateAccessKey"), ("UserName", "keystead")]).await;
        (between(&answer, "AccessKeyId"), between(&answer, "SecretAccessKey"))
    }

    /// The role, with our own two documents. The emulator evaluates no condition key of KMS and does not know which resource a call with an alias is about:
    /// resources and conditions are left out, and with them the one denial that hangs on a condition. Actions and denials are as we make them.
    async fn role(&self) {
        let trust = trust_policy(&format!("arn:aws:iam::{ACCOUNT}:user/keystead"), EXTERNAL_ID);
        self.iam(&[("Action", "CreateRole"), ("RoleName", "keystead"), ("AssumeRolePolicyDocument", &trust)]).await;
        let region = check_region("eu-west-1").expect("a Region");
        let ours = permission_policy(&Reach { region: &region, only_this_region: true, account: ACCOUNT, alias_prefix: "" });
        let mut policy: Value = serde_json::from_str(&ours).expect("JSON");
        let statements = policy["Statement"].as_array_mut().expect("a list");
        statements.retain(|statement| statement["Effect"] == "Allow" || statement.get("Condition").is_none());
        for statement in statements {
            statement["Resource"] = json!("*");
            statement.as_object_mut().expect("a statement").remove("Condition");
        }
        self.allow(&policy.to_string()).await;
    }

    async fn allow(&self, policy: &str) {
        self.iam(&[("Action", "PutRolePolicy"), ("RoleName", "keystead"), ("PolicyName", "p"), ("PolicyDocument", policy)]).await;
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn between(text: &str, tag: &str) -> String {
    let rest = text.split_once(&format!("<{tag}>")).expect(tag).1;
    rest.split_once('<').expect(tag).0.to_owned()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_secs(i64::try_from(since.as_secs()).expect("before the end of time"))
}

#[tokio::test]
async fn the_connector_conforms_on_an_emulator_by_others_under_our_own_policies() {
    let Some(ministack) = Ministack::start().await else { return };
    let (id, secret) = ministack.user().await;
    ministack.role().await;
    let settings = |external_id: Option<&str>| {
        let mut settings = crate::settings(&ministack.address(), ACCOUNT, (&id, &secret));
        settings.location.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keystead"));
        settings.location.external_id = external_id.map(Into::into);
        settings
    };
    for wrong in [None, Some("another-id")] {
        let error = crate::connect(settings(wrong)).await.observe(&CloudKeyId("k".into())).await.expect_err("the wrong external id");
        assert_eq!((error.kind, error.call), (Kind::RoleNotAssumable, "AssumeRole"), "{error}");
    }
    let aws = crate::connect(settings(Some(EXTERNAL_ID))).await;
    cloud::all(&Subject::new(&aws, now(), crate::INSTALLATION, &KNOWN)).await;
    the_probe_tells_what_is_missing_and_what_is_too_much(&ministack, &aws).await;
}

async fn the_probe_tells_what_is_missing_and_what_is_too_much(ministack: &Ministack, aws: &keystead_cloud_aws::AwsCloud) {
    let ours = aws.probe().await.expect("a probe");
    assert!(
        ours.findings.iter().all(|finding| matches!(finding.standing, Standing::Granted | Standing::Untested)),
        "our own policy is neither too little nor too much: {ours:#?}"
    );
    ministack.allow(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},{"Effect":"Deny","Action":"kms:ImportKeyMaterial","Resource":"*"}]}"#).await;
    let report = aws.probe().await.expect("a probe");
    let standing = |action: &str| report.findings.iter().find(|finding| finding.action == action).map(|finding| finding.standing);
    assert!(!report.is_sufficient());
    assert_eq!(standing("kms:ImportKeyMaterial"), Some(Standing::Missing));
    assert_eq!(standing("kms:EnableKey"), Some(Standing::Granted));
    assert_eq!(standing("kms:Encrypt"), Some(Standing::Excess));
    assert_eq!(report.account, ACCOUNT);
}
