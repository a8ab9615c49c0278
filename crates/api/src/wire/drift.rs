//! Drift on the wire.

use keystead_app::{drift::Shown, keystores::events};
use keystead_domain::Timestamp;
use keystead_operations::sync::Cause;
use keystead_store::{
    drifts::DriftPolicyRow,
    events::{EventRow, QueueRow},
    keystores::KeystoreRow,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::time::{rfc3339, span};

/// A difference between what is wanted of a key and what is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::drift::example)]
pub(crate) struct Drift {
    /// Id.
    id: String,
    /// Id of the key; null: a cloud key with Keystead's tags that no key here stands for.
    #[schema(required)]
    key: Option<String>,
    /// Name of the key.
    #[schema(required)]
    name: Option<String>,
    /// Name of the keystore.
    keystore: String,
    /// The cloud's full name of the key.
    cloud_key: String,
    /// What differs: vanished, deletion, material-id, material, state, policy, grants, alias-moved, alias-missing, alias-added, expires, region-role, replicas,
    /// own-tags, tags, description or unmanaged.
    attribute: &'static str,
    /// Which one of several, for example the alias; else empty.
    item: String,
    /// hostile, needs-person, repairable or benign.
    class: &'static str,
    /// What is wanted.
    wanted: String,
    /// What the look before saw; null: there was none.
    #[schema(required)]
    last_seen: Option<String>,
    /// What the last look saw.
    live: String,
    /// OPEN, REPAIRED, ACCEPTED or GONE.
    state: &'static str,
    /// The cloud's event that made it, where one was heard: hearsay of the keystore's queue.
    #[schema(required)]
    cause: Option<DriftCause>,
    /// What a repair does, in order. Empty: Keystead cannot put it right, or it has ended.
    repair: Vec<String>,
    /// What a person does where Keystead cannot put it right.
    #[schema(required)]
    instead_of_repairing: Option<String>,
    /// What a person does who wants it as it is, where it cannot be accepted.
    #[schema(required)]
    instead_of_accepting: Option<String>,
    /// When it was first seen.
    #[schema(format = DateTime)]
    found_at: String,
    /// When it was last seen.
    #[schema(format = DateTime)]
    seen_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// Who ended it: a user's id, or `system`.
    #[schema(required)]
    ended_by: Option<String>,
}

impl Drift {
    /// One of the application's.
    pub fn of(shown: Shown) -> Self {
        let Shown { drift, repair, instead_of_repairing, instead_of_accepting } = shown;
        let row = drift.row;
        Self {
            id: row.id.to_string(),
            key: row.key_id.map(|key| key.to_string()),
            name: drift.key_name,
            keystore: drift.keystore_name,
            cloud_key: row.cloud_key,
            attribute: row.attribute.as_str(),
            item: row.item,
            class: row.class.as_str(),
            wanted: row.wanted,
            last_seen: row.last_seen,
            live: row.live,
            state: row.state.as_str(),
            cause: row.cause.as_deref().and_then(Cause::read).map(DriftCause::of),
            repair,
            instead_of_repairing,
            instead_of_accepting,
            found_at: rfc3339(row.found_at),
            seen_at: rfc3339(row.seen_at),
            ended_at: row.ended_at.map(rfc3339),
            ended_by: row.ended_by,
        }
    }
}

/// An event of the cloud that made a difference.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DriftCause {
    /// What was done, in the cloud's word, for example DisableKey.
    event: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// By whom, as the cloud names them.
    who: String,
    /// From which address or service.
    from: String,
    /// The cloud's id of the event.
    event_id: String,
    /// The cloud's id of the call; empty for what the cloud did by itself.
    request: String,
    /// Whether it was done in a session of Keystead's own, and by no operation of it: its credentials may be in other hands.
    is_own: bool,
}

impl DriftCause {
    fn of(cause: Cause) -> Self {
        let Cause { event, at, who, from, event_id, request, is_own } = cause;
        Self { event, at: rfc3339(at.into()), who, from, event_id, request, is_own }
    }
}

/// The queue that tells what is done to the keys of a keystore.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "keystore": "payments-eu", "queue": "arn:aws:sqs:eu-central-1:111122223333:keystead-events", "heard_at": "2026-11-30T09:00:00.000000Z", "problem": null, "failing_since": null, "set_at": "2026-11-30T09:00:00.000000Z", "set_by": "user_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "unexplained": [] }))]
pub(crate) struct EventQueue {
    /// The keystore's name.
    keystore: String,
    /// The cloud's full name of the queue; null: nobody has set one.
    #[schema(required)]
    queue: Option<String>,
    /// When it was last heard; null: not yet.
    #[schema(required, format = DateTime)]
    heard_at: Option<String>,
    /// Why it could not be heard last.
    #[schema(required)]
    problem: Option<String>,
    /// Since when it cannot be heard.
    #[schema(required, format = DateTime)]
    failing_since: Option<String>,
    /// When it was set.
    #[schema(required, format = DateTime)]
    set_at: Option<String>,
    /// By whom.
    #[schema(required)]
    set_by: Option<String>,
    /// What was done in Keystead's own name and no operation explains, the newest first, 20 at most: none is what should be here. Its credentials may be in other hands.
    unexplained: Vec<Deed>,
}

/// Something that was done to a key in the cloud, as the queue told it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deed {
    /// What was done, in the cloud's word.
    #[schema(example = "DisableKey")]
    event: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// By whom, in the cloud's word.
    who: String,
    /// From where.
    from: String,
    /// The cloud's id of the call.
    request: String,
    /// The cloud's short id of the key.
    cloud_key: String,
}

impl Deed {
    fn of(row: EventRow) -> Self {
        Self { event: row.name, at: rfc3339(row.happened_at), who: row.who, from: row.origin, request: row.request, cloud_key: row.cloud_key_id }
    }
}

impl EventQueue {
    /// Of a keystore, its row, and what was heard.
    pub fn of(events::EventQueue { keystore, queue, unexplained }: events::EventQueue) -> Self {
        let of = |time: fn(&QueueRow) -> Option<Timestamp>| queue.as_ref().and_then(time).map(rfc3339);
        Self {
            keystore: keystore.name,
            heard_at: of(|queue| queue.heard_at),
            failing_since: of(|queue| queue.failing_since),
            set_at: of(|queue| Some(queue.set_at)),
            problem: queue.as_ref().and_then(|queue| queue.problem.clone()),
            set_by: queue.as_ref().map(|queue| queue.set_by.clone()),
            queue: queue.map(|queue| queue.queue),
            unexplained: unexplained.into_iter().map(Deed::of).collect(),
        }
    }
}

/// How a keystore is looked through.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "keystore": "payments-eu", "every": "6h", "auto_repair": "safe", "set_at": "2026-11-30T09:00:00.000000Z", "set_by": "user_01997c1f2a5b7d0e8f4a6b2c1d3e5f70" }))]
pub(crate) struct DriftPolicy {
    /// The keystore's name.
    keystore: String,
    /// How often; null: when somebody asks.
    #[schema(required)]
    every: Option<String>,
    /// What is mended without a person: none or safe.
    auto_repair: &'static str,
    /// When it was set; null: nobody has.
    #[schema(required, format = DateTime)]
    set_at: Option<String>,
    /// By whom.
    #[schema(required)]
    set_by: Option<String>,
}

impl DriftPolicy {
    /// Of a keystore and its row.
    pub fn of((keystore, policy): (KeystoreRow, Option<DriftPolicyRow>)) -> Self {
        Self {
            keystore: keystore.name,
            every: policy.as_ref().and_then(|policy| policy.every).map(span),
            auto_repair: policy.as_ref().map_or("none", |policy| policy.auto_repair.as_str()),
            set_at: policy.as_ref().map(|policy| rfc3339(policy.set_at)),
            set_by: policy.map(|policy| policy.set_by),
        }
    }
}

/// A difference as the manual shows it.
pub(crate) fn example() -> Value {
    json!({
        "id": "drift_01997c2044117a3e8b5c6d7e8f901234", "key": "key_01997c1f2a5b7d0e8f4a6b2c1d3e5f70", "name": "orders", "keystore": "payments-eu",
        "cloud_key": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "attribute": "alias-moved", "item": "orders",
        "class": "hostile", "wanted": "points here", "last_seen": "points here", "live": "0987dcba-09fe-87dc-65ba-ab0987654321", "state": "OPEN",
        "cause": {
            "event": "UpdateAlias", "at": "2026-11-30T08:59:12.000000Z", "who": "arn:aws:iam::111122223333:user/mallory", "from": "203.0.113.7",
            "event_id": "3f0b1a56-5d0c-4c4e-9a55-1c2d3e4f5a6b", "request": "8d1f6f3c-8a52-4d2b-9f0e-6b7a8c9d0e1f", "is_own": false
        },
        "repair": ["move the alias orders back from the key 0987dcba-09fe-87dc-65ba-ab0987654321"], "instead_of_repairing": null,
        "instead_of_accepting": "If another key shall have the alias, take it from this one: `keystead key update orders --remove-alias …`.",
        "found_at": "2026-11-30T09:00:00.000000Z", "seen_at": "2026-11-30T15:00:00.000000Z", "ended_at": null, "ended_by": null
    })
}
