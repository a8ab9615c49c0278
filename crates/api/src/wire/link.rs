//! Links between keys on the wire.

use keystead_store::links;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::rfc3339;

/// That a key is a copy of another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::link::example)]
pub(crate) struct Link {
    /// Id of the copy.
    pub key: String,
    /// Its name.
    name: String,
    /// Its state.
    state: &'static str,
    /// Name of its keystore, when it was copied there.
    keystore: String,
    /// Id of the key whose material it has.
    source_key: String,
    /// That key's name.
    source_name: String,
    /// That key's state.
    source_state: &'static str,
    /// Name of that key's keystore.
    source_keystore: String,
    /// Who copied: a user's id, or `system`.
    copied_by: String,
    /// Their name then.
    copied_by_name: String,
    /// When.
    #[schema(format = DateTime)]
    copied_at: String,
}

impl Link {
    /// A link of its row.
    pub fn of(link: links::Link) -> Self {
        let links::Link { row, copy: (name, state), source: (source_name, source_state), source_keystore } = link;
        Self {
            key: row.key_id.to_string(),
            name,
            state: state.as_str(),
            keystore: row.keystore,
            source_key: row.source_id.to_string(),
            source_name,
            source_state: source_state.as_str(),
            source_keystore,
            copied_by: row.copied_by,
            copied_by_name: row.copied_by_name,
            copied_at: rfc3339(row.copied_at),
        }
    }
}

/// A link as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "key": "key_01997c1f9a5b7d0e8f4a6b2c1d3e5f99", "name": "orders_copy1", "state": "ACTIVE", "keystore": "virginia",
        "source_key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "source_name": "orders", "source_state": "ACTIVE", "source_keystore": "frankfurt",
        "copied_by": "user_01997c1d11223344556677889900aabb", "copied_by_name": "ann", "copied_at": "2026-09-21T09:07:00.000000Z"
    })
}
