//! Who depends on many keys together, on the wire.

use keystead_app::keys::dependants;
use serde::Serialize;
use utoipa::ToSchema;

/// How many principals are named.
const NAMED_MAX: usize = 50;

/// Who depends on the keys that would be taken out of use, as the last syncs saw it; no cloud is asked. What is not counted may depend on them all the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dependants {
    /// How many keys were looked at: all, or the first 1,000.
    looked_at: u64,
    /// How many of them no sync has seen: nothing but their own aliases is known.
    never_seen: u64,
    /// How many aliases point at them.
    aliases: u64,
    /// How many grants there are, as far as they are known.
    grants: u64,
    /// How many principals their policies allow something, as far as they are known.
    principals: usize,
    /// The first 50 of them.
    first_principals: Vec<String>,
}

impl Dependants {
    /// As it is known.
    pub fn of(known: dependants::Dependants) -> Self {
        let dependants::Dependants { looked_at, never_seen, aliases, grants, principals } = known;
        Self { looked_at, never_seen, aliases, grants, principals: principals.len(), first_principals: principals.into_iter().take(NAMED_MAX).collect() }
    }
}
