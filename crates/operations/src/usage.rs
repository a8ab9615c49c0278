//! When a key was last used, as far as anybody knows (AW-045). Nobody knows that a key is unused: a cloud remembers since a date, and a copy of a backup may be opened next year.

use keystead_cloud::{LastUse, Used};
use keystead_domain::Timestamp;

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

    /// Whether the key was seen in use at this time or later; `None`: nobody can tell.
    pub fn is_seen_since(&self, time: Timestamp) -> Option<bool> {
        match self {
            Self::Seen(used) => Some(used.at >= time),
            Self::NotSince(since) if *since <= time => Some(false),
            Self::NotSince(_) | Self::Untold(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
