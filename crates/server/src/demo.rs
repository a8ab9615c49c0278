//! The demo: server, simulated AWS and sample keys in one process, under one clock that can be moved.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use keystead_app::Request;
use keystead_cloud_aws::{AccessKey, BaseCredentials, Endpoints, Timeouts};
use keystead_domain::{Clock, Name, time::SECOND};
use keystead_operations::{NoHooks, engine::Settings};
use keystead_sandbox::{Config as SandboxConfig, RoleSeed, Sandbox, UserSeed};
use keystead_store::{Database, Store};
use keystead_vault::{NewUnlock, SecretBytes, SystemRandom, UnlockSecret, root};

use crate::{AwsClouds, AwsSettings, House, SandboxClock, ServerError, Wiring, assemble, harden, install, listen, samples, tasks, telemetry};

/// Keystead's own identity in the simulated cloud.
const IDENTITY: &str = "arn:aws:iam::111122223333:user/keystead";
/// The customer's account.
pub(crate) const CUSTOMER: &str = "123456789012";
/// The customer's role.
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/keystead";
/// What the role's trust policy asks for.
pub(crate) const EXTERNAL_ID: &str = "keystead-demo";
/// The name of the queue in each Region that tells what is done to the keys.
pub(crate) const QUEUE: &str = "keystead-events";
/// How often keystores are checked, in microseconds.
const CHECK_EVERY: i64 = 3600 * SECOND;
/// The directory that a demo makes and, at the next start, makes anew.
const DIRECTORY: &str = "keystead-demo";

/// How a demo starts.
pub struct DemoOptions {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// In which directory `keystead-demo/` is made.
    pub dir: PathBuf,
}

/// A demo that is ready.
pub struct DemoReady {
    /// The server.
    pub url: String,
    /// The simulated cloud.
    pub sandbox_url: String,
    /// The first user's token.
    pub token: String,
    /// Both users and their tokens.
    pub users: Vec<(String, String)>,
}

/// Runs a demo until SIGINT or SIGTERM; `ready` is told when the sample keys are there.
///
/// # Errors
/// What keeps it from starting.
pub async fn demo(options: DemoOptions, ready: impl FnOnce(DemoReady)) -> Result<(), ServerError> {
    telemetry::start(&crate::config::Log { filter: "warn".to_owned(), ..Default::default() });
    harden::harden();
    let listener = listen::bind(options.listen).await?;
    let sandbox = start_sandbox().await?;
    let clock = Arc::new(SandboxClock(sandbox.clock()));
    let (house, users) = build(&options.dir, &sandbox, clock).await?;
    let tasks = tasks::start(&house, Vec::new());
    let address = listener.local_addr().unwrap_or(options.listen);
    let face = keystead_api::Settings { cloud_identity: Some(IDENTITY.to_owned()), ..keystead_api::Settings::default() };
    let router = keystead_api::router(house.app.clone(), face);
    let served = tokio::spawn(listen::listen_plain(listener, router));
    samples::make(&house, &users).await?;
    ready(DemoReady {
        url: format!("http://{address}"),
        sandbox_url: sandbox.endpoint().to_owned(),
        token: users.first().map(|(_, token)| token.clone()).unwrap_or_default(),
        users,
    });
    let ended = served.await.map_err(|error| ServerError::App(error.to_string()))?;
    drop(tasks);
    sandbox.shutdown().await;
    ended
}

async fn start_sandbox() -> Result<Sandbox, ServerError> {
    let config = SandboxConfig {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        users: vec![UserSeed::new("keystead", "111122223333", "AKIADEMOKEYSTEAD0001", "demo-secret-of-the-simulated-cloud")],
        roles: vec![RoleSeed::new(ROLE, &[IDENTITY], Some(EXTERNAL_ID))],
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::start(config).await.map_err(|error| ServerError::App(error.to_string()))?;
    for region in ["eu-west-1", "us-east-1"] {
        sandbox.put_queue(CUSTOMER, region, QUEUE, true);
    }
    Ok(sandbox)
}

async fn build(dir: &Path, sandbox: &Sandbox, clock: Arc<SandboxClock>) -> Result<(House, Vec<(String, String)>), ServerError> {
    let home = fresh_directory(dir)?;
    let store = Store::open(&Database::Sqlite(home.join("keystead.db")))?;
    let key = root::new_key_file(&SystemRandom).map_err(|error| ServerError::Vault(error.to_string()))?;
    let copy = || SecretBytes::from(key.expose().to_vec());
    let created = root::create(&NewUnlock::KeyFile(copy()), &SystemRandom).map_err(|error| ServerError::Vault(error.to_string()))?;
    let name = Name::parse("ann").map_err(|error| ServerError::App(error.to_string()))?;
    let installed = install::install(&store, created.record, &UnlockSecret::KeyFile(copy()), name, clock.now()).await?;
    let endpoint = Some(sandbox.endpoint().to_owned());
    let clouds = AwsClouds::new(AwsSettings {
        endpoints: Endpoints { kms: endpoint.clone(), sts: endpoint.clone(), sqs: endpoint },
        base: BaseCredentials::Static(AccessKey::new("AKIADEMOKEYSTEAD0001", "demo-secret-of-the-simulated-cloud")),
        session_name: "keystead-demo".to_owned(),
        identity_arn: Some(IDENTITY.to_owned()),
        timeouts: Timeouts::default(),
    });
    let wiring = Wiring {
        store,
        secret: Some(UnlockSecret::KeyFile(copy())),
        modules: Vec::new(),
        clouds: Arc::new(clouds),
        clock,
        hooks: Arc::new(NoHooks),
        settings: Settings { quotas: false, check_micros: Some(CHECK_EVERY), ..Settings::default() },
    };
    let house = assemble(wiring).await?;
    let ann = house.app.authenticate(installed.token.expose()).await?.ok_or_else(|| ServerError::App("the first user is not known".to_owned()))?;
    let bob = Name::parse("bob").map_err(|error| ServerError::App(error.to_string()))?;
    let (_, token) = house.app.create_user(&ann, &Request::default(), bob).await?;
    let users = vec![("ann".to_owned(), installed.token.expose().to_owned()), ("bob".to_owned(), token.expose().to_owned())];
    Ok((house, users))
}

/// The simulated cloud lives in memory, so a demo begins anew each time. Only a directory that a demo made, told by its marker, is removed.
fn fresh_directory(dir: &Path) -> Result<PathBuf, ServerError> {
    let home = dir.join(DIRECTORY);
    let marker = home.join("MADE-BY-KEYSTEAD-DEMO");
    if home.exists() {
        if !marker.exists() {
            return Err(ServerError::file(&home, "exists and was not made by a demo. Start the demo in another directory."));
        }
        if is_running(&home) {
            return Err(ServerError::file(&home, "belongs to a demo that still runs. Stop it, or start this one in another directory."));
        }
        std::fs::remove_dir_all(&home).map_err(|error| ServerError::file(&home, error))?;
    }
    std::fs::create_dir_all(&home).map_err(|error| ServerError::file(&home, error))?;
    let text = "This directory belongs to `keystead demo`, which makes it anew at each start. Nothing in it protects real data.\n";
    std::fs::write(&marker, text).map_err(|error| ServerError::file(&marker, error))?;
    Ok(home)
}

/// Whether another process holds the database of this directory.
fn is_running(home: &Path) -> bool {
    std::fs::File::open(home.join("keystead.lock")).is_ok_and(|lock| lock.try_lock().is_err())
}
