//! How long the schedule leaves a key alone on which it failed: a pure decision.

use keystead_domain::time::SECOND;

/// The pause behind the first failure.
const FIRST: i64 = 60 * SECOND;
/// The longest pause.
const LONGEST: i64 = 6 * 3600 * SECOND;

/// The pause behind so many failures in a row, in microseconds: a minute, doubled each time, at most six hours. `jitter` takes up to a fifth away, so that keys
/// that failed together do not come back together.
pub fn pause(failures: u32, jitter: u16) -> i64 {
    let doubled = FIRST << failures.saturating_sub(1).min(20);
    let full = doubled.min(LONGEST);
    full - full / 5 * i64::from(jitter) / i64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_minute_to_six_hours() {
        let minutes: Vec<i64> = (1..=11).map(|failures| pause(failures, 0) / FIRST).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        assert_eq!(pause(u32::MAX, 0), LONGEST);
        assert_eq!(pause(0, 0), FIRST, "no failure yet: the pause of the first");
    }

    #[test]
    fn jitter_takes_up_to_a_fifth_away_and_adds_nothing() {
        assert_eq!(pause(1, u16::MAX), 48 * SECOND);
        assert_eq!(pause(99, u16::MAX), LONGEST / 5 * 4);
        for failures in 1..=12 {
            let span = pause(failures, u16::MAX)..=pause(failures, 0);
            assert!((0..=u16::MAX).step_by(997).all(|jitter| span.contains(&pause(failures, jitter))), "{failures}");
        }
    }
}
