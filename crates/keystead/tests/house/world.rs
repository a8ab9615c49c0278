//! A world to test in: sandbox, database, vault, engine, application and HTTP server, and two people.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use keystead_app::{
    Request, Started,
    keys::{
        create::{Material, NewKey},
        lifecycle::Ask,
    },
    keystores::NewKeystore,
};
use keystead_cloud_aws::{AccessKey, BaseCredentials, Endpoints, Timeouts};
use keystead_domain::{
    AlertChannels, Aliases, Clock, KeySpec, Name, Tags, Timestamp, key::expiry::ExpiryPolicy, keystore::AwsLocation, keystore::VAULT, time::SECOND,
};
use keystead_identity::Principal;
use keystead_operations::{
    Hooks, Point,
    engine::{Flow, Settings},
};
use keystead_sandbox::{Config, KeyPool, RoleSeed, Sandbox, UserSeed, VirtualClock};
use keystead_server::{AwsClouds, AwsSettings, House, SandboxClock, Wiring, assemble, install};
use keystead_store::{Database, Store, StoreError, keys, keys::KeyRow, operations, operations::OperationRow};
use keystead_vault::{NewUnlock, SecretBytes, SystemRandom, UnlockSecret, root};
use serde_json::Value;

/// Which database a world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub const CUSTOMER: &str = "123456789012";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/keystead";
pub const IDENTITY: &str = "arn:aws:iam::111122223333:user/keystead";

/// A world.
pub struct World {
    pub sandbox: Sandbox,
    pub house: House,
    pub ann: Principal,
    pub tokens: [String; 2],
    pub url: String,
    pub http: reqwest::Client,
    pub hooks: Arc<Watch>,
    pub database: Database,
    names: AtomicU32,
    settings: Settings,
    server: Serving,
    pub directory: tempfile::TempDir,
}

/// The HTTP server of a world. Dropping it ends it.
struct Serving(tokio::task::JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Serving {
    async fn end(mut self) {
        self.0.abort();
        let _it_was_cancelled = (&mut self.0).await;
    }
}

/// What is left of a world whose process has ended: database and simulated cloud, and what people know. Another process may have the database meanwhile.
pub struct Ended {
    pub sandbox: Sandbox,
    pub database: Database,
    pub hooks: Arc<Watch>,
    ann: Principal,
    tokens: [String; 2],
    names: AtomicU32,
    pub settings: Settings,
    directory: tempfile::TempDir,
    http: reqwest::Client,
}

impl Ended {
    /// How many requests the simulated cloud has had.
    pub async fn requests(&self) -> usize {
        requests_to(&self.sandbox, &self.http).await
    }

    /// Starts the process again.
    pub async fn start(self) -> World {
        let store = open_when_free(&self.database).await;
        let house = house_over(store, &self.sandbox.endpoint(), self.sandbox.clock(), self.hooks.clone(), self.settings.clone()).await;
        let (url, server) = serve(&house).await;
        let Self { sandbox, database, hooks, ann, tokens, names, settings, directory, http } = self;
        World { sandbox, house, ann, tokens, url, http, hooks, database, names, settings, server, directory }
    }
}

/// The database, once whoever had it lets go of it.
pub async fn open_when_free(database: &Database) -> Store {
    for _ in 0..1000 {
        match Store::open(database) {
            Err(StoreError::InUse(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened.expect("a store"),
        }
    }
    panic!("somebody keeps the database");
}

fn key_file() -> SecretBytes {
    SecretBytes::from((1u8..=32).collect::<Vec<u8>>())
}

/// The house over a world's database, against its simulated cloud.
pub async fn house_over(store: Store, endpoint: &str, clock: VirtualClock, hooks: Arc<dyn Hooks>, settings: Settings) -> House {
    let (clouds, clock) = (Arc::new(clouds(endpoint)), Arc::new(SandboxClock(clock)));
    assemble(Wiring { store, secret: Some(UnlockSecret::KeyFile(key_file())), modules: Vec::new(), clouds, clock, hooks, settings }).await.expect("a house")
}

async fn serve(house: &House) -> (String, Serving) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = keystead_api::router(house.app.clone(), keystead_api::Settings::default());
    (url, Serving(tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") })))
}

/// Sees every place a run comes to, and lets it die at the one that was chosen.
#[derive(Default)]
pub struct Watch {
    seen: Mutex<Vec<Point>>,
    die_at: Mutex<Option<usize>>,
    is_dead: AtomicBool,
}

impl Watch {
    /// Forgets what was seen, and dies at this place of the next run.
    pub fn arm(&self, die_at: Option<usize>) {
        self.seen.lock().expect("no panic inside").clear();
        *self.die_at.lock().expect("no panic inside") = die_at;
    }

    /// Whether a run has died since somebody chose a place for it.
    pub fn has_died(&self) -> bool {
        self.is_dead.swap(false, Ordering::SeqCst)
    }

    /// The places that were come to since.
    pub fn seen(&self) -> Vec<Point> {
        self.seen.lock().expect("no panic inside").clone()
    }
}

impl Hooks for Watch {
    fn reached(&self, point: Point) -> Flow {
        let mut seen = self.seen.lock().expect("no panic inside");
        seen.push(point);
        let mut die_at = self.die_at.lock().expect("no panic inside");
        if *die_at == Some(seen.len() - 1) {
            *die_at = None;
            self.is_dead.store(true, Ordering::SeqCst);
            return Flow::Die;
        }
        Flow::On
    }
}

/// RSA pairs are costly: all worlds of the process share them.
pub fn pool() -> KeyPool {
    static POOL: OnceLock<KeyPool> = OnceLock::new();
    POOL.get_or_init(KeyPool::new).clone()
}

/// Logs of a test run, when RUST_LOG asks for them.
fn tell_logs() {
    if std::env::var("RUST_LOG").is_ok() {
        let _ = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).with_test_writer().try_init();
    }
}

impl World {
    /// A world on this engine, without a schedule: a test moves things itself.
    pub async fn new(engine: Engine) -> Self {
        Self::with(engine, Settings { quotas: false, patience_micros: SECOND, ..Settings::default() }).await
    }

    pub async fn with(engine: Engine, settings: Settings) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let database = match engine {
            Engine::Sqlite => Database::Sqlite(directory.path().join("keystead.db")),
            Engine::Postgres => Database::Postgres(tokio::task::spawn_blocking(keystead_testkit::postgres::fresh_database).await.expect("a database")),
        };
        Self::on(database, directory, settings).await
    }

    /// A world on an empty database of the test's own.
    pub async fn on(database: Database, directory: tempfile::TempDir, settings: Settings) -> Self {
        tell_logs();
        let users = vec![UserSeed::new("keystead", "111122223333", "AKIATESTKEYSTEAD0001", "test-secret")];
        let roles = vec![RoleSeed::new(ROLE, &[IDENTITY], Some("test-id"))];
        let sandbox = Sandbox::start(Config { users, roles, pool: pool(), ..Config::default() }).await.expect("a sandbox");
        let store = Store::open(&database).expect("a store");
        let created = root::create(&NewUnlock::KeyFile(key_file()), &SystemRandom).expect("a root");
        let now = SandboxClock(sandbox.clock()).now();
        let (secret, ann) = (UnlockSecret::KeyFile(key_file()), Name::parse("ann").expect("a name"));
        let installed = install::install(&store, created.record, &secret, ann, now).await.expect("an installation");
        let hooks = Arc::new(Watch::default());
        let house = house_over(store, &sandbox.endpoint(), sandbox.clock(), hooks.clone(), settings.clone()).await;
        let ann = house.app.authenticate(installed.token.expose()).await.expect("a store").expect("ann");
        let (_, token) = house.app.create_user(&ann, &Request::default(), Name::parse("bob").expect("a name")).await.expect("bob");
        let (url, server) = serve(&house).await;
        let world = Self {
            tokens: [installed.token.expose().to_owned(), token.expose().to_owned()],
            http: reqwest::Client::new(),
            names: AtomicU32::new(0),
            sandbox,
            house,
            ann,
            url,
            hooks,
            database,
            settings,
            server,
            directory,
        };
        world.make_keystore("payments-eu").await;
        world
    }

    /// Ends the process in good order. The database is free for another one as soon as nobody has anything of this house in hand.
    pub async fn end(self) -> Ended {
        let Self { sandbox, ann, tokens, hooks, database, names, settings, server, directory, .. } = self;
        server.end().await;
        // Connections that are kept for later would keep the house.
        Ended { sandbox, database, hooks, ann, tokens, names, settings, directory, http: reqwest::Client::new() }
    }

    /// A keystore in the customer's account.
    pub async fn make_keystore(&self, name: &str) {
        self.make_keystore_in(name, "eu-west-1").await;
    }

    /// The same in this Region.
    pub async fn make_keystore_in(&self, name: &str, region: &str) {
        let location = AwsLocation { region: region.into(), account: CUSTOMER.into(), role_arn: Some(ROLE.into()), external_id: Some("test-id".into()) };
        let new = NewKeystore { name: Name::parse(name).expect("a name"), cloud: "aws".into(), location, alert_channels: AlertChannels::All };
        self.house.app.create_keystore(&self.ann, new).await.expect("a keystore");
    }

    /// A keystore in the vault.
    pub async fn make_vault_keystore(&self, name: &str) {
        let (name, location) = (Name::parse(name).expect("a name"), AwsLocation::nowhere());
        let new = NewKeystore { name, cloud: VAULT.into(), location, alert_channels: AlertChannels::All };
        self.house.app.create_keystore(&self.ann, new).await.expect("a keystore");
    }

    /// A key that lives in the vault alone.
    pub async fn start_create_in_vault(&self, keystore: &str, name: &str) -> Started {
        let new = NewKey { aliases: Aliases::default(), expires: None, ..self.new_key(keystore, name) };
        self.house.app.create_key(&self.ann, &Request::default(), new).await.expect("an intent")
    }

    /// A name that nobody has yet.
    pub fn fresh_name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    pub fn now(&self) -> Timestamp {
        self.house.engine.now()
    }

    /// Starts the creation of a key with an alias of its own.
    pub async fn start_create(&self, name: &str) -> Started {
        self.start_create_in("payments-eu", name).await
    }

    /// A key to make, with an alias of its own.
    pub fn new_key(&self, keystore: &str, name: &str) -> NewKey {
        NewKey {
            name: Name::parse(name).expect("a name"),
            keystore: keystore.into(),
            spec: KeySpec::Aes256,
            usage: None,
            aliases: Aliases::parse([name, &format!("{name}/more")]).expect("are aliases"),
            description: "a key of the tests".into(),
            tags: Tags::parse([("team".to_owned(), "tests".to_owned())]).expect("tags"),
            expires: Some(self.now().plus_days(90)),
            expiry_policy: ExpiryPolicy::Alert,
            material: Material::Generate,
            expected: None,
            terms: Default::default(),
            multi_region: false,
        }
    }

    pub async fn start_create_in(&self, keystore: &str, name: &str) -> Started {
        let new = self.new_key(keystore, name);
        self.house.app.create_key(&self.ann, &Request::default(), new).await.expect("an intent")
    }

    pub async fn create(&self, name: &str) -> KeyRow {
        let started = self.start_create(name).await;
        self.succeeds(started).await;
        self.key(name).await
    }

    pub async fn start(&self, name: &str, ask: Ask) -> Started {
        self.house.app.ask(&self.ann, &Request::default(), name, ask).await.unwrap_or_else(|error| panic!("{name} {ask:?}: {error:?}"))
    }

    /// Asks for an event and waits until it is done.
    pub async fn does(&self, name: &str, ask: Ask) {
        let started = self.start(name, ask).await;
        self.succeeds(started).await;
    }

    pub async fn start_kill(&self, name: &str) -> Started {
        self.house.app.kill_key(&self.ann, &Request::default(), name, true).await.unwrap_or_else(|error| panic!("{name}: {error:?}"))
    }

    /// Kills a key and its lineage, and waits until that is done.
    pub async fn kills(&self, name: &str) {
        let started = self.start_kill(name).await;
        self.succeeds(started).await;
    }

    pub async fn succeeds(&self, started: Started) {
        let ended = self.ended(&started).await;
        assert_eq!(ended.state, "SUCCEEDED", "{ended:?}");
    }

    /// The operation when it has ended. There is no schedule: what waits is taken up here.
    pub async fn ended(&self, started: &Started) -> OperationRow {
        let id = started.operation.as_ref().expect("an operation").id.clone();
        for _ in 0..400 {
            let seen = self.house.engine.wait(&id, Duration::from_millis(100)).await.expect("a store").expect("an operation");
            if seen.state != "RUNNING" {
                return seen;
            }
            // A person would mend what it waits for, and wake it.
            let now = self.now();
            self.store().write("test.wake", move |tx| operations::wake_all(tx, now)).await.expect("a store");
            self.house.engine.take_due().await.expect("a store");
        }
        panic!("operation {id} does not end: {:?}", self.operation(&id).await);
    }

    /// Waits until nothing runs any more: a clean-up also takes up keys of earlier runs, and a spoilt reply may have met one of those.
    pub async fn settle(&self) {
        let far = self.now().plus_days(10_000);
        for _ in 0..400 {
            if !self.store().read("test", move |tx| operations::any_due(tx, far)).await.expect("a store") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.now();
            self.store().write("test.wake", move |tx| operations::wake_all(tx, now)).await.expect("a store");
            self.house.engine.take_due().await.expect("a store");
        }
        panic!("something runs for ever");
    }

    pub async fn operation(&self, id: &keystead_domain::OperationId) -> Option<OperationRow> {
        let id = id.clone();
        self.store().read("test", move |tx| operations::by_id(tx, &id)).await.expect("a store")
    }

    pub fn store(&self) -> &Store {
        &self.house.engine.parts().store
    }

    pub async fn find_key(&self, name: &str) -> Option<KeyRow> {
        let (account, name) = (self.ann.account.clone(), name.to_owned());
        self.store().read("test", move |tx| keys::find(tx, &account, &name)).await.expect("a store")
    }

    pub async fn key(&self, name: &str) -> KeyRow {
        self.find_key(name).await.unwrap_or_else(|| panic!("no key {name}"))
    }

    /// Every key as the simulated cloud has it.
    pub async fn cloud_keys(&self) -> Vec<Value> {
        let state: Value = self.http.get(format!("{}/_sandbox/state", self.sandbox.endpoint())).send().await.expect("the sandbox").json().await.expect("JSON");
        state["keys"].as_array().cloned().unwrap_or_default()
    }

    /// How many requests the simulated cloud has had.
    pub async fn requests(&self) -> usize {
        requests_to(&self.sandbox, &self.http).await
    }

    /// One key as the simulated cloud has it.
    pub async fn cloud_key(&self, key: &KeyRow) -> Option<Value> {
        let arn = key.cloud_arn.clone()?;
        self.cloud_keys().await.into_iter().find(|found| found["arn"] == arn.as_str())
    }

    /// A call over REST as ann (0) or bob (1).
    pub async fn rest(&self, person: usize, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.asks(person, method, path, body, 20).await
    }

    /// The same as ann, who does not wait for the end.
    pub async fn rest_now(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.asks(0, method, path, body, 0).await
    }

    async fn asks(&self, person: usize, method: &str, path: &str, body: Option<Value>, waits: u32) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.tokens[person]).header("Prefer", format!("wait={waits}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

async fn requests_to(sandbox: &Sandbox, http: &reqwest::Client) -> usize {
    let url = format!("{}/_sandbox/events?since={}", sandbox.endpoint(), u32::MAX);
    let events: Value = http.get(url).send().await.expect("the sandbox").json().await.expect("JSON");
    events["last"].as_u64().and_then(|last| usize::try_from(last).ok()).unwrap_or_default()
}

/// Connections to a sandbox.
pub fn clouds(endpoint: &str) -> AwsClouds {
    AwsClouds::new(AwsSettings {
        endpoints: Endpoints { kms: Some(endpoint.to_owned()), sts: Some(endpoint.to_owned()), sqs: Some(endpoint.to_owned()) },
        base: BaseCredentials::Static(AccessKey::new("AKIATESTKEYSTEAD0001", "test-secret")),
        session_name: "keystead-test".into(),
        identity_arn: Some(IDENTITY.into()),
        timeouts: Timeouts { connect: Duration::from_millis(500), call: Duration::from_secs(5) },
    })
}
