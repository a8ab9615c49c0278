//! Ceremonies on the wire.

use keystead_app::ceremonies;
use keystead_store::ceremonies::ComponentRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::rfc3339;

/// A key that comes in components, each entered by another person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::ceremony::example)]
pub(crate) struct Ceremony {
    /// Id.
    pub id: String,
    /// Name of the key that is to be.
    name: String,
    /// Name of its keystore, when the ceremony began.
    keystore: String,
    /// Its kind.
    spec: &'static str,
    /// How many components it comes in.
    components: u32,
    /// Who entered which; what was entered is never shown.
    entered: Vec<Component>,
    /// WAITING, MAKING (its operation runs), MADE, CANCELLED or EXPIRED. Behind the last three the components are wiped.
    state: &'static str,
    /// Who began it: a user's id.
    begun_by: String,
    /// Their name then.
    begun_by_name: String,
    /// When.
    #[schema(format = DateTime)]
    begun_at: String,
    /// When what waits is wiped.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The operation that makes the key, or did, or failed.
    #[schema(required)]
    operation: Option<String>,
    /// Id of the key.
    #[schema(required)]
    key: Option<String>,
    /// When it ended.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
}

/// Who entered a component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Component {
    /// Which, from 1, in the order of entering.
    number: u32,
    /// A user's id.
    entered_by: String,
    /// Their name then.
    entered_by_name: String,
    /// When.
    #[schema(format = DateTime)]
    entered_at: String,
}

impl Component {
    fn of(row: ComponentRow) -> Self {
        Self { number: row.number, entered_by: row.entered_by, entered_by_name: row.entered_by_name, entered_at: rfc3339(row.entered_at) }
    }
}

impl Ceremony {
    /// A ceremony as the use-case tells it.
    pub fn of(ceremony: ceremonies::Ceremony) -> Self {
        let ceremonies::Ceremony { row, entered } = ceremony;
        Self {
            id: row.id.to_string(),
            name: row.name,
            keystore: row.keystore_name,
            spec: row.spec.as_str(),
            components: row.components,
            entered: entered.into_iter().map(Component::of).collect(),
            state: row.state.as_str(),
            begun_by: row.begun_by,
            begun_by_name: row.begun_by_name,
            begun_at: rfc3339(row.begun_at),
            expires_at: rfc3339(row.expires_at),
            operation: row.operation_id.map(|id| id.to_string()),
            key: row.key_id.map(|id| id.to_string()),
            ended_at: row.ended_at.map(rfc3339),
        }
    }
}

/// A ceremony as the manual shows it.
pub(crate) fn example() -> Value {
    let ann = "user_01997c1d11223344556677889900aabb";
    serde_json::json!({
        "id": "ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1", "name": "card-root", "keystore": "frankfurt", "spec": "AES_256", "components": 3,
        "entered": [{ "number": 1, "entered_by": ann, "entered_by_name": "ann", "entered_at": "2026-09-21T09:07:00.000000Z" }],
        "state": "WAITING", "begun_by": ann, "begun_by_name": "ann", "begun_at": "2026-09-21T09:05:00.000000Z", "expires_at": "2026-09-24T09:05:00.000000Z",
        "operation": null, "key": null, "ended_at": null
    })
}
