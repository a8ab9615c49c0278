//! `keystead init`: a configuration file, a vault, and the first user.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use keystead_domain::{Clock, Name};
use keystead_store::Store;
use keystead_vault::{NewUnlock, PassphraseCost, SecretBytes, SystemRandom, UnlockSecret, root};

use crate::{
    ServerError, SystemClock,
    config::{Config, Hsm},
    harden, hsm, install,
};

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
    /// It is made in a hardware module, and stays there.
    Module {
        /// Which.
        hsm: Hsm,
        /// Its PIN.
        pin: SecretBytes,
        /// Threshold and count of the shares of a copy that is made with it.
        backup: Option<(u8, u8)>,
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
    let root = absolute(options.root)?;
    write_config(&options.config, key_file.as_deref(), &root)?;
    let config = Config::read(&options.config)?;
    check_module(&root, &config, &options.config)?;
    let store = Store::open(&config.database()?)?;
    // Before anything is made: what is made in a hardware module stays there.
    install::check_empty(&store).await?;
    let (unlock, secret_again) = prepare(root)?;
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
        RootChoice::Module { hsm, pin, backup } => {
            let (unlock, secret) = hsm::new_root(&hsm, &pin, backup)?;
            (unlock, Some(secret))
        }
    })
}

/// The paths of a module as they are from here: the configuration may stand elsewhere.
fn absolute(root: RootChoice) -> Result<RootChoice, ServerError> {
    let RootChoice::Module { mut hsm, pin, backup } = root else { return Ok(root) };
    let here = |path: &Path| std::path::absolute(path).map_err(|error| ServerError::file(path, error));
    if hsm.module.components().count() > 1 {
        hsm.module = here(&hsm.module)?;
    }
    hsm.pin_file = hsm.pin_file.as_deref().map(here).transpose()?;
    Ok(RootChoice::Module { hsm, pin, backup })
}

/// Writes a configuration if there is none. One that exists is kept as it is.
fn write_config(path: &Path, key_file: Option<&Path>, root: &RootChoice) -> Result<(), ServerError> {
    if path.exists() {
        return Ok(());
    }
    let mut text = TEMPLATE.to_owned();
    if let Some(key_file) = key_file {
        let absolute = std::path::absolute(key_file).map_err(|error| ServerError::file(key_file, error))?;
        text = text.replace("# key_file = \"/etc/keystead/root.key\"", &format!("key_file = {:?}", absolute.display().to_string()));
    }
    if let RootChoice::Module { hsm, .. } = root {
        text = with_module(&text, hsm);
    }
    write_new(path, text.as_bytes())
}

/// The template with the lines of `[hsm]` that are known.
fn with_module(text: &str, hsm: &Hsm) -> String {
    let mut lines = format!("[hsm]\nmodule = {:?}\ntoken = {:?}\n", hsm.module.display().to_string(), hsm.token);
    if let Some(pin_file) = &hsm.pin_file {
        lines.push_str(&format!("pin_file = {:?}\n", pin_file.display().to_string()));
    }
    let (before, section) = text.split_once("# [hsm]\n").unwrap_or((text, ""));
    // The sample of a further module keeps its lines.
    let (section, more) = section.split_at(section.find("# [[hsm.more]]").unwrap_or(section.len()));
    let is_said =
        |line: &&str| ["# module =", "# token ="].iter().any(|known| line.starts_with(known)) || (hsm.pin_file.is_some() && line.starts_with("# pin_file ="));
    let rest: String = section.lines().filter(|line| !is_said(line)).map(|line| format!("{line}\n")).collect();
    format!("{before}{lines}{rest}{more}")
}

/// A configuration that was there before must name the same module: the server looks for the root where it says.
fn check_module(root: &RootChoice, config: &Config, path: &Path) -> Result<(), ServerError> {
    let RootChoice::Module { hsm, .. } = root else {
        return match &config.hsm {
            None => Ok(()),
            Some(_) => Err(ServerError::Config {
                path: path.to_owned(),
                reason: "it has a section [hsm], and the root shall not lie in a module. Remove the section, or give --hsm-module and --hsm-token.".to_owned(),
            }),
        };
    };
    if config.hsm.as_ref().is_some_and(|found| (&found.module, &found.token) == (&hsm.module, &hsm.token)) {
        return Ok(());
    }
    let reason = format!("it does not name this module. Add the lines [hsm], module = {:?} and token = {:?}.", hsm.module.display().to_string(), hsm.token);
    Err(ServerError::Config { path: path.to_owned(), reason })
}

/// Writes a file that only its owner can read, and that must not exist: a key that is overwritten is lost.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ServerError> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| ServerError::file(path, error))
}

/// The configuration that `init` writes: every field with its meaning.
const TEMPLATE: &str = include_str!("../keystead.toml");
