//! A policy as people ask for it and as the store keeps it: words and numbers, each of which is checked here.

use super::{Cadence, Calendar, Policy, Rule, Strategy, Window, Zone};
use crate::{Invalid, Timestamp};

/// A policy in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Do not rotate; then nothing else is said.
    pub off: bool,
    /// How it is done.
    pub strategy: Strategy,
    /// So long behind the last rotation, in microseconds.
    pub every: Option<i64>,
    /// By a calendar: a cron pattern.
    pub cron: Option<String>,
    /// The time zone of calendar and window; UTC when nobody says.
    pub zone: Option<String>,
    /// Not before.
    pub start: Option<Timestamp>,
    /// Begin only inside.
    pub window: Option<String>,
    /// How long before it is told, in microseconds.
    pub notice: Option<i64>,
    /// How long behind a rotation the predecessor is deactivated, in microseconds; `None`: it stays enabled.
    pub grace: Option<i64>,
}

impl Wish {
    /// The policy that is meant.
    ///
    /// # Errors
    /// [`Invalid`] naming the field.
    pub fn rule(&self) -> Result<Rule, Invalid> {
        if self.off {
            let nothing_else = Self { off: true, ..Self::default() };
            let refused = || Invalid::new("strategy", "is none, and something else is said as well", "Say nothing else: none switches rotation off.");
            return if *self == nothing_else { Ok(Rule::Off) } else { Err(refused()) };
        }
        let zone = self.zone.as_deref().map_or(Ok(Zone::UTC), Zone::parse)?;
        let cadence = self.cadence(&zone)?;
        let window = self.window.as_deref().map(Window::parse).transpose()?;
        let policy = Policy { strategy: self.strategy, cadence, zone, start: self.start, window, notice: self.notice, grace: self.grace };
        policy.check()?;
        Ok(Rule::Rotate(Box::new(policy)))
    }

    fn cadence(&self, zone: &Zone) -> Result<Cadence, Invalid> {
        match (self.every, self.cron.as_deref()) {
            (Some(span), None) => Ok(Cadence::Every(span)),
            (None, Some(pattern)) => Calendar::parse(pattern, zone).map(Cadence::Calendar),
            (None, None) => Err(Invalid::new("every", "is missing", "Say how often: every with a span such as 90d, or cron with a pattern.")),
            (Some(_), Some(_)) => Err(Invalid::new("cron", "is given beside every", "Give one of the two.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    #[test]
    fn a_wish_says_how_often_in_one_way() {
        let cron = Some("0 3 1 * *".to_owned());
        assert_eq!(Wish::default().rule().expect_err("nothing is said").field, "every");
        assert_eq!(Wish { every: Some(DAY), cron: cron.clone(), ..Wish::default() }.rule().expect_err("both").field, "cron");
        assert!(matches!(Wish { cron, ..Wish::default() }.rule(), Ok(Rule::Rotate(_))));
    }

    #[test]
    fn none_says_nothing_else() {
        let off = Wish { off: true, ..Wish::default() };
        assert_eq!(off.rule(), Ok(Rule::Off));
        assert_eq!(Wish { every: Some(DAY), ..off }.rule().expect_err("contradicts itself").field, "strategy");
    }
}
