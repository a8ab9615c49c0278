//! Checks of keystores: what one came to, when somebody is told, and when the next one is.

use super::KeystoreReason;
use crate::{
    Invalid, Timestamp,
    drift::named,
    time::{DAY, SECOND},
};

/// What a check of a keystore came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckOutcome {
    /// Everything that is needed is permitted.
    Permitted,
    /// Permissions are missing.
    Missing,
    /// The role cannot be assumed, or lets nobody in.
    Denied,
    /// Keystead's own credentials are wrong or have ended, or its clock is wrong.
    Credentials,
    /// The cloud did not answer.
    Unreachable,
}

named!(CheckOutcome, "outcome", "Give permitted, missing, denied, credentials or unreachable.", {
    Permitted = "permitted",
    Missing = "missing",
    Denied = "denied",
    Credentials = "credentials",
    Unreachable = "unreachable",
});
/// How many checks in a row find the cloud out of reach before somebody is told: one may be the weather of a moment.
pub const TOLD_BEHIND: u32 = 2;

impl CheckOutcome {
    /// Whether the cloud answered at all.
    pub const fn is_reachable(self) -> bool {
        !matches!(self, Self::Unreachable)
    }

    /// Whether everything that is needed is permitted; `None` where nobody could look.
    pub const fn is_permitted(self) -> Option<bool> {
        match self {
            Self::Permitted => Some(true),
            Self::Missing | Self::Denied | Self::Credentials => Some(false),
            Self::Unreachable => None,
        }
    }

    /// Whether nothing in the keystore can be looked at, neither.
    pub const fn keeps_keystead_out(self) -> bool {
        matches!(self, Self::Denied | Self::Credentials | Self::Unreachable)
    }

    pub(super) const fn reason(self) -> Option<KeystoreReason> {
        match self {
            Self::Permitted => None,
            Self::Missing => Some(KeystoreReason::PermissionsMissing),
            Self::Denied => Some(KeystoreReason::Denied),
            Self::Credentials => Some(KeystoreReason::Credentials),
            Self::Unreachable => Some(KeystoreReason::Unreachable),
        }
    }
}

/// What somebody is to be told behind a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// Nothing, or nothing new.
    Nothing,
    /// That it is not well.
    Unhealthy,
    /// That it is well again.
    Recovered,
}

/// What is to be told when a check came to this, for the `failures`th time in a row that it did not find everything permitted; `is_told`: somebody was told, and of
/// nothing better since.
pub const fn tell(outcome: CheckOutcome, failures: u32, is_told: bool) -> Tell {
    match (outcome, is_told) {
        (CheckOutcome::Permitted, true) => Tell::Recovered,
        (CheckOutcome::Permitted, false) | (_, true) => Tell::Nothing,
        (CheckOutcome::Unreachable, false) if failures < TOLD_BEHIND => Tell::Nothing,
        (_, false) => Tell::Unhealthy,
    }
}

/// When a keystore is checked next: so long from now, give or take a tenth that hangs on its id, so that many keystores do not fall due together.
pub fn next_check(id: &str, every: i64, now: Timestamp) -> Timestamp {
    // FNV-1a: spread, not secret.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let every = every.clamp(SECOND, 30 * DAY);
    let share = i64::try_from(hash % 2_001).unwrap_or(0) - 1_000;
    now.plus_micros(every + every / 10 * share / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const HOUR: i64 = 3600 * SECOND;

    #[test]
    fn somebody_is_told_once_that_it_is_unwell_and_once_that_it_is_well_again() {
        use CheckOutcome::*;
        for outcome in CheckOutcome::ALL {
            for failures in 1..4 {
                let expected = match outcome {
                    Permitted => Tell::Nothing,
                    Unreachable if failures == 1 => Tell::Nothing,
                    _ => Tell::Unhealthy,
                };
                assert_eq!(tell(*outcome, failures, false), expected, "{outcome:?} {failures}");
                assert_eq!(tell(*outcome, failures, true), if *outcome == Permitted { Tell::Recovered } else { Tell::Nothing }, "{outcome:?} {failures}");
            }
        }
    }

    #[test]
    fn keystores_fall_due_at_different_times_within_a_tenth() {
        let due: Vec<i64> = (0..50).map(|n| next_check(&format!("keystore_{n}"), HOUR, NOW).as_micros() - NOW.as_micros()).collect();
        assert!(due.iter().all(|due| (HOUR - HOUR / 10..=HOUR + HOUR / 10).contains(due)), "{due:?}");
        let different: std::collections::BTreeSet<&i64> = due.iter().collect();
        assert!(different.len() > 40, "{due:?}");
    }
}
