//! Time zones by their IANA names. The rules are compiled in: a decision is the same on every machine, whatever its operating system knows.

use jiff::{
    Zoned,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::{Invalid, Timestamp};

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC: what counts when nobody says.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Reads an IANA name such as `Europe/Berlin`.
    ///
    /// # Errors
    /// [`Invalid`] naming `zone`.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let found = TimeZoneDatabase::bundled().get(name).map(Self);
        found.map_err(|_| Invalid::new("zone", "is not a time zone", "Give an IANA name, for example Europe/Berlin or UTC."))
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clocks show there; `None` outside the years that a calendar knows.
    pub(super) fn at(&self, time: Timestamp) -> Option<Zoned> {
        let instant = jiff::Timestamp::from_microsecond(time.as_micros()).ok()?;
        Some(instant.to_zoned(self.0.clone()))
    }

    /// The rules.
    pub(super) fn rules(&self) -> TimeZone {
        self.0.clone()
    }
}

/// The point in time that a zone's clock shows.
pub(super) fn instant(shown: &Zoned) -> Timestamp {
    Timestamp::from_micros(shown.timestamp().as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_by_name_and_nothing_else() {
        assert_eq!(Zone::parse("Europe/Berlin").expect("a zone").name(), "Europe/Berlin");
        assert_eq!(Zone::parse("UTC").expect("a zone").name(), "UTC");
        for bad in ["", "Berlin", "Mars/Base", "+02:00", "../../etc/passwd"] {
            assert_eq!(Zone::parse(bad).expect_err(bad).field, "zone");
        }
    }
}
