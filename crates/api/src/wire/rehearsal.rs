//! Rehearsed deletions on the wire.

use keystead_app::keys::rehearsal;
use serde::Serialize;
use utoipa::ToSchema;

use super::{time::rfc3339, usage::LastUse};

/// A rehearsed deletion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rehearsal {
    /// Id.
    id: String,
    /// The key.
    key: String,
    /// RUNNING: the key is disabled. ENDING: it is being enabled. WATCHING: it is enabled, and who uses it is looked for. ENDED. OVERTAKEN: somebody took the key out of use
    /// meanwhile, and it stays so. FAILED: it was never disabled.
    state: &'static str,
    /// Name of who began it.
    begun_by: String,
    /// When.
    #[schema(format = DateTime)]
    begun_at: String,
    /// When the key is enabled again.
    #[schema(format = DateTime)]
    ends_at: String,
    /// When nothing more happened.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// How often enabling the key has failed.
    tries: u32,
    /// When the key was last used, asked before it was disabled.
    used_before: LastUse,
    /// The same, asked a quarter of an hour after it was enabled again.
    #[schema(required)]
    used_after: Option<LastUse>,
}

impl Rehearsal {
    /// As it stands.
    pub fn of(known: rehearsal::Rehearsal) -> Self {
        let rehearsal::Rehearsal { row, used_before, used_after } = known;
        Self {
            id: row.id.to_string(),
            key: row.key_id.to_string(),
            state: row.state.as_str(),
            begun_by: row.begun_by_name,
            begun_at: rfc3339(row.begun_at),
            ends_at: rfc3339(row.ends_at),
            ended_at: row.ended_at.map(rfc3339),
            tries: row.tries,
            used_before: LastUse::of(used_before),
            used_after: used_after.map(LastUse::of),
        }
    }
}
