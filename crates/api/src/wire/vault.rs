//! The vault on the wire.

use keystead_app::vault::VaultStatus;
use keystead_vault::UnlockKind;
use serde::Serialize;
use utoipa::ToSchema;

/// How the vault stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "sealed": false, "kind": "passphrase", "shares_needed": null, "shares_have": null, "backup": null, "root_generation": 1,
    "root_changed": false, "rotation": null }))]
pub(crate) struct Vault {
    /// Whether it is closed: reading works, keys do not.
    sealed: bool,
    /// What opens it: `passphrase`, `key-file`, `shares`, or `hsm`: the PIN of a hardware module, which the server reads at its start.
    kind: &'static str,
    /// How many shares open it; null when shares do not.
    #[schema(required)]
    shares_needed: Option<u8>,
    /// How many have been given.
    #[schema(required)]
    shares_have: Option<u8>,
    /// Who can restore the copy of a root that lies in a hardware module; null where there is no copy.
    #[schema(required)]
    backup: Option<Backup>,
    /// Which root key is in use, from 1.
    root_generation: u32,
    /// Whether this node is sealed because the root was changed on another node: it then opens by the new secret only.
    root_changed: bool,
    /// A rotation of the root that is not finished.
    #[schema(required)]
    rotation: Option<Rotation>,
}

/// Shares that restore the copy of a root.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Backup {
    /// How many it takes.
    shares_needed: u8,
    /// How many there are.
    shares: u8,
}

/// How far a rotation has come; null when the database does not answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rotation {
    /// How many key versions are sealed under the new root.
    #[schema(required)]
    done: Option<u64>,
    /// How many key versions have material.
    #[schema(required)]
    total: Option<u64>,
}

impl From<VaultStatus> for Vault {
    fn from(status: VaultStatus) -> Self {
        Self {
            sealed: status.sealed,
            kind: match status.kind {
                UnlockKind::Passphrase => "passphrase",
                UnlockKind::KeyFile => "key-file",
                UnlockKind::Shares => "shares",
                UnlockKind::Module => "hsm",
            },
            shares_needed: status.shares.map(|progress| progress.need),
            shares_have: status.shares.map(|progress| progress.have),
            backup: status.backup.map(|(shares_needed, shares)| Backup { shares_needed, shares }),
            root_generation: status.root_generation,
            root_changed: status.root_changed,
            rotation: status.rotation.map(|progress| Rotation { done: progress.done, total: progress.total }),
        }
    }
}
