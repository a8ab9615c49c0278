//! Spans of time as people write them: `90d`, `12h`, `30m`, `45s`.

use crate::{
    Invalid,
    time::{DAY, SECOND},
};

/// Reads a span such as `90d` and answers microseconds. Units: `s`, `m`, `h`, `d`, `w`; one number, one unit.
///
/// # Errors
/// [`Invalid`] naming `field` when the text has another form, is zero, or is longer than 100 years.
pub fn parse(field: &str, text: &str) -> Result<i64, Invalid> {
    let refuse = |reason: &str| Invalid::new(field, format!("{reason}: {}", printable(text)), "Write a number and one of s, m, h, d, w, for example 90d.");
    let unit = match text.chars().last() {
        Some('s') => SECOND,
        Some('m') => 60 * SECOND,
        Some('h') => 3600 * SECOND,
        Some('d') => DAY,
        Some('w') => 7 * DAY,
        _ => return Err(refuse("is not a span of time")),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refuse("is not a span of time"));
    }
    let count: i64 = digits.parse().map_err(|_| refuse("is too long"))?;
    match count.checked_mul(unit) {
        Some(0) => Err(refuse("is zero")),
        Some(span) if span <= 36_525 * DAY => Ok(span),
        _ => Err(refuse("is longer than 100 years")),
    }
}

/// A span as people write it, in the largest unit that it is whole in: `90d`.
pub fn words(micros: i64) -> String {
    let units = [("d", DAY), ("h", 3600 * SECOND), ("m", 60 * SECOND)];
    let whole = units.into_iter().find(|(_, unit)| micros % unit == 0);
    whole.map_or_else(|| format!("{}s", micros / SECOND), |(name, unit)| format!("{}{name}", micros / unit))
}

/// The text without what could break a log line, shortened to 40 characters.
fn printable(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read() {
        assert_eq!(parse("expires", "90d"), Ok(90 * DAY));
        assert_eq!(parse("expires", "2w"), Ok(14 * DAY));
        assert_eq!(parse("wait", "45s"), Ok(45 * SECOND));
    }

    #[test]
    fn what_is_no_span_is_refused_by_name() {
        for bad in ["", "d", "90", "-1d", "1.5d", "0d", "9999999999999999999d", "40000d", "90 d", "９０d"] {
            let refusal = parse("expires", bad).expect_err(bad);
            assert_eq!(refusal.field, "expires");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = parse("field", &text);
        }
    }
}
