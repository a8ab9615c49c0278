//! What is dangerous about a rotation policy: it may begin, come later, or take the old key out of use.

use super::{Danger, Origin, Standing, StandingKey, Subject};
use crate::{RegionRole, Timestamp, rotation::Wish};

/// The policy that counts for a subject that has none of its own: the next nearest.
pub(super) fn further<'a>(standing: &'a Standing, subject: &Subject) -> Option<&'a Wish> {
    let default = standing.rotation.as_ref();
    match subject {
        Subject::Default => None,
        Subject::Keystore(_) => default,
        Subject::Key(_, keystore) => standing.keystore(keystore).and_then(|keystore| keystore.rotation.as_ref()).or(default),
    }
}

/// What may go wrong for somebody when `after` counts for a subject instead of `before`. A key that is to be made has nobody yet who relies on it.
pub(super) fn dangers(
    standing: &Standing,
    subject: &Subject,
    key: Option<&StandingKey>,
    before: Option<&Wish>,
    after: Option<&Wish>,
    now: Timestamp,
) -> Vec<Danger> {
    let Some(after) = after.filter(|wish| !wish.off) else { return Vec::new() };
    let keys = concerned(standing, subject, key);
    if keys == 0 {
        return Vec::new();
    }
    let before = before.filter(|wish| !wish.off);
    let retires = after.grace.is_some_and(|grace| before.and_then(|before| before.grace).is_none_or(|was| grace < was));
    let begins = match before {
        None => Some(Danger::RotatesKeys(keys)),
        Some(before) => comes_later(before, after, now).then_some(Danger::RotatesLess),
    };
    begins.into_iter().chain(retires.then_some(Danger::RetiresPredecessors)).collect()
}

/// Of calendars nobody says which comes first: another one may come later.
fn comes_later(before: &Wish, after: &Wish, now: Timestamp) -> bool {
    let is_rarer = match (before.every, after.every) {
        (Some(before), Some(after)) => after > before,
        _ => (before.every, &before.cron) != (after.every, &after.cron),
    };
    let starts_later = after.start.is_some_and(|start| start > now && before.start.is_none_or(|was| start > was));
    is_rarer || starts_later || after.window.is_some() && after.window != before.window
}

/// How many keys that are there a policy of this subject counts for.
fn concerned(standing: &Standing, subject: &Subject, key: Option<&StandingKey>) -> usize {
    let is_rotated = |key: &&StandingKey| key.role != RegionRole::Replica && key.origin != Origin::Copy;
    let heirs = standing.keys.iter().filter(is_rotated).filter(|key| key.rotation.is_none());
    match subject {
        Subject::Key(..) => usize::from(key.filter(is_rotated).is_some()),
        Subject::Keystore(name) => heirs.filter(|key| key.keystore == *name).count(),
        Subject::Default => {
            let says: std::collections::BTreeSet<&str> =
                standing.keystores.iter().filter(|keystore| keystore.rotation.is_some()).map(|keystore| keystore.name.as_str()).collect();
            heirs.filter(|key| !says.contains(key.keystore.as_str())).count()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        estate::{
            Estate, RotationWish, WantedKey, WantedKeystore, difference,
            model::{NOW, house, key, perform_all},
        },
        time::DAY,
    };

    fn every(days: i64) -> Wish {
        Wish { every: Some(days * DAY), ..Wish::default() }
    }

    fn policy(wish: Wish) -> Option<RotationWish> {
        Some(RotationWish::Policy(Box::new(wish)))
    }

    fn of_key(wish: Option<RotationWish>) -> Estate {
        Estate { keys: vec![WantedKey { rotation: wish, ..key("a") }], ..Estate::default() }
    }

    fn of_keystore(wish: Option<RotationWish>) -> Estate {
        let name = crate::Name::parse("eu").expect("a name");
        Estate { keystores: vec![WantedKeystore { name, place: None, warm: None, drift: None, alerts: None, rotation: wish }], ..Estate::default() }
    }

    fn of_default(wish: Option<RotationWish>) -> Estate {
        Estate { rotation: wish, ..Estate::default() }
    }

    #[test]
    fn a_policy_that_begins_comes_later_or_retires_says_so() {
        let mut standing = house();
        let made = Estate { keys: vec![key("a"), key("b"), WantedKey { rotation: policy(every(30)), ..key("c") }], ..Estate::default() };
        let mut step = |wanted: Estate| {
            let way = difference(&wanted, &standing, NOW).expect("a way").changes;
            perform_all(&mut standing, &way);
            way.into_iter().flat_map(|change| change.dangers).collect::<Vec<_>>()
        };
        assert_eq!(step(made), [], "keys that are made have nobody yet");
        assert_eq!(step(of_default(policy(every(365)))), [Danger::RotatesKeys(2)], "not the one with its own");
        assert_eq!(step(of_keystore(policy(every(90)))), [], "sooner than the default");
        assert_eq!(step(of_key(policy(every(100)))), [Danger::RotatesLess], "than its keystore says");
        assert_eq!(step(of_key(policy(Wish { grace: Some(30 * DAY), ..every(100) }))), [Danger::RetiresPredecessors]);
        assert_eq!(step(of_key(policy(Wish { grace: Some(60 * DAY), ..every(100) }))), [], "later than it would");
        let wish = Wish { cron: Some("0 3 * * *".to_owned()), ..Wish::default() };
        assert_eq!(step(of_key(policy(wish))), [Danger::RotatesLess], "of a calendar nobody says");
        assert_eq!(step(of_key(policy(Wish { off: true, ..Wish::default() }))), [Danger::StopsRotation]);
        assert_eq!(step(of_key(Some(RotationWish::Inherit))), [Danger::RotatesKeys(1)], "its keystore's counts again");
    }
}
