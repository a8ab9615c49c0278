//! What a sync sees of the keys of a place, and what of it is kept (FT-051 to FT-060). The looks are the engine's; here stands what they mean.

mod cause;
mod compare;
pub(crate) mod drift;
mod keep;
mod note;
mod principals;

use std::collections::BTreeMap;

use keystead_cloud::{Grant, Inspected};
use keystead_domain::{Aliases, Tags, Timestamp};
use serde::{Deserialize, Serialize};

pub use cause::Cause;
pub(crate) use keep::{Keeper, Kept, end_native};
pub use note::refresh_words;

pub use principals::principals;

use crate::stored::StoredTime;

/// The origin of a key that was made in the cloud and found there.
pub const FOUND: &str = "cloud";
/// The origin of a key that took over from one of the cloud's.
pub const ADOPTED: &str = "adopted";
/// How many grants of a key are kept; all are counted.
pub const GRANTS_KEPT: usize = 100;
/// How many of the unknown keys of a sync are named; all are counted.
pub const STRANGERS_NAMED: usize = 100;

/// What the cloud shows of a key beside its row. This is a stored record: fields may be added, and never renamed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Where the material comes from, in the cloud's word: `AWS_KMS`, `EXTERNAL`.
    pub origin: String,
    /// Kind and use in the cloud's words.
    pub kind: String,
    /// When the cloud made it.
    pub created: Option<StoredTime>,
    /// The tags that people cannot set here: the cloud's, and Keystead's own.
    pub other_tags: BTreeMap<String, String>,
    /// The policy of the key; `None` where it may not be read.
    pub policy: Option<String>,
    /// SHA-256 of the policy, hexadecimal.
    pub policy_sha256: Option<String>,
    /// How many grants there are; `None` where they may not be listed.
    pub grants: Option<u64>,
    /// The first of them.
    pub grantees: Vec<GrantView>,
    /// The primary of its family of Regions; of a multi-Region key only.
    pub primary: Option<String>,
    /// The replicas of its family.
    pub replicas: Vec<String>,
    /// What has a place in the row as well; `None` in views of before drift was looked for.
    pub facts: Option<drift::Facts>,
}

/// A grant, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct GrantView {
    /// To whom.
    pub grantee: String,
    /// What they may do, in the cloud's words.
    pub operations: Vec<String>,
}

impl View {
    /// Of a view what is wanted beside the row: policy and grants.
    pub(crate) fn baseline(&self) -> Self {
        let View { policy, policy_sha256, grants, grantees, .. } = self.clone();
        Self { policy, policy_sha256, grants, grantees, ..Self::default() }
    }

    /// What is wanted beside the row, as it is kept.
    pub fn write_baseline(&self) -> String {
        self.baseline().write()
    }

    /// Reads a kept view; what cannot be read is nothing.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

/// A key that has no row, and gets none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// Full name, or the id where the name may not be read.
    pub arn: String,
    /// Why it is none of Keystead's.
    pub why: String,
}

/// What was seen of one cloud key.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    /// Short id.
    pub(crate) id: String,
    /// When the look began: a row that was changed since then knows better.
    pub(crate) at: Timestamp,
    /// What there was to see.
    pub(crate) seen: Sight,
}

/// What there was to see.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// Nothing: it has gone since it was listed.
    Gone,
    /// It is there, and may not be looked at.
    Hidden,
    /// The cloud's own.
    LeftOut,
    /// A key of the account.
    Key(Box<Seen>),
}

/// A key of the account as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) key: Inspected,
    /// All tags; `None` where they may not be listed.
    pub(crate) tags: Option<Vec<(String, String)>>,
    pub(crate) policy: Option<String>,
    /// How many grants, and the first of them.
    pub(crate) grants: Option<(u64, Vec<Grant>)>,
    /// Whether this installation made it.
    pub(crate) is_own: bool,
    /// Its aliases, in order; read where the sighting is kept.
    pub(crate) aliases: Aliases,
}

impl Seen {
    fn peoples_tags(&self) -> Tags {
        Tags::peoples(self.tags.clone().unwrap_or_default())
    }

    /// What of it has no place in the row.
    fn view(&self) -> View {
        let peoples = self.peoples_tags();
        let tags = self.tags.clone().unwrap_or_default();
        let mut grantees: Vec<GrantView> = self.grants.iter().flat_map(|(_, grants)| grants).map(grant_view).collect();
        grantees.sort();
        View {
            origin: self.key.origin.clone(),
            kind: self.key.kind.clone(),
            created: self.key.created.map(Into::into),
            other_tags: tags.into_iter().filter(|(name, _)| peoples.get(name).is_none()).collect(),
            policy_sha256: self.policy.as_deref().map(sha256),
            policy: self.policy.clone(),
            grants: self.grants.as_ref().map(|(count, _)| *count),
            grantees,
            primary: self.key.family.primary.clone(),
            replicas: self.key.family.replicas.clone(),
            facts: Some(drift::Facts::of(self)),
        }
    }
}

fn grant_view(grant: &Grant) -> GrantView {
    GrantView { grantee: grant.grantee.clone(), operations: grant.operations.clone() }
}

/// SHA-256 of a text, hexadecimal.
pub fn sha256(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
