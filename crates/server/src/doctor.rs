//! `keystead doctor`: what is wrong with an installation, and how to mend it.

use std::path::Path;

use keystead_store::{SCHEMA_VERSION, Store, vault};
use keystead_vault::{Module, RootRecord, UnlockSecret};

use crate::{ServerError, config::Config, harden, hsm, listen};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do.
    pub mend: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoctorReport {
    /// In order.
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// Whether all is well.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }
}

fn well(name: &'static str, detail: impl Into<String>) -> Check {
    Check { name, ok: true, detail: detail.into(), mend: None }
}

fn ill(name: &'static str, detail: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { name, ok: false, detail: detail.into(), mend: Some(mend.into()) }
}

/// Looks at configuration, module of cryptography, database, vault and credentials. It changes nothing but a database's schema that is older than the binary.
pub async fn doctor(config_path: &Path) -> DoctorReport {
    harden::own_files();
    let mut checks = vec![cryptography()];
    match Config::read(config_path) {
        Err(error) => checks.push(ill("configuration", error.to_string(), "Mend the line, or run `keystead init` to have a file written.")),
        Ok(config) => {
            checks.push(well("configuration", config_path.display().to_string()));
            checks.push(listener(&config).await);
            checks.push(credentials(&config));
            checks.extend(channels(&config).await);
            database_and_vault(&config, &mut checks).await;
        }
    }
    DoctorReport { checks }
}

/// What the module says of itself, and nothing more: whether this build of it is validated, and for what, only NIST's list says (FIPS 140-3).
fn cryptography() -> Check {
    let module = Module::present();
    let loaded = format!("{}, AWS-LC {}", module.binding, module.library_version);
    match (module.fips, module.is_meant_for_fips()) {
        (true, _) => {
            well("cryptography", format!("{loaded}, FIPS mode; of the vault's, Argon2id (passphrases) and Shamir's sharing (shares) run outside of it"))
        }
        (false, false) => well("cryptography", format!("{loaded}, not in FIPS mode")),
        (false, true) => ill("cryptography", format!("{loaded}, not in FIPS mode, and this is a FIPS build"), "Build it again: `make build-fips`."),
    }
}

async fn listener(config: &Config) -> Check {
    let address = config.http.listen;
    match tokio::net::TcpListener::bind(address).await {
        Ok(_) => well("listener", format!("{address} is free")),
        Err(error) => {
            ill("listener", format!("{address}: {error}"), "Stop what listens there, or choose another address. If Keystead itself runs there, all is well.")
        }
    }
}

fn credentials(config: &Config) -> Check {
    match listen::aws(config) {
        Ok(_) if config.clouds.aws.access_key_id.is_some() => well("aws", "an access key from the configuration"),
        Ok(_) => well("aws", "the default credential chain; `keystead keystore check` tries it"),
        Err(error) => ill("aws", error.to_string(), "Write the secret access key to that file, readable by Keystead only."),
    }
}

/// Connects to each channel, with TLS and login, and sends nothing.
async fn channels(config: &Config) -> Vec<Check> {
    let channels = match config.alerts.channels() {
        Ok(channels) if channels.is_empty() => return vec![well("alerts", "no channel: alerts are kept, and `keystead alert list` shows them")],
        Ok(channels) => channels,
        Err(error) => return vec![ill("alerts", error.to_string(), "Mend what it names under [alerts]; secret files are readable by Keystead only.")],
    };
    let mut checks = Vec::new();
    for (name, channel) in channels {
        checks.push(match channel.check().await {
            Ok(()) => well("alerts", format!("{name} answers; `keystead alert test` sends something")),
            Err(error) => ill("alerts", format!("{name}: {error}"), error.mend()),
        });
    }
    checks
}

async fn database_and_vault(config: &Config, checks: &mut Vec<Check>) {
    let opened = config.database().map_err(|error| error.to_string()).and_then(|database| Store::open(&database).map_err(|error| error.to_string()));
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            checks.push(ill("database", error, "If a server runs on it, stop that first; else check path, URL, permissions and free space."));
            return;
        }
    };
    checks.push(well("database", format!("schema {SCHEMA_VERSION}")));
    let record = store.read("vault.root", vault::root).await;
    checks.push(match record {
        Ok(Some(bytes)) => vault_check(config, &bytes),
        Ok(None) => ill("vault", "there is no installation in this database", "Run `keystead init`."),
        Err(error) => ill("vault", error.to_string(), "Restore the database from a backup."),
    });
}

fn vault_check(config: &Config, bytes: &[u8]) -> Check {
    let Ok(record) = RootRecord::from_bytes(bytes) else {
        return ill("vault", "the record of the root cannot be read", "Use a newer keystead, or restore the database from a backup.");
    };
    // Whoever tidies the token up must know which keys live.
    let kind = match record.module_root() {
        Some(root) => format!("{} ({root})", record.kind()),
        None => record.kind().to_string(),
    };
    match secret(config, &record) {
        Ok(None) => well("vault", format!("opens by {kind}; it starts sealed and waits for `keystead vault unseal`")),
        Ok(Some(secret)) => {
            let vault = keystead_vault::Vault::sealed(record, std::sync::Arc::new(keystead_vault::SystemRandom));
            match vault.unseal(&secret) {
                Ok(()) => well("vault", format!("opens by {kind} at the start")),
                Err(error) => ill("vault", error.to_string(), "Put the right secret into the file that [vault] or [hsm] names."),
            }
        }
        Err(error) => ill("vault", error.to_string(), "Write the file that [vault] or [hsm] names, readable by Keystead only, or remove the line."),
    }
}

/// What opens the vault at a start.
fn secret(config: &Config, record: &RootRecord) -> Result<Option<UnlockSecret>, ServerError> {
    let modules = if record.module_root().is_some() { hsm::modules(config)? } else { Vec::new() };
    listen::secret(config, record, &modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_channel_that_nobody_answers_and_a_secret_of_another_form_are_told_with_their_mend() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        at("good", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        at("bad", "secret\n");
        let of = async |secret: &str| {
            let text = format!("[[alerts.webhook]]\nurl = 'http://127.0.0.1:1/x'\nsecret_file = '{secret}'\n");
            channels(&Config::read(&at("keystead.toml", &text)).expect("a configuration")).await
        };
        let silent = of("good").await;
        assert!(!silent[0].ok && silent[0].detail.starts_with("webhook:127.0.0.1: cannot be reached"), "{silent:?}");
        assert!(silent[0].mend.as_deref().is_some_and(|mend| mend.contains("firewall")), "{silent:?}");
        for secret in ["bad", "missing"] {
            let refused = of(secret).await;
            assert!(!refused[0].ok && (refused[0].detail.contains("secret_file") || refused[0].detail.contains("missing")), "{refused:?}");
        }
        assert!(channels(&Config::default()).await[0].ok, "without a channel nothing is wrong");
    }
}
