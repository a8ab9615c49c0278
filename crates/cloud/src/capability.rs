//! What a cloud can do, as data with a source and a date.

use keystead_domain::{Invalid, KeySpec, WrapMethod, WrappingKeySpec};

/// The calls that have a quota of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// Make an empty key.
    CreateKey,
    /// Ask for a wrapping key.
    WrappingKey,
    /// Hand over material.
    Import,
    /// Enable.
    Enable,
    /// Disable.
    Disable,
    /// Remove material.
    DeleteMaterial,
    /// Make an alias.
    CreateAlias,
    /// Move an alias.
    UpdateAlias,
    /// Remove an alias.
    DeleteAlias,
    /// Write tags.
    Tag,
    /// Remove tags.
    Untag,
    /// Change the description.
    Describe,
    /// Start the countdown.
    ScheduleDeletion,
    /// Stop the countdown.
    CancelDeletion,
    /// Look at a key.
    Observe,
    /// Page through keys, aliases or tags.
    List,
}

impl Call {
    /// A stable name for the shared bucket's row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateKey => "create-key",
            Self::WrappingKey => "wrapping-key",
            Self::Import => "import",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::DeleteMaterial => "delete-material",
            Self::CreateAlias => "create-alias",
            Self::UpdateAlias => "update-alias",
            Self::DeleteAlias => "delete-alias",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Describe => "describe",
            Self::ScheduleDeletion => "schedule-deletion",
            Self::CancelDeletion => "cancel-deletion",
            Self::Observe => "observe",
            Self::List => "list",
        }
    }
}

/// How often a call may be made per second, in one cloud account and Region, by all who share it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// The call.
    pub call: Call,
    /// Calls per second.
    pub per_second: f64,
}

/// What one cloud location can do.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// The cloud's name in API and store: `aws`.
    pub cloud: &'static str,
    /// What the quotas are counted by: cloud account and Region.
    pub quota_scope: String,
    /// The kinds of key whose material this location takes.
    pub importable: &'static [KeySpec],
    /// Why it takes no others, as half a sentence behind the kind's name; `None` where it takes all that Keystead makes.
    pub not_importable: Option<&'static str>,
    /// How to wrap a symmetric key.
    pub wrap: WrapMethod,
    /// Under which size of RSA key.
    pub wrapping_key: WrappingKeySpec,
    /// Calls per second, each with its source in the connector's table.
    pub quotas: Vec<Quota>,
    /// For how long after a change of our own "no such key" may only mean "not yet visible", in microseconds.
    pub visibility_delay_micros: i64,
}

impl Capabilities {
    /// Refuses a kind of key that this location cannot take, before anything is made.
    ///
    /// # Errors
    /// [`Invalid`] naming `spec`.
    pub fn check_importable(&self, spec: KeySpec) -> Result<(), Invalid> {
        if self.importable.contains(&spec) {
            return Ok(());
        }
        let reason = self.not_importable.unwrap_or("cannot be imported there");
        let mend = match self.importable {
            [] => "Choose a keystore in another Region.".to_owned(),
            some => format!("Give {} or choose a keystore in another Region.", some.iter().map(|spec| spec.as_str()).collect::<Vec<_>>().join(", ")),
        };
        Err(Invalid::new("spec", format!("{} {reason}", spec.as_str()), mend))
    }
}
