//! `keystead init`: a configuration file, a vault, and the first user.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use keystead_domain::{Clock, Name};
use keystead_store::Store;
use keystead_vault::{NewUnlock, PassphraseCost, SecretBytes, SystemRandom, UnlockSecret, root};

use crate::{ServerError, SystemClock, config::Config, harden, install};

/// How the root shall be protected.
pub enum RootChoice {
    /// By a passphrase.
    Passphrase(SecretBytes),
    /// By a key file that is made here.
    KeyFile(PathBuf),
    /// By shares, of which some are needed.
    Shares {
        /// How many are made.
        count: u8,
        /// How many are needed.
        threshold: u8,
    },
}

/// What is asked for.
pub struct InitOptions {
    /// Where the configuration is, or shall be.
    pub config: PathBuf,
    /// How the root shall be protected.
    pub root: RootChoice,
    /// The first user.
    pub user: String,
}

/// What was made. Token and shares are shown this once.
pub struct InitReport {
    /// The first user's name.
    pub user: String,
    /// Their token.
    pub token: String,
    /// The shares, one a custodian.
    pub shares: Vec<String>,
    /// The configuration file.
    pub config_path: PathBuf,
    /// The key file.
    pub key_file: Option<PathBuf>,
}

/// Makes an installation.
///
/// # Errors
/// [`ServerError::Installed`] when there is one already; of the secret, the files and the database.
pub async fn init(options: InitOptions) -> Result<InitReport, ServerError> {
    harden::own_files();
    let user = Name::parse(&options.user).map_err(|error| ServerError::App(error.to_string()))?;
    let key_file = match &options.root {
        RootChoice::KeyFile(path) => Some(path.clone()),
        _ => None,
    };
    write_config(&options.config, key_file.as_deref())?;
    let config = Config::read(&options.config)?;
    let store = Store::open(&config.database()?)?;
    let (unlock, secret_again) = prepare(options.root)?;
    let created = root::create(&unlock, &SystemRandom).map_err(|error| ServerError::Vault(error.to_string()))?;
    let shares: Vec<String> = created.shares.iter().map(|share| share.text().expose().to_owned()).collect();
    let secret = secret_again.unwrap_or(UnlockSecret::Shares(created.shares));
    let installed = install::install(&store, created.record, &secret, user, SystemClock.now()).await?;
    Ok(InitReport { user: installed.user.name, token: installed.token.expose().to_owned(), shares, config_path: options.config, key_file })
}

/// What the vault is made with, and the same again to try it; shares are made by the vault itself.
fn prepare(choice: RootChoice) -> Result<(NewUnlock, Option<UnlockSecret>), ServerError> {
    let twice = |secret: SecretBytes| (SecretBytes::from(secret.expose().to_vec()), secret);
    Ok(match choice {
        RootChoice::Passphrase(passphrase) => {
            let (one, two) = twice(passphrase);
            (NewUnlock::Passphrase { passphrase: one, cost: PassphraseCost::default() }, Some(UnlockSecret::Passphrase(two)))
        }
        RootChoice::KeyFile(path) => {
            let key = root::new_key_file(&SystemRandom).map_err(|error| ServerError::Vault(error.to_string()))?;
            write_new(&path, key.expose())?;
            let (one, two) = twice(key);
            (NewUnlock::KeyFile(one), Some(UnlockSecret::KeyFile(two)))
        }
        RootChoice::Shares { count, threshold } => (NewUnlock::Shares { threshold, count }, None),
    })
}

/// Writes a configuration if there is none. One that exists is kept as it is.
fn write_config(path: &Path, key_file: Option<&Path>) -> Result<(), ServerError> {
    if path.exists() {
        return Ok(());
    }
    let mut text = TEMPLATE.to_owned();
    if let Some(key_file) = key_file {
        let absolute = std::path::absolute(key_file).map_err(|error| ServerError::file(key_file, error))?;
        text = text.replace("# key_file = \"/etc/keystead/root.key\"", &format!("key_file = {:?}", absolute.display().to_string()));
    }
    write_new(path, text.as_bytes())
}

/// Writes a file that only its owner can read, and that must not exist: a key that is overwritten is lost.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| ServerError::file(path, error))
}

/// The configuration that `init` writes: every field with its meaning.
const TEMPLATE: &str = include_str!("../keystead.toml");
