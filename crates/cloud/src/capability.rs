//! What a cloud can do, as data with a source and a date.

use keystead_domain::{Invalid, KeyFamily, KeySpec, WrapMethod, WrappingKeySpec};

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
    /// Page through keys.
    List,
    /// Page through aliases.
    ListAliases,
    /// Page through a key's tags.
    ListTags,
    /// Read a key's policy.
    GetPolicy,
    /// Page through a key's grants.
    ListGrants,
    /// Ask for the public half of a pair.
    PublicKey,
    /// Rotate pending material in.
    Rotate,
    /// List a key's materials.
    ListMaterials,
    /// Make a replica in another Region.
    Replicate,
    /// Make a replica the primary.
    Promote,
    /// Try whether a key can be used.
    TryUse,
    /// Ask when a key was last used.
    LastUse,
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
            Self::ListAliases => "list-aliases",
            Self::ListTags => "list-tags",
            Self::GetPolicy => "get-policy",
            Self::ListGrants => "list-grants",
            Self::PublicKey => "public-key",
            Self::Rotate => "rotate",
            Self::ListMaterials => "list-materials",
            Self::Replicate => "replicate",
            Self::Promote => "promote",
            Self::TryUse => "try-use",
            Self::LastUse => "last-use",
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

/// A kind of key whose material a location takes, and how it is wrapped on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Importable {
    /// The kind.
    pub spec: KeySpec,
    /// How to wrap it.
    pub wrap: WrapMethod,
}

/// What a cloud takes for keys, as data with a source and a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// A key for a month, in US cents. Each replica is a key; one that counts down to its deletion costs nothing.
    pub key_month_cents: u32,
    /// So many first rotations of a key's material cost as much as a key each; later ones nothing.
    pub rotations_charged: u32,
    /// Where the figures come from.
    pub source: &'static str,
    /// When they were read.
    pub date: &'static str,
}

/// What one cloud location can do.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// The cloud's name in API and store: `aws`.
    pub cloud: &'static str,
    /// What the quotas are counted by: cloud account and Region.
    pub quota_scope: String,
    /// The kinds of key whose material this location takes.
    pub importable: Vec<Importable>,
    /// Why it does not take the others, by their families: the cloud's own rule, as half a sentence behind the kind's name.
    pub refusals: &'static [(KeyFamily, &'static str)],
    /// How often a key's material may be replaced under the same name, for life; `None`: not at all.
    pub rotations_max: Option<u32>,
    /// Under which size of RSA key material is wrapped.
    pub wrapping_key: WrappingKeySpec,
    /// Calls per second, each with its source in the connector's table.
    pub quotas: Vec<Quota>,
    /// For how long after a change of our own "no such key" may only mean "not yet visible", in microseconds.
    pub visibility_delay_micros: i64,
    /// What keys cost there; `None` where nobody says.
    pub prices: Option<Prices>,
}

impl Capabilities {
    /// How material of this kind is wrapped for this location; `None` when it takes none.
    pub fn wrap_for(&self, spec: KeySpec) -> Option<WrapMethod> {
        self.importable.iter().find(|importable| importable.spec == spec).map(|importable| importable.wrap)
    }

    /// Refuses a kind of key that this location cannot take, before anything is made.
    ///
    /// # Errors
    /// [`Invalid`] naming `spec`.
    pub fn check_importable(&self, spec: KeySpec) -> Result<(), Invalid> {
        if self.wrap_for(spec).is_some() {
            return Ok(());
        }
        let rule = self.refusals.iter().find(|(family, _)| *family == spec.family());
        let reason = rule.map_or("cannot be imported there", |(_, reason)| reason);
        let others: Vec<&str> = self.importable.iter().map(|importable| importable.spec.as_str()).collect();
        let mend = match others.as_slice() {
            [] => "Choose a keystore in another Region.".to_owned(),
            some => format!("Give {}, or choose a keystore in another Region.", some.join(", ")),
        };
        Err(Invalid::new("spec", format!("{} {reason}", spec.as_str()), mend))
    }
}
