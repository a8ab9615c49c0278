//! In what a virtual key differs from what was known of it: names of attributes, for the audit log. Those of Keystead's own keys are judged in `drift.rs`.

use std::collections::BTreeSet;

use keystead_domain::{Aliases, KeyState, Timestamp, key::native};
use keystead_store::keys::{CloudFacts, KeyRow};

use super::{Seen, View};

/// In what the cloud differs from the row, as both tell it. `known` are the aliases that it is known to have.
pub(super) fn changes(row: &KeyRow, known: &Aliases, seen: &Seen) -> Vec<&'static str> {
    let observed = &seen.key.observed;
    let checks = [
        ("state", state_differs(row, seen)),
        ("material", observed.material_present.is_some_and(|there| there != row.material_present)),
        ("expires", row.expires_at.map(seconds) != observed.expires.map(seconds) && observed.material_present == Some(true)),
        ("deletion", row.deletion_at.map(seconds) != observed.deletion_at.map(seconds)),
        ("description", row.description != seen.key.description),
        ("tags", seen.tags.is_some() && row.tags != seen.peoples_tags()),
        ("aliases", !same_aliases(known, &seen.aliases)),
        ("region-role", row.ties.role != seen.key.family.role),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// Whether both are the same, in whatever order.
pub(super) fn same_aliases(a: &Aliases, b: &Aliases) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
}

/// The cloud counts in seconds or milliseconds.
fn seconds(time: Timestamp) -> i64 {
    time.as_micros() / keystead_domain::time::SECOND
}

fn state_differs(row: &KeyRow, seen: &Seen) -> bool {
    let observed = &seen.key.observed;
    observed.enabled != row.enabled || seen.key.counts_down != (row.state == KeyState::PendingDeletion)
}

/// What changed in a view since the one before.
pub(super) fn view_changes(before: &View, after: &View) -> Vec<&'static str> {
    let checks = [
        // What may not be read says nothing of a change.
        ("policy", after.policy.is_some() && before.policy != after.policy),
        ("grants", after.grants.is_some() && (before.grants, &before.grantees) != (after.grants, &after.grantees)),
        ("other-tags", before.other_tags != after.other_tags),
        ("replicas", (&before.primary, &before.replicas) != (&after.primary, &after.replicas)),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// What the cloud says of a native key, as its row keeps it.
pub(super) fn taken_over(row: Option<&KeyRow>, seen: &Seen) -> keystead_store::keys::Seen {
    let observed = &seen.key.observed;
    keystead_store::keys::Seen {
        state: native::state(row.map(|row| row.state), observed.enabled, seen.key.counts_down),
        description: seen.key.description.clone(),
        tags: match row {
            Some(row) if seen.tags.is_none() => row.tags.clone(),
            _ => seen.peoples_tags(),
        },
        role: seen.key.family.role,
        facts: CloudFacts {
            identity: None,
            raw_state: Some(observed.raw_state.clone()),
            enabled: Some(observed.enabled),
            material_present: observed.material_present,
            material_id: observed.material_id.clone(),
            deletion_at: Some(observed.deletion_at),
            expires_at: Some(observed.expires),
        },
    }
}
