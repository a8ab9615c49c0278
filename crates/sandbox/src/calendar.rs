//! Points in time as text, in the three forms that AWS writes: `20260102T030405Z` (Signature Version 4), `2026-01-02T03:04:05Z` (XML and CloudTrail) and
//! `Jan 2, 2026 3:04:05 AM` (request parameters in CloudTrail). The calendar is the proleptic Gregorian one, computed as in Howard Hinnant's
//! "chrono-Compatible Low-Level Date Algorithms".

use crate::clock::{Micros, SECOND};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

fn civil(at: Micros) -> Civil {
    let seconds = at.div_euclid(SECOND);
    let (days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil { year, month, day, hour: in_day / 3_600, minute: in_day / 60 % 60, second: in_day % 60 }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `2026-01-02T03:04:05Z`.
pub(crate) fn rfc3339(at: Micros) -> String {
    let c = civil(at);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
}

/// `20260102T030405Z`, the form of `X-Amz-Date`.
pub(crate) fn amz_date(at: Micros) -> String {
    let c = civil(at);
    format!("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
}

/// `Jan 2, 2026 3:04:05 AM`, the form in which CloudTrail shows `validTo`.
pub(crate) fn trail_date(at: Micros) -> String {
    let c = civil(at);
    let month = usize::try_from(c.month - 1).ok().and_then(|index| MONTHS.get(index)).copied().unwrap_or_default();
    let (hour, half) = (if c.hour % 12 == 0 { 12 } else { c.hour % 12 }, if c.hour < 12 { "AM" } else { "PM" });
    format!("{month} {}, {} {hour}:{:02}:{:02} {half}", c.day, c.year, c.minute, c.second)
}

/// Reads `20260102T030405Z`.
pub(crate) fn parse_amz_date(text: &str) -> Option<Micros> {
    let bytes = text.as_bytes();
    let well_formed = bytes.len() == 16
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !well_formed {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to).and_then(|digits| digits.parse::<i64>().ok());
    let (month, day) = (number(4, 6)?, number(6, 8)?);
    let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    in_range.then_some((days_from_civil(number(0, 4)?, month, day) * 86_400 + hour * 3_600 + minute * 60 + second) * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_agree_on_a_known_moment() {
        let at = 1_440_938_160 * SECOND; // 2015-08-30T12:36:00Z, the moment of AWS's Signature Version 4 test suite
        assert_eq!(rfc3339(at), "2015-08-30T12:36:00Z");
        assert_eq!(amz_date(at), "20150830T123600Z");
        assert_eq!(trail_date(at), "Aug 30, 2015 12:36:00 PM");
        assert_eq!(parse_amz_date("20150830T123600Z"), Some(at));
    }

    #[test]
    fn leap_days_and_year_ends_survive_the_round_trip() {
        for text in ["20000229T000000Z", "19991231T235959Z", "20240229T120000Z", "21000301T000001Z", "19700101T000000Z"] {
            let at = parse_amz_date(text).expect("a valid date");
            assert_eq!(amz_date(at), text);
        }
    }

    #[test]
    fn malformed_dates_are_refused() {
        for text in ["", "20150830", "20150830T123600", "2015-08-30T12:36:00Z", "20151330T123600Z", "20150830T250000Z", "2015083éT12360Z"] {
            assert_eq!(parse_amz_date(text), None, "{text}");
        }
    }
}
