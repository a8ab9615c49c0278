//! When a key was last used, as its cloud keeps it (AW-045).

use keystead_domain::Timestamp;

/// The last successful use of a key that the cloud remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// When.
    pub at: Timestamp,
    /// By which operation, in the cloud's word: `Decrypt`.
    pub operation: String,
}

/// What a cloud remembers of a key's use. No cloud says "never": it says since when it has been looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// The last use; `None`: none since it has been looking.
    pub used: Option<Used>,
    /// Since when it has been looking.
    pub looking_since: Option<Timestamp>,
}
