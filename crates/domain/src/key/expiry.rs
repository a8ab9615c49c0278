//! When imported material ends, and what happens before.

use crate::{
    Invalid, Timestamp,
    time::{DAY, SECOND},
};

/// The longest time that AWS keeps material that expires, in days (AWS KMS API reference, ImportKeyMaterial, ValidTo).
pub const DAYS_MAX: i64 = 365;

/// What Keystead does before a key's material expires (`capabilities.md`, decision 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryPolicy {
    /// Tell somebody. What nobody answers, expires.
    Alert,
    /// Import the same material again with a later date.
    Extend,
    /// Renew the key: new material, the alias moves.
    Renew,
}

impl ExpiryPolicy {
    /// The name in the API, the command line and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Extend => "extend",
            Self::Renew => "renew",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `expiry_policy`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "alert" => Ok(Self::Alert),
            "extend" => Ok(Self::Extend),
            "renew" => Ok(Self::Renew),
            _ => Err(Invalid::new("expiry_policy", "is not a policy", "Give alert, extend or renew.")),
        }
    }
}

/// Checks a point at which material shall expire: in the future, at most 365 days ahead, whole seconds.
///
/// # Errors
/// [`Invalid`] naming `expires`.
pub fn check(expires: Timestamp, now: Timestamp) -> Result<Timestamp, Invalid> {
    if expires <= now {
        return Err(Invalid::new("expires", "is in the past", "Give a time in the future, for example 90d."));
    }
    if expires > now.plus_days(DAYS_MAX) {
        return Err(Invalid::new("expires", "is more than 365 days ahead", "AWS keeps expiring material for at most 365 days: give 365d or less, or none."));
    }
    Ok(Timestamp::from_secs(expires.as_secs()))
}

/// The date that a successor gets, or the same material when it is imported again: the span of life that was asked for, counted from now, within what the
/// cloud takes.
pub fn renewed(span_micros: i64, now: Timestamp) -> Timestamp {
    Timestamp::from_secs(now.plus_micros(span_micros.clamp(DAY, DAYS_MAX * DAY)).as_secs())
}

/// How long before the end of its material Keystead acts or warns, in microseconds: a week, or a quarter of the span when that is shorter.
pub fn lead_micros(span_micros: i64) -> i64 {
    (7 * DAY).min(span_micros / 4)
}

/// How long behind the time at which a policy acts somebody is told that it has not done so. Microseconds.
pub const LATE: i64 = 3600 * SECOND;

/// How many days before an end people are told when nobody says otherwise.
pub const DAYS_BEFORE: [u32; 4] = [30, 14, 7, 1];

/// Which of the days before an end an alert is due for: the nearest to the end whose time has come. What was missed before it is not made up for, so that neither
/// a new key nor a downtime makes a flood. `None` while none has come, and when the end is over.
pub fn alert_due(expires: Timestamp, days_before: &[u32], now: Timestamp) -> Option<u32> {
    let has_come = |days: &u32| expires.plus_days(-i64::from(*days)) <= now;
    if expires <= now { None } else { days_before.iter().copied().filter(has_come).min() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    #[test]
    fn the_past_and_more_than_a_year_are_refused() {
        assert!(check(NOW, NOW).is_err());
        assert!(check(NOW.plus_days(-1), NOW).is_err());
        assert!(check(NOW.plus_days(366), NOW).is_err());
        assert_eq!(check(NOW.plus_days(365), NOW), Ok(NOW.plus_days(365)));
    }

    #[test]
    fn a_successor_lives_as_long_as_its_predecessor() {
        assert_eq!(renewed(90 * DAY, NOW), NOW.plus_days(90));
        assert_eq!(renewed(900 * DAY, NOW), NOW.plus_days(365));
        assert_eq!(renewed(1, NOW), NOW.plus_days(1));
    }

    #[test]
    fn only_the_nearest_alert_whose_time_has_come_is_due() {
        let due = |days_left: i64| alert_due(NOW.plus_days(days_left), &DAYS_BEFORE, NOW);
        assert_eq!([31, 30, 15, 14, 8, 7, 2, 1, 0, -1].map(due), [None, Some(30), Some(30), Some(14), Some(14), Some(7), Some(7), Some(1), None, None]);
        assert_eq!(alert_due(NOW.plus_micros(1), &DAYS_BEFORE, NOW), Some(1));
        assert_eq!(alert_due(NOW.plus_days(1), &[], NOW), None);
    }

    #[test]
    fn short_spans_are_acted_on_later_than_a_week_ahead() {
        assert_eq!(lead_micros(90 * DAY), 7 * DAY);
        assert_eq!(lead_micros(8 * DAY), 2 * DAY);
    }
}
