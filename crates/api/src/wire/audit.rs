//! Entries of the audit log on the wire.

use keystead_app::Error;
use keystead_domain::Timestamp;
use keystead_store::audit::EntryRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::time::rfc3339;

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "index": 41, "at": "2026-09-21T09:01:00.000000Z",
    "entry": {
        "account": "acct_01997c1c000011112222333344445555", "action": "key.renew",
        "actor": { "id": "user_01997c1d11223344556677889900aabb", "kind": "user", "name": "ann" }, "at_micros": 1_789_981_260_000_000_u64,
        "cloud_request": null, "detail": { "from_state": "ACTIVE", "name": "orders" }, "id": "entry_01997c20441177008899aabbccddeeff",
        "operation": "op_01997c2044117a3e8b5c6d7e8f901234", "outcome": "allowed", "rule": "member-of-account",
        "subject": [{ "id": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "kind": "key", "name": "" }]
    }
}))]
pub(crate) struct AuditEntry {
    /// Position in the log, from 0.
    index: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The entry, byte for byte as the log's tree has hashed it (canonical JSON, RFC 8785).
    #[schema(value_type = Object)]
    entry: Box<RawValue>,
}

#[derive(Deserialize)]
struct Dated {
    at_micros: i64,
}

impl AuditEntry {
    /// An entry of its row.
    ///
    /// # Errors
    /// [`Error::Internal`] when the stored bytes are no entry: somebody changed them, and `keystead audit verify` says which.
    pub fn of(row: EntryRow) -> Result<Self, Error> {
        let damaged = |_| Error::Internal(format!("audit entry {} cannot be read", row.index));
        let dated: Dated = serde_json::from_str(&row.body).map_err(damaged)?;
        let entry = RawValue::from_string(row.body).map_err(damaged)?;
        Ok(Self { index: row.index, at: rfc3339(Timestamp::from_micros(dated.at_micros)), entry })
    }
}

/// The public half of the key that signs checkpoints.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "origin": "keystead.example.com/log", "vkey": "keystead.example.com/log+1a2b3c4d+AaFbl3w0b9Zr0Y4Qw0m7iP4yJ5cY1k9m3v7q2s8t6u0x" }))]
pub(crate) struct AuditKey {
    /// Name of the log.
    pub origin: String,
    /// Verifier key (C2SP signed-note). Keep it apart from the server: it is what an export is checked against.
    pub vkey: String,
}
