//! A simulated AWS on its real wire protocol: KMS over JSON 1.1 and STS over the Query protocol, behind Signature Version 4. For demonstrations, tests, and
//! anybody who wants to try bring-your-own-key without an account.
//!
//! ```no_run
//! # async fn demo() -> Result<(), keystead_sandbox::StartError> {
//! use keystead_sandbox::{Config, Sandbox, UserSeed};
//! let users = vec![UserSeed::new("ann", "111122223333", "AKIAIOSFODNN7EXAMPLE", "secret")];
//! let sandbox = Sandbox::start(Config { users, ..Config::default() }).await?;
//! println!("AWS_ENDPOINT_URL={}", sandbox.endpoint());
//! sandbox.advance(86_400_000_000); // tomorrow
//! sandbox.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! One endpoint serves every Region and both services; the Region comes from the signature. Besides the operations of AWS there is a control plane under
//! `/_sandbox/`, described in the module `control`: clock, faults, events, state.
//!
//! # Invariants
//! - This crate knows nothing of Keystead's other crates and shares no type with the connector: a misspelt member cannot pass on both sides.
//! - It never calls AWS, and it listens on loopback only.
//! - Key material enters by ImportKeyMaterial and leaves by no way at all; neither do logs, events or the control plane show it.
//! - Imported material is really used: what was encrypted under it does not open under any other.
//! - Time is the sandbox's own clock, except for the age of signatures, which clients make by the real one.
//!
//! # Where it is simpler than AWS
//! - RSA pairs for import parameters come from a pool of two a size and are handed out repeatedly (module `pool`): the one deliberate weakness.
//! - Policies have no conditions; key policies are kept and checked for form but decide nothing; there are no grants.
//! - Automatic rotation, custom key stores, SM2 and the post-quantum key specs are missing.
//! - In the China Regions symmetric material has 16 bytes as at AWS, but encrypts with AES-256-GCM under a derived key instead of SM4.

mod aws;
mod calendar;
mod clock;
mod config;
mod control;
mod fault;
mod listen;
mod pool;
mod random;
mod secret;
mod seed;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use crate::aws::iam::SeedError;
pub use crate::clock::VirtualClock;
pub use crate::config::{Config, RoleSeed, SecretAccessKey, Settings, Statement, UserSeed};
pub use crate::fault::{Effect, Fault};
pub use crate::pool::{KeyPool, RsaSize};

use crate::aws::iam::Iam;
use crate::aws::kms::token::Seal;
use crate::listen::{CuttableListener, Wire};
use crate::world::{Shared, World};

/// How long a shutdown waits for calls under way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Anybody who reaches the sandbox controls it.
    #[error("bind: {0} is not a loopback address; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address could not be bound.
    #[error("bind: {addr} cannot be listened on; choose another port, or 0 for any free one")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A user or role makes no sense.
    #[error("users or roles: {0}")]
    Seed(#[from] SeedError),
    /// No random bytes for the sandbox's own key.
    #[error("the system's random generator gave nothing; see to the entropy source of this machine")]
    NoRandomness,
}

/// A running sandbox. Dropping it stops it too, without waiting.
pub struct Sandbox {
    shared: Arc<Shared>,
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Binds, then serves in the background. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`] names the member of the configuration that is wrong.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        if !config.bind.ip().is_loopback() {
            return Err(StartError::NotLoopback(config.bind));
        }
        let mut iam = Iam::default();
        config.users.into_iter().try_for_each(|user| iam.put_user(user))?;
        config.roles.into_iter().try_for_each(|role| iam.put_role(role))?;
        let seal = Seal::new().map_err(|_| StartError::NoRandomness)?;
        let shared = Arc::new(Shared::new(config.clock, config.pool, World::new(config.settings, iam, seal)));
        let failed = |source| StartError::Bind { addr: config.bind, source };
        let listener = TcpListener::bind(config.bind).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(CuttableListener(listener), Arc::clone(&shared), stopped));
        Ok(Self { shared, addr, stop, server })
    }

    /// Base URL of KMS, STS and the control plane, for example `http://127.0.0.1:41234`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The sandbox's clock. What becomes due by moving it is carried out when somebody looks; [`Sandbox::advance`] does both.
    pub fn clock(&self) -> VirtualClock {
        self.shared.clock.clone()
    }

    /// Moves the clock forward by this many microseconds and carries out what became due.
    pub fn advance(&self, micros: u64) {
        self.shared.advance(micros);
    }

    /// Adds faults at the end of the plan.
    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.with_world(|world, _| world.faults.add(faults));
    }

    /// Makes so many keys with material of AWS, called STEM-000000 and so on, at once.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn seed_keys(&self, account: &str, region: &str, stem: &str, count: usize) -> Result<(), String> {
        let order = seed::KeySeed::new(account, region, stem, count);
        self.shared.with_world(|world, now| seed::seed(world, order, now))
    }

    /// Forgets all faults that are still to come.
    pub fn clear_faults(&self) {
        self.shared.with_world(|world, _| world.faults.clear());
    }

    /// Adds a user, or replaces the one with the same access key.
    ///
    /// # Errors
    /// [`SeedError`] names the member that is wrong.
    pub fn put_user(&self, user: UserSeed) -> Result<(), SeedError> {
        self.shared.with_world(|world, _| world.iam.put_user(user))
    }

    /// Adds a role, or replaces the one with the same ARN.
    ///
    /// # Errors
    /// [`SeedError`] names the member that is wrong.
    pub fn put_role(&self, role: RoleSeed) -> Result<(), SeedError> {
        self.shared.with_world(|world, _| world.iam.put_role(role))
    }

    /// Makes a queue into which the events of an account and Region go; one that is there keeps its messages. With reads it hears of uses of keys, too.
    pub fn put_queue(&self, account: &str, region: &str, name: &str, with_reads: bool) {
        self.shared.with_world(|world, _| world.trail.queues.make(account, region, name, with_reads));
    }

    /// The settings now.
    pub fn settings(&self) -> Settings {
        self.shared.with_world(|world, _| world.settings.clone())
    }

    /// Replaces the settings.
    pub fn set_settings(&self, settings: Settings) {
        self.shared.with_world(|world, _| world.settings = settings);
    }

    /// Stops listening, lets calls under way end for two seconds, then stops for good.
    pub async fn shutdown(self) {
        drop(self.stop);
        let mut server = self.server;
        if tokio::time::timeout(SHUTDOWN_GRACE, &mut server).await.is_err() {
            server.abort();
        }
    }
}

async fn serve(listener: CuttableListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let router = Router::new().nest("/_sandbox", control::routes()).fallback(aws::front::handle).with_state(shared);
    let until_stopped = async move { drop(stopped.await) };
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<Wire>()).with_graceful_shutdown(until_stopped);
    if let Err(error) = server.await {
        tracing::error!(%error, "the sandbox's listener ended");
    }
}
