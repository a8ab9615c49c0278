//! What a cloud tells by itself of what was done to its keys.

use keystead_domain::{Alias, Timestamp};

use crate::{capability::Call, key::CloudKeyId};

/// A message out of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is taken out of the queue by.
    pub receipt: String,
    /// What it says; `None` for what is no event of a key.
    pub told: Option<Told>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody did something to keys.
    Done(CloudEvent),
    /// Somebody used keys, or tried to.
    Used(KeyUse),
}

impl Told {
    /// When it happened, as it says.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Done(event) => event.at,
            Self::Used(used) => used.at,
        }
    }
}

/// Somebody did something to keys. It is hearsay: whoever may write to the queue can have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// The cloud's id of it.
    pub id: String,
    /// What was done, in the cloud's word: `DisableKey`.
    pub name: String,
    /// Which of Keystead's calls that is; `None` for what Keystead never does.
    pub call: Option<Call>,
    /// When.
    pub at: Timestamp,
    /// By whom, as the cloud names them.
    pub who: String,
    /// From where.
    pub from: String,
    /// The cloud's id of the call; empty for what the cloud did by itself.
    pub request: String,
    /// To which keys.
    pub keys: Vec<CloudKeyId>,
    /// To which alias.
    pub alias: Option<Alias>,
    /// Whether it was done in a session of Keystead's own.
    pub is_own: bool,
}

/// Somebody used keys, or tried to. Hearsay, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The cloud's id of it.
    pub id: String,
    /// By which operation, in the cloud's word: `Decrypt`.
    pub operation: String,
    /// When.
    pub at: Timestamp,
    /// By whom: a user, a service, or a role.
    pub who: String,
    /// In which session of the role; else empty.
    pub session: String,
    /// From where.
    pub from: String,
    /// Why it was refused, in the cloud's word: `DisabledException`; empty when it was not.
    pub refusal: String,
    /// Which keys.
    pub keys: Vec<CloudKeyId>,
}

/// Where an alias points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nowhere that can be seen.
    Nobody,
    /// At this key.
    Key(CloudKeyId),
    /// It may not be looked at.
    Hidden,
}
