//! Keys as a cloud has them, and what goes to and fro about them.

use keystead_domain::{KeySpec, KeyUsage, RegionRole, Timestamp, WrapMethod};

/// The cloud's own short id of a key, for example the UUID of a KMS key. Ids are taken from answers, never composed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CloudKeyId(pub String);

/// The tags by which Keystead knows its own again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTags {
    /// `keystead:key`: our key's id.
    pub key: String,
    /// `keystead:operation`: the operation that made the cloud key.
    pub operation: String,
    /// `keystead:installation`: the account of this Keystead, so that two installations never sweep each other's keys.
    pub installation: String,
}

/// An order for an empty key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCloudKey {
    /// Kind of key.
    pub spec: KeySpec,
    /// What it is for; it cannot be changed later.
    pub usage: KeyUsage,
    /// Free text, at most 8192 characters.
    pub description: String,
    /// The people's tags.
    pub tags: Vec<(String, String)>,
    /// Keystead's tags.
    pub own: OwnTags,
    /// Whether replicas can be made of it in other Regions. It cannot be changed later.
    pub multi_region: bool,
}

/// A key that the cloud has just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudKey {
    /// Short id.
    pub id: CloudKeyId,
    /// Full name: the ARN.
    pub arn: String,
}

/// A key found by its own tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Short id.
    pub id: CloudKeyId,
    /// Full name.
    pub arn: String,
    /// Keystead's tags on it.
    pub own: OwnTags,
    /// When the cloud made it.
    pub created: Timestamp,
    /// Whether it already counts down to deletion.
    pub pending_deletion: bool,
}

/// A public key to wrap with, and the token that goes back with the result.
#[derive(Debug, Clone)]
pub struct WrappingKey {
    /// SubjectPublicKeyInfo in DER (RFC 5280, section 4.1).
    pub public_key: Vec<u8>,
    /// Opaque; bound to the cloud key.
    pub token: Vec<u8>,
    /// How to wrap.
    pub method: WrapMethod,
    /// When the token ends.
    pub valid_to: Timestamp,
}

/// Wrapped material on its way.
#[derive(Debug, Clone)]
pub struct Import {
    /// Token of the wrapping key.
    pub token: Vec<u8>,
    /// The material, wrapped.
    pub wrapped: Vec<u8>,
    /// When the cloud shall forget the material; `None`: never.
    pub expires: Option<Timestamp>,
    /// Which of the key's materials it is.
    pub which: Which,
}

/// Which material of a key is meant by an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The only one: the first binds the key, and the same comes again.
    Only,
    /// One of several that the key has had, by the cloud's id of it when that is known.
    Existing(Option<String>),
    /// A new one beside those that the key has: it waits to be rotated in. The label is shown with it: our id of the version.
    New(String),
}

/// Which part a material plays in its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaterialPart {
    /// What encrypts.
    Current,
    /// What still decrypts.
    Previous,
    /// Imported, and not rotated in yet.
    Pending,
    /// The same, and not imported in every Region of the key.
    PendingElsewhere,
}

/// A material as the cloud lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaterialSeen {
    /// The cloud's id.
    pub id: String,
    /// The part that it plays.
    pub part: MaterialPart,
    /// Whether it is there.
    pub is_imported: bool,
    /// What was said with its import.
    pub label: Option<String>,
    /// When the cloud forgets it.
    pub expires: Option<Timestamp>,
}

/// What the cloud says of material it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The cloud's id of the material, where it has one (AWS: KeyMaterialId, symmetric keys only).
    pub material_id: Option<String>,
}

/// A key as the cloud shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Full name.
    pub arn: String,
    /// The cloud's own word, for example `PendingImport`.
    pub raw_state: String,
    /// Whether it may be used, as far as the cloud tells.
    pub enabled: bool,
    /// Whether material is there; `None` while the cloud does not tell (AWS: during a countdown).
    pub material_present: Option<bool>,
    /// When the material expires.
    pub expires: Option<Timestamp>,
    /// When the countdown ends.
    pub deletion_at: Option<Timestamp>,
    /// The cloud's id of the current material.
    pub material_id: Option<String>,
    /// Its family of Regions; `None`: it lives in one.
    pub family: Option<FamilySeen>,
    /// The cloud is busy with it: it is being made, or changes its part in its family.
    pub is_in_transit: bool,
}

impl Observed {
    /// Whether it ends: its countdown runs, or begins with the end of its last replica.
    pub fn is_ending(&self) -> bool {
        self.deletion_at.is_some() || self.family.as_ref().is_some_and(|family| family.waits_for_replicas)
    }
}

/// The Regions of a key as the cloud shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilySeen {
    /// The part of the key that was looked at.
    pub role: RegionRole,
    /// Where the primary is.
    pub primary_region: String,
    /// Where the replicas are.
    pub replica_regions: Vec<String>,
    /// The primary shall be deleted, and waits for its last replica to go.
    pub waits_for_replicas: bool,
}
