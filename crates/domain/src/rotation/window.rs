//! Maintenance windows: on which weekdays, and from when to when, work may begin. Written `sat,sun@02:00-04:00`, or `02:00-04:00` for every day.
//!
//! A window is as long as it says, on the days when the clocks change, too: it opens by the zone's clock (behind the gap, when its hour does not exist; at the
//! first of two, when it comes twice) and closes when its span is over.

use jiff::civil::Date;

use super::zone::{Zone, instant};
use crate::{Invalid, Timestamp, time::SECOND};

/// The shortest window, in minutes: a rotation waits for quotas, and for the cloud to show what was done.
pub const MINUTES_MIN: u16 = 60;

const MINUTE: i64 = 60 * SECOND;
const MINUTES_OF_A_DAY: u16 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When work may begin, by the clock of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Monday first: the days on which it opens.
    days: [bool; 7],
    /// Minutes behind midnight.
    from: u16,
    /// Minutes behind midnight; not behind `from`: of the next day.
    until: u16,
}

impl Window {
    /// Reads `sat,sun@02:00-04:00`, `mon-fri@22:00-02:00` or `02:00-04:00`.
    ///
    /// # Errors
    /// [`Invalid`] naming `window`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let unreadable = || Invalid::new("window", "cannot be read", "Write weekdays and times: sat,sun@02:00-04:00, mon-fri@22:00-02:00, or 02:00-04:00.");
        let (days, times) = match text.split_once('@') {
            Some((days, times)) => (read_days(days).ok_or_else(unreadable)?, times),
            None => ([true; 7], text),
        };
        let (from, until) = times.split_once('-').ok_or_else(unreadable)?;
        let (from, until) = (read_time(from).ok_or_else(unreadable)?, read_time(until).ok_or_else(unreadable)?);
        let window = Self { days, from: from % MINUTES_OF_A_DAY, until };
        if window.minutes() < MINUTES_MIN {
            let reason = format!("is open for {} minutes", window.minutes());
            return Err(Invalid::new("window", reason, "Leave it open for an hour at least: a rotation waits for the cloud, and must be able to end."));
        }
        Ok(window)
    }

    /// How long it is open.
    fn minutes(&self) -> u16 {
        if self.until == self.from { 0 } else { (self.until + MINUTES_OF_A_DAY - self.from - 1) % MINUTES_OF_A_DAY + 1 }
    }

    /// How long it is open in a week, in microseconds.
    pub fn micros_a_week(&self) -> i64 {
        let days = self.days.iter().filter(|is_on| **is_on).count();
        i64::try_from(days).unwrap_or(7) * i64::from(self.minutes()) * MINUTE
    }

    /// The earliest time inside, not before this one. A time inside answers itself. `None` outside the years that a calendar knows.
    pub fn first_inside(&self, time: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let mut day = zone.at(time)?.date().yesterday().ok()?;
        // Yesterday's may still be open; the next of a weekly one is at most a week ahead.
        for _ in 0..10 {
            if self.days[day.weekday().to_monday_zero_offset() as usize] {
                let opens = self.opens(day, zone)?;
                if opens.plus_micros(i64::from(self.minutes()) * MINUTE) > time {
                    return Some(opens.max(time));
                }
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    fn opens(&self, day: Date, zone: &Zone) -> Option<Timestamp> {
        let shown = day.at((self.from / 60) as i8, (self.from % 60) as i8, 0, 0);
        zone.rules().to_ambiguous_zoned(shown).compatible().ok().map(|opens| instant(&opens))
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.days != [true; 7] {
            let days: Vec<&str> = DAYS.into_iter().zip(self.days).filter_map(|(name, is_on)| is_on.then_some(name)).collect();
            write!(f, "{}@", days.join(","))?;
        }
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, self.until / 60, self.until % 60)
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (read_day(first)?, read_day(last)?);
        // Round and round: fri-mon goes over the weekend.
        (0..=(last + 7 - first) % 7).for_each(|ahead| days[(first + ahead) % 7] = true);
    }
    Some(days)
}

fn read_day(text: &str) -> Option<usize> {
    DAYS.into_iter().position(|name| name.eq_ignore_ascii_case(text))
}

fn read_time(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| if digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse::<u16>().ok() } else { None };
    let time = number(hours)? * 60 + number(minutes).filter(|minutes| *minutes < 60)?;
    (time <= MINUTES_OF_A_DAY).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(text: &str) -> Window {
        Window::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn berlin() -> Zone {
        Zone::parse("Europe/Berlin").expect("a zone")
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().expect("a time").as_microsecond())
    }

    fn first(text: &str, time: &str) -> Timestamp {
        window(text).first_inside(at(time), &berlin()).expect("there is one")
    }

    #[test]
    fn windows_are_read_and_written() {
        for (text, written) in [
            ("02:00-04:00", "02:00-04:00"),
            ("sat,sun@02:00-04:00", "sat,sun@02:00-04:00"),
            ("Fri-mon@22:00-02:00", "mon,fri,sat,sun@22:00-02:00"),
            ("mon-sun@00:00-24:00", "00:00-24:00"),
            ("23:30-00:30", "23:30-00:30"),
        ] {
            assert_eq!(window(text).to_string(), written);
            assert_eq!(window(written), window(text));
        }
        for bad in ["", "@02:00-04:00", "2:00-4:00", "02:00", "25:00-26:00", "02:60-04:00", "someday@02:00-04:00", "24:01-03:00", "-02:00-04:00"] {
            assert_eq!(Window::parse(bad).expect_err(bad).field, "window");
        }
    }

    #[test]
    fn a_window_shorter_than_an_hour_is_refused() {
        for short in ["02:00-02:59", "02:00-02:00", "23:30-00:29", "sat@00:00-00:01"] {
            assert!(Window::parse(short).expect_err(short).reason.contains("minutes"));
        }
        assert_eq!(window("02:00-03:00").minutes(), 60);
        assert_eq!(window("00:00-24:00").minutes(), 1440);
        assert_eq!(window("03:00-02:59").minutes(), 1439);
    }

    #[test]
    fn a_time_inside_answers_itself_and_any_other_the_next_opening() {
        // 21 November 2026 is a Saturday; Berlin is an hour ahead of UTC.
        assert_eq!(first("sat@02:00-04:00", "2026-11-21T01:30:00Z"), at("2026-11-21T01:30:00Z"));
        assert_eq!(first("sat@02:00-04:00", "2026-11-21T03:00:00Z"), at("2026-11-28T01:00:00Z"), "the end is outside");
        assert_eq!(first("sat@22:00-02:00", "2026-11-22T00:30:00Z"), at("2026-11-22T00:30:00Z"), "it belongs to the day on which it opens");
        assert_eq!(first("sat@22:00-02:00", "2026-11-21T00:30:00Z"), at("2026-11-21T21:00:00Z"));
    }

    /// On 29 March 2026 it is never half past two in Berlin; on 25 October it is so twice.
    #[test]
    fn a_window_opens_behind_a_gap_and_at_the_first_of_two() {
        assert_eq!(first("02:30-03:30", "2026-03-28T23:00:00Z"), at("2026-03-29T01:30:00Z"));
        assert_eq!(first("02:30-03:30", "2026-03-29T02:29:59Z"), at("2026-03-29T02:29:59Z"), "it is open for its hour");
        assert_eq!(first("02:30-03:30", "2026-10-24T23:00:00Z"), at("2026-10-25T00:30:00Z"));
        assert_eq!(first("02:30-03:30", "2026-10-25T01:30:00Z"), at("2026-10-26T01:30:00Z"), "and no longer than that");
    }

    proptest! {
        #[test]
        fn what_is_found_is_inside_not_before_and_at_most_eight_days_ahead(seconds in 0i64..4_000_000_000, from in 0u16..1440, minutes in 60u16..1440, days in 1u8..128) {
            let until = (from + minutes) % MINUTES_OF_A_DAY;
            let window = Window { days: std::array::from_fn(|day| days & (1 << day) != 0), from, until };
            prop_assert_eq!(window.minutes(), minutes);
            let time = Timestamp::from_secs(seconds);
            let found = window.first_inside(time, &berlin()).expect("there is one");
            prop_assert!(found >= time && found <= time.plus_days(8));
            prop_assert_eq!(window.first_inside(found, &berlin()), Some(found));
            prop_assert_eq!(Window::parse(&window.to_string()), Ok(window));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*", odd in "[a-z@,:0-9-]{0,24}") {
            let _ = (Window::parse(&text), Window::parse(&odd));
        }
    }
}
