//! Users and roles of an emulator by others, as its own IAM makes them; and the script in another language that every emulator is put through.

use std::{path::Path, process::Stdio};

use keystead_cloud_aws::{AwsCloud, Reach, Settings, check_region, permission_policy, trust_policy};
use keystead_testkit::emulator::{Emulator, Kind, ROOT_KEY};
use serde_json::{Value, json};

/// The account of both emulators.
pub const ACCOUNT: &str = "000000000000";
pub const EXTERNAL_ID: &str = "keystead-external-id";

/// A running emulator with our user and our role.
pub struct House {
    emulator: Emulator,
    access_key: (String, String),
}

impl House {
    /// Starts it; `None` when it is not installed.
    pub async fn start(kind: Kind) -> Option<Self> {
        let emulator = Emulator::start(kind, "connector", Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
        let mut house = Self { emulator, access_key: Default::default() };
        house.access_key = house.user().await;
        house.role().await;
        Some(house)
    }

    fn settings(&self, external_id: Option<&str>) -> Settings {
        let mut settings = crate::settings(&self.emulator.address(), ACCOUNT, (&self.access_key.0, &self.access_key.1));
        settings.location.role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/keystead"));
        settings.location.external_id = external_id.map(Into::into);
        settings
    }

    /// The connector, by way of the role.
    pub async fn connect(&self, external_id: Option<&str>) -> AwsCloud {
        crate::connect(self.settings(external_id)).await
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        self.emulator.address()
    }

    /// The same in another Region than the suite's own.
    pub async fn connect_in(&self, region: &str, external_id: Option<&str>) -> AwsCloud {
        let mut settings = self.settings(external_id);
        settings.location.region = region.into();
        crate::connect(settings).await
    }

    /// A call to IAM as the emulator's root, whose signature it does not check.
    async fn iam(&self, form: &[(&str, &str)]) -> String {
        let headers = format!(
            "authorization: AWS4-HMAC-SHA256 Credential={ROOT_KEY}/20261121/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x\r\n\
             content-type: application/x-www-form-urlencoded\r\n"
        );
        let form: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let answer = self.emulator.http("POST", "/", &headers, &form.join("&")).await.expect("IAM answers");
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

    /// The role, with our own two documents, the same on both emulators. ministack evaluates no condition key of KMS and does not know which resource a call with an alias is about:
    /// resources and conditions are left out, and with them the one denial that hangs on a condition. Actions and denials are as we make them.
    async fn role(&self) {
        let trust = trust_policy(&format!("arn:aws:iam::{ACCOUNT}:user/keystead"), EXTERNAL_ID);
        self.iam(&[("Action", "CreateRole"), ("RoleName", "keystead"), ("AssumeRolePolicyDocument", &trust)]).await;
        let region = check_region("eu-west-1").expect("a Region");
        let ours = permission_policy(&Reach {
            region: &region,
            only_this_region: true,
            account: ACCOUNT,
            alias_prefix: "",
            native: false,
            queue: Some(&crate::queue::arn(ACCOUNT)),
        });
        let mut policy: Value = serde_json::from_str(&ours).expect("JSON");
        let statements = policy["Statement"].as_array_mut().expect("a list");
        statements.retain(|statement| statement["Effect"] == "Allow" || statement.get("Condition").is_none());
        for statement in statements {
            statement["Resource"] = json!("*");
            statement.as_object_mut().expect("a statement").remove("Condition");
            if statement["Sid"] == "HearWhatIsDoneToKeys" {
                // AWS asks for DeleteMessage where several are deleted at once (SQS developer guide, "Amazon SQS API permissions"); ministack asks for the call by its name.
                statement["Action"].as_array_mut().expect("actions").push(json!("sqs:DeleteMessageBatch"));
            }
        }
        self.allow(&policy.to_string()).await;
    }

    /// Gives the role this policy and no other.
    pub async fn allow(&self, policy: &str) {
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

/// Runs `boto3_flow.py` on a fresh emulator, under the emulator's profile: first what it can do, then that it still lacks what the profile says.
pub async fn boto3_flow(kind: Kind) {
    let Some(emulator) = Emulator::start(kind, "boto3", Path::new(env!("CARGO_TARGET_TMPDIR"))).await else { return };
    for more in [None, Some("--honest")] {
        let python = std::env::var("KEYSTEAD_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let run = tokio::process::Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/tests/boto3_flow.py"))
            .args(["--profile", kind.name()])
            .args(more)
            .envs([("AWS_ENDPOINT_URL", emulator.address().as_str()), ("AWS_REGION", "eu-west-1")])
            .envs([("AWS_ACCESS_KEY_ID", ROOT_KEY), ("AWS_SECRET_ACCESS_KEY", ROOT_KEY)])
            .stdin(Stdio::null())
            .output()
            .await;
        let run = run.unwrap_or_else(|error| panic!("{python} does not start ({error}); set KEYSTEAD_PYTHON to a Python with boto3 and cryptography"));
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "boto3_flow.py {more:?} failed on {}\n{out}\n{err}", kind.name());
    }
}
