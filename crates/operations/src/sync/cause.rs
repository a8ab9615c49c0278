//! The cause of a difference, as it is kept and told: an event that was heard. It is hearsay of the queue, and said to be.

use keystead_store::events::EventRow;
use serde::{Deserialize, Serialize};

use crate::stored::StoredTime;

/// An event that made a difference. This is a stored record: fields may be added, and never renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What was done, in the cloud's word.
    pub event: String,
    /// When.
    pub at: StoredTime,
    /// By whom.
    pub who: String,
    /// From where.
    pub from: String,
    /// The cloud's id of the event.
    pub event_id: String,
    /// The cloud's id of the call; empty for what it did by itself.
    pub request: String,
    /// Whether in a session of Keystead's own, and by no operation of it: its credentials may be in other hands.
    pub is_own: bool,
}

impl Cause {
    pub(super) fn of(event: &EventRow) -> Self {
        let EventRow { event_id, name, happened_at, who, origin, request, is_own, .. } = event.clone();
        Self { event: name, at: happened_at.into(), who, from: origin, event_id, request, is_own }
    }

    /// As it is kept.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned())
    }

    /// Reads it back; what cannot be read is none.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// In a line: `DisableKey by arn:aws:iam::123456789012:user/mallory from 203.0.113.7`.
    pub fn in_words(&self) -> String {
        let from = if self.from.is_empty() { String::new() } else { format!(" from {}", self.from) };
        let own = if self.is_own { ", in Keystead's own session and by no operation of Keystead: its credentials may be in other hands" } else { "" };
        format!("{} by {}{from}{own}", self.event, self.who)
    }
}
