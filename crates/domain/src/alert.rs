//! Alerts: what somebody shall be told, and in which words it is counted.

use std::collections::BTreeMap;

use crate::{AlertId, Invalid, Timestamp};

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertKind {
    /// Material has expired: the key cannot be used.
    KeyExpired,
    /// Somebody changed a key in the cloud, and a person has to look.
    DriftFound,
    /// A key that was disabled for a rehearsal is not enabled again yet.
    RehearsalOverdue,
    /// A drill of the kill switch failed, or took longer than it may.
    DrillFailed,
    /// An operation failed and was taken back.
    OperationFailed,
    /// A check found a keystore out of reach, or its role without what it needs.
    KeystoreUnhealthy,
    /// Material expires soon, and nothing has moved its end.
    KeyExpires,
    /// A key was not in use when its policy would have rotated it: the turn is left out.
    RotationMissed,
    /// A key will be rotated by its policy.
    KeyRotates,
    /// A rehearsed deletion is over, and who used the key is told.
    RehearsalEnded,
    /// What had failed has succeeded.
    OperationRecovered,
    /// A check found a keystore well again.
    KeystoreRecovered,
    /// Somebody tries the channels.
    Test,
}

impl AlertKind {
    /// The most urgent first: the order in a digest.
    pub const ALL: [Self; 13] = [
        Self::KeyExpired,
        Self::DriftFound,
        Self::RehearsalOverdue,
        Self::DrillFailed,
        Self::OperationFailed,
        Self::KeystoreUnhealthy,
        Self::KeyExpires,
        Self::RotationMissed,
        Self::KeyRotates,
        Self::RehearsalEnded,
        Self::OperationRecovered,
        Self::KeystoreRecovered,
        Self::Test,
    ];

    /// The name in the API, in webhooks and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyExpired => "key-expired",
            Self::DriftFound => "drift-found",
            Self::RehearsalOverdue => "rehearsal-overdue",
            Self::RehearsalEnded => "rehearsal-ended",
            Self::DrillFailed => "drill-failed",
            Self::OperationFailed => "operation-failed",
            Self::KeystoreUnhealthy => "keystore-unhealthy",
            Self::KeyExpires => "key-expires",
            Self::RotationMissed => "rotation-missed",
            Self::KeyRotates => "key-rotates",
            Self::OperationRecovered => "operation-recovered",
            Self::KeystoreRecovered => "keystore-recovered",
            Self::Test => "test",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `kind`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            Invalid::new(
                "kind",
                "is no kind of alert",
                "Give key-expires, key-expired, key-rotates, rotation-missed, drift-found, rehearsal-overdue, rehearsal-ended, drill-failed, operation-failed, operation-recovered, keystore-unhealthy, keystore-recovered or test.",
            )
        })
    }
}

/// Something that somebody shall be told. Its facts are texts by name, never material.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its id, the same however often it is sent.
    pub id: AlertId,
    /// What it is about.
    pub kind: AlertKind,
    /// Since when.
    pub at: Timestamp,
    /// Which key, until when, why.
    pub facts: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_as_it_is_named() {
        for kind in AlertKind::ALL {
            assert_eq!(AlertKind::parse(kind.as_str()), Ok(kind));
        }
        assert_eq!(AlertKind::parse("x").expect_err("no kind").field, "kind");
    }
}
