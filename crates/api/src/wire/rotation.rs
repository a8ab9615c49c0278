//! Rotation policies on the wire.

use keystead_app::keys::rotation::{Rotation as Known, named};
use keystead_domain::rotation::Strategy;
use keystead_store::rotations::PolicyRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::time::{rfc3339, span};

/// A policy: how often keys get a successor, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = crate::wire::rotation::example)]
pub(crate) struct RotationPolicy {
    /// What it is for: `key:NAME`, `keystore:NAME` or `default`.
    pub target: String,
    /// `new-key`, `in-place`, or `none`: rotation is off.
    pub strategy: &'static str,
    /// So long behind the last rotation.
    #[schema(required)]
    pub every: Option<String>,
    /// By a calendar.
    #[schema(required)]
    pub cron: Option<String>,
    /// The time zone of calendar and window.
    #[schema(required)]
    pub zone: Option<String>,
    /// Not before.
    #[schema(required, format = DateTime)]
    pub start: Option<String>,
    /// Begin only inside.
    #[schema(required)]
    pub window: Option<String>,
    /// How long before it is told.
    #[schema(required)]
    pub notice: Option<String>,
    /// How long behind a rotation the predecessor is deactivated; `keep`: it stays enabled. Null where rotation is off.
    #[schema(required)]
    pub grace: Option<String>,
    /// When set.
    #[schema(format = DateTime)]
    pub set_at: String,
    /// By whom.
    pub set_by: String,
}

/// How something is rotated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "target": "key:orders", "policy": crate::wire::rotation::example(), "next_rotation": "2026-12-26T01:00:00.000000Z", "last_rotation": null, "next_strategy": "new-key", "in_place_left": 25, "warnings": [] }))]
pub(crate) struct Rotation {
    /// What was asked about.
    pub target: String,
    /// The policy that counts: its own, or the nearest. Null: there is none.
    #[schema(required)]
    pub policy: Option<RotationPolicy>,
    /// When it is rotated next; of a key in use.
    #[schema(required, format = DateTime)]
    pub next_rotation: Option<String>,
    /// When it was last rotated; of a key.
    #[schema(required, format = DateTime)]
    pub last_rotation: Option<String>,
    /// How the next rotation is done: as the policy says, where the cloud can; of a key.
    #[schema(required)]
    pub next_strategy: Option<&'static str>,
    /// How often the key can still be rotated in place; of a key.
    #[schema(required)]
    pub in_place_left: Option<u32>,
    /// What a rotation will not do for the key's users.
    pub warnings: Vec<&'static str>,
}

impl RotationPolicy {
    /// A policy of its row.
    pub fn of(row: PolicyRow) -> Self {
        let wish = row.wish;
        Self {
            target: named(&row.scope, &row.name),
            strategy: if wish.off { "none" } else { wish.strategy.as_str() },
            every: wish.every.map(span),
            cron: wish.cron,
            zone: wish.zone,
            start: wish.start.map(rfc3339),
            window: wish.window,
            notice: wish.notice.map(span),
            grace: (!wish.off).then(|| wish.grace.map_or("keep".to_owned(), span)),
            set_at: rfc3339(row.set_at),
            set_by: row.set_by,
        }
    }
}

impl Rotation {
    /// The same on the wire.
    pub fn of(known: Known) -> Self {
        Self {
            target: known.target,
            policy: known.policy.map(RotationPolicy::of),
            next_rotation: known.next.map(rfc3339),
            last_rotation: known.last.map(rfc3339),
            next_strategy: known.strategy.map(Strategy::as_str),
            in_place_left: known.in_place_left,
            warnings: known.warnings,
        }
    }
}

/// A policy as the manual shows it.
pub(crate) fn example() -> Value {
    serde_json::json!({
        "target": "keystore:frankfurt", "strategy": "new-key", "every": "90d", "cron": null, "zone": "Europe/Berlin", "start": null,
        "window": "sat,sun@02:00-04:00", "notice": "7d", "grace": "30d", "set_at": "2026-09-21T09:00:00.000000Z",
        "set_by": "user_01997c1d11223344556677889900aabb"
    })
}
