//! What to do after a step did not succeed: a pure decision.

use keystead_cloud::{Kind, Retry};
use keystead_domain::time::SECOND;
use keystead_vault::VaultError;

use super::call::StepError;

/// Where the operation stands when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Failed attempts of this step, this one included.
    pub attempts: u32,
    /// Since when the operation runs, in microseconds.
    pub age_micros: i64,
    /// Whether anything of it may already have happened in the cloud.
    pub touched: bool,
    /// Whether a step before, or this one, is a pivot: there is no way back.
    pub no_way_back: bool,
    /// Whether the key was made so recently that the cloud may not show it yet.
    pub key_is_new: bool,
    /// Whether steps are being taken back.
    pub undoing: bool,
    /// How long an untouched operation waits for a cloud that cannot be reached.
    pub patience_micros: i64,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The same step again, after this many microseconds.
    Again(i64),
    /// Take back what was done.
    TakeBack,
}

/// The longest pause while the weather is bad.
const PAUSE_MAX: i64 = 120 * SECOND;
/// The pause while a person has to mend something; `operation wake` shortens it.
const HOLD: i64 = 300 * SECOND;
/// The shortest pause of an operation that waits for others.
const UNFINISHED_MIN: i64 = 3 * SECOND;
/// How often a fresh wrapping key may help.
const FRESH_MAX: u32 = 3;
/// How often "not yet" is believed: with growing pauses about a minute.
const VISIBLE_MAX: u32 = 10;

/// Decides. Throttling never becomes a failure; a refusal is taken back as long as there is a way back, else it waits for a person.
pub fn decide(error: &StepError, at: Standing) -> Decision {
    let again = Decision::Again(pause(at.attempts));
    if let StepError::Unfinished(_) = error {
        // Long enough to let the lease go: it may be for another node to end what is waited for.
        return Decision::Again(pause(at.attempts).max(UNFINISHED_MIN));
    }
    match wish(error, at) {
        Wish::Again => again,
        Wish::AgainWithPatience if at.touched || at.undoing || at.no_way_back || at.age_micros < at.patience_micros => again,
        Wish::AgainAtMost(times) if at.attempts < times => again,
        _ if at.undoing || at.no_way_back => Decision::Again(HOLD),
        _ => Decision::TakeBack,
    }
}

enum Wish {
    Again,
    AgainWithPatience,
    AgainAtMost(u32),
    Never,
}

fn wish(error: &StepError, at: Standing) -> Wish {
    match error {
        StepError::Store(_) | StepError::StillUsable => Wish::Again,
        // A vault is opened, and a hardware module that is busy, silent or away comes back; meanwhile nothing is lost.
        StepError::Vault(error) if error.passes() => Wish::Again,
        // The row was read before a rotation put another in its place; each attempt reads it anew.
        StepError::Vault(VaultError::UnknownRoot { .. } | VaultError::OtherAccountKey { .. }) => Wish::AgainAtMost(FRESH_MAX),
        StepError::Vault(_) | StepError::Gone | StepError::NotYet(_) | StepError::Missing(_) => Wish::Never,
        StepError::NotImportable(_)
        | StepError::OtherMaterial
        | StepError::Stray(_)
        | StepError::AliasElsewhere { .. }
        | StepError::NotEnabled(_)
        | StepError::TooLate(_) => Wish::Never,
        StepError::NotVisible => Wish::AgainAtMost(VISIBLE_MAX),
        StepError::Died | StepError::Unfinished(_) => Wish::Never,
        StepError::Cloud(cloud) => match (cloud.retry, cloud.kind) {
            (_, Kind::Throttled) => Wish::Again,
            (Retry::Backoff, _) => Wish::AgainWithPatience,
            (Retry::UntilVisible, _) if at.key_is_new => Wish::AgainAtMost(VISIBLE_MAX),
            (Retry::UntilVisible, _) => Wish::AgainAtMost(2),
            (Retry::FreshWrappingKey, _) => Wish::AgainAtMost(FRESH_MAX),
            // A role or tag condition made a moment ago may not count yet; a second look costs little.
            (Retry::Never, Kind::AccessDenied) if at.key_is_new && at.touched => Wish::AgainAtMost(3),
            (Retry::Never, _) => Wish::Never,
        },
    }
}

/// 0.1 s, doubled each time, at most two minutes.
fn pause(attempts: u32) -> i64 {
    let doubled = (SECOND / 10).saturating_mul(1 << attempts.saturating_sub(1).min(20));
    doubled.min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use keystead_cloud::{CloudError, Fault};
    use keystead_vault::HsmError;

    use super::*;

    const UNTOUCHED: Standing =
        Standing { attempts: 1, age_micros: 0, touched: false, no_way_back: false, key_is_new: true, undoing: false, patience_micros: 30 * SECOND };

    fn cloud(kind: Kind, retry: Retry) -> StepError {
        StepError::Cloud(CloudError { kind, fault: Fault::Unknown, retry, call: "Call", code: "Code".into(), message: String::new(), request_id: None })
    }

    #[test]
    fn throttling_never_becomes_a_failure() {
        for attempts in [1, 10, 1000] {
            let at = Standing { attempts, age_micros: 999 * SECOND, ..UNTOUCHED };
            assert!(matches!(decide(&cloud(Kind::Throttled, Retry::Backoff), at), Decision::Again(pause) if pause <= PAUSE_MAX));
        }
    }

    #[test]
    fn a_hardware_module_that_is_away_is_waited_for_and_one_that_cannot_is_not() {
        let of = |error| StepError::Vault(VaultError::Module(error));
        let late = Standing { attempts: 1000, age_micros: 999 * SECOND, ..UNTOUCHED };
        for error in [HsmError::Busy { waiting: 9 }, HsmError::Silent { seconds: 60 }, HsmError::Away("DeviceRemoved".into())] {
            assert!(matches!(decide(&of(error), late), Decision::Again(pause) if pause <= PAUSE_MAX));
        }
        for error in [HsmError::Cannot { what: "cannot".into(), mend: "Choose.".into() }, HsmError::NoRoot, HsmError::PinLocked] {
            assert_eq!(decide(&of(error), UNTOUCHED), Decision::TakeBack);
        }
    }

    #[test]
    fn a_quota_that_is_a_limit_is_not_retried() {
        assert_eq!(decide(&cloud(Kind::LimitExceeded, Retry::Never), UNTOUCHED), Decision::TakeBack);
    }

    #[test]
    fn a_dead_cloud_fails_an_untouched_operation_and_only_that() {
        let error = cloud(Kind::Unreachable, Retry::Backoff);
        let late = Standing { age_micros: 31 * SECOND, ..UNTOUCHED };
        assert_eq!(decide(&error, late), Decision::TakeBack);
        assert!(matches!(decide(&error, UNTOUCHED), Decision::Again(_)));
        assert!(matches!(decide(&error, Standing { touched: true, ..late }), Decision::Again(_)));
        assert!(matches!(decide(&error, Standing { no_way_back: true, ..late }), Decision::Again(_)));
    }

    #[test]
    fn without_a_way_back_a_refusal_waits_for_a_person() {
        let error = cloud(Kind::AccessDenied, Retry::Never);
        assert_eq!(decide(&error, Standing { no_way_back: true, key_is_new: false, ..UNTOUCHED }), Decision::Again(HOLD));
        assert_eq!(decide(&error, Standing { undoing: true, key_is_new: false, ..UNTOUCHED }), Decision::Again(HOLD));
        assert_eq!(decide(&error, Standing { key_is_new: false, ..UNTOUCHED }), Decision::TakeBack);
    }

    #[test]
    fn not_found_is_believed_at_once_for_old_keys_only() {
        let error = cloud(Kind::NotFound, Retry::UntilVisible);
        assert!(matches!(decide(&error, Standing { attempts: 5, ..UNTOUCHED }), Decision::Again(_)));
        assert_eq!(decide(&error, Standing { attempts: 2, key_is_new: false, ..UNTOUCHED }), Decision::TakeBack);
    }

    #[test]
    fn a_sealed_vault_is_waited_for() {
        assert!(matches!(decide(&StepError::Vault(VaultError::Sealed), Standing { attempts: 99, ..UNTOUCHED }), Decision::Again(_)));
    }

    #[test]
    fn a_row_that_a_rotation_replaced_meanwhile_is_read_again_and_a_damaged_one_not_for_ever() {
        let error = StepError::Vault(VaultError::UnknownRoot { blob: keystead_vault::Blob::Material, generation: 1 });
        assert!(matches!(decide(&error, UNTOUCHED), Decision::Again(_)));
        assert_eq!(decide(&error, Standing { attempts: FRESH_MAX, ..UNTOUCHED }), Decision::TakeBack);
    }

    #[test]
    fn pauses_grow_to_two_minutes() {
        assert_eq!(pause(1), SECOND / 10);
        assert_eq!(pause(4), 8 * SECOND / 10);
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
