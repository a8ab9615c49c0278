//! Who made a difference: the cloud's events that can have made it, and when it was made.

use crate::{
    drift::Attribute,
    time::{SECOND, Timestamp},
};

/// By how much the cloud's clock and ours may differ, and a note here come later than the call that it is about.
pub const SLACK: i64 = 120 * SECOND;

/// The events of AWS KMS that can make something be as it is now (AWS KMS Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail"). Those of a set are sought
/// together, and a later set only where of the one before nothing was heard: who scheduled a deletion matters more than that the cloud carried it out.
pub fn events_of(attribute: Attribute, live: &str) -> &'static [&'static [&'static str]] {
    match attribute {
        Attribute::Vanished => &[&["ScheduleKeyDeletion"], &["DeleteKey"]],
        Attribute::Deletion if live == "none" => &[&["CancelKeyDeletion"]],
        Attribute::Deletion => &[&["ScheduleKeyDeletion"]],
        Attribute::MaterialId => &[&["RotateKeyOnDemand", "RotateKey", "ImportKeyMaterial"]],
        Attribute::Material if live == "absent" => &[&["DeleteImportedKeyMaterial", "DeleteExpiredKeyMaterial"]],
        Attribute::Material => &[&["ImportKeyMaterial"]],
        Attribute::State if live == "enabled" => &[&["EnableKey"]],
        // Whoever stops a countdown leaves the key disabled.
        Attribute::State => &[&["DisableKey", "CancelKeyDeletion"]],
        Attribute::Policy | Attribute::Hidden => &[&["PutKeyPolicy"]],
        Attribute::Grants => &[&["CreateGrant", "RevokeGrant", "RetireGrant"]],
        Attribute::AliasMoved => &[&["UpdateAlias", "CreateAlias"]],
        Attribute::AliasMissing => &[&["DeleteAlias"]],
        Attribute::AliasAdded => &[&["CreateAlias", "UpdateAlias"]],
        Attribute::Expires => &[&["ImportKeyMaterial"]],
        Attribute::RegionRole => &[&["UpdatePrimaryRegion"]],
        Attribute::Replicas => &[&["ReplicateKey", "DeleteKey"]],
        Attribute::OwnTags | Attribute::Tags => &[&["TagResource", "UntagResource"]],
        Attribute::Description => &[&["UpdateKeyDescription"]],
        Attribute::Unmanaged => &[&["CreateKey", "TagResource", "ReplicateKey"]],
    }
}

/// Whether the attribute is of one alias, and its events are of that one.
pub const fn is_of_alias(attribute: Attribute) -> bool {
    matches!(attribute, Attribute::AliasMoved | Attribute::AliasMissing | Attribute::AliasAdded)
}

/// Between which times the event lies that made a difference: behind the last look that did not show it, and before the first that did. A key goes long behind the
/// order that it shall.
pub fn made_between(attribute: Attribute, unseen_at: Timestamp, found_at: Timestamp) -> (Timestamp, Timestamp) {
    let since = if attribute == Attribute::Vanished { Timestamp::from_micros(0) } else { unseen_at.plus_micros(-SLACK) };
    (since, found_at.plus_micros(SLACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_can_be_made_to_differ_by_some_event_cm_018() {
        for attribute in Attribute::ALL {
            for live in ["none", "absent", "present", "enabled", "disabled", ""] {
                let sets = events_of(*attribute, live);
                assert!(!sets.is_empty() && sets.iter().all(|set| !set.is_empty()), "{} {live}", attribute.as_str());
            }
        }
    }

    #[test]
    fn an_event_leads_to_what_is_and_not_away_from_it() {
        assert!(!events_of(Attribute::State, "disabled")[0].contains(&"EnableKey"));
        assert_eq!(events_of(Attribute::State, "enabled"), [["EnableKey"]]);
        assert_eq!(events_of(Attribute::Deletion, "none"), [["CancelKeyDeletion"]]);
        assert_eq!(events_of(Attribute::Material, "absent")[0].len(), 2);
    }

    #[test]
    fn what_was_before_the_last_good_look_made_nothing() {
        let at = Timestamp::from_secs;
        assert_eq!(made_between(Attribute::State, at(1_000), at(2_000)), (at(880), at(2_120)));
        assert_eq!(made_between(Attribute::Vanished, at(1_000), at(2_000)), (at(0), at(2_120)));
    }
}
