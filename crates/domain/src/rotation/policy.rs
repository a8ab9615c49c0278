//! A policy, and what it says of a key at a moment.
//!
//! What is due depends on the last rotation and not on what was planned: a downtime over many turns is made up for by one rotation, and a clock that is set back
//! brings no turn a second time.

use super::{Calendar, Strategy, Window, Zone};
use crate::{Invalid, Timestamp, time::DAY};

/// A week, in microseconds.
const WEEK: i64 = 7 * DAY;
/// A minute, in microseconds.
const MICROS_A_MINUTE: i128 = 60_000_000;

/// How often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cadence {
    /// So long behind the last rotation, in microseconds; a day at least.
    Every(i64),
    /// By a calendar.
    Calendar(Calendar),
}

/// A policy that rotates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How, where the cloud can.
    pub strategy: Strategy,
    /// How often.
    pub cadence: Cadence,
    /// Whose clock counts for calendar and window.
    pub zone: Zone,
    /// Not before.
    pub start: Option<Timestamp>,
    /// Begin only inside.
    pub window: Option<Window>,
    /// How long before a rotation it is told, in microseconds.
    pub notice: Option<i64>,
    /// How long behind a rotation the predecessor is deactivated, in microseconds; `None`: it stays enabled.
    pub grace: Option<i64>,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Do not rotate, whatever a policy further away says.
    Off,
    /// Rotate.
    Rotate(Box<Policy>),
}

/// What has happened to a key, as far as it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// When its lineage was made.
    pub born: Timestamp,
    /// When it was last rotated, by a policy or by hand.
    pub last: Option<Timestamp>,
    /// When the policy was set.
    pub since: Timestamp,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Rotate.
    Now,
    /// Not before then.
    At(Timestamp),
    /// There is no further turn in the years that a calendar knows.
    Never,
}

impl Policy {
    /// Checks what each part cannot see by itself.
    ///
    /// # Errors
    /// [`Invalid`] naming `every`, `notice` or `grace`.
    pub fn check(&self) -> Result<(), Invalid> {
        let shortest = match &self.cadence {
            Cadence::Every(span) if *span < DAY => {
                return Err(Invalid::new(
                    "every",
                    "is shorter than a day",
                    "Give a day or more, for example 90d: each rotation leaves a key behind in the cloud.",
                ));
            }
            Cadence::Every(span) => *span,
            Cadence::Calendar(calendar) => self.shortest_turn(calendar),
        };
        if self.grace.is_some_and(|grace| grace > shortest) {
            let mend = "Give a grace that ends before the next rotation, or keep: else keys that wait for their deactivation pile up.";
            return Err(Invalid::new("grace", "is longer than the time between two rotations", mend));
        }
        if self.notice.is_some_and(|notice| notice > shortest) {
            return Err(Invalid::new(
                "notice",
                "is longer than the time between two rotations",
                "Give a notice that fits between two rotations, for example 7d.",
            ));
        }
        Ok(())
    }

    /// Refuses a window that is too short for the work: so many keys, of which one takes so long under the cloud's quota, could never all have their turn before the
    /// next one comes.
    ///
    /// # Errors
    /// [`Invalid`] naming `window`.
    pub fn check_work(&self, keys: u64, micros_a_key: i64) -> Result<(), Invalid> {
        let Some(window) = &self.window else { return Ok(()) };
        let turn = match &self.cadence {
            Cadence::Every(span) => *span,
            Cadence::Calendar(calendar) => self.shortest_turn(calendar),
        };
        // Where a turn is shorter than a week, the windows of a week are what there is.
        let open = i128::from(turn.max(WEEK)) * i128::from(window.micros_a_week()) / i128::from(WEEK);
        let work = i128::from(keys) * i128::from(micros_a_key);
        if work <= open {
            return Ok(());
        }
        let reason = format!(
            "is open for {} minutes between two turns, and the rotation of {keys} keys takes {} under the cloud's quota",
            open / MICROS_A_MINUTE,
            work / MICROS_A_MINUTE
        );
        Err(Invalid::new("window", reason, "Open it longer, rotate less often, or have the cloud raise the quota."))
    }

    /// The least time between two turns of a calendar, over the next few.
    fn shortest_turn(&self, calendar: &Calendar) -> i64 {
        let from = Timestamp::from_secs(1_704_067_200);
        let turns: Vec<Timestamp> = std::iter::successors(calendar.after(from, &self.zone), |turn| calendar.after(*turn, &self.zone)).take(30).collect();
        turns.windows(2).map(|pair| pair[1].as_micros() - pair[0].as_micros()).min().unwrap_or(i64::MAX)
    }

    /// The turn that comes next, whatever the window says. A policy that was set a moment ago does not act before its notice is over.
    fn turn(&self, history: &History) -> Option<Timestamp> {
        let last = history.last.unwrap_or(history.born);
        let told = history.since.plus_micros(self.notice.unwrap_or(0));
        match &self.cadence {
            Cadence::Every(span) => Some(last.plus_micros(*span).max(told).max(self.start.unwrap_or(told))),
            Cadence::Calendar(calendar) => {
                // At the start itself it may come.
                let start = self.start.map_or(told, |start| start.plus_micros(-1));
                calendar.after(last.max(told).max(start), &self.zone)
            }
        }
    }

    /// When the next rotation may begin, inside the window; `None` when there is no further one.
    pub fn next(&self, history: &History) -> Option<Timestamp> {
        self.turn(history).and_then(|turn| self.inside(turn))
    }

    /// What is to be done now. A turn that was missed, or whose window was, is made up for in the next window.
    pub fn due(&self, history: &History, now: Timestamp) -> Due {
        let Some(turn) = self.turn(history) else { return Due::Never };
        match self.inside(turn.max(now)) {
            Some(time) if time <= now => Due::Now,
            Some(time) => Due::At(time),
            None => Due::Never,
        }
    }

    fn inside(&self, time: Timestamp) -> Option<Timestamp> {
        self.window.as_ref().map_or(Some(time), |window| window.first_inside(time, &self.zone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rotation::Wish, time::SECOND};
    use proptest::prelude::*;

    const BORN: Timestamp = Timestamp::from_secs(1_790_000_000);
    const HOUR: i64 = 3600 * SECOND;

    fn policy(wish: Wish) -> Policy {
        match wish.rule() {
            Ok(Rule::Rotate(policy)) => *policy,
            other => panic!("{wish:?}: {other:?}"),
        }
    }

    fn every(days: i64) -> Wish {
        Wish { every: Some(days * DAY), ..Wish::default() }
    }

    fn cron(pattern: &str) -> Wish {
        Wish { cron: Some(pattern.into()), zone: Some("Europe/Berlin".into()), ..Wish::default() }
    }

    fn history(last: Option<Timestamp>) -> History {
        History { born: BORN, last, since: BORN }
    }

    /// Every kind of policy that there is: cadence, window, start, notice.
    fn policies() -> Vec<Policy> {
        let mut all = Vec::new();
        for cadence in [every(1), every(30), every(90), cron("0 3 * * *"), cron("30 2 * * sun"), cron("0 3 1 * *")] {
            for window in [None, Some("02:00-04:00"), Some("sat,sun@22:00-02:00"), Some("tue@01:30-02:30")] {
                for start in [None, Some(BORN.plus_days(10))] {
                    for notice in [None, Some(20 * HOUR)] {
                        let (zone, window) = (Some("Europe/Berlin".into()), window.map(str::to_owned));
                        all.push(policy(Wish { zone, window, start, notice, ..cadence.clone() }));
                    }
                }
            }
        }
        all
    }

    fn is_open(policy: &Policy, time: Timestamp) -> bool {
        policy.inside(time) == Some(time)
    }

    /// Policy by situation: before the turn, at it, behind a downtime, with a clock that went back. 96 policies.
    #[test]
    fn every_policy_acts_in_its_window_once_a_turn_and_never_before() {
        for policy in policies() {
            let fresh = history(None);
            let next = policy.next(&fresh).expect("there is a turn");
            assert!(is_open(&policy, next), "{policy:?}");
            assert!(next >= policy.start.unwrap_or(BORN) && next >= BORN.plus_micros(policy.notice.unwrap_or(0)), "{policy:?}");
            assert_eq!(policy.due(&fresh, next), Due::Now, "{policy:?}");
            assert_eq!(policy.due(&fresh, next.plus_micros(-1)), Due::At(next), "{policy:?}");

            // It is off for 400 days: one rotation makes up for all that was missed, in the window.
            let back = next.plus_days(400);
            let made_up = match policy.due(&fresh, back) {
                Due::Now => back,
                Due::At(time) => time,
                Due::Never => panic!("{policy:?}"),
            };
            assert!(is_open(&policy, made_up) && made_up <= back.plus_days(8), "{policy:?}");
            let rotated = history(Some(made_up));
            let after = policy.next(&rotated).expect("there is another turn");
            assert!(after > made_up, "{policy:?}");

            // The clock goes back by an hour, a day, a year: what was rotated is not rotated again.
            for ago in [HOUR, DAY, 365 * DAY] {
                assert_eq!(policy.due(&rotated, made_up.plus_micros(-ago)), Due::At(after), "{policy:?}");
            }
        }
    }

    #[test]
    fn an_overdue_key_waits_for_the_notice_of_a_new_policy() {
        let policy = policy(Wish { notice: Some(7 * DAY), ..every(90) });
        let old = History { born: BORN, last: None, since: BORN.plus_days(1000) };
        assert_eq!(policy.next(&old), Some(BORN.plus_days(1007)));
    }

    #[test]
    fn a_calendar_may_begin_at_its_very_start() {
        let start = Timestamp::from_secs(1_790_816_400);
        let policy = policy(Wish { start: Some(start), zone: None, ..cron("0 1 * * *") });
        assert_eq!(policy.next(&history(None)), Some(start));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        for (wish, field) in [
            (Wish { every: Some(DAY - 1), ..Wish::default() }, "every"),
            (Wish { grace: Some(31 * DAY), ..every(30) }, "grace"),
            (Wish { notice: Some(31 * DAY), ..every(30) }, "notice"),
            (Wish { grace: Some(8 * DAY), ..cron("0 3 * * sun") }, "grace"),
        ] {
            assert_eq!(wish.rule().expect_err("refused").field, field, "{wish:?}");
        }
        assert!(Wish { grace: Some(30 * DAY), ..every(30) }.rule().is_ok());
    }

    #[test]
    fn a_window_shorter_than_the_work_is_refused_with_both_figures() {
        let weekly = policy(Wish { window: Some("sat@02:00-04:00".into()), ..every(30) });
        let second = SECOND;
        // Thirty days have 30/7 windows of two hours: 514 minutes.
        assert_eq!(weekly.check_work(30_857, second), Ok(()));
        let refused = weekly.check_work(30_858, second).expect_err("too many");
        assert!(refused.field == "window" && refused.reason.contains("514 minutes") && refused.reason.contains("30858 keys"), "{refused}");
        let daily = policy(Wish { window: Some("sat@02:00-04:00".into()), ..every(1) });
        assert_eq!((daily.check_work(7200, second).is_ok(), daily.check_work(7201, second).is_ok()), (true, false), "one window a week");
        assert_eq!(policy(every(1)).check_work(1_000_000, second), Ok(()), "without a window there is time enough");
    }

    static ALL: std::sync::LazyLock<Vec<Policy>> = std::sync::LazyLock::new(policies);

    proptest! {
        /// Whoever looks at odd moments, over two years, rotates in the window only, and never sooner than the policy says.
        #[test]
        fn a_key_that_is_looked_at_now_and_then_is_rotated_in_its_windows(looks in prop::collection::vec(1i64..2000, 50..300), which in 0usize..96) {
            let policy = &ALL[which];
            let (mut now, mut last) = (BORN, None::<Timestamp>);
            for hours in looks {
                now = now.plus_micros(hours * HOUR / 7);
                if policy.due(&history(last), now) == Due::Now {
                    prop_assert!(is_open(policy, now));
                    if let (Cadence::Every(span), Some(last)) = (&policy.cadence, last) {
                        prop_assert!(now.as_micros() - last.as_micros() >= *span);
                    }
                    last = Some(now);
                    prop_assert_ne!(policy.due(&history(last), now), Due::Now, "twice for one turn");
                }
            }
        }
    }
}
