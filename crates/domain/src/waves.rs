//! Waves: in which order the copies of a rotated key get their successors. The source comes first, then one copy, the canary, then the others in waves. Each begins
//! when the one before has succeeded whole; one that fails stops whatever has not begun.

use crate::Invalid;

/// How many copies a wave has when nobody says.
pub const SIZE_DEFAULT: u32 = 10;
/// How many it has at most.
pub const SIZE_MAX: u32 = 100;

/// Where the rotation of a copy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaveState {
    /// It waits for the waves before.
    Pending,
    /// Its operation runs.
    Begun,
    /// It has its successor.
    Done,
    /// It has none: its operation failed, or the copy could not be rotated when its turn came.
    Failed,
    /// Its turn does not come, because something before it failed.
    Stopped,
}

impl WaveState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Begun, Self::Done, Self::Failed, Self::Stopped];

    /// The name in API, command line and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Begun => "BEGUN",
            Self::Done => "DONE",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| Invalid::new("state", "is not a state of a wave", "Give PENDING, BEGUN, DONE, FAILED or STOPPED."))
    }
}

/// Checks how many copies a wave shall have.
///
/// # Errors
/// [`Invalid`] naming `wave`.
pub fn check_size(size: u32) -> Result<u32, Invalid> {
    if (1..=SIZE_MAX).contains(&size) { Ok(size) } else { Err(Invalid::new("wave", format!("is {size}"), format!("Give 1 to {SIZE_MAX} copies."))) }
}

/// The wave of a copy, counted from 1, by its place among the copies, counted from 0. The first wave is the canary alone.
pub fn wave_of(place: usize, size: u32) -> u32 {
    let behind = u32::try_from(place).unwrap_or(u32::MAX);
    if behind == 0 { 1 } else { 2 + (behind - 1) / size.max(1) }
}

/// How the source's own rotation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Its successor is being made.
    Coming,
    /// Its successor is in use.
    InUse,
    /// Its successor is not in use any more: reverted, replaced, taken out of use or gone.
    Gone,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: something runs, or nothing is left.
    Wait,
    /// Begin what is pending of this wave.
    Begin(u32),
    /// Begin nothing more.
    Stop,
}

/// Decides, from the source and every copy's wave and state.
pub fn plan(source: Source, copies: &[(u32, WaveState)]) -> Plan {
    let is_any = |wanted: WaveState| copies.iter().any(|(_, state)| *state == wanted);
    if !is_any(WaveState::Pending) {
        return Plan::Wait;
    }
    if source == Source::Gone || is_any(WaveState::Failed) {
        return Plan::Stop;
    }
    let unfinished = copies.iter().filter(|(_, state)| matches!(state, WaveState::Pending | WaveState::Begun)).map(|(wave, _)| *wave).min();
    match unfinished {
        Some(wave) if source == Source::InUse && copies.contains(&(wave, WaveState::Pending)) => Plan::Begin(wave),
        _ => Plan::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use WaveState::{Begun, Done, Failed, Pending, Stopped};

    #[test]
    fn the_canary_is_alone_and_the_others_follow_in_waves() {
        let waves = |count: usize, size| (0..count).map(|place| wave_of(place, size)).collect::<Vec<_>>();
        assert_eq!(waves(8, 3), [1, 2, 2, 2, 3, 3, 3, 4]);
        assert_eq!(waves(3, 1), [1, 2, 3]);
        assert!(check_size(0).is_err() && check_size(101).is_err() && check_size(100).is_ok());
    }

    #[test]
    fn each_wave_begins_when_the_one_before_has_succeeded_whole() {
        let plan = |copies: &[(u32, WaveState)]| plan(Source::InUse, copies);
        assert_eq!(plan(&[(1, Pending), (2, Pending)]), Plan::Begin(1));
        assert_eq!(plan(&[(1, Begun), (2, Pending)]), Plan::Wait);
        assert_eq!(plan(&[(1, Done), (2, Pending), (2, Pending)]), Plan::Begin(2));
        assert_eq!(plan(&[(1, Done), (2, Begun), (2, Pending), (3, Pending)]), Plan::Begin(2), "what was held up goes on");
        assert_eq!(plan(&[(1, Done), (2, Begun), (2, Done), (3, Pending)]), Plan::Wait);
        assert_eq!(plan(&[(1, Done), (2, Done)]), Plan::Wait, "nothing is left");
    }

    #[test]
    fn a_failure_stops_what_has_not_begun() {
        for failed in [[(1, Failed), (2, Pending)], [(2, Failed), (2, Pending)]] {
            assert_eq!(plan(Source::InUse, &failed), Plan::Stop);
        }
        assert_eq!(plan(Source::InUse, &[(1, Failed), (2, Stopped)]), Plan::Wait);
    }

    #[test]
    fn nothing_begins_before_the_source_has_its_successor_nor_when_that_is_gone() {
        assert_eq!(plan(Source::Coming, &[(1, Pending)]), Plan::Wait);
        assert_eq!(plan(Source::Gone, &[(1, Done), (2, Pending)]), Plan::Stop);
    }

    #[test]
    fn every_name_is_read_back() {
        assert!(WaveState::ALL.into_iter().all(|state| WaveState::parse(state.as_str()) == Ok(state)));
        assert_eq!(WaveState::parse("WAITING").expect_err("no such state").field, "state");
    }
}
