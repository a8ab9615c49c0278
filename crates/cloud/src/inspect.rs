//! Looking at every key of a place, whoever made it: what a sync reads (FT-051 to FT-060). Each look is one call, so that each waits for its own quota.

use keystead_domain::{Alias, KeySpec, KeyUsage, RegionRole, Timestamp};

use crate::{CloudKeyId, Observed};

/// One page of a list, and the marker of the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins; `None` behind the last.
    pub next: Option<String>,
}

/// An alias and the key that it points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointing {
    /// The alias.
    pub alias: Alias,
    /// The key.
    pub key: CloudKeyId,
}

/// A key's part in a family of Regions, with the full names of its relatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its part.
    pub role: RegionRole,
    /// The primary; of a multi-Region key only.
    pub primary: Option<String>,
    /// The replicas.
    pub replicas: Vec<String>,
}

/// What a cloud says of a key by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Full name, state and material.
    pub observed: Observed,
    /// Kind of key; `None` where Keystead does not know it.
    pub spec: Option<KeySpec>,
    /// What it is for; likewise.
    pub usage: Option<KeyUsage>,
    /// Both in the cloud's own words: `SYMMETRIC_DEFAULT ENCRYPT_DECRYPT`.
    pub kind: String,
    /// Whether the account made it, and not the cloud for one of its services.
    pub is_customers: bool,
    /// Where its material comes from, in the cloud's own word: `AWS_KMS`, `EXTERNAL`.
    pub origin: String,
    /// Free text.
    pub description: String,
    /// Whether it counts down to deletion.
    pub counts_down: bool,
    /// When the cloud made it.
    pub created: Option<Timestamp>,
    /// Its part among Regions.
    pub family: Family,
}

/// A permission that a key's owner has given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom: an ARN.
    pub grantee: String,
    /// What they may do, in the cloud's words.
    pub operations: Vec<String>,
}
