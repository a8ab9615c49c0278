//! Operations on the wire.

use keystead_app::{keystores::restore::Restoring, operations::progress};
use keystead_operations::sync::Stranger;
use keystead_store::{journal::JournalRow, operations::OperationRow, syncs::SyncRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{kill::KilledKey, restore::Restore, time::rfc3339};
use crate::problem::type_of;

/// A durable change in several steps.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::operation::example)]
pub(crate) struct Operation {
    /// Id.
    pub id: String,
    /// What it does: `renew-key`.
    pub kind: String,
    /// RUNNING, SUCCEEDED or FAILED. What failed was taken back.
    pub state: String,
    /// Id of the key that it is about: for a renewal the predecessor.
    #[schema(required)]
    pub key: Option<String>,
    /// Id of the keystore.
    pub keystore: String,
    /// How many steps are done.
    pub step: usize,
    /// How many there are.
    pub steps: usize,
    /// The step in hand; `done` behind the last.
    pub step_name: &'static str,
    /// How often the step in hand has failed.
    pub attempts: u32,
    /// Why it waits or failed.
    #[schema(required)]
    pub problem: Option<OperationProblem>,
    /// Who asked: a user's id, or `system`.
    pub created_by: String,
    /// When.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
    /// What a sync has found so far; of a sync only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// How far a restore is; of a restore only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
    /// What was taken out of use, and what showed it; of a kill only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kill: Option<Vec<KilledKey>>,
    /// What it was about to do and what came of it; only where one operation is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<Vec<JournalLine>>,
}

/// What a sync has found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sync {
    /// Keys of the account.
    found: i64,
    /// Of those, the ones that became virtual keys.
    new: i64,
    /// Virtual keys that are otherwise than before.
    changed: i64,
    /// Virtual keys that the cloud no longer has, and keys of Keystead's own.
    vanished: i64,
    /// Keystead's own keys.
    own: i64,
    /// Of those, the ones that differ from what Keystead knows; `differences` of each says in what.
    different: i64,
    /// Keystead's keys that belong to another keystore, or are being made.
    elsewhere: i64,
    /// Keys of a kind that Keystead does not know, or that it may not look at: they get no virtual key.
    unknown: i64,
    /// The first of them.
    unknown_keys: Vec<UnknownKey>,
    /// The cloud's own keys, which are left out.
    left_out: i64,
}

/// A key that gets no virtual key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnknownKey {
    /// Full name, or the id where the name may not be read.
    arn: String,
    /// Why.
    why: String,
}

impl Sync {
    fn of(row: SyncRow) -> Self {
        let named: Vec<Stranger> = serde_json::from_str(&row.strangers).unwrap_or_default();
        let counts = row.counts;
        Self {
            found: counts.found(),
            new: counts.fresh,
            changed: counts.changed,
            vanished: counts.vanished,
            own: counts.own,
            different: counts.different,
            elsewhere: counts.elsewhere,
            unknown: counts.unknown,
            unknown_keys: named.into_iter().map(|stranger| UnknownKey { arn: stranger.arn, why: stranger.why }).collect(),
            left_out: counts.left_out,
        }
    }
}

/// Why an operation waits or failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationProblem {
    /// What kind of problem: a URL whose last segment is stable.
    #[serde(rename = "type")]
    kind: String,
    /// What happened, as a sentence.
    detail: String,
    /// What to do, as a sentence.
    mend: String,
    /// The cloud's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_code: Option<String>,
    /// The cloud's id of its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    cloud_request: Option<String>,
}

/// A line of an operation's journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalLine {
    /// Counts from 1.
    seq: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Position of the step, from 0.
    step: u32,
    /// Name of the step.
    name: String,
    /// about, done, failed, unknown, refused or undone.
    phase: String,
    /// What came of it. Never material.
    #[schema(value_type = Object)]
    record: Value,
}

impl Operation {
    /// An operation of its row.
    pub fn of(row: OperationRow) -> Self {
        let (step, steps, step_name) = progress(&row);
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            state: row.state,
            key: row.key_id.map(|id| id.to_string()),
            keystore: row.keystore_id.to_string(),
            step,
            steps,
            step_name,
            attempts: row.attempts,
            problem: row.problem.as_deref().and_then(keystead_operations::Problem::from_json).map(OperationProblem::of),
            created_by: row.created_by,
            created_at: rfc3339(row.created_at),
            finished_at: row.finished_at.map(rfc3339),
            sync: None,
            restore: None,
            kill: None,
            journal: None,
        }
    }

    /// The same with what a sync has found.
    #[must_use]
    pub fn with_sync(self, row: Option<SyncRow>) -> Self {
        Self { sync: row.map(Sync::of), ..self }
    }

    /// The same with how far a restore is.
    #[must_use]
    pub fn with_restore(self, restoring: Option<Restoring>) -> Self {
        Self { restore: restoring.map(Restore::of), ..self }
    }

    /// The same with what a kill took out of use.
    #[must_use]
    pub fn with_kill(self, killed: Option<Vec<keystead_app::keys::kill::Killed>>) -> Self {
        Self { kill: killed.map(|keys| keys.into_iter().map(KilledKey::of).collect()), ..self }
    }

    /// The same with its journal.
    #[must_use]
    pub fn with_journal(self, lines: Vec<JournalRow>) -> Self {
        Self { journal: Some(lines.into_iter().map(JournalLine::of).collect()), ..self }
    }
}

impl OperationProblem {
    fn of(problem: keystead_operations::Problem) -> Self {
        let keystead_operations::Problem { kind, detail, mend, cloud_code, cloud_request } = problem;
        Self { kind: type_of(&kind), detail, mend, cloud_code, cloud_request }
    }
}

impl JournalLine {
    fn of(row: JournalRow) -> Self {
        let record = serde_json::from_str(&row.record).unwrap_or_default();
        Self { seq: row.seq, at: rfc3339(row.at), step: row.step, name: row.name, phase: row.phase, record }
    }
}

/// An operation as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "id": "op_01997c2044117a3e8b5c6d7e8f901234", "kind": "renew-key", "state": "SUCCEEDED", "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70",
        "keystore": "keystore_01997c1e00aa7b1c9d2e3f4a5b6c7d8e", "step": 4, "steps": 4, "step_name": "done", "attempts": 0, "problem": null,
        "created_by": "user_01997c1d11223344556677889900aabb", "created_at": "2026-09-21T09:01:00.000000Z", "finished_at": "2026-09-21T09:01:01.100000Z"
    })
}
