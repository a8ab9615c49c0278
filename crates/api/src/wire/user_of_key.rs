//! Who used a key, as it passes over the wire.

use keystead_store::uses::UseRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::time::rfc3339;

/// Who used a key by some operation, or was refused. It is what the cloud's queue told, and as true as the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserOfKey {
    /// Who: a user, a role or a service, in the cloud's word.
    #[schema(example = "arn:aws:iam::111122223333:role/orders-app")]
    who: String,
    /// In which session of the role, the last time; null: in none.
    #[schema(required)]
    session: Option<String>,
    /// From where, the last time.
    #[schema(example = "203.0.113.7")]
    from: String,
    /// By which operation, in the cloud's word.
    #[schema(example = "Decrypt")]
    operation: String,
    /// Why the cloud refused it, in its word; null: it did not.
    #[schema(required, example = "DisabledException")]
    refusal: Option<String>,
    /// The first time that was heard of.
    #[schema(format = DateTime)]
    first_at: String,
    /// The last time that was heard of.
    #[schema(format = DateTime)]
    last_at: String,
    /// How often it was heard of. A queue may lose some and tell some twice.
    heard: i64,
}

impl UserOfKey {
    /// As it was heard.
    pub fn of(row: UseRow) -> Self {
        let told = |text: String| (!text.is_empty()).then_some(text);
        Self {
            who: row.who,
            session: told(row.session),
            from: row.origin,
            operation: row.operation,
            refusal: told(row.refusal),
            first_at: rfc3339(row.first_at),
            last_at: rfc3339(row.last_at),
            heard: row.heard,
        }
    }
}
