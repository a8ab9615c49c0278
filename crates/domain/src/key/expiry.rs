//! When imported material ends, and what happens before.

use crate::{Invalid, Timestamp, time::DAY};

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

/// The date a successor gets: the same span of life as its predecessor had, counted from now, within what the cloud takes.
pub fn renewed(created: Timestamp, expires: Timestamp, now: Timestamp) -> Timestamp {
    let span = (expires.as_micros() - created.as_micros()).clamp(DAY, DAYS_MAX * DAY);
    Timestamp::from_secs(now.plus_micros(span).as_secs())
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
        let created = NOW.plus_days(-80);
        assert_eq!(renewed(created, created.plus_days(90), NOW), NOW.plus_days(90));
        assert_eq!(renewed(created, created.plus_days(900), NOW), NOW.plus_days(365));
    }
}
