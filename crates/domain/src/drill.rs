//! Drills of the kill switch: on a schedule a canary key is killed, the time until its cloud refuses it is measured, and it is restored (FT-019).
//!
//! What is next is a pure function of the drill's row and of how its operations stand, so that a canary that was killed is restored behind any crash.

use crate::{
    Invalid, Tags, duration,
    time::{DAY, SECOND},
};

/// The tag of the keys that may be killed by a drill, whatever its value; no other key is ever touched.
pub const CANARY_TAG: &str = "keystead-canary";
/// How many canaries of a keystore one drill kills: AWS lets import parameters be fetched once a second.
pub const CANARIES_MAX: usize = 8;
/// The shortest pause between two drills, in microseconds.
pub const EVERY_MIN: i64 = 3600 * SECOND;
/// The longest.
pub const EVERY_MAX: i64 = 365 * DAY;
/// How long it may take until the cloud refuses a killed key, when nobody says: AWS tells of a few minutes at worst (AWS KMS Developer Guide, "Eventual consistency").
pub const WITHIN_DEFAULT: i64 = 300 * SECOND;
/// How long a restore that failed rests: a canary is no application's key.
pub const REST: i64 = 60 * SECOND;
/// How much longer than it may take a kill may run before somebody is told.
pub const LATE: i64 = 600 * SECOND;

/// How a drill stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrillState {
    /// The canary is being killed.
    Killing,
    /// It is being restored.
    Restoring,
    /// It was refused in time, and is in use again.
    Succeeded,
    /// It was refused, but later than it should have been; it is in use again.
    Slow,
    /// It was not killed, nobody could show that it was refused, or somebody has taken it away.
    Failed,
}

impl DrillState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Killing, Self::Restoring, Self::Succeeded, Self::Slow, Self::Failed];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Killing => "KILLING",
            Self::Restoring => "RESTORING",
            Self::Succeeded => "SUCCEEDED",
            Self::Slow => "SLOW",
            Self::Failed => "FAILED",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Invalid::new("state", "is no state of a drill", "Give KILLING, RESTORING, SUCCEEDED, SLOW or FAILED."))
    }
}

/// How an operation of a drill stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It runs.
    Running,
    /// It succeeded.
    Succeeded,
    /// It failed, and was taken back.
    Failed,
}

impl Stands {
    /// Reads an operation's state.
    pub fn read(state: &str) -> Self {
        match state {
            "SUCCEEDED" => Self::Succeeded,
            "FAILED" => Self::Failed,
            _ => Self::Running,
        }
    }
}

/// What is next in a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// An operation runs.
    Wait,
    /// Nothing was killed: end.
    GiveUp,
    /// Begin to restore the canary, for the first time or once more.
    Restore,
    /// The canary is in use again: say what came of it.
    Conclude,
}

/// What is next; `operation` is the one that stands behind the state, the kill or the newest restore.
pub const fn next(state: DrillState, operation: Stands) -> Next {
    match (state, operation) {
        (DrillState::Killing, Stands::Failed) => Next::GiveUp,
        (DrillState::Killing, Stands::Succeeded) | (DrillState::Restoring, Stands::Failed) => Next::Restore,
        (DrillState::Restoring, Stands::Succeeded) => Next::Conclude,
        _ => Next::Wait,
    }
}

/// What a drill came to, by the longest time until a cloud refused; `None`: not every key was shown to be out of use.
pub const fn verdict(dark_micros: Option<i64>, within: i64) -> DrillState {
    match dark_micros {
        Some(micros) if micros <= within => DrillState::Succeeded,
        Some(_) => DrillState::Slow,
        None => DrillState::Failed,
    }
}

/// Whether a key may be killed by a drill.
pub fn is_canary(tags: &Tags) -> bool {
    tags.get(CANARY_TAG).is_some()
}

/// Reads how often a keystore is drilled.
///
/// # Errors
/// [`Invalid`] naming `every`.
pub fn every(text: &str) -> Result<i64, Invalid> {
    let span = duration::parse("every", text)?;
    if (EVERY_MIN..=EVERY_MAX).contains(&span) {
        return Ok(span);
    }
    Err(Invalid::new("every", "is not between an hour and 365 days", "Give a span such as 7d."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_is_restored_until_it_is_back_ft_019() {
        use DrillState::{Killing, Restoring};
        assert_eq!([Stands::Running, Stands::Succeeded, Stands::Failed].map(|kill| next(Killing, kill)), [Next::Wait, Next::Restore, Next::GiveUp]);
        assert_eq!([Stands::Running, Stands::Succeeded, Stands::Failed].map(|back| next(Restoring, back)), [Next::Wait, Next::Conclude, Next::Restore]);
        for over in [DrillState::Succeeded, DrillState::Slow, DrillState::Failed] {
            assert_eq!(next(over, Stands::Failed), Next::Wait, "{over:?}");
        }
    }

    #[test]
    fn slow_is_not_a_success_and_unproved_is_a_failure() {
        assert_eq!([Some(5), Some(6), None].map(|dark| verdict(dark, 5)), [DrillState::Succeeded, DrillState::Slow, DrillState::Failed]);
    }

    #[test]
    fn only_what_has_the_tag_is_a_canary() {
        let tags = |name: &str| Tags::parse([(name.to_owned(), "x".to_owned())]).expect("tags");
        assert!(is_canary(&tags(CANARY_TAG)) && !is_canary(&tags("canary")) && !is_canary(&Tags::default()));
    }

    #[test]
    fn spans_and_states_are_read() {
        assert_eq!((every("1h"), every("7d")), (Ok(EVERY_MIN), Ok(7 * DAY)));
        for bad in ["59m", "366d", "often"] {
            assert_eq!(every(bad).expect_err(bad).field, "every");
        }
        for state in DrillState::ALL {
            assert_eq!(DrillState::parse(state.as_str()), Ok(state));
        }
        assert_eq!(DrillState::parse("x").expect_err("none").field, "state");
        assert_eq!(["RUNNING", "SUCCEEDED", "FAILED"].map(Stands::read), [Stands::Running, Stands::Succeeded, Stands::Failed]);
    }
}
