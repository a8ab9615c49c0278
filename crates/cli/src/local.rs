//! The parts of Keystead that run in this process: the server, the demo, the simulated cloud. The only file that names them, so that they can change shape.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use keystead_sandbox::{Config, Sandbox, UserSeed};
use keystead_server::{DemoOptions, InitOptions, RestoreOptions, RestoreReport, RootChoice, ServerError};
use zeroize::Zeroizing;

use crate::{args::parse::SandboxUser, error::CliError, output::Output};

pub use keystead_server::{Check, DemoReady, InitReport, ModuleReport, config::Hsm};
#[cfg(test)]
pub use keystead_server::{Finding, Speed};

/// What shall open a new vault. It has no `Debug`.
pub enum Root {
    /// This passphrase.
    Passphrase(Zeroizing<String>),
    /// A key file to be made here.
    KeyFile(PathBuf),
    /// Shares: how many there are, and how many open it.
    Shares {
        /// How many there are.
        count: u8,
        /// How many open it.
        threshold: u8,
    },
    /// A hardware module, and its PIN.
    Module {
        /// Which.
        module: Hsm,
        /// Its PIN.
        pin: Zeroizing<String>,
        /// Threshold and count of the shares of a copy.
        backup: Option<(u8, u8)>,
    },
}

fn failed(error: ServerError) -> CliError {
    CliError::Local(error.to_string())
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`CliError::Local`].
pub async fn serve(config: &Path) -> Result<(), CliError> {
    keystead_server::serve(config).await.map_err(failed)
}

/// Makes an installation.
///
/// # Errors
/// [`CliError::Local`].
pub async fn init(config: PathBuf, root: Root, user: String) -> Result<InitReport, CliError> {
    let root = match root {
        Root::Passphrase(passphrase) => RootChoice::Passphrase(secret(&passphrase)),
        Root::KeyFile(path) => RootChoice::KeyFile(path),
        Root::Shares { count, threshold } => RootChoice::Shares { count, threshold },
        Root::Module { module, pin, backup } => RootChoice::Module { hsm: module, pin: secret(&pin), backup },
    };
    keystead_server::init(InitOptions { config, root, user }).await.map_err(failed)
}

/// Restores the root of an installation in another token.
///
/// # Errors
/// [`CliError::Invalid`] for a text that is no share; [`CliError::Local`].
pub async fn restore_root(config: PathBuf, module: Option<String>, shares: &[Zeroizing<String>]) -> Result<RestoreReport, CliError> {
    let shares = keystead_server::read_shares(shares)?;
    keystead_server::restore_root(RestoreOptions { config, module, shares }).await.map_err(failed)
}

/// The hardware module of a configuration, with the file of its PIN.
///
/// # Errors
/// [`CliError::Local`] when there is none.
pub fn configured_module(config: &Path) -> Result<Hsm, CliError> {
    let none = || ServerError::Config { path: config.to_owned(), reason: "it has no section [hsm]. Add one, or give --hsm-module and --hsm-token.".to_owned() };
    keystead_server::config::Config::read(config).and_then(|config| config.hsm.ok_or_else(none)).map_err(failed)
}

/// Lets a hardware module show what it can.
///
/// # Errors
/// [`CliError::Local`].
pub fn examine(module: &Hsm, pin: &Zeroizing<String>) -> Result<ModuleReport, CliError> {
    keystead_server::examine(module, &secret(pin)).map_err(failed)
}

fn secret<T: From<Zeroizing<Vec<u8>>>>(text: &Zeroizing<String>) -> T {
    Zeroizing::new(text.as_bytes().to_vec()).into()
}

/// Looks at an installation.
pub async fn doctor(config: &Path) -> Vec<Check> {
    keystead_server::doctor(config).await.checks
}

/// Runs server, simulated cloud and sample keys until it is told to stop.
///
/// # Errors
/// [`CliError::Local`].
pub async fn demo(listen: SocketAddr, dir: PathBuf, ready: impl FnOnce(DemoReady)) -> Result<(), CliError> {
    keystead_server::demo(DemoOptions { listen, dir }, ready).await.map_err(failed)
}

/// Runs a simulated cloud alone, until it is told to stop.
///
/// # Errors
/// [`CliError::Local`].
pub async fn sandbox(output: Output, listen: Option<SocketAddr>, user: Option<SandboxUser>) -> Result<(), CliError> {
    let bind = listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 4599)));
    let example = || SandboxUser { account: "111122223333".into(), access_key: "AKIAIOSFODNN7EXAMPLE".into(), secret_key: "sandbox".into() };
    let user = user.unwrap_or_else(example);
    let users = vec![UserSeed::new("sandbox", &user.account, &user.access_key, &user.secret_key)];
    let running = Sandbox::start(Config { bind, users, ..Config::default() }).await.map_err(|error| CliError::Local(error.to_string()))?;
    let endpoint = running.endpoint();
    let text = format!(
        "A simulated AWS listens on {endpoint}. Stop it with Ctrl-C.\n\n  export AWS_ENDPOINT_URL={endpoint}\n  export AWS_ACCESS_KEY_ID={}\n",
        user.access_key
    );
    output.text(&text, &serde_json::json!({"endpoint": endpoint, "account": user.account, "access_key": user.access_key}))?;
    stopped().await?;
    running.shutdown().await;
    Ok(())
}

/// Waits for SIGINT, or SIGTERM where there is one.
async fn stopped() -> Result<(), CliError> {
    let told = |error: std::io::Error| CliError::Local(format!("signals cannot be listened to: {error}"));
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(told)?;
        tokio::select! {
            ended = tokio::signal::ctrl_c() => ended.map_err(told),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map_err(told)
}
