//! Drills of the kill switch on the wire.

use keystead_app::keystores::drill;
use serde::Serialize;
use utoipa::ToSchema;

use super::time::{rfc3339, span};

/// How a keystore's kill switch is drilled.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DrillPolicy {
    /// Name of the keystore.
    keystore: String,
    /// How often; null: not at all.
    #[schema(required)]
    every: Option<String>,
    /// How long its cloud may take to refuse a killed canary; null: it is not drilled.
    #[schema(required)]
    within: Option<String>,
    /// When the next drill begins.
    #[schema(required, format = DateTime)]
    next_at: Option<String>,
    /// Id of who set it.
    #[schema(required)]
    set_by: Option<String>,
    /// The names of the keys that a drill kills: in use, with the tag `keystead-canary`, which they had when the drill was set.
    canaries: Vec<String>,
    /// The names of those that have the tag and are not confirmed: a drill leaves them alone until it is set anew.
    unconfirmed: Vec<String>,
    /// When the kill switch was last shown to work.
    #[schema(required, format = DateTime)]
    last_success: Option<String>,
}

impl DrillPolicy {
    /// As it is set.
    pub fn of(known: drill::KeystoreDrill) -> Self {
        let drill::KeystoreDrill { keystore, policy, canaries, unconfirmed, last_success } = known;
        Self {
            keystore: keystore.name,
            every: policy.as_ref().map(|policy| span(policy.every)),
            within: policy.as_ref().map(|policy| span(policy.within)),
            next_at: policy.as_ref().map(|policy| rfc3339(policy.next_at)),
            set_by: policy.map(|policy| policy.set_by),
            canaries,
            unconfirmed,
            last_success: last_success.map(rfc3339),
        }
    }
}

/// A drill on one canary.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Drill {
    /// Id.
    id: String,
    /// The canary's id; null where none could be killed.
    #[schema(required)]
    key: Option<String>,
    /// Its name.
    #[schema(required)]
    name: Option<String>,
    /// KILLING, RESTORING; SUCCEEDED: it was refused in time, and is in use again. SLOW: it was refused too late. FAILED: `why` says it.
    state: &'static str,
    /// The kill.
    #[schema(required)]
    kill: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    begun_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// Microseconds from the begin of the kill until the last of its clouds refused the canary; null while that is not known.
    #[schema(required)]
    dark_micros: Option<i64>,
    /// How many they may be.
    within_micros: i64,
    /// Why it did not go as it should.
    #[schema(required)]
    why: Option<String>,
}

impl Drill {
    /// As it stands.
    pub fn of(known: drill::Drill) -> Self {
        let drill::Drill { row, key_name } = known;
        Self {
            id: row.id.to_string(),
            key: row.key_id.map(|key| key.to_string()),
            name: key_name,
            state: row.state.as_str(),
            kill: row.kill_id.map(|kill| kill.to_string()),
            begun_at: rfc3339(row.begun_at),
            ended_at: row.ended_at.map(rfc3339),
            dark_micros: row.dark,
            within_micros: row.within,
            why: row.why,
        }
    }
}
