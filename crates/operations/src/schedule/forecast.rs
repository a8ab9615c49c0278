//! What will happen by itself: the schedule's rules, told before they act.

use keystead_domain::{
    KeyState, Timestamp,
    key::expiry::{self, ExpiryPolicy},
};
use keystead_store::keys::KeyRow;

/// What happens. The order is the one in which things of the same moment are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// Somebody is told that the material ends.
    Alert,
    /// The same material gets a later end.
    Extend,
    /// The key gets a successor with new material.
    Renew,
    /// The policy of rotation gives the key a successor.
    Rotate,
    /// The grace behind a rotation ends: the replaced key is deactivated.
    Retire,
    /// The material ends; the key cannot be used.
    Expire,
    /// The cloud deletes the key.
    Delete,
    /// Keystead sees that the key is gone, and destroys its material.
    CleanUp,
}

impl Happening {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Extend => "extend",
            Self::Renew => "renew",
            Self::Rotate => "rotate",
            Self::Retire => "retire",
            Self::Expire => "expire",
            Self::Delete => "delete",
            Self::CleanUp => "clean-up",
        }
    }

    /// The rule that makes it happen, as a sentence.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Alert => "The policy is alert: people are told before the end.",
            Self::Extend => "The policy moves the end: the same material is imported again with a later one.",
            Self::Renew => "The policy renews the key before the end of its material.",
            Self::Rotate => "Its policy of rotation: a successor takes over the aliases; not before this.",
            Self::Retire => "The grace behind its rotation ends: it is deactivated, unless the rotation is reverted.",
            Self::Expire => "The policy is alert: nobody but a person moves the end.",
            Self::Delete => "Its deletion is scheduled: the cloud deletes it within a day after this.",
            Self::CleanUp => "Once the cloud has deleted it, Keystead destroys its material.",
        }
    }
}

/// Something that will happen to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// When, at the earliest.
    pub at: Timestamp,
    /// What.
    pub what: Happening,
}

/// The farthest end of material of which something happens until then: an alert or a policy comes before it.
pub fn farthest_end(days_before: &[u32], until: Timestamp) -> Timestamp {
    let farthest = days_before.iter().copied().max().unwrap_or(0);
    until.plus_days(i64::from(farthest)).max(until.plus_micros(expiry::lead_micros(i64::MAX)))
}

/// What will happen to a key from now on until then, in order, if nobody changes anything and every operation succeeds.
pub fn of_key(key: &KeyRow, days_before: &[u32], now: Timestamp, until: Timestamp) -> Vec<Coming> {
    let mut coming = match key.state {
        KeyState::Active | KeyState::Replaced => of_end(key, days_before, now, until).into_iter().chain(of_rotation(key, now)).collect(),
        KeyState::PendingDeletion => of_countdown(key, now),
        _ => Vec::new(),
    };
    coming.retain(|one| one.at <= until);
    coming.sort_by_key(|one| (one.at, one.what));
    coming
}

/// The next turn only: those that follow hang on when it really comes.
fn of_rotation(key: &KeyRow, now: Timestamp) -> Vec<Coming> {
    let turn = key.rotation.planned.filter(|_| key.state == KeyState::Active).map(|at| Coming { at: at.max(now), what: Happening::Rotate });
    let end_of_grace = key.rotation.retires.filter(|_| key.state == KeyState::Replaced).map(|at| Coming { at: at.max(now), what: Happening::Retire });
    turn.into_iter().chain(end_of_grace).collect()
}

fn of_countdown(key: &KeyRow, now: Timestamp) -> Vec<Coming> {
    let at = key.deletion_at.map(|at| at.max(now));
    at.map_or_else(Vec::new, |at| vec![Coming { at, what: Happening::Delete }, Coming { at, what: Happening::CleanUp }])
}

fn of_end(key: &KeyRow, days_before: &[u32], now: Timestamp, until: Timestamp) -> Vec<Coming> {
    let Some(end) = key.expires_at.filter(|end| *end > now) else { return Vec::new() };
    match key.expiry_span.filter(|_| key.expiry_policy != ExpiryPolicy::Alert) {
        Some(span) => moves(key, span, end, now, until),
        None => warnings(end, days_before, now),
    }
}

/// Every time at which the policy acts: each gives the span of life that was asked for, counted from then.
fn moves(key: &KeyRow, span: i64, mut end: Timestamp, now: Timestamp, until: Timestamp) -> Vec<Coming> {
    let is_renewed = key.expiry_policy == ExpiryPolicy::Renew && key.state == KeyState::Active && key.is_current;
    let what = if is_renewed { Happening::Renew } else { Happening::Extend };
    let mut coming = Vec::new();
    loop {
        let at = end.plus_micros(-expiry::lead_micros(span)).max(now);
        if at > until {
            return coming;
        }
        coming.push(Coming { at, what });
        end = expiry::renewed(span, at);
    }
}

fn warnings(end: Timestamp, days_before: &[u32], now: Timestamp) -> Vec<Coming> {
    let alert = |days: &u32| Coming { at: end.plus_days(-i64::from(*days)), what: Happening::Alert };
    let mut coming: Vec<Coming> = days_before.iter().map(alert).filter(|alert| alert.at > now).collect();
    coming.push(Coming { at: end, what: Happening::Expire });
    coming
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::{key::expiry::DAYS_BEFORE, time::DAY};

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    #[test]
    fn alerts_and_policies_beyond_the_window_are_found_by_ends_behind_it() {
        assert_eq!(farthest_end(&DAYS_BEFORE, NOW), NOW.plus_days(30));
        assert_eq!(farthest_end(&[], NOW), NOW.plus_days(7), "a policy acts a week ahead");
    }

    #[test]
    fn warnings_that_are_past_are_not_told_and_the_end_is() {
        let told: Vec<(i64, Happening)> =
            warnings(NOW.plus_days(10), &DAYS_BEFORE, NOW).into_iter().map(|one| ((one.at.as_micros() - NOW.as_micros()) / DAY, one.what)).collect();
        assert_eq!(told, [(3, Happening::Alert), (9, Happening::Alert), (10, Happening::Expire)]);
    }
}
