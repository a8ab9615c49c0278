//! Rehearsed deletions: a key is disabled for a while, so that whoever needs it finds out before it is gone, and comes back by itself (AW-045).
//!
//! What happens next is a pure function of the row, the key and the time, so that it goes on behind any crash: the end was written before the key was disabled.

use crate::{
    Invalid, KeyState, Timestamp, duration,
    time::{DAY, SECOND},
};

/// The shortest span, in microseconds: AWS may take some seconds until a disabled key is refused everywhere.
pub const SPAN_MIN: i64 = 60 * SECOND;
/// The longest.
pub const SPAN_MAX: i64 = DAY;
/// For how long behind the end somebody's use of the key is looked for.
pub const WATCH: i64 = 15 * 60 * SECOND;
/// How late the key may be enabled again before somebody is told.
pub const OVERDUE: i64 = 300 * SECOND;

/// How a rehearsal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RehearsalState {
    /// The key is disabled, or about to be.
    Running,
    /// An operation enables it again.
    Ending,
    /// It is enabled; whether somebody uses it is looked for a little later.
    Watching,
    /// That was looked for, and told.
    Ended,
    /// The key was taken out of use meanwhile by a person's decision, and stays so.
    Overtaken,
    /// It was never disabled.
    Failed,
}

impl RehearsalState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Running, Self::Ending, Self::Watching, Self::Ended, Self::Overtaken, Self::Failed];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Ending => "ENDING",
            Self::Watching => "WATCHING",
            Self::Ended => "ENDED",
            Self::Overtaken => "OVERTAKEN",
            Self::Failed => "FAILED",
        }
    }

    /// Whether the key is disabled because of it.
    pub const fn holds_disabled(self) -> bool {
        matches!(self, Self::Running | Self::Ending)
    }

    /// Whether nothing more happens.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Overtaken | Self::Failed)
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Invalid::new("state", "is no state of a rehearsal", "Give RUNNING, ENDING, WATCHING, ENDED, OVERTAKEN or FAILED."))
    }
}

/// What a look at a rehearsal that is due does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin to enable the key.
    Enable,
    /// Leave the key as somebody else has put it, and end.
    GiveWay,
    /// Wait for the operation that enables it.
    Wait,
    /// Ask who used it, and tell.
    Tell,
}

/// What is next for a rehearsal whose time has come.
pub fn next(state: RehearsalState, key: KeyState) -> Next {
    match (state, key) {
        (RehearsalState::Running, KeyState::Active | KeyState::Replaced) => Next::Enable,
        (RehearsalState::Running, _) => Next::GiveWay,
        (RehearsalState::Watching, _) => Next::Tell,
        _ => Next::Wait,
    }
}

/// Whether a key is disabled for so much longer than was asked for that somebody is told.
pub fn is_overdue(state: RehearsalState, ends_at: Timestamp, now: Timestamp) -> bool {
    state.holds_disabled() && now >= ends_at.plus_micros(OVERDUE)
}

/// Reads a span from a minute to a day.
///
/// # Errors
/// [`Invalid`] naming `for`.
pub fn span(text: &str) -> Result<i64, Invalid> {
    let span = duration::parse("for", text)?;
    if (SPAN_MIN..=SPAN_MAX).contains(&span) {
        return Ok(span);
    }
    Err(Invalid::new("for", "is not between a minute and a day", "Give a span such as 15m: long enough for whoever uses the key to try."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_somebody_took_out_of_use_stays_so_aw_045() {
        for key in [KeyState::Inactive, KeyState::PendingDeletion, KeyState::Deleted] {
            assert_eq!(next(RehearsalState::Running, key), Next::GiveWay, "{key:?}");
        }
        for key in [KeyState::Active, KeyState::Replaced] {
            assert_eq!(next(RehearsalState::Running, key), Next::Enable, "{key:?}");
        }
        assert_eq!(next(RehearsalState::Ending, KeyState::Active), Next::Wait);
        assert_eq!(next(RehearsalState::Watching, KeyState::Inactive), Next::Tell);
        assert!(RehearsalState::ALL.into_iter().filter(|state| state.is_over()).all(|state| next(state, KeyState::Active) == Next::Wait));
    }

    #[test]
    fn a_span_is_a_minute_to_a_day() {
        assert_eq!((span("1m"), span("15m"), span("24h")), (Ok(SPAN_MIN), Ok(15 * SPAN_MIN), Ok(SPAN_MAX)));
        for bad in ["59s", "25h", "soon", "2d"] {
            assert_eq!(span(bad).expect_err(bad).field, "for");
        }
    }

    #[test]
    fn states_are_read_back_and_only_a_disabled_key_is_overdue() {
        let at = Timestamp::from_secs(1000);
        for state in RehearsalState::ALL {
            assert_eq!(RehearsalState::parse(state.as_str()), Ok(state));
            assert_eq!(is_overdue(state, at, at.plus_micros(OVERDUE)), state.holds_disabled(), "{state:?}");
            assert!(!is_overdue(state, at, at.plus_micros(OVERDUE - 1)));
        }
        assert_eq!(RehearsalState::parse("x").expect_err("none").field, "state");
    }
}
