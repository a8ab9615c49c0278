//! A Keystead in memory's reach: everything real but the cloud, which is the sandbox.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use http_body_util::BodyExt as _;
use keystead_api::Settings;
use keystead_app::{App, Catalog, catalog::Policy};
use keystead_audit::VerifierKey;
use keystead_cloud::{Capabilities, Cloud, CloudError};
use keystead_cloud_aws::{AccessKey, AwsCloud, BaseCredentials, Endpoints, Timeouts, policy, regions::check_region};
use keystead_domain::{AccountId, Clock, Invalid, KeySpec, Timestamp, UserId, keystore::AwsLocation};
use keystead_identity::Token;
use keystead_operations::{Clouds, Engine, NoHooks, alerts::Alerting, engine};
use keystead_sandbox::{Config, KeyPool, RoleSeed, Sandbox, UserSeed, VirtualClock};
use keystead_store::{Database, Store, StoreError, accounts, audit, audit::SignerRow, keystores::KeystoreRow, users, users::UserRow, vault::AccountKeyRow};
use keystead_vault::{NewUnlock, PassphraseCost, Random, RootRecord, SystemRandom, UnlockSecret, Vault};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower::ServiceExt as _;

pub const PASSPHRASE: &str = "six words that nobody says aloud";
pub const AWS_ACCOUNT: &str = "111122223333";
const ACCESS_KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
const ROLE: &str = "arn:aws:iam::111122223333:role/Keystead";
const EXTERNAL_ID: &str = "keystead-external-id";

/// RSA pairs are costly; every sandbox of this process takes from one pool.
static POOL: LazyLock<KeyPool> = LazyLock::new(KeyPool::new);

/// A running Keystead with two people.
pub struct World {
    pub router: Router,
    pub app: App,
    pub sandbox: Sandbox,
    pub ann: Token,
    pub ben: Token,
    pub directory: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts that this is a well-formed problem, and answers its slug and field.
    pub fn problem(&self) -> (String, Option<String>) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        let text = |name: &str| problem[name].as_str().unwrap_or_else(|| panic!("{name} of {self:?}")).to_owned();
        assert_eq!(problem["status"], self.status.as_u16());
        for name in ["title", "detail", "mend"] {
            assert!(!text(name).is_empty(), "{name} of {self:?}");
        }
        assert_eq!(text("instance"), self.header("x-request-id"));
        let slug = text("type").strip_prefix("https://keystead.dev/problems/").expect("our type").to_owned();
        (slug, problem["field"].as_str().map(str::to_owned))
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with_channels(&[]).await
    }

    /// One whose configuration has these channels; nobody sends anything.
    pub async fn with_channels(channels: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&Database::Sqlite(directory.path().join("keystead.db"))).expect("a database");
        let sandbox = start_sandbox().await;
        let clock = Arc::new(SandboxClock(sandbox.clock()));
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let vault = open_vault(random.clone());
        let (ann, ben) = install(&store, &vault, clock.now()).await;
        let clouds = Arc::new(Sandboxed { endpoint: sandbox.endpoint() });
        let alerts = Alerting { channels: channels.iter().map(|name| (*name).to_owned()).collect(), ..Alerting::default() };
        let settings = engine::Settings { quotas: false, alerts, ..engine::Settings::default() };
        let parts =
            engine::Parts { store, vault: Arc::new(vault), clouds: clouds.clone(), clock, random, hooks: Arc::new(NoHooks), node: "node".into(), settings };
        let app = App::new(Engine::new(parts), clouds, Vec::new());
        let router = keystead_api::router(app.clone(), Settings::default());
        Self { router, app, sandbox, ann, ben, directory }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let answer = Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).expect("text") };
        let declared = answer.header("content-length");
        assert!(declared.is_empty() || declared == answer.text.len().to_string(), "{answer:?}");
        answer
    }

    /// Ann's request.
    pub async fn ann(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(request(method, path, Some(self.ann.expose()), body)).await
    }

    /// Ben's request.
    pub async fn ben(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(request(method, path, Some(self.ben.expose()), body)).await
    }

    /// Ann's request, waiting for the operation's end, which must be good.
    pub async fn done(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let mut request = request(method, path, Some(self.ann.expose()), body);
        request.headers_mut().insert("prefer", "wait=60".parse().expect("a value"));
        let answer = self.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {path}: {answer:?}");
        assert!(answer.json()["no_op"] == true || answer.json()["operation"]["state"] == "SUCCEEDED", "{method} {path}: {}", answer.text);
        answer.json()
    }

    /// A key ends in the simulated AWS, as behind a countdown.
    pub async fn deletes_in_cloud(&self, key: &Value) {
        let (endpoint, body) = (self.sandbox.endpoint(), json!({ "key": key }).to_string());
        let address = endpoint.trim_start_matches("http://");
        let head = format!(
            "DELETE /_sandbox/keys HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close",
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.expect("the sandbox");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Makes the keystore `eu`.
    pub async fn with_keystore(self) -> Self {
        let body = json!({ "name": "eu", "cloud": "aws", "region": "eu-west-1", "account": AWS_ACCOUNT, "role_arn": ROLE, "external_id": EXTERNAL_ID });
        let made = self.ann("POST", "/v1/keystores", Some(body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        assert_eq!(made.header("location"), format!("/v1/keystores/{}", made.json()["id"].as_str().unwrap_or_default()));
        self
    }
}

/// A request with a JSON body, if any.
pub fn request(method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    match body {
        Some(body) => builder.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => builder.body(Body::empty()),
    }
    .expect("a request")
}

async fn start_sandbox() -> Sandbox {
    let users = vec![UserSeed::new("keystead", AWS_ACCOUNT, ACCESS_KEY.0, ACCESS_KEY.1)];
    let roles = vec![RoleSeed::new(ROLE, &["arn:aws:iam::111122223333:user/keystead"], Some(EXTERNAL_ID))];
    Sandbox::start(Config { users, roles, pool: POOL.clone(), ..Config::default() }).await.expect("the sandbox starts")
}

fn open_vault(random: Arc<dyn Random>) -> Vault {
    let cost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };
    let unlock = NewUnlock::Passphrase { passphrase: PASSPHRASE.to_owned().into(), cost };
    let record: RootRecord = keystead_vault::root::create(&unlock, random.as_ref()).expect("a root").record;
    let vault = Vault::sealed(record, random);
    vault.unseal(&UnlockSecret::Passphrase(PASSPHRASE.to_owned().into())).expect("it opens");
    vault
}

async fn install(store: &Store, vault: &Vault, now: Timestamp) -> (Token, Token) {
    let account = AccountId::new(now, draw());
    let account_key = AccountKeyRow { generation: 1, root_generation: 1, sealed: vault.new_account_key(&account, 1).expect("a key").into_bytes() };
    let log_key = vault.new_log_key().expect("a key");
    let vkey = VerifierKey::new("keystead.test/log", log_key.public_key).expect("a name");
    let signer = SignerRow { origin: "keystead.test/log".into(), vkey: vkey.to_string(), sealed: log_key.sealed };
    let tokens = (Token::new(draw()), Token::new(draw()));
    let people = [("ann", tokens.0.hash()), ("ben", tokens.1.hash())];
    let record = vault.record().to_bytes();
    store
        .write("install", move |tx| {
            accounts::insert(tx, &account, "default", now)?;
            keystead_store::vault::insert_root(tx, &record, 1, now)?;
            keystead_store::vault::insert_account_key(tx, &account, &account_key, now)?;
            audit::insert_signer(tx, &signer)?;
            people.iter().try_for_each(|(name, hash)| {
                let id = UserId::new(now, draw());
                let user = UserRow { id, account_id: account.clone(), name: (*name).into(), state: "ACTIVE".into(), created_at: now };
                users::insert(tx, &user, hash, None)
            })?;
            Ok::<_, StoreError>(())
        })
        .await
        .expect("an installation");
    tokens
}

fn draw<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes);
    bytes
}

struct SandboxClock(VirtualClock);

impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now_micros())
    }
}

/// The connector, pointed at the sandbox. The cloud `panic` shows what becomes of a defect.
struct Sandboxed {
    endpoint: String,
}

#[async_trait]
impl Clouds for Sandboxed {
    async fn connect(&self, keystore: &KeystoreRow) -> Result<Arc<dyn Cloud>, CloudError> {
        let endpoint = Some(self.endpoint.clone());
        let settings = keystead_cloud_aws::Settings {
            location: keystore.location.clone(),
            endpoints: Endpoints { kms: endpoint.clone(), sts: endpoint.clone(), sqs: endpoint },
            base: BaseCredentials::Static(AccessKey::new(ACCESS_KEY.0, ACCESS_KEY.1)),
            session_name: "keystead-test".into(),
            installation: keystore.account_id.to_string(),
            quotas: Vec::new(),
            timeouts: Timeouts::default(),
        };
        Ok(Arc::new(AwsCloud::connect(settings).await.expect("good settings")))
    }
}

impl Catalog for Sandboxed {
    fn check_location(&self, cloud: &str, location: &AwsLocation) -> Result<String, Invalid> {
        match cloud {
            "aws" => Ok(check_region(&location.region)?.partition.name.to_owned()),
            "panic" => panic!("a defect with inner secrets"),
            _ => Err(Invalid::new("cloud", "is not a cloud that Keystead knows", "Give aws.")),
        }
    }

    fn capabilities(&self, cloud: &str, location: &AwsLocation) -> Option<Capabilities> {
        let region = Some(cloud).filter(|cloud| *cloud == "aws").and_then(|_| check_region(&location.region).ok())?;
        Some(keystead_cloud_aws::capabilities::of(&region, &location.account, &[]))
    }

    fn check_importable(&self, location: &AwsLocation, spec: KeySpec) -> Result<(), Invalid> {
        keystead_cloud_aws::capabilities::of(&check_region(&location.region)?, &location.account, &[]).check_importable(spec)
    }

    fn check_multi_region(&self, cloud: &str, location: &AwsLocation) -> Result<(), Invalid> {
        self.check_location(cloud, location).map(drop)
    }

    fn check_queue(&self, _cloud: &str, location: &AwsLocation, queue: &str) -> Result<(), Invalid> {
        check_region(&location.region)?.queue_name(queue, &location.account).map(drop)
    }

    fn policy(&self, keystore: &KeystoreRow, native: bool, queue: Option<&str>) -> Policy {
        let at = &keystore.location;
        let region = check_region(&at.region).expect("a Region");
        let reach = policy::Reach { region: &region, only_this_region: true, account: &at.account, alias_prefix: "", native, queue };
        let trust = policy::trust_policy("arn:aws:iam::999999999999:role/keystead", at.external_id.as_deref().unwrap_or_default());
        Policy { trust, permissions: policy::permission_policy(&reach), steps: vec!["Make the role.".into()] }
    }
}
