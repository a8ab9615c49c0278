//! Why a server does not start, in operators' words: each names what to mend.

use std::path::PathBuf;

/// A server that does not start, or an installation that is not made.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The configuration has a mistake.
    #[error("{path}: {reason}")]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// Line, field and mend, as the reader tells them.
        reason: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] keystead_store::StoreError),
    /// The vault.
    #[error("the vault: {0}")]
    Vault(String),
    /// The application.
    #[error("{0}")]
    App(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}. Choose another address with `listen` in the configuration.")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The database has no installation yet.
    #[error("{0} holds no installation. Run `keystead init` first.")]
    NotInstalled(String),
    /// There is an installation already.
    #[error("there is an installation already: {0}. Nothing was changed.")]
    Installed(String),
}

impl ServerError {
    /// A file's error.
    pub(crate) fn file(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }
}

impl From<keystead_app::Error> for ServerError {
    fn from(error: keystead_app::Error) -> Self {
        match error {
            keystead_app::Error::Invalid(invalid) => Self::App(invalid.to_string()),
            keystead_app::Error::Problem(problem) => Self::App(format!("{} {}", problem.detail, problem.mend)),
            other => Self::App(format!("{other:?}")),
        }
    }
}
