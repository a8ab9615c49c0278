//! Batches: an action on many keys. Each key has its own ordinary operation; a batch only begins them, a bounded number at a time, and remembers what became of each.

use crate::{Invalid, time::SECOND};

/// How often a batch looks for what is next, in microseconds.
pub const LOOK_EVERY: i64 = SECOND;
/// How long an operation is expected to take beside its wait for the quota, in microseconds: a cloud shows imported material after a few looks.
const SPAN_EXPECTED: i64 = 4 * SECOND;
/// The fewest operations in flight in a keystore.
const IN_FLIGHT_MIN: u32 = 4;
/// The most; also where nothing has a quota.
pub const IN_FLIGHT_MAX: u32 = 64;
/// How long a key rests that could not be begun for a reason that passes, in microseconds: another operation holds it, or the vault is sealed.
pub const REST: i64 = 10 * SECOND;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// It begins operations, or waits for their ends.
    Running,
    /// Somebody stopped it: nothing new is begun.
    Stopped,
    /// Every key has its outcome.
    Done,
}

impl BatchState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Running, Self::Stopped, Self::Done];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::Done => "DONE",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Invalid::new("state", "is not a state of a batch", "Give RUNNING, STOPPED or DONE."))
    }
}

/// Where one key of a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemState {
    /// Its operation is not begun.
    Waiting,
    /// Its operation runs.
    Running,
    /// Its operation has succeeded.
    Done,
    /// Nothing was begun: it was already so, or the batch was stopped.
    Skipped,
    /// It was refused, or its operation failed.
    Failed,
}

impl ItemState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Done, Self::Skipped, Self::Failed];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Running => "RUNNING",
            Self::Done => "DONE",
            Self::Skipped => "SKIPPED",
            Self::Failed => "FAILED",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Invalid::new("state", "is not a state of a key in a batch", "Give WAITING, RUNNING, DONE, SKIPPED or FAILED."))
    }
}

/// How many operations a batch keeps in flight in a keystore: enough that the tightest quota, of one operation in `interval` microseconds, never runs dry between two
/// looks, and no more.
pub fn in_flight(interval: i64) -> u32 {
    if interval <= 0 {
        return IN_FLIGHT_MAX;
    }
    let needed = (LOOK_EVERY + SPAN_EXPECTED + interval - 1) / interval + 1;
    u32::try_from(needed).unwrap_or(IN_FLIGHT_MAX).clamp(IN_FLIGHT_MIN, IN_FLIGHT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_as_it_was_written() {
        assert!(BatchState::ALL.into_iter().all(|state| BatchState::parse(state.as_str()) == Ok(state)));
        assert!(ItemState::ALL.into_iter().all(|state| ItemState::parse(state.as_str()) == Ok(state)));
        assert!(BatchState::parse("GOING").is_err() && ItemState::parse("GOING").is_err());
    }

    #[test]
    fn in_flight_is_what_the_tightest_quota_needs_within_bounds() {
        assert_eq!(in_flight(SECOND), 6, "one a second: those of one look and of one span, and one");
        assert_eq!(in_flight(SECOND / 5), 26);
        assert_eq!((in_flight(4 * SECOND), in_flight(100)), (IN_FLIGHT_MIN, IN_FLIGHT_MAX));
        assert_eq!(in_flight(0), IN_FLIGHT_MAX, "the vault has no quota");
    }
}
