//! What a cloud tells by itself of what was done to its keys.

use keystead_domain::{Alias, Timestamp};

use crate::key::CloudKeyId;

/// A message out of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is taken out of the queue by.
    pub receipt: String,
    /// What it says; `None` for what is no event of a key.
    pub event: Option<CloudEvent>,
}

/// Somebody did something to keys. It is hearsay: whoever may write to the queue can have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// The cloud's id of it.
    pub id: String,
    /// What was done, in the cloud's word: `DisableKey`.
    pub name: String,
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
