//! The real process: the binary that ships, set up by `keystead init` and run by `keystead serve`, over a simulated AWS that lives in the test.

use std::{
    fs::{File, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use keystead_operations::{NoHooks, engine::Settings};
use keystead_sandbox::{Config, RoleSeed, Sandbox, UserSeed};
use keystead_server::{House, SystemClock, Wiring, assemble};
use keystead_store::{Database, Store};
use keystead_testkit::token::{LABEL, PIN, Token};
use keystead_vault::{SecretBytes, UnlockSecret};
use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::world::{CUSTOMER, Engine, ROLE, clouds, pool};

/// How long a start may take on a slow machine.
const START: Duration = Duration::from_secs(60);

/// An installation that `keystead init` made, in a directory of its own.
pub struct Installation {
    pub sandbox: Sandbox,
    pub url: String,
    /// The tokens of ann and bob.
    pub tokens: [String; 2],
    /// The URL, when the database is PostgreSQL.
    postgres: Option<String>,
    /// The token in which its root lies.
    token: Option<Token>,
    directory: tempfile::TempDir,
    binary: PathBuf,
}

impl Installation {
    /// An installation with two people and the keystore `payments-eu`, and its running server. `filter` says what it logs.
    pub async fn new(engine: Engine, filter: &str) -> (Self, Server) {
        Self::over(None, engine, filter).await
    }

    /// The same with its root in a token.
    pub async fn over(token: Option<Token>, engine: Engine, filter: &str) -> (Self, Server) {
        let directory = tempfile::tempdir().expect("a directory");
        let users = vec![UserSeed::new("keystead", "111122223333", "AKIATESTKEYSTEAD0001", "test-secret")];
        let roles = vec![RoleSeed::new(ROLE, &["arn:aws:iam::111122223333:user/keystead"], Some("test-id"))];
        let sandbox = Sandbox::start(Config { users, roles, pool: pool(), ..Config::default() }).await.expect("a sandbox");
        let postgres = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(tokio::task::spawn_blocking(keystead_testkit::postgres::fresh_database).await.expect("a database")),
        };
        let (binary, port) = (keep_binary(directory.path()), free_port());
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
        write("aws-secret", "test-secret\n");
        write("postgres-url", postgres.as_deref().unwrap_or_default());
        write("hsm-pin", PIN);
        write("keystead.toml", &configuration(engine, port, &sandbox.endpoint(), filter, token.as_ref()));
        let ann = init(&binary, directory.path(), token.as_ref());
        let mut this = Self { sandbox, url: format!("http://127.0.0.1:{port}"), tokens: [ann, String::new()], postgres, token, directory, binary };
        let mut server = this.start();
        server.ready(&this).await;
        this.tokens[1] = this.people_it().await;
        (this, server)
    }

    /// Makes bob and the keystore; answers bob's token.
    async fn people_it(&self) -> String {
        let http = Client::new();
        let (status, bob) = self.call(&http, 0, "POST", "/v1/users", Some(json!({"name": "bob"}))).await.expect("an answer");
        assert_eq!(status, 201, "{bob}");
        let keystore = json!({"name": "payments-eu", "cloud": "aws", "region": "eu-west-1", "account": CUSTOMER, "role_arn": ROLE, "external_id": "test-id"});
        let (status, made) = self.call(&http, 0, "POST", "/v1/keystores", Some(keystore)).await.expect("an answer");
        assert_eq!(status, 201, "{made}");
        read(&bob)["token"].as_str().expect("a token").to_owned()
    }

    /// A file of the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the server, and does not wait until it is ready.
    pub fn start(&self) -> Server {
        let log = || OpenOptions::new().create(true).append(true).open(self.path("server.log")).expect("a log");
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--config", "keystead.toml"]).current_dir(self.directory.path()).envs(self.token.as_ref().map(Token::environment));
        Server(command.stdin(Stdio::null()).stdout(log()).stderr(log()).spawn().expect("the binary starts"))
    }

    /// A call over REST as ann (0) or bob (1): status and body as they came.
    pub async fn call(&self, http: &Client, person: usize, method: &str, path: &str, body: Option<Value>) -> Result<(u16, String), reqwest::Error> {
        self.call_with(http, person, method, path, body, &[]).await
    }

    /// The same with headers.
    pub async fn call_with(
        &self,
        http: &Client,
        person: usize,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<(u16, String), reqwest::Error> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.tokens[person]);
        request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The house over this installation's database, inside the test. The server must have ended.
    pub async fn open(&self) -> House {
        let key_file = std::fs::read(self.path("root.key")).expect("the key file");
        let sqlite = || Database::Sqlite(self.path("keystead.db"));
        let database = self.postgres.clone().map_or_else(sqlite, Database::Postgres);
        assemble(Wiring {
            store: Store::open(&database).expect("the database"),
            secret: Some(UnlockSecret::KeyFile(SecretBytes::from(key_file))),
            modules: Vec::new(),
            clouds: Arc::new(clouds(&self.sandbox.endpoint())),
            clock: Arc::new(SystemClock),
            hooks: Arc::new(NoHooks),
            settings: Settings { quotas: false, ..Settings::default() },
        })
        .await
        .expect("a house")
    }

    /// Every key as the simulated cloud has it.
    pub async fn cloud_keys(&self) -> Vec<Value> {
        let answer = Client::new().get(format!("{}/_sandbox/state", self.sandbox.endpoint())).send().await.expect("the sandbox");
        answer.json::<Value>().await.expect("JSON")["keys"].as_array().cloned().unwrap_or_default()
    }
}

/// The running server. Dropping it kills it.
pub struct Server(Child);

impl Server {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it serves; a server that ends instead is told with the end of its log.
    pub async fn ready(&mut self, installation: &Installation) {
        let http = Client::new();
        let patience = Instant::now() + START;
        while Instant::now() < patience {
            if let Ok(Some(status)) = self.0.try_wait() {
                panic!("the server ended ({status}):\n{}", log_tail(&installation.path("server.log")));
            }
            let asked = http.get(format!("{}/readyz", installation.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server is not ready after {START:?}:\n{}", log_tail(&installation.path("server.log")));
    }

    /// SIGKILL: it has no time for anything.
    pub fn kill(mut self) {
        self.0.kill().expect("a signal");
        self.0.wait().expect("an end");
    }

    /// SIGTERM: it ends in its own way.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.0.wait().expect("an end");
        assert!(status.success(), "{status}");
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("a signal");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

/// A body as JSON.
pub fn read(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// How much is run: everything in a proof, a small sample in the tests.
pub fn is_proof() -> bool {
    std::env::var("KEYSTEAD_PROOF").is_ok()
}

/// Keeps the binary as it now is: a build beside a long run must not change it.
fn keep_binary(directory: &Path) -> PathBuf {
    let (built, kept) = (Path::new(env!("CARGO_BIN_EXE_keystead")), directory.join("keystead"));
    if std::fs::hard_link(built, &kept).is_err() {
        std::fs::copy(built, &kept).expect("a copy of the binary");
    }
    kept
}

/// A port below those that the system gives to outgoing connections: one of ours could otherwise take it while the server is down, or reach itself by it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn configuration(engine: Engine, port: u16, sandbox: &str, filter: &str, token: Option<&Token>) -> String {
    let root = match token {
        None => "[vault]\nkey_file = \"root.key\"".to_owned(),
        Some(token) => format!("[hsm]\nmodule = {:?}\ntoken = \"{LABEL}\"\npin_file = \"hsm-pin\"\nsessions = 2\nallow = [\"host-wrap\"]", token.library),
    };
    let store = match engine {
        Engine::Sqlite => "sqlite = \"keystead.db\"",
        Engine::Postgres => "postgres_url_file = \"postgres-url\"",
    };
    format!(
        r#"[http]
listen = "127.0.0.1:{port}"
[store]
{store}
{root}
[clouds.aws]
identity_arn = "arn:aws:iam::111122223333:user/keystead"
access_key_id = "AKIATESTKEYSTEAD0001"
secret_access_key_file = "aws-secret"
kms_endpoint = "{sandbox}"
sts_endpoint = "{sandbox}"
quotas = false
[log]
filter = "{filter}"
"#
    )
}

/// Runs `keystead init`; answers the first user's token.
fn init(binary: &Path, directory: &Path, token: Option<&Token>) -> String {
    let mut command = Command::new(binary);
    command.args(["init", "--config", "keystead.toml", "--user", "ann", "--output", "json"]).current_dir(directory);
    match token {
        None => command.args(["--root", "key-file", "--key-file", "root.key"]),
        Some(token) => command.arg("--hsm-module").arg(&token.library).args(["--hsm-token", LABEL, "--hsm-pin-file", "hsm-pin"]).envs([token.environment()]),
    };
    let ended = command.output().expect("the binary starts");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    read(&String::from_utf8_lossy(&ended.stdout))["token"].as_str().expect("a token").to_owned()
}

fn log_tail(path: &Path) -> String {
    let text = File::open(path).and_then(std::io::read_to_string).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
