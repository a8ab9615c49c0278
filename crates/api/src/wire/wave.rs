//! Waves on the wire: the rotation of copies behind their source's.

use keystead_store::waves;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::rfc3339;

/// The rotation of a copy behind its source's.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::wave::example)]
pub(crate) struct Wave {
    /// Id of the copy that gets a successor.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// Its wave, counted from 1: the first is one copy alone.
    wave: u32,
    /// PENDING, BEGUN, DONE, FAILED or STOPPED.
    state: &'static str,
    /// Id of the source's successor, whose material it gets.
    source_key: String,
    /// The operation that makes the copy's successor.
    #[schema(required)]
    operation: Option<String>,
    /// Who asked: a user's id, or `system`.
    asked_by: String,
    /// When.
    #[schema(format = DateTime)]
    asked_at: String,
}

impl Wave {
    /// A wave of its row.
    pub fn of(wave: waves::Wave) -> Self {
        let waves::Wave { row, copy_name, keystore, .. } = wave;
        Self {
            key: row.copy_id.to_string(),
            name: copy_name,
            keystore,
            wave: row.wave,
            state: row.state.as_str(),
            source_key: row.successor_id.to_string(),
            operation: row.operation_id.map(|id| id.to_string()),
            asked_by: row.asked_by,
            asked_at: rfc3339(row.created_at),
        }
    }
}

/// A wave as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "key": "key_01997c1f9a5b7d0e8f4a6b2c1d3e5f99", "name": "orders_copy1", "keystore": "virginia", "wave": 1, "state": "DONE",
        "source_key": "key_01997c2044117a3e8b5c6d7e8f901234", "operation": "op_01997c2044117a3e8b5c6d7e8f901299",
        "asked_by": "user_01997c1d11223344556677889900aabb", "asked_at": "2026-09-21T09:10:00.000000Z"
    })
}
