//! Users on the wire.

use keystead_identity::Token;
use keystead_store::users::UserRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::time::rfc3339;
use crate::secret::ShownOnce;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "user_01997c1d11223344556677889900aabb", "name": "ann", "state": "ACTIVE", "created_at": "2026-09-21T08:50:00.000000Z"
}))]
pub(crate) struct User {
    /// Id.
    id: String,
    /// Name.
    name: String,
    /// ACTIVE or DISABLED.
    state: String,
    /// When made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A person who has just been made, with the token that is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "user_01997c1d11223344556677889900aabb", "name": "ben", "state": "ACTIVE", "created_at": "2026-09-21T08:51:00.000000Z",
    "token": "kst_3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"
}))]
pub(crate) struct NewUser {
    #[serde(flatten)]
    user: User,
    /// The bearer token. Only its hash is kept: if it is lost, another one must be made.
    #[schema(value_type = String, read_only)]
    token: ShownOnce,
}

/// A fresh token, shown this once.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "token": "kst_3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs" }))]
pub(crate) struct NewToken {
    /// The bearer token; the one before is useless from now on.
    #[schema(value_type = String, read_only)]
    token: ShownOnce,
}

impl User {
    /// A user of their row.
    pub fn of(row: UserRow) -> Self {
        Self { id: row.id.to_string(), name: row.name, state: row.state, created_at: rfc3339(row.created_at) }
    }
}

impl NewUser {
    /// A user with their first token.
    pub fn of(row: UserRow, token: Token) -> Self {
        Self { user: User::of(row), token: ShownOnce::Token(token) }
    }
}

impl NewToken {
    /// A token for the road.
    pub fn of(token: Token) -> Self {
        Self { token: ShownOnce::Token(token) }
    }
}
