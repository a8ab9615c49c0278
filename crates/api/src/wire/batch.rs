//! Batches on the wire.

use std::collections::BTreeMap;

use keystead_app::{Error, batches};
use keystead_domain::{Timestamp, batch::ItemState};
use keystead_store::batches::Item;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{plan::Why, time::rfc3339};

/// An action on many keys.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::batch::example)]
pub(crate) struct Batch {
    /// Id.
    pub id: String,
    /// What is done to each key.
    action: &'static str,
    /// How the keys were chosen, as it was asked for.
    #[schema(value_type = Object)]
    selector: Value,
    /// RUNNING, STOPPED or DONE. One that is stopped has ended when the operations that ran have.
    state: &'static str,
    /// How many keys it is about.
    keys: u64,
    /// How many of them stand where.
    counts: Counts,
    /// Who began it: a user's id.
    created_by: String,
    /// Their name then.
    created_by_name: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its last key had its outcome; null while it has not.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
}

/// How many keys of a batch, or changes of an apply, stand where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Counts {
    /// Their operation is not begun.
    waiting: u64,
    /// Their operation runs.
    running: u64,
    /// Their operation has succeeded.
    done: u64,
    /// Nothing was begun: it was already so, or the batch was stopped.
    skipped: u64,
    /// They were refused, or their operation failed.
    failed: u64,
}

impl Counts {
    /// Counts by state; states without any are left out of them.
    pub fn of(counts: &BTreeMap<ItemState, u64>) -> Self {
        let count = |state| counts.get(&state).copied().unwrap_or(0);
        Self {
            waiting: count(ItemState::Waiting),
            running: count(ItemState::Running),
            done: count(ItemState::Done),
            skipped: count(ItemState::Skipped),
            failed: count(ItemState::Failed),
        }
    }
}

impl Batch {
    /// A batch of its row.
    ///
    /// # Errors
    /// [`Error::Internal`] for a row that somebody changed.
    pub fn of(batch: batches::Batch) -> Result<Self, Error> {
        let counts = Counts::of(&batch.counts);
        let row = batch.row;
        Ok(Self {
            id: row.id.to_string(),
            action: batches::BatchAction::from_json(&row.action)?.as_str(),
            selector: selector(&row.selector),
            state: row.state.as_str(),
            keys: batch.counts.values().sum(),
            counts,
            created_by: row.created_by,
            created_by_name: row.created_by_name,
            created_at: rfc3339(row.created_at),
            finished_at: row.finished_at.map(rfc3339),
        })
    }
}

/// The selector as it is kept, with its times as texts.
fn selector(text: &str) -> Value {
    let mut selector: Value = serde_json::from_str(text).unwrap_or_default();
    for field in ["created_before", "created_after"] {
        if let Some(micros) = selector[field].as_i64() {
            selector[field] = rfc3339(Timestamp::from_micros(micros)).into();
        }
    }
    selector
}

/// A key of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::batch::example_item)]
pub(crate) struct BatchItem {
    /// Its place, from 1.
    position: u32,
    /// Id of the key.
    key: String,
    /// Its name.
    name: String,
    /// Name of its keystore.
    keystore: String,
    /// WAITING, RUNNING, DONE, SKIPPED or FAILED.
    state: &'static str,
    /// Its operation.
    #[schema(required)]
    operation: Option<String>,
    /// Why it waits, was skipped or failed.
    #[schema(required)]
    problem: Option<Why>,
}

impl BatchItem {
    /// An item of its row. Of an operation that waits, it says why.
    pub fn of(item: Item) -> Self {
        let Item { row, key, keystore, operation_problem, .. } = item;
        let waits = operation_problem.filter(|_| row.state == ItemState::Running);
        Self {
            position: row.position,
            key: row.key_id.to_string(),
            name: key,
            keystore,
            state: row.state.as_str(),
            operation: row.operation_id.map(|id| id.to_string()),
            problem: row.problem.or(waits).as_deref().and_then(Why::read),
        }
    }
}

/// A batch as the manual shows it.
pub(crate) fn example() -> Value {
    json!({
        "id": "batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1", "action": "deactivate", "selector": { "tags": ["env=test"] }, "state": "RUNNING", "keys": 12,
        "counts": { "waiting": 4, "running": 3, "done": 3, "skipped": 1, "failed": 1 },
        "created_by": "user_01997c1d11223344556677889900aabb", "created_by_name": "ann", "created_at": "2026-09-21T09:10:00.000000Z", "finished_at": null
    })
}

/// A key of a batch as the manual shows it.
pub(crate) fn example_item() -> Value {
    json!({
        "position": 1, "key": "key_01997c1f9a5b7d0e8f4a6b2c1d3e5f60", "name": "orders", "keystore": "frankfurt", "state": "SKIPPED", "operation": null,
        "problem": { "type": "https://keystead.dev/problems/already-so", "detail": "orders is INACTIVE already.", "mend": "Nothing is needed." }
    })
}
