//! Why something was not sent, in users' words.

/// Why something was not sent. No text of these has a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// A value of the configuration cannot be used.
    #[error("{field} {reason} {mend}")]
    Setting {
        /// Which, as the configuration names it.
        field: &'static str,
        /// Why not.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// Nobody answers there, or not in time.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answered, and did not take it.
    #[error("refused: {0}")]
    Refused(String),
}

impl NotifyError {
    /// What to do, as a sentence.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Setting { mend, .. } => mend,
            Self::Unreachable(_) => "Check host, port, certificate and firewall; Keystead goes on trying for three days.",
            Self::Refused(_) => "Check user name, password, address and secret with who runs it; Keystead goes on trying for three days.",
        }
    }
}
