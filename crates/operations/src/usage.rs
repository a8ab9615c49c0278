//! When a key was last used, as far as anybody knows (AW-045). Nobody knows that a key is unused: a cloud remembers since a date, and a copy of a backup may be opened next year.

use keystead_cloud::{LastUse, Used};
use keystead_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::stored::StoredTime;

/// What is known of a key's last use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseKnown {
    /// It was seen in use.
    Seen(Used),
    /// Its cloud has not seen it in use since then; what was before, it does not know.
    NotSince(Timestamp),
    /// Nothing is known, and why.
    Untold(String),
}

impl UseKnown {
    /// What a cloud's answer says.
    pub(crate) fn of(answer: LastUse) -> Self {
        match (answer.used, answer.looking_since) {
            (Some(used), _) => Self::Seen(used),
            (None, Some(since)) => Self::NotSince(since),
            (None, None) => Self::Untold("The cloud does not say since when it has been looking.".to_owned()),
        }
    }

    /// As a row keeps it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&StoredUse::of(self)).unwrap_or_default()
    }

    /// Reads it back; what cannot be read says nothing of any use.
    pub fn read(text: &str) -> Self {
        serde_json::from_str::<StoredUse>(text).map_or_else(|_| Self::Untold("What was kept of it cannot be read.".to_owned()), StoredUse::known)
    }

    /// As half a sentence behind the name of a key.
    pub fn in_words(&self) -> String {
        match self {
            Self::Seen(used) => format!("last seen in use {} ({})", used.at.rfc3339(), used.operation),
            Self::NotSince(since) => format!("not seen in use since {}", since.rfc3339()),
            Self::Untold(why) => format!("its last use is not known: {why}"),
        }
    }

    /// Whether the key was seen in use at this time or later; `None`: nobody can tell.
    pub fn is_seen_since(&self, time: Timestamp) -> Option<bool> {
        match self {
            Self::Seen(used) => Some(used.at >= time),
            Self::NotSince(since) if *since <= time => Some(false),
            Self::NotSince(_) | Self::Untold(_) => None,
        }
    }
}

/// The same with its times as numbers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredUse {
    Seen { at: StoredTime, operation: String },
    NotSince(StoredTime),
    Untold(String),
}

impl StoredUse {
    fn of(known: &UseKnown) -> Self {
        match known {
            UseKnown::Seen(used) => Self::Seen { at: used.at.into(), operation: used.operation.clone() },
            UseKnown::NotSince(since) => Self::NotSince((*since).into()),
            UseKnown::Untold(why) => Self::Untold(why.clone()),
        }
    }

    fn known(self) -> UseKnown {
        match self {
            Self::Seen { at, operation } => UseKnown::Seen(Used { at: at.into(), operation }),
            Self::NotSince(since) => UseKnown::NotSince(since.into()),
            Self::Untold(why) => UseKnown::Untold(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_back_as_it_was_written() {
        let used = Used { at: Timestamp::from_secs(5), operation: "Decrypt".to_owned() };
        for known in [UseKnown::Seen(used), UseKnown::NotSince(Timestamp::from_secs(9)), UseKnown::Untold("no".to_owned())] {
            assert_eq!(UseKnown::read(&known.to_json()), known);
        }
        assert!(matches!(UseKnown::read("x"), UseKnown::Untold(_)));
    }

    #[test]
    fn what_was_before_the_cloud_began_to_look_nobody_can_tell_aw_045() {
        let at = Timestamp::from_secs;
        let seen = UseKnown::of(LastUse { used: Some(Used { at: at(5), operation: "Decrypt".to_owned() }), looking_since: Some(at(1)) });
        assert_eq!((seen.is_seen_since(at(5)), seen.is_seen_since(at(6))), (Some(true), Some(false)));
        let not = UseKnown::of(LastUse { used: None, looking_since: Some(at(5)) });
        assert_eq!((not.is_seen_since(at(5)), not.is_seen_since(at(4))), (Some(false), None));
        assert!(matches!(UseKnown::of(LastUse { used: None, looking_since: None }), UseKnown::Untold(_)));
    }
}
