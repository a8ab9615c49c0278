//! What is: keystores, current keys and policies as the store has them.

use super::{DriftWish, Origin};
use crate::{
    AlertChannels, Aliases, KeyId, KeySpec, KeyState, KeyUsage, KeystoreId, RegionRole, Tags, Timestamp, key::expiry::ExpiryPolicy, keystore::AwsLocation,
    rotation::Wish,
};

/// Everything that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Keystores in use.
    pub keystores: Vec<StandingKeystore>,
    /// The current keys of lineages that live.
    pub keys: Vec<StandingKey>,
    /// How keys are rotated for which nothing nearer is said.
    pub rotation: Option<Wish>,
}

/// A keystore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingKeystore {
    /// Id.
    pub id: KeystoreId,
    /// Name.
    pub name: String,
    /// The cloud.
    pub cloud: String,
    /// Where in it.
    pub location: AwsLocation,
    /// Whether import parameters are fetched ahead.
    pub warm: bool,
    /// How it is looked through, if somebody said.
    pub drift: Option<DriftWish>,
    /// Which channels hear of it and of its keys.
    pub alerts: AlertChannels,
    /// Its rotation policy.
    pub rotation: Option<Wish>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingKey {
    /// Id.
    pub id: KeyId,
    /// Counts its changes.
    pub revision: i64,
    /// Name.
    pub name: String,
    /// Its keystore's name.
    pub keystore: String,
    /// Where it stands.
    pub state: KeyState,
    /// Kind.
    pub spec: KeySpec,
    /// What it is for.
    pub usage: KeyUsage,
    /// Where its material comes from.
    pub origin: Origin,
    /// Its part among Regions.
    pub role: RegionRole,
    /// The primary of a replica.
    pub primary: Option<KeyId>,
    /// Whether its material may leave the vault.
    pub exportable: bool,
    /// Free text.
    pub description: String,
    /// Aliases.
    pub aliases: Aliases,
    /// Tags.
    pub tags: Tags,
    /// When its material ends.
    pub expires: Option<Timestamp>,
    /// The span of life that was asked for, in microseconds.
    pub span: Option<i64>,
    /// What happens before.
    pub expiry_policy: ExpiryPolicy,
    /// Its own rotation policy.
    pub rotation: Option<Wish>,
}

impl Standing {
    /// A keystore by its name.
    pub fn keystore(&self, name: &str) -> Option<&StandingKeystore> {
        self.keystores.iter().find(|keystore| keystore.name == name)
    }

    /// The replicas of a primary that do not count down to their deletion.
    pub fn living_replicas<'a>(&'a self, primary: &'a KeyId) -> impl Iterator<Item = &'a StandingKey> {
        self.keys.iter().filter(move |key| key.primary.as_ref() == Some(primary) && key.state != KeyState::PendingDeletion)
    }
}
