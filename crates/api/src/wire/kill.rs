//! Kills on the wire: what was taken out of use, and what showed it.

use keystead_app::keys::kill;
use keystead_operations::dark::Dark;
use keystead_store::operations::OperationRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::rfc3339;

/// A key that a kill took out of use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KilledKey {
    /// Id.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// Its cloud's Region; empty in the vault.
    region: String,
    /// The state that it had before: a restore gives it back.
    from_state: String,
    /// Whether its material was removed from its cloud. False where it could not come back: such a key is disabled only.
    emptied: bool,
    /// What shows that it is out of use; null while nobody has tried, and for a key that is in no cloud.
    #[schema(required)]
    dark: Option<TimeToDark>,
}

/// What shows that a key is out of use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimeToDark {
    /// `refused`: a call of its use was refused. `shown`: the cloud shows that it is out of use, and Keystead may not try. `untold`: the cloud could not be asked.
    proof: String,
    /// From the begin of the kill to the proof, in microseconds: it was dark by then.
    #[schema(required)]
    micros: Option<i64>,
    /// What answered: a call and its code, or the state that the cloud shows.
    by: String,
}

/// A kill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::kill::example)]
pub(crate) struct Kill {
    /// Id of the operation.
    operation: String,
    /// RUNNING, SUCCEEDED or FAILED.
    state: String,
    /// When it was asked for.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    /// Who asked: a user's id.
    created_by: String,
    /// What it took out of use, the key that was named last.
    keys: Vec<KilledKey>,
}

impl Kill {
    /// A kill of its rows.
    pub fn of((operation, killed): (OperationRow, Vec<kill::Killed>)) -> Self {
        Self {
            operation: operation.id.to_string(),
            state: operation.state,
            created_at: rfc3339(operation.created_at),
            finished_at: operation.finished_at.map(rfc3339),
            created_by: operation.created_by,
            keys: killed.into_iter().map(KilledKey::of).collect(),
        }
    }
}

impl KilledKey {
    /// A key of its row and its proof.
    pub fn of(killed: kill::Killed) -> Self {
        let kill::Killed { key, from, material_stays, dark } = killed;
        let emptied = !material_stays && !key.is_in_vault();
        Self {
            key: key.id.to_string(),
            name: key.name,
            keystore: key.keystore_name,
            region: key.region,
            from_state: from,
            emptied,
            dark: dark.map(|Dark { proof, micros, by }| TimeToDark { proof, micros, by }),
        }
    }
}

/// A kill as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "operation": "op_01997c2044117a3e8b5c6d7e8f901234", "state": "SUCCEEDED", "created_at": "2026-09-21T09:01:00.000000Z",
        "finished_at": "2026-09-21T09:01:01.100000Z", "created_by": "user_01997c1d11223344556677889900aabb",
        "keys": [{
            "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "name": "orders", "keystore": "payments-eu", "region": "eu-west-1", "from_state": "ACTIVE",
            "emptied": true, "dark": { "proof": "refused", "micros": 412_000, "by": "Encrypt: DisabledException" }
        }]
    })
}
