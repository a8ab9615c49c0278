//! The real server: an installation in a directory, and `keystead serve` on it as a process.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use keystead_domain::Clock as _;
use keystead_operations::{NoHooks, engine::Settings};
use keystead_server::{AwsClouds, InitOptions, RootChoice, SystemClock, Wiring, assemble, init};
use keystead_store::{Database, Store};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    fill::{CloudKey, Owner, fill, version},
    measure::scratch,
    world::{self, KEYSTORE},
};

/// An installation.
pub struct Installation {
    directory: TempDir,
    port: u16,
    /// The first user's token.
    pub token: String,
}

impl Installation {
    /// Makes one whose cloud is at this address, with one keystore and so many keys.
    pub async fn new(cloud: &str, keys: u64) -> Self {
        Self::made(cloud, keys, false, Arc::new([])).await
    }

    /// The same without a key, keeping below AWS's quotas.
    pub async fn with_quotas(cloud: &str) -> Self {
        Self::made(cloud, 0, true, Arc::new([])).await
    }

    /// The same with rows for these keys of the cloud, as if Keystead had made them.
    pub async fn with_own_keys(cloud: &str, own: Arc<[CloudKey]>) -> Self {
        Self::made(cloud, own.len() as u64, true, own).await
    }

    async fn made(cloud: &str, keys: u64, quotas: bool, cloud_keys: Arc<[CloudKey]>) -> Self {
        let directory = scratch();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        std::fs::write(directory.path().join("aws-secret"), world::SECRET_KEY).expect("a file");
        std::fs::write(directory.path().join("keystead.toml"), config(port, cloud, quotas)).expect("a file");
        let root = RootChoice::KeyFile(directory.path().join("root.key"));
        let made = init(InitOptions { config: directory.path().join("keystead.toml"), root, user: "ann".to_owned() }).await.expect("an installation");
        let installation = Self { directory, port, token: made.token };
        installation.furnish(keys, cloud_keys).await;
        installation
    }

    async fn furnish(&self, keys: u64, cloud_keys: Arc<[CloudKey]>) {
        let store = Store::open(&Database::Sqlite(self.directory.path().join("keystead.db"))).expect("a store");
        let clouds = Arc::new(AwsClouds::new(world::clouds(world::NOWHERE)));
        let wiring = Wiring {
            store: store.clone(),
            secret: None,
            modules: Vec::new(),
            clouds,
            clock: Arc::new(SystemClock),
            hooks: Arc::new(NoHooks),
            settings: Settings::default(),
        };
        let house = assemble(wiring).await.expect("a house");
        let ann = house.app.authenticate(&self.token).await.expect("a store").expect("ann");
        house.app.create_keystore(&ann, world::new_keystore()).await.expect("a keystore");
        let keystore = house.app.keystore(&ann, KEYSTORE).await.expect("the keystore");
        let owner = Owner { account: keystore.account_id, keystore: keystore.id, cloud: "aws", now: SystemClock.now(), cloud_keys };
        fill(&store, &owner, keys, Some(Arc::new(version))).await;
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(&self) -> Server {
        let begun = Instant::now();
        let log = std::fs::File::create(self.directory.path().join("log")).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        command.args(["serve", "--config"]).arg(self.path("keystead.toml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut server = Server { child: command.spawn().expect("the server"), ready_millis: 0.0 };
        let (http, ready) = (reqwest::Client::new(), format!("{}/readyz", self.url()));
        while !http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(server.child.try_wait().is_ok_and(|ended| ended.is_none()), "the server ended: {:?}", std::fs::read_to_string(self.path("log")));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.ready_millis = begun.elapsed().as_secs_f64() * 1000.0;
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn config(port: u16, cloud: &str, quotas: bool) -> String {
    format!(
        "[http]\nlisten = \"127.0.0.1:{port}\"\n[vault]\nkey_file = \"root.key\"\n[log]\nfilter = \"error\"\n[clouds.aws]\nidentity_arn = \"{}\"\n\
         access_key_id = \"{}\"\nsecret_access_key_file = \"aws-secret\"\nkms_endpoint = \"{cloud}\"\nsts_endpoint = \"{cloud}\"\nquotas = {quotas}\n",
        world::IDENTITY,
        world::ACCESS_KEY
    )
}

/// A running server.
pub struct Server {
    child: Child,
    /// From its start to its first answer that it is ready.
    pub ready_millis: f64,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as an operator does.
    pub fn stop(mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        self.child.wait().expect("it ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
