//! The one list of what we do in a customer's account. The policy grants it, the probe tries it, and a test holds it against the calls in the code (CM-070).

/// What an action works on, and so how narrowly it can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// No key yet: AWS knows only `*`.
    Account,
    /// Any key: only to look at it (FT-052).
    AnyKey,
    /// Any key with imported material. Not "any key with our tag": a new tag takes up to five minutes to count, and the import follows at once.
    ImportedKey,
    /// Only a key with our tag: what takes a key's use away for good. A delay of some minutes harms nobody here.
    OwnKey,
    /// An alias, and the key behind it.
    Alias,
    /// A multi-Region key with imported material, in whatever Region: the call concerns a key in another one too.
    Family,
}

/// What changes a key whose material is the cloud's; only the policy that is asked for it grants these on such keys (FT-017, FT-018, FT-058).
pub const NATIVE: &[Action] = &[
    Action::EnableKey,
    Action::DisableKey,
    Action::TagResource,
    Action::UntagResource,
    Action::UpdateKeyDescription,
    Action::CreateAlias,
    Action::UpdateAlias,
    Action::DeleteAlias,
    Action::CancelKeyDeletion,
];

macro_rules! actions {
    ($($name:ident: $scope:ident,)*) => {
        /// An action, named as AWS KMS names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action {
            $(#[doc = concat!("`kms:", stringify!($name), "`.")] $name,)*
        }

        /// Every action that is needed, and no other.
        pub const NEEDED: &[Action] = &[$(Action::$name),*];

        impl Action {
            /// The operation: `ImportKeyMaterial`.
            pub const fn operation(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The name in a policy: `kms:ImportKeyMaterial`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => concat!("kms:", stringify!($name)),)* }
            }

            /// What it works on.
            pub const fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }
        }
    };
}

actions! {
    CreateKey: Account,
    ListKeys: Account,
    ListAliases: Account,
    DescribeKey: AnyKey,
    ListResourceTags: AnyKey,
    GetKeyPolicy: AnyKey,
    ListGrants: AnyKey,
    GetKeyLastUsage: AnyKey,
    GetParametersForImport: ImportedKey,
    ImportKeyMaterial: ImportedKey,
    GetPublicKey: ImportedKey,
    ListKeyRotations: ImportedKey,
    EnableKey: ImportedKey,
    DisableKey: ImportedKey,
    TagResource: ImportedKey,
    UntagResource: ImportedKey,
    UpdateKeyDescription: ImportedKey,
    ReplicateKey: Family,
    UpdatePrimaryRegion: Family,
    RotateKeyOnDemand: OwnKey,
    DeleteImportedKeyMaterial: OwnKey,
    ScheduleKeyDeletion: OwnKey,
    CancelKeyDeletion: OwnKey,
    CreateAlias: Alias,
    UpdateAlias: Alias,
    DeleteAlias: Alias,
}

/// What we must never be able to do, as patterns of a policy: use a key, or hand its use on to somebody (CM-069, CM-072).
pub const FORBIDDEN: &[&str] = &[
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncrypt*",
    "kms:GenerateDataKey*",
    "kms:Sign",
    "kms:GenerateMac",
    "kms:DeriveSharedSecret",
    "kms:CreateGrant",
    "kms:PutKeyPolicy",
];

/// The id of a key that cannot exist: AWS's ids are random UUIDs (RFC 9562, version 4), and this one has no version.
pub const IMPOSSIBLE_KEY: &str = "00000000-0000-0000-0000-000000000000";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every file that makes calls for effect or to look. `probe.rs` is not among them: it tries this very list. Nor is
    /// `usable.rs`, which asks for what nobody has to grant.
    const SOURCES: [&str; 11] = [
        include_str!("alias.rs"),
        include_str!("family.rs"),
        include_str!("import.rs"),
        include_str!("inspect.rs"),
        include_str!("key.rs"),
        include_str!("lifecycle.rs"),
        include_str!("list.rs"),
        include_str!("materials.rs"),
        include_str!("observe.rs"),
        include_str!("tags.rs"),
        include_str!("usage.rs"),
    ];

    #[test]
    fn the_list_is_what_the_code_calls_and_nothing_else_cm_070() {
        let called: BTreeSet<&str> =
            SOURCES.iter().flat_map(|source| source.split("send!(self, \"").skip(1)).filter_map(|rest| rest.split('"').next()).collect();
        // GetCallerIdentity belongs to STS and needs no permission (STS API reference).
        let listed: BTreeSet<&str> = NEEDED.iter().map(|action| action.operation()).chain(["GetCallerIdentity"]).collect();
        assert_eq!(called, listed);
    }

    #[test]
    fn nothing_is_both_needed_and_forbidden() {
        for action in NEEDED {
            assert!(!FORBIDDEN.iter().any(|pattern| action.as_str().starts_with(pattern.trim_end_matches('*'))), "{}", action.as_str());
        }
    }
}
