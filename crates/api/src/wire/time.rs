//! Times: RFC 3339 in UTC with microseconds on the way out; on the way in also spans from now, as people say them.

use keystead_domain::{Invalid, Timestamp, duration};

/// A time as text. Always with six digits, so that texts sort as times do.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let bound = if time.as_micros() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    format!("{:.6}", jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or(bound))
}

/// A span as people write it.
pub(crate) fn span(micros: i64) -> String {
    duration::words(micros)
}

/// Reads `90d` as a span from now, anything else as a time.
///
/// # Errors
/// [`Invalid`] naming `field`.
pub(crate) fn when(field: &str, text: &str, now: Timestamp) -> Result<Timestamp, Invalid> {
    if text.ends_with(['s', 'm', 'h', 'd', 'w']) {
        return duration::parse(field, text).map(|span| now.plus_micros(span));
    }
    let time: jiff::Timestamp =
        text.parse().map_err(|_| Invalid::new(field, "is neither a span nor a time", "Give 90d, or a time such as 2026-12-31T00:00:00Z."))?;
    Ok(Timestamp::from_micros(time.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    #[test]
    fn times_are_written_with_microseconds_in_utc() {
        assert_eq!(rfc3339(Timestamp::from_micros(1_790_000_000_000_001)), "2026-09-21T14:13:20.000001Z");
        assert_eq!(rfc3339(NOW), "2026-09-21T14:13:20.000000Z");
    }

    #[test]
    fn spans_and_times_are_read() {
        assert_eq!(when("expires", "90d", NOW), Ok(NOW.plus_days(90)));
        assert_eq!(when("expires", "2026-09-21T16:13:20+02:00", NOW), Ok(NOW));
        for bad in ["", "90", "soon", "tomorrow", "2026-09-21", "2026-13-01T00:00:00Z"] {
            assert_eq!(when("expires", bad, NOW).expect_err(bad).field, "expires");
        }
    }

    proptest! {
        #[test]
        fn every_span_that_is_read_is_written_as_one_of_the_same_length(count in 1u32..30_000, unit in "[smhdw]") {
            if let Ok(micros) = duration::parse("every", &format!("{count}{unit}")) {
                prop_assert_eq!(duration::parse("every", &span(micros)), Ok(micros));
            }
        }

        #[test]
        fn every_time_is_written_and_most_are_read_back(micros in any::<i64>()) {
            let text = rfc3339(Timestamp::from_micros(micros));
            if (0..=253_402_207_200_000_000).contains(&micros) {
                prop_assert_eq!(when("t", &text, NOW), Ok(Timestamp::from_micros(micros)));
            }
        }
    }
}
