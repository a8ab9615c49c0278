//! Points in time, and who tells them. Keystead counts microseconds since 1970-01-01 UTC, the finest unit that both databases keep exactly.

/// A point in time, in microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Microseconds of one second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds of one day of 24 hours.
pub const DAY: i64 = 86_400 * SECOND;

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * SECOND)
    }

    /// As people read it: RFC 3339 in UTC, to the second.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.as_secs()).map(|at| at.to_string()).unwrap_or_default()
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// This many microseconds later (earlier when negative); stops at the ends of the range.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// This many days of 24 hours later.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_micros(days.saturating_mul(DAY))
    }
}

/// Who tells the time. Production has the system's clock, tests and the demo one that can be moved.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// How many times as fast as the machine's own clock it goes: who sleeps for some of its time sleeps shorter. More than 1 only in tests.
    fn pace(&self) -> u32 {
        1
    }
}
