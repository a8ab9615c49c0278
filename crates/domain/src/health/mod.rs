//! Health: whether a keystore and a key are as they should be, in one word, with every reason why not and what mends it (FX-042).
//!
//! A word is the worst of its reasons; without a reason it is `ok`. A reason stands for itself: none takes another away.

mod check;
mod words;

pub use check::{CheckOutcome, TOLD_BEHIND, Tell, next_check, tell};

use crate::{
    Invalid, Timestamp,
    drift::named,
    time::{DAY, SECOND},
};

/// How a keystore or key is. The worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It does not do what it is for, or somebody has hold of it who should not.
    Failing,
    /// It does, but something has to be looked at.
    Degraded,
    /// It cannot be told.
    Unknown,
    /// Nothing is known against it.
    Ok,
}

/// Why a keystore is not `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeystoreReason {
    /// Its cloud did not answer.
    Unreachable,
    /// Keystead's credentials or clock are wrong.
    Credentials,
    /// The role cannot be assumed.
    Denied,
    /// A hostile difference is open.
    DriftHostile,
    /// Permissions are missing.
    PermissionsMissing,
    /// A difference is open that is not benign.
    DriftOpen,
    /// Its policy says that it is looked through, and it was not.
    LookLate,
    /// Something was done in Keystead's own name, and no operation explains it.
    DeedsUnexplained,
    /// Its queue of events cannot be heard.
    EventsUnheard,
    /// An operation does not get on.
    OperationWaits,
    /// Hardly anything is left of a quota.
    QuotaTight,
    /// It was never checked.
    Unchecked,
    /// It was not checked when it should have been.
    CheckLate,
}

/// Why a key is not `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyReason {
    /// The cloud no longer has the key.
    CloudKeyGone,
    /// A hostile difference is open.
    DriftHostile,
    /// Its material has ended.
    Expired,
    /// It should be in use, and the cloud does not let it be used.
    NotUsable,
    /// A difference is open that is not benign.
    DriftOpen,
    /// Its material ends soon, and nothing has moved the end.
    EndNear,
    /// An operation holds it and does not get on.
    OperationWaits,
    /// Nobody can look at it: its keystore's cloud does not answer, or does not let Keystead in.
    KeystoreOutOfReach,
}

named!(Health, "health", "Give failing, degraded, unknown or ok.", {
    Failing = "failing",
    Degraded = "degraded",
    Unknown = "unknown",
    Ok = "ok",
});
named!(KeystoreReason, "reason", "Give one that `keystead keystore show` shows.", {
    Unreachable = "unreachable",
    Credentials = "credentials",
    Denied = "denied",
    DriftHostile = "drift-hostile",
    PermissionsMissing = "permissions-missing",
    DriftOpen = "drift-open",
    LookLate = "look-late",
    DeedsUnexplained = "deeds-unexplained",
    EventsUnheard = "events-unheard",
    OperationWaits = "operation-waits",
    QuotaTight = "quota-tight",
    Unchecked = "unchecked",
    CheckLate = "check-late",
});
named!(KeyReason, "reason", "Give one that `keystead key show` shows.", {
    CloudKeyGone = "cloud-key-gone",
    DriftHostile = "drift-hostile",
    Expired = "expired",
    NotUsable = "not-usable",
    DriftOpen = "drift-open",
    EndNear = "end-near",
    OperationWaits = "operation-waits",
    KeystoreOutOfReach = "keystore-out-of-reach",
});

/// How long an operation that has met a problem may be open before it counts as one that does not get on, in microseconds.
pub const OPERATION_PATIENCE: i64 = 3600 * SECOND;
/// How long a queue of events may fail before it counts as one that cannot be heard, in microseconds.
pub const EVENTS_PATIENCE: i64 = 900 * SECOND;
/// For how long something that no operation explains is told, in microseconds.
pub const UNEXPLAINED_FOR: i64 = 7 * DAY;
/// Below how many percent of a minute's calls a quota is tight.
pub const QUOTA_TIGHT: u8 = 10;
/// What is known of a keystore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeystoreFacts {
    /// The last check, and when it was.
    pub check: Option<(CheckOutcome, Timestamp)>,
    /// How many hostile differences are open.
    pub drifts_hostile: u32,
    /// How many others that are not benign.
    pub drifts_open: u32,
    /// When it was last looked through.
    pub looked_at: Option<Timestamp>,
    /// How often it shall be, in microseconds, and since when somebody wants that.
    pub look_wanted: Option<(i64, Timestamp)>,
    /// When something was last done in Keystead's own name that no operation explains.
    pub unexplained_at: Option<Timestamp>,
    /// Since when its queue of events cannot be heard.
    pub unheard_since: Option<Timestamp>,
    /// The oldest operation that has met a problem and goes on trying.
    pub waiting_since: Option<Timestamp>,
    /// How much is left of the quota that is used most, in percent.
    pub quota_left: Option<u8>,
}

/// Why a keystore is not `ok`, the gravest first. `check_every`: how often keystores are checked by themselves; `None`: when somebody asks. One in the vault has no cloud that
/// could be asked for anything.
pub fn of_keystore(facts: &KeystoreFacts, is_in_vault: bool, check_every: Option<i64>, now: Timestamp) -> Vec<KeystoreReason> {
    let is_older = |at: Timestamp, micros: i64| now.as_micros().saturating_sub(at.as_micros()) > micros;
    let mut reasons = Vec::new();
    let mut because = |holds: bool, reason: KeystoreReason| reasons.extend(holds.then_some(reason));
    if !is_in_vault {
        match facts.check {
            None => because(true, KeystoreReason::Unchecked),
            Some((outcome, at)) => {
                outcome.reason().into_iter().for_each(|reason| because(true, reason));
                because(check_every.is_some_and(|every| is_older(at, every.saturating_mul(3))), KeystoreReason::CheckLate);
            }
        }
        because(facts.drifts_hostile > 0, KeystoreReason::DriftHostile);
        because(facts.drifts_open > 0, KeystoreReason::DriftOpen);
        let is_look_late = |(every, since): (i64, Timestamp)| is_older(facts.looked_at.map_or(since, |at| at.max(since)), every.saturating_mul(2));
        because(facts.look_wanted.is_some_and(is_look_late), KeystoreReason::LookLate);
        because(facts.unexplained_at.is_some_and(|at| !is_older(at, UNEXPLAINED_FOR)), KeystoreReason::DeedsUnexplained);
        because(facts.unheard_since.is_some_and(|at| is_older(at, EVENTS_PATIENCE)), KeystoreReason::EventsUnheard);
        because(facts.quota_left.is_some_and(|left| left < QUOTA_TIGHT), KeystoreReason::QuotaTight);
    }
    because(facts.waiting_since.is_some_and(|at| is_older(at, OPERATION_PATIENCE)), KeystoreReason::OperationWaits);
    reasons.sort();
    reasons
}

/// The worst of a keystore's reasons.
pub fn word_of_keystore(reasons: &[KeystoreReason]) -> Health {
    reasons.iter().map(|reason| reason.health()).min().unwrap_or(Health::Ok)
}

/// The worst of a key's reasons.
pub fn word_of_key(reasons: &[KeyReason]) -> Health {
    reasons.iter().map(|reason| reason.health()).min().unwrap_or(Health::Ok)
}

/// How much is left of a quota of which calls for `spent` microseconds went out in a minute, in percent.
pub fn percent_left(spent: i64) -> u8 {
    let percent = (60 * SECOND - spent).clamp(0, 60 * SECOND) * 100 / (60 * SECOND);
    u8::try_from(percent).unwrap_or(0)
}

impl KeystoreReason {
    /// How bad it is.
    pub const fn health(self) -> Health {
        match self {
            Self::Unreachable | Self::Credentials | Self::Denied | Self::DriftHostile => Health::Failing,
            Self::PermissionsMissing
            | Self::DriftOpen
            | Self::LookLate
            | Self::DeedsUnexplained
            | Self::EventsUnheard
            | Self::OperationWaits
            | Self::QuotaTight => Health::Degraded,
            Self::Unchecked | Self::CheckLate => Health::Unknown,
        }
    }
}

impl KeyReason {
    /// How bad it is.
    pub const fn health(self) -> Health {
        match self {
            Self::CloudKeyGone | Self::DriftHostile | Self::Expired | Self::NotUsable => Health::Failing,
            Self::DriftOpen | Self::EndNear | Self::OperationWaits => Health::Degraded,
            Self::KeystoreOutOfReach => Health::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const HOUR: i64 = 3600 * SECOND;

    fn ago(micros: i64) -> Timestamp {
        NOW.plus_micros(-micros)
    }

    fn well() -> KeystoreFacts {
        KeystoreFacts { check: Some((CheckOutcome::Permitted, ago(HOUR))), looked_at: Some(ago(HOUR)), quota_left: Some(100), ..KeystoreFacts::default() }
    }

    fn reasons(facts: KeystoreFacts) -> Vec<KeystoreReason> {
        of_keystore(&facts, false, Some(HOUR), NOW)
    }

    #[test]
    fn every_reason_is_read_back_and_has_words_and_a_mend() {
        for reason in KeystoreReason::ALL {
            assert_eq!(KeystoreReason::parse(reason.as_str()), Ok(*reason));
            assert!(reason.words().ends_with('.') && reason.mend("eu").ends_with('.') && reason.health() != Health::Ok, "{reason:?}");
        }
        for reason in KeyReason::ALL {
            assert_eq!(KeyReason::parse(reason.as_str()), Ok(*reason));
            assert!(reason.words().ends_with('.') && reason.mend("orders", "eu").ends_with('.') && reason.health() != Health::Ok, "{reason:?}");
        }
        for outcome in CheckOutcome::ALL {
            assert_eq!(CheckOutcome::parse(outcome.as_str()), Ok(*outcome));
        }
        assert_eq!(Health::parse("fine").expect_err("is none").field, "health");
    }

    /// The order of the reasons is the order in which they are told: what is graver comes first.
    #[test]
    fn reasons_are_ordered_by_how_bad_they_are() {
        assert!(KeystoreReason::ALL.is_sorted_by_key(|reason| reason.health()) && KeystoreReason::ALL.is_sorted());
        assert!(KeyReason::ALL.is_sorted_by_key(|reason| reason.health()) && KeyReason::ALL.is_sorted());
    }

    #[test]
    fn a_keystore_of_which_nothing_bad_is_known_is_ok() {
        assert_eq!((reasons(well()), word_of_keystore(&[])), (Vec::new(), Health::Ok));
        assert_eq!(of_keystore(&KeystoreFacts::default(), true, Some(HOUR), NOW), Vec::new(), "one in the vault has no cloud to check");
        assert_eq!(reasons(KeystoreFacts::default()), vec![KeystoreReason::Unchecked]);
    }

    #[test]
    fn each_outcome_of_a_check_is_one_reason_or_none() {
        for outcome in CheckOutcome::ALL {
            let found = reasons(KeystoreFacts { check: Some((*outcome, NOW)), ..well() });
            assert_eq!(found.is_empty(), *outcome == CheckOutcome::Permitted, "{outcome:?}: {found:?}");
            assert_eq!(outcome.keeps_keystead_out(), word_of_keystore(&found) == Health::Failing, "{outcome:?}");
        }
    }

    #[test]
    fn every_fact_alone_is_its_own_reason_and_all_together_are_the_worst() {
        let late = |every| Some((every, ago(100 * DAY)));
        let facts: Vec<(KeystoreFacts, KeystoreReason)> = vec![
            (KeystoreFacts { check: Some((CheckOutcome::Permitted, ago(3 * HOUR + 1))), ..well() }, KeystoreReason::CheckLate),
            (KeystoreFacts { drifts_hostile: 1, ..well() }, KeystoreReason::DriftHostile),
            (KeystoreFacts { drifts_open: 1, ..well() }, KeystoreReason::DriftOpen),
            (KeystoreFacts { looked_at: Some(ago(2 * HOUR + 1)), look_wanted: late(HOUR), ..well() }, KeystoreReason::LookLate),
            (KeystoreFacts { looked_at: None, look_wanted: late(HOUR), ..well() }, KeystoreReason::LookLate),
            (KeystoreFacts { unexplained_at: Some(ago(UNEXPLAINED_FOR)), ..well() }, KeystoreReason::DeedsUnexplained),
            (KeystoreFacts { unheard_since: Some(ago(EVENTS_PATIENCE + 1)), ..well() }, KeystoreReason::EventsUnheard),
            (KeystoreFacts { waiting_since: Some(ago(HOUR + 1)), ..well() }, KeystoreReason::OperationWaits),
            (KeystoreFacts { quota_left: Some(QUOTA_TIGHT - 1), ..well() }, KeystoreReason::QuotaTight),
        ];
        for (facts, reason) in facts {
            assert_eq!(reasons(facts), vec![reason]);
        }
        let bad = KeystoreFacts { check: Some((CheckOutcome::Missing, NOW)), drifts_hostile: 1, drifts_open: 2, ..well() };
        assert_eq!(reasons(bad), vec![KeystoreReason::DriftHostile, KeystoreReason::PermissionsMissing, KeystoreReason::DriftOpen]);
        assert_eq!(word_of_keystore(&reasons(bad)), Health::Failing);
    }

    #[test]
    fn what_is_just_in_time_is_no_reason() {
        let facts = KeystoreFacts {
            check: Some((CheckOutcome::Permitted, ago(3 * HOUR))),
            looked_at: Some(ago(2 * HOUR)),
            look_wanted: Some((HOUR, ago(DAY))),
            unexplained_at: Some(ago(UNEXPLAINED_FOR + 1)),
            unheard_since: Some(ago(EVENTS_PATIENCE)),
            waiting_since: Some(ago(HOUR)),
            quota_left: Some(QUOTA_TIGHT),
            ..KeystoreFacts::default()
        };
        assert_eq!(reasons(facts), Vec::new());
        let just_wanted = KeystoreFacts { looked_at: Some(ago(90 * DAY)), look_wanted: Some((HOUR, ago(HOUR))), ..well() };
        assert_eq!(reasons(just_wanted), Vec::new(), "a policy that was set a moment ago is not late");
        assert_eq!(
            of_keystore(&KeystoreFacts { check: Some((CheckOutcome::Permitted, ago(90 * DAY))), ..well() }, false, None, NOW),
            Vec::new(),
            "nobody wants checks"
        );
    }

    #[test]
    fn what_is_left_of_a_quota_is_a_percentage() {
        let left = [-1, 0, 30 * SECOND, 59 * SECOND, 60 * SECOND, i64::MAX / 200].map(percent_left);
        assert_eq!(left, [100, 100, 50, 1, 0, 0]);
    }
}
