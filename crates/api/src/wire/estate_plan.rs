//! Plans of estates on the wire, and applies.

use keystead_app::estate;
use keystead_domain::{
    batch::ItemState,
    estate::{Change, Danger},
};
use keystead_store::estates::AppliedChange;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    batch::Counts,
    plan::{PriceSource, Why, seconds},
    time::rfc3339,
};

/// What would be done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::estate_plan::example)]
pub(crate) struct EstatePlan {
    /// SHA-256 over all changes and the state that they are for. An apply gives it, and does this plan or none.
    digest: String,
    /// The exact changes, in order.
    changes: Vec<PlannedChange>,
    /// How many keystores, keys and replicas of the estate are as they shall be.
    unchanged: usize,
    /// How many changes are dangerous to somebody.
    dangerous: usize,
    /// How long all of it takes under the quotas, in seconds.
    takes_seconds: u64,
    /// What the clouds would charge more for keys, or less, in US cents a month, as far as somebody says.
    cost_cents_month: i64,
    /// Where the prices come from; null where nobody says.
    #[schema(required)]
    prices: Option<PriceSource>,
    /// The keys that change, as the plan saw them: an apply that gives them is told which of them has moved.
    seen: Vec<SeenKey>,
}

/// One change: what one command does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedChange {
    /// Its place, from 1.
    position: usize,
    /// Which value of the estate asks for it, for example `keys[3]`.
    path: String,
    /// What is done, for example `create-key`.
    action: &'static str,
    /// `key`, `keystore` or `default`: what it is about.
    subject: &'static str,
    /// The name of that; empty of the default.
    name: String,
    /// The keystore's name; null where there is none.
    #[schema(required)]
    keystore: Option<String>,
    /// Id of the key, where there is one already.
    #[schema(required)]
    key: Option<String>,
    /// What becomes different.
    fields: Vec<ChangedField>,
    /// What may go wrong for somebody.
    dangers: Vec<ToldDanger>,
    /// The places of the changes that go before it.
    waits_for: Vec<usize>,
}

/// A field as it is and as it will be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedField {
    /// Which.
    field: &'static str,
    /// As it is; null: not there.
    #[schema(required)]
    from: Option<String>,
    /// As it will be; null: not there.
    #[schema(required)]
    to: Option<String>,
}

/// What may go wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToldDanger {
    /// A stable word, for example `deletes`.
    kind: &'static str,
    /// As a sentence.
    detail: String,
}

/// A key as a plan saw it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeenKey {
    /// Its id.
    key: String,
    /// Its name.
    name: String,
    /// Counts its changes.
    revision: i64,
}

impl EstatePlan {
    /// A plan.
    pub fn of(plan: estate::EstatePlan) -> Self {
        Self {
            dangerous: plan.changes.iter().filter(|change| !change.dangers.is_empty()).count(),
            changes: plan.changes.into_iter().enumerate().map(|(at, change)| PlannedChange::of(at + 1, change)).collect(),
            unchanged: plan.unchanged,
            takes_seconds: seconds(plan.micros),
            cost_cents_month: plan.cents_month,
            prices: plan.prices.map(PriceSource::of),
            seen: plan.seen.into_iter().map(|seen| SeenKey { key: seen.key.to_string(), name: seen.name, revision: seen.revision }).collect(),
            digest: plan.digest,
        }
    }
}

impl PlannedChange {
    fn of(position: usize, change: Change) -> Self {
        Self {
            position,
            action: change.action.as_str(),
            subject: change.subject.kind(),
            name: change.subject.name().to_owned(),
            keystore: change.subject.keystore().map(str::to_owned),
            key: change.key.map(|key| key.to_string()),
            fields: change.fields.into_iter().map(|field| ChangedField { field: field.field, from: field.from, to: field.to }).collect(),
            dangers: change.dangers.into_iter().map(ToldDanger::of).collect(),
            waits_for: change.waits_for.into_iter().map(|before| before + 1).collect(),
            path: change.path,
        }
    }
}

impl ToldDanger {
    fn of(danger: Danger) -> Self {
        Self { kind: danger.as_str(), detail: danger.told().into_owned() }
    }
}

/// A plan that is being done, or was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::estate_plan::example_apply)]
pub(crate) struct Apply {
    /// Id.
    pub id: String,
    /// Of the plan.
    digest: String,
    /// RUNNING, STOPPED or DONE. One that is stopped has ended when the operations that ran have.
    state: &'static str,
    /// How many changes it has.
    changes: u64,
    /// How many of them stand where.
    counts: Counts,
    /// Who began it: a user's id.
    created_by: String,
    /// Their name then.
    created_by_name: String,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its last change had its outcome; null while it has not.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
}

impl Apply {
    /// An apply of its row.
    pub fn of(apply: estate::Apply) -> Self {
        let row = apply.row;
        Self {
            id: row.id.to_string(),
            digest: row.digest,
            state: row.state.as_str(),
            changes: apply.counts.values().sum(),
            counts: Counts::of(&apply.counts),
            created_by: row.created_by,
            created_by_name: row.created_by_name,
            created_at: rfc3339(row.created_at),
            finished_at: row.finished_at.map(rfc3339),
        }
    }
}

/// A change of an apply.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::estate_plan::example_change)]
pub(crate) struct DoneChange {
    /// Its place, from 1.
    position: u32,
    /// Which value of the estate asked for it.
    path: String,
    /// What is done.
    action: String,
    /// `key`, `keystore` or `default`: what it is about.
    subject: String,
    /// The name of that; empty of the default.
    name: String,
    /// The keystore's name; null where there is none.
    #[schema(required)]
    keystore: Option<String>,
    /// WAITING, RUNNING, DONE, SKIPPED or FAILED.
    state: &'static str,
    /// Its operation.
    #[schema(required)]
    operation: Option<String>,
    /// Why it waits, was skipped or failed.
    #[schema(required)]
    problem: Option<Why>,
}

impl DoneChange {
    /// A change of its row. Of an operation that waits, it says why.
    pub fn of(change: AppliedChange) -> Self {
        let AppliedChange { row, operation_problem, .. } = change;
        let waits = operation_problem.filter(|_| row.state == ItemState::Running);
        Self {
            position: row.position,
            path: row.path,
            action: row.action,
            subject: row.subject,
            name: row.name,
            keystore: Some(row.keystore).filter(|name| !name.is_empty()),
            state: row.state.as_str(),
            operation: row.operation_id.map(|id| id.to_string()),
            problem: row.problem.or(waits).as_deref().and_then(Why::read),
        }
    }
}

/// The digest of the examples.
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A plan as the manual shows it.
pub(crate) fn example() -> Value {
    json!({
        "digest": DIGEST,
        "changes": [{
            "position": 1, "path": "keys[0]", "action": "update-key", "subject": "key", "name": "orders", "keystore": "frankfurt", "key": "key_01997c1f9a5b7d0e8f4a6b2c1d3e5f60",
            "fields": [{ "field": "aliases", "from": "orders, old-orders", "to": "orders" }],
            "dangers": [{ "kind": "removes-alias", "detail": "Who uses a removed alias does not reach the key any more." }], "waits_for": []
        }],
        "unchanged": 11, "dangerous": 1, "takes_seconds": 1, "cost_cents_month": 0, "prices": null,
        "seen": [{ "key": "key_01997c1f9a5b7d0e8f4a6b2c1d3e5f60", "name": "orders", "revision": 4 }]
    })
}

/// An apply as the manual shows it.
pub(crate) fn example_apply() -> Value {
    json!({
        "id": "apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1", "digest": DIGEST, "state": "RUNNING", "changes": 3,
        "counts": { "waiting": 1, "running": 1, "done": 1, "skipped": 0, "failed": 0 },
        "created_by": "user_01997c1d11223344556677889900aabb", "created_by_name": "ann", "created_at": "2026-09-21T09:10:00.000000Z", "finished_at": null
    })
}

/// A change as the manual shows it.
pub(crate) fn example_change() -> Value {
    json!({
        "position": 1, "path": "keys[0]", "action": "create-key", "subject": "key", "name": "orders", "keystore": "frankfurt", "state": "RUNNING",
        "operation": "op_01997c1f9a5b7d0e8f4a6b2c1d3e5f70", "problem": null
    })
}
