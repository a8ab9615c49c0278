//! `keystead.toml`: one section, one struct. Unknown fields are refused with their line; secrets stand in files of their own, never here.

mod alerts;
mod health;
mod hsm;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use alerts::{Alerts, MailTo, Smtp, WebhookTo};
pub use health::Health;
pub use hsm::Hsm;
use keystead_store::Database;
use serde::{Deserialize, Serialize};

use crate::ServerError;

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The listener.
    pub http: Http,
    /// The database.
    pub store: Store,
    /// How the vault opens at a start.
    pub vault: Vault,
    /// The hardware module, if the root lies in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsm: Option<Hsm>,
    /// The clouds.
    pub clouds: Clouds,
    /// Operations.
    pub operations: Operations,
    /// How often keystores are checked.
    pub health: Health,
    /// Who is told, and when.
    pub alerts: Alerts,
    /// Logs.
    pub log: Log,
}

/// The listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// Certificate chain, PEM. With it and the key the listener speaks TLS.
    pub tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Speak plain HTTP on an address that others can reach: only behind a proxy that speaks TLS.
    pub allow_plaintext: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), tls_cert: None, tls_key: None, allow_plaintext: false }
    }
}

/// The database: a SQLite file, or PostgreSQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// SQLite file, beside the configuration unless it is an absolute path.
    pub sqlite: PathBuf,
    /// A file that holds a PostgreSQL URL (which holds a password); it takes the place of SQLite.
    pub postgres_url_file: Option<PathBuf>,
}

impl Default for Store {
    fn default() -> Self {
        Self { sqlite: PathBuf::from("keystead.db"), postgres_url_file: None }
    }
}

/// How the vault opens at a start. Without either it starts sealed and waits for `keystead vault unseal`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// A file that holds the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// The key file.
    pub key_file: Option<PathBuf>,
}

/// The clouds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clouds {
    /// AWS.
    pub aws: Aws,
}

/// AWS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Aws {
    /// Who Keystead is at AWS: the principal in the trust policies that `keystore policy` prints.
    pub identity_arn: Option<String>,
    /// Access key id; without one the default credential chain is used.
    pub access_key_id: Option<String>,
    /// A file that holds the secret access key.
    pub secret_access_key_file: Option<PathBuf>,
    /// Another address for AWS KMS: a VPC or FIPS endpoint, or the sandbox.
    pub kms_endpoint: Option<String>,
    /// Another address for AWS STS.
    pub sts_endpoint: Option<String>,
    /// Another address for Amazon SQS.
    pub sqs_endpoint: Option<String>,
    /// The name of Keystead's sessions in CloudTrail.
    pub session_name: String,
    /// Keep below AWS's quotas. Off only against a simulated cloud without them.
    pub quotas: bool,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            identity_arn: None,
            access_key_id: None,
            secret_access_key_file: None,
            kms_endpoint: None,
            sts_endpoint: None,
            sqs_endpoint: None,
            session_name: "keystead".to_owned(),
            quotas: true,
        }
    }
}

/// Operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operations {
    /// Seconds for which an operation that has changed nothing yet tries to reach its cloud.
    pub patience_seconds: u32,
    /// Operations that run side by side.
    pub concurrency: usize,
}

impl Default for Operations {
    fn default() -> Self {
        Self { patience_seconds: 30, concurrency: 512 }
    }
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: String,
    /// What to tell, as in `info` or `keystead_operations=debug,info`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: "text".to_owned(), filter: "info".to_owned() }
    }
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ServerError::File`] or [`ServerError::Config`] with line and field.
    pub fn read(path: &Path) -> Result<Self, ServerError> {
        let text = std::fs::read_to_string(path).map_err(|error| ServerError::file(path, format!("{error}. `keystead init` writes one.")))?;
        let refuse = |reason: String| ServerError::Config { path: path.to_owned(), reason };
        let mut config: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        config.check().map_err(refuse)?;
        config.resolve(path.parent().unwrap_or(Path::new(".")));
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.http.tls_cert.is_some() != self.http.tls_key.is_some() {
            return Err("http: tls_cert and tls_key belong together. Give both or neither.".to_owned());
        }
        if self.http.tls_cert.is_none() && !self.http.listen.ip().is_loopback() && !self.http.allow_plaintext {
            let listen = self.http.listen;
            return Err(format!(
                "http.listen: {listen} can be reached by others without TLS. Give tls_cert and tls_key, or set allow_plaintext = true behind a proxy that speaks TLS."
            ));
        }
        if self.clouds.aws.access_key_id.is_some() != self.clouds.aws.secret_access_key_file.is_some() {
            return Err("clouds.aws: access_key_id and secret_access_key_file belong together. Give both or neither.".to_owned());
        }
        if self.vault.passphrase_file.is_some() && self.vault.key_file.is_some() {
            return Err("vault: passphrase_file and key_file exclude each other. Give the one that the vault was made with.".to_owned());
        }
        if let Some(hsm) = &self.hsm {
            hsm.check()?;
        }
        if !matches!(self.log.format.as_str(), "text" | "json") {
            return Err("log.format: give text or json.".to_owned());
        }
        if !(1..=10_000).contains(&self.operations.concurrency) {
            return Err("operations.concurrency: give 1 to 10000.".to_owned());
        }
        self.health.check()?;
        self.alerts.check()
    }

    /// Makes every path one that does not depend on where the process was started.
    fn resolve(&mut self, base: &Path) {
        let Self { http, store, vault, hsm, clouds, alerts, .. } = self;
        alerts.resolve(base);
        if let Some(hsm) = hsm {
            hsm.resolve(base);
        }
        store.sqlite = base.join(&store.sqlite);
        let optional = [
            &mut http.tls_cert,
            &mut http.tls_key,
            &mut store.postgres_url_file,
            &mut vault.passphrase_file,
            &mut vault.key_file,
            &mut clouds.aws.secret_access_key_file,
        ];
        optional.into_iter().flatten().for_each(|path| *path = base.join(&*path));
    }

    /// Which database.
    ///
    /// # Errors
    /// [`ServerError::File`] when the file with the URL cannot be read.
    pub fn database(&self) -> Result<Database, ServerError> {
        match &self.store.postgres_url_file {
            Some(path) => Ok(Database::Postgres(read_line(path)?)),
            None => Ok(Database::Sqlite(self.store.sqlite.clone())),
        }
    }
}

/// A secret's file without the newline that editors put behind it.
pub(crate) fn read_line(path: &Path) -> Result<String, ServerError> {
    let mut text = std::fs::read_to_string(path).map_err(|error| ServerError::file(path, error))?;
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keystead.toml");
        std::fs::write(&path, text).expect("written");
        Config::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        assert_eq!(read("").map(|config| config.http.listen.port()), Ok(8080));
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let refusal = read("[http]\nlisten = \"127.0.0.1:1\"\nlissten = 3\n").expect_err("refused");
        assert!(refusal.contains("line 3") && refusal.contains("lissten"), "{refusal}");
    }

    #[test]
    fn plain_http_for_everybody_is_refused_unless_it_is_meant() {
        let refusal = read("[http]\nlisten = \"0.0.0.0:8080\"\n").expect_err("refused");
        assert!(refusal.contains("allow_plaintext"), "{refusal}");
        assert!(read("[http]\nlisten = \"0.0.0.0:8080\"\nallow_plaintext = true\n").is_ok());
    }

    #[test]
    fn halves_are_refused() {
        for half in
            ["[http]\ntls_cert = \"a\"", "[clouds.aws]\naccess_key_id = \"A\"", "[vault]\nkey_file=\"a\"\npassphrase_file=\"b\"", "[log]\nformat = \"xml\""]
        {
            assert!(read(half).is_err(), "{half}");
        }
    }

    #[test]
    fn keystores_are_checked_every_hour_unless_somebody_says_otherwise() {
        let every = |text: &str| read(text).map(|config| config.health.check_micros());
        assert_eq!((every(""), every("[health]\ncheck_seconds = 0\n")), (Ok(Some(3_600_000_000)), Ok(None)));
        assert!(every("[health]\ncheck_seconds = 299\n").is_err_and(|refusal| refusal.contains("health.check_seconds")));
    }

    #[test]
    fn a_hardware_module_is_named_whole_and_allows_nothing_by_itself() {
        let text = "[hsm]\nmodule = \"/usr/lib/m.so\"\ntoken = \"keystead\"\n";
        let hsm = read(text).expect("module and token are enough").hsm.expect("it has one");
        assert_eq!((hsm.sessions, hsm.allow.len(), hsm.settings().allow.len()), (4, 0, 0));
        let allowed = read(&format!("{text}allow = [\"host-wrap\"]\npin_file = \"pin\"\n")).expect("a known way around").hsm.expect("it has one");
        assert!(allowed.settings().allow.len() == 1 && allowed.pin_file.is_some_and(|path| path.is_absolute()));
        for (wrong, named) in [
            ("allow = [\"host-oaep\"]", "hsm.allow"),
            ("sessions = 0", "hsm.sessions"),
            ("queue = 0", "hsm.queue"),
            ("patience_seconds = 0", "hsm.patience"),
            ("pin = \"1234\"", "pin"),
            ("name = \"a b\"", "hsm.name"),
            ("[[hsm.more]]\nmodule = \"m\"\ntoken = \"t\"", "two modules"),
            ("[[hsm.more]]\nmodule = \"m\"\ntoken = \"t\"\nname = \"b\"\nqueue = 0", "hsm.queue"),
        ] {
            let refusal = read(&format!("{text}{wrong}\n")).expect_err(wrong);
            assert!(refusal.contains(named), "{refusal}");
        }
        let more = "[vault]\nkey_file = \"k\"\n[[hsm.more]]\nname = \"second\"\nmodule = \"m.so\"\ntoken = \"t\"\n";
        let both = read(&format!("{text}{more}")).expect("a root may move to a module, and there may be several").hsm.expect("it has one");
        assert_eq!(both.all().map(|module| module.name.as_str()).collect::<Vec<_>>(), ["hsm", "second"]);
        assert!(read("[hsm]\ntoken = \"keystead\"\n").is_err_and(|refusal| refusal.contains("module")));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*(\n\\PC*)*", section in "http|store|vault|hsm|clouds.aws|operations|health|alerts|alerts.smtp|log|x", line in "[a-z_]{1,12} = [a-z0-9\"\\[\\]{}.:-]{0,12}") {
            let _ = (read(&text), read(&format!("[{section}]\n{line}\n")));
        }
    }
}
