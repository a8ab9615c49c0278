//! The sandbox's clock: the system's time plus an offset that only grows. Everything that AWS would decide by its own clock (expiry of material, end of
//! a deletion's countdown, life of a session, quotas) is decided by this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time, or a span, in microseconds since 1970-01-01 UTC.
pub(crate) type Micros = i64;

/// Microseconds of one second.
pub(crate) const SECOND: Micros = 1_000_000;
/// Microseconds of one day of 24 hours.
pub(crate) const DAY: Micros = 86_400 * SECOND;

/// A clock that can be moved forward. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock {
    offset: Arc<AtomicI64>,
    /// How many times as fast as the system's time it goes, less one; and since when, by the system's time.
    haste: Arc<AtomicI64>,
    since: Arc<AtomicI64>,
}

impl VirtualClock {
    /// A clock that shows the system's time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time now, in microseconds since 1970-01-01 UTC.
    pub fn now_micros(&self) -> i64 {
        system_micros().saturating_add(self.offset_micros())
    }

    /// How far this clock is ahead of the system's, in microseconds.
    pub fn offset_micros(&self) -> i64 {
        self.offset.load(Ordering::SeqCst).saturating_add(self.hastened())
    }

    /// How many times as fast as the system's time it goes.
    pub fn pace(&self) -> u32 {
        u32::try_from(self.haste.load(Ordering::SeqCst) + 1).unwrap_or(1)
    }

    /// Lets it go so many times as fast as the system's time from now on. One at a time does this.
    pub fn set_pace(&self, pace: u32) {
        let gained = self.hastened();
        self.haste.store(0, Ordering::SeqCst);
        self.since.store(system_micros(), Ordering::SeqCst);
        self.advance(u64::try_from(gained).unwrap_or_default());
        self.haste.store(i64::from(pace.max(1)) - 1, Ordering::SeqCst);
    }

    /// What it has gained by its pace since that was set.
    fn hastened(&self) -> i64 {
        match self.haste.load(Ordering::SeqCst) {
            0 => 0,
            haste => (system_micros() - self.since.load(Ordering::SeqCst)).max(0).saturating_mul(haste),
        }
    }

    /// Moves the clock forward by this many microseconds. It never goes back: what has expired stays expired.
    pub fn advance(&self, micros: u64) {
        let step = i64::try_from(micros).unwrap_or(i64::MAX);
        let _previous = self.offset.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |offset| Some(offset.saturating_add(step)));
    }
}

/// The system's time, by which clients sign.
pub(crate) fn system_micros() -> Micros {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together_and_only_forward() {
        let clock = VirtualClock::new();
        let twin = clock.clone();
        let before = twin.now_micros();
        clock.advance(30 * DAY as u64);
        assert!(twin.now_micros() - before >= 30 * DAY);
        assert_eq!(twin.offset_micros(), 30 * DAY);
    }

    #[test]
    fn a_pace_lets_it_gain_and_what_was_gained_stays() {
        let clock = VirtualClock::new();
        clock.set_pace(1_000);
        std::thread::sleep(std::time::Duration::from_millis(20));
        let gained = clock.offset_micros();
        assert!(gained >= 19_000_000, "{gained}");
        clock.set_pace(1);
        assert!((clock.pace(), clock.offset_micros() >= gained) == (1, true));
        assert_eq!(clock.offset_micros(), clock.offset_micros());
    }

    #[test]
    fn it_stops_at_the_end_of_time_instead_of_wrapping() {
        let clock = VirtualClock::new();
        clock.advance(u64::MAX);
        clock.advance(u64::MAX);
        assert_eq!(clock.now_micros(), i64::MAX);
    }
}
