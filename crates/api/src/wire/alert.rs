//! Alerts and what is coming, on the wire.

use keystead_app::alerts::{ComingOfKey, Told};
use keystead_store::alerts::DeliveryRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::rfc3339;

/// Something that somebody was or is to be told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::alert::example)]
pub(crate) struct Alert {
    /// Id; webhooks carry it, too.
    id: String,
    /// key-expires, key-expired, key-rotates, rotation-missed, drift-found, rehearsal-overdue, rehearsal-ended, drill-failed, operation-failed, operation-recovered, keystore-unhealthy, keystore-recovered or test.
    kind: &'static str,
    /// Id of the key, keystore or user that it is about.
    subject: String,
    /// Texts by name: which key, until when, why, and what to do.
    #[schema(value_type = Object)]
    facts: Value,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// What became of it, by channel.
    deliveries: Vec<Delivery>,
}

/// What became of an alert on a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// The channel's name.
    channel: String,
    /// PENDING, DELIVERED or GIVEN_UP.
    state: String,
    /// How often it was sent, or tried to be.
    attempts: u32,
    /// Why the last attempt failed.
    #[schema(required)]
    last_error: Option<String>,
    /// When it was taken.
    #[schema(required, format = DateTime)]
    delivered_at: Option<String>,
}

impl Alert {
    /// An alert of its rows.
    pub fn of((row, deliveries): Told) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind.as_str(),
            subject: row.subject_id,
            facts: serde_json::from_str(&row.facts).unwrap_or_default(),
            created_at: rfc3339(row.created_at),
            deliveries: deliveries.into_iter().map(Delivery::of).collect(),
        }
    }
}

impl Delivery {
    fn of(row: DeliveryRow) -> Self {
        let DeliveryRow { channel, state, attempts, last_error, delivered_at } = row;
        Self { channel, state, attempts, last_error, delivered_at: delivered_at.map(rfc3339) }
    }
}

/// Something that will happen to a key by itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::alert::coming_example)]
pub(crate) struct Coming {
    /// When, at the earliest.
    #[schema(format = DateTime)]
    at: String,
    /// alert, extend, renew, rotate, retire, expire, delete or clean-up.
    what: &'static str,
    /// Id of the key.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// The rule behind it, as a sentence.
    why: &'static str,
}

impl Coming {
    /// One of the application's.
    pub fn of(coming: ComingOfKey) -> Self {
        let ComingOfKey { at, what, key, name, keystore } = coming;
        Self { at: rfc3339(at), what: what.as_str(), key: key.to_string(), name, keystore, why: what.why() }
    }
}

/// An alert as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "id": "alert_01997c2044117a3e8b5c6d7e8f901234", "kind": "key-expires", "subject": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70",
        "facts": { "key": "orders", "keystore": "payments-eu", "policy": "alert", "expires_at": "2026-12-20T09:00:00Z", "days_left": "30" },
        "created_at": "2026-11-20T09:00:20.000000Z",
        "deliveries": [{ "channel": "mail:ops@example.com", "state": "DELIVERED", "attempts": 1, "last_error": null, "delivered_at": "2026-11-20T09:05:21.000000Z" }]
    })
}

/// Something coming, as the manual shows it.
pub(crate) fn coming_example() -> Value {
    serde_json::json!({
        "at": "2026-12-13T09:00:00.000000Z", "what": "renew", "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "name": "orders", "keystore": "payments-eu",
        "why": "The policy renews the key before the end of its material."
    })
}
