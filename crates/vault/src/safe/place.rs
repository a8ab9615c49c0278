//! Where a ciphertext belongs: the words in which the store hands sealed rows to the vault. All of them are opaque or public.

use keystead_domain::{AccountId, KeyId, KeySpec, VersionId};

/// Where material belongs. A ciphertext is bound to its place: moved to another row, or back in time, it does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant.
    pub account: &'a AccountId,
    /// The key.
    pub key: &'a KeyId,
    /// The version of the key.
    pub version: &'a VersionId,
    /// What the key is.
    pub spec: KeySpec,
    /// How often the row has been sealed; it grows by one at each re-wrap, and the store keeps it beside the ciphertext.
    ///
    /// It guards against a row that is put back alone. Whoever can put back a whole database, this number included, is beyond what a ciphertext can know;
    /// the audit log is where that shows.
    pub generation: u32,
}

/// An account's key as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountKey<'a> {
    /// Which of the account's keys, from 1.
    pub generation: u32,
    /// The sealed key.
    pub sealed: &'a [u8],
}

/// Material as the store keeps it, with all that is needed to use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<'a> {
    /// Where it belongs.
    pub place: Place<'a>,
    /// The account key that it is sealed under.
    pub account_key: AccountKey<'a>,
    /// The sealed material.
    pub sealed: &'a [u8],
}

macro_rules! sealed {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(pub(crate) Vec<u8>);

        impl $name {
            /// The bytes to store.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// The bytes to store.
            pub fn into_bytes(self) -> Vec<u8> {
                self.0
            }
        }
    )*};
}

sealed! {
    /// An account's key, sealed under the root. Opaque outside the vault.
    SealedAccountKey;
    /// A key version's material, sealed under its account's key and then under the root. Opaque outside the vault.
    SealedMaterial;
}
