//! Health on the wire: the word, and every reason why it is not `ok`, with what mends it.

use keystead_app::health::{KeyHealth as Key, KeystoreHealth as Keystore};
use keystead_store::{keys::KeyRow, keystores::KeystoreRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::time::rfc3339;

/// Why something is not `ok`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthReason {
    /// Stable, in the manual: `unreachable`, `drift-hostile`.
    reason: &'static str,
    /// How bad it is: failing, degraded or unknown.
    status: &'static str,
    /// What it means, as a sentence.
    detail: &'static str,
    /// What to do, as a sentence.
    mend: String,
}

/// The health of a keystore.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeystoreHealth {
    /// The worst of its reasons: failing, degraded, unknown or ok.
    status: &'static str,
    /// Why, the gravest first.
    reasons: Vec<HealthReason>,
    /// Whether its cloud answered at the last check; null: nobody has asked.
    #[schema(required)]
    reachable: Option<bool>,
    /// Whether everything that Keystead needs is permitted; null: it could not be told.
    #[schema(required)]
    permitted: Option<bool>,
    /// The permissions that are missing.
    missing: Vec<String>,
    /// What kept the last check from an answer, or what it misses.
    #[schema(required)]
    why: Option<String>,
    /// When it was last checked.
    #[schema(required, format = DateTime)]
    checked_at: Option<String>,
    /// Since when checks have come to the same.
    #[schema(required, format = DateTime)]
    since: Option<String>,
    /// Whether its keys are as they are wanted: no difference is open that is not benign; null: it was never looked through.
    #[schema(required)]
    in_step: Option<bool>,
    /// How many such differences are open.
    open_drifts: u32,
    /// When it was last looked through.
    #[schema(required, format = DateTime)]
    looked_at: Option<String>,
    /// The first end of a key's material that nobody moves; null: none is in sight.
    #[schema(required, format = DateTime)]
    protected_until: Option<String>,
    /// How much is left of the quota that is used most, in percent of the last minute; null: nothing was called.
    #[schema(required)]
    quota_left_percent: Option<u8>,
    /// Which call's quota that is.
    #[schema(required)]
    quota_call: Option<String>,
    /// Since when the oldest operation is open that something keeps from getting on.
    #[schema(required, format = DateTime)]
    waiting_since: Option<String>,
}

/// The health of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeyHealth {
    /// The worst of its reasons: failing, degraded, unknown or ok.
    status: &'static str,
    /// Why, the gravest first.
    reasons: Vec<HealthReason>,
    /// Whether the cloud's key is as it is wanted: no difference is open that is not benign; null: no sync has seen it.
    #[schema(required)]
    in_step: Option<bool>,
    /// When a sync last saw it.
    #[schema(required, format = DateTime)]
    seen_at: Option<String>,
    /// The end of its material, if nobody moves it; null: none is in sight.
    #[schema(required, format = DateTime)]
    protected_until: Option<String>,
    /// The operation that holds it.
    #[schema(required)]
    operation: Option<String>,
}

impl KeystoreHealth {
    /// The health of this keystore.
    pub fn of(row: &KeystoreRow, health: Keystore) -> Self {
        let (facts, check) = (health.known.facts, health.known.check);
        let open_drifts = facts.drifts_hostile.saturating_add(facts.drifts_open);
        let reason = |reason: keystead_domain::health::KeystoreReason| HealthReason {
            reason: reason.as_str(),
            status: reason.health().as_str(),
            detail: reason.words(),
            mend: reason.mend(&row.name),
        };
        Self {
            status: health.word.as_str(),
            reasons: health.reasons.iter().copied().map(reason).collect(),
            reachable: health.is_reachable,
            permitted: health.is_permitted,
            missing: check.as_ref().map(|check| check.missing.clone()).unwrap_or_default(),
            why: check.as_ref().map(|check| check.why.clone()).filter(|why| !why.is_empty()),
            checked_at: check.as_ref().map(|check| rfc3339(check.checked_at)),
            since: check.map(|check| rfc3339(check.since)),
            in_step: if open_drifts > 0 { Some(false) } else { facts.looked_at.map(|_| true) },
            open_drifts,
            looked_at: facts.looked_at.map(rfc3339),
            protected_until: health.known.first_end.map(rfc3339),
            quota_left_percent: facts.quota_left,
            quota_call: health.known.quota_call,
            waiting_since: facts.waiting_since.map(rfc3339),
        }
    }
}

impl KeyHealth {
    /// The health of this key.
    pub fn of(row: &KeyRow, health: Key) -> Self {
        let name = if row.is_current { row.name.as_str() } else { row.id.as_str() };
        let reason = |reason: keystead_domain::health::KeyReason| HealthReason {
            reason: reason.as_str(),
            status: reason.health().as_str(),
            detail: reason.words(),
            mend: reason.mend(name, &row.keystore_name),
        };
        Self {
            status: health.word.as_str(),
            reasons: health.known.reasons.iter().copied().map(reason).collect(),
            in_step: health.is_in_step,
            seen_at: health.known.seen_at.map(rfc3339),
            protected_until: health.protected_until.map(rfc3339),
            operation: health.known.operation.map(|id| id.to_string()),
        }
    }
}
