//! Calendars of rotations: a cron pattern of five fields, by the clock of a time zone.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use super::zone::{Zone, instant};
use crate::{
    Invalid, Timestamp,
    time::{DAY, SECOND},
};

/// Two rotations are at least so far apart, in microseconds: a day, and the hour that is missing from it in spring.
const APART_MIN: i64 = DAY - 3600 * SECOND;
/// How many turns of a calendar are looked at before it is believed: leap years are among them.
const TURNS_CHECKED: usize = 60;
/// From where they are looked at: 1 January 2024.
const CHECKED_FROM: Timestamp = Timestamp::from_secs(1_704_067_200);

/// A cron pattern such as `0 3 1 * *`: minute, hour, day, month, weekday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar(Box<Cron>);

impl Calendar {
    /// Reads a pattern, and looks whether it ever comes, and not more than once a day.
    ///
    /// # Errors
    /// [`Invalid`] naming `cron`.
    pub fn parse(pattern: &str, zone: &Zone) -> Result<Self, Invalid> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let unreadable =
            |_| Invalid::new("cron", "cannot be read", "Write minute, hour, day, month and weekday: 0 3 1 * * is the first of each month at three.");
        let calendar = Self(Box::new(parser.parse(pattern).map_err(unreadable)?));
        let mut last = CHECKED_FROM.plus_days(-1);
        for turn in 0..TURNS_CHECKED {
            let next = calendar.after(last, zone).ok_or_else(|| Invalid::new("cron", "never comes", "Give a day that the month has."))?;
            if turn > 0 && next.as_micros() - last.as_micros() < APART_MIN {
                return Err(Invalid::new("cron", "comes more than once a day", "Rotate a key at most once a day: give one minute and one hour."));
            }
            last = next;
        }
        Ok(calendar)
    }

    /// The next time behind this one. Where the clock skips the hour it comes right behind the gap, where an hour comes twice it comes once.
    pub fn after(&self, time: Timestamp, zone: &Zone) -> Option<Timestamp> {
        self.0.find_next_occurrence(&zone.at(time)?, false).ok().map(|next| instant(&next)).filter(|next| *next > time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin() -> Zone {
        Zone::parse("Europe/Berlin").expect("a zone")
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().expect("a time").as_microsecond())
    }

    fn after(pattern: &str, time: &str) -> Timestamp {
        Calendar::parse(pattern, &berlin()).unwrap_or_else(|error| panic!("{pattern}: {error}")).after(at(time), &berlin()).expect("it comes")
    }

    #[test]
    fn a_calendar_follows_the_clock_of_its_zone() {
        assert_eq!(after("0 3 1 * *", "2026-06-15T00:00:00Z"), at("2026-07-01T01:00:00Z"));
        assert_eq!(after("0 3 1 * *", "2026-12-15T00:00:00Z"), at("2027-01-01T02:00:00Z"));
        assert_eq!(after("@monthly", "2026-12-15T00:00:00Z"), at("2026-12-31T23:00:00Z"));
        assert_eq!(after("0 3 * * sun", "2026-11-21T12:00:00Z"), at("2026-11-22T02:00:00Z"));
    }

    #[test]
    fn a_skipped_hour_is_made_up_for_and_a_doubled_one_counts_once() {
        assert_eq!(after("30 2 * * *", "2026-03-28T12:00:00Z"), at("2026-03-29T01:00:00Z"), "behind the gap");
        assert_eq!(after("30 2 * * *", "2026-03-29T01:00:00Z"), at("2026-03-30T00:30:00Z"));
        assert_eq!(after("30 2 * * *", "2026-10-24T12:00:00Z"), at("2026-10-25T00:30:00Z"));
        assert_eq!(after("30 2 * * *", "2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z"), "once");
    }

    #[test]
    fn what_never_comes_or_comes_too_often_is_refused() {
        for (bad, reason) in [
            ("", "cannot be read"),
            ("0 3 1 *", "cannot be read"),
            ("0 0 3 1 * *", "cannot be read"),
            ("0 3 30 2 *", "never comes"),
            ("* * * * *", "comes more than once a day"),
            ("0 3,15 * * *", "comes more than once a day"),
            ("0,30 3 1 1 *", "comes more than once a day"),
        ] {
            let refused = Calendar::parse(bad, &berlin()).expect_err(bad);
            assert_eq!((refused.field.as_str(), refused.reason.as_str()), ("cron", reason), "{bad}");
        }
        assert!(Calendar::parse("0 3 29 2 *", &berlin()).is_ok(), "the leap day comes");
    }

    proptest! {
        #[test]
        fn the_next_time_is_later_and_at_least_23_hours_from_the_one_after(seconds in 0i64..4_000_000_000, minute in 0u8..60, hour in 0u8..24, day in 1u8..29) {
            for pattern in [format!("{minute} {hour} * * *"), format!("{minute} {hour} {day} * *")] {
                let calendar = Calendar::parse(&pattern, &berlin()).expect("a calendar");
                let time = Timestamp::from_secs(seconds);
                let next = calendar.after(time, &berlin()).expect("it comes");
                let then = calendar.after(next, &berlin()).expect("it comes again");
                prop_assert!(time < next && then.as_micros() - next.as_micros() >= APART_MIN, "{pattern}");
            }
        }
    }
}
