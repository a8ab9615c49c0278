//! A policy as people ask for it and as the store keeps it: words and numbers, each of which is checked here.

use super::{Cadence, Calendar, Policy, Rule, Window, Zone};
use crate::{Invalid, KeyFamily, KeySpec, Timestamp};

/// A policy in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Do not rotate; then nothing else is said.
    pub off: bool,
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
        let policy = Policy { cadence, zone, start: self.start, window, notice: self.notice, grace: self.grace };
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

/// Why a key is not rotated in place. AWS KMS Developer Guide, "Perform on-demand key rotation": symmetric encryption keys only; 25 rotations a key.
pub fn refuse_in_place(spec: Option<KeySpec>) -> Invalid {
    let reason = match spec.map(KeySpec::family) {
        None | Some(KeyFamily::Aes) => "is in-place, which Keystead does not do yet".to_owned(),
        Some(_) => {
            let kind = spec.map_or("", KeySpec::as_str);
            format!("is in-place, and the key is {kind}: AWS rotates symmetric encryption keys on demand only, no HMAC keys and no pairs")
        }
    };
    Invalid::new("strategy", reason, "Take new-key: a successor with new material takes over the alias.")
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

    #[test]
    fn a_rotation_in_place_is_refused_with_the_clouds_own_rule() {
        for spec in KeySpec::ALL {
            let refused = refuse_in_place(Some(spec));
            assert_eq!(refused.reason.contains("AWS rotates symmetric encryption keys"), spec != KeySpec::Aes256, "{spec:?}");
            assert_eq!(refused.field, "strategy");
        }
    }
}
