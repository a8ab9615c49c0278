//! Who made a difference: the cloud's events that can have made it, and which of those that were heard did.

use crate::{
    drift::Attribute,
    time::{SECOND, Timestamp},
};

/// By how much the cloud's clock and ours may differ, and a note here come later than the call that it is about.
const SLACK: i64 = 120 * SECOND;

/// An event that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard<'a> {
    /// What was done, in the cloud's word.
    pub name: &'a str,
    /// To which alias; empty where it was none.
    pub alias: &'a str,
    /// When.
    pub at: Timestamp,
    /// Whether it was done in a session of Keystead's own.
    pub is_own: bool,
}

/// A difference whose cause is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought<'a> {
    /// What differs.
    pub attribute: Attribute,
    /// Which one of several.
    pub item: &'a str,
    /// When it was first seen.
    pub found_at: Timestamp,
    /// When Keystead changed the key last.
    pub changed_at: Timestamp,
}

/// The events of AWS KMS that can make something differ (AWS KMS Developer Guide, "Logging AWS KMS API calls with AWS CloudTrail").
pub const fn events_of(attribute: Attribute) -> &'static [&'static str] {
    match attribute {
        Attribute::Vanished => &["DeleteKey", "ScheduleKeyDeletion"],
        Attribute::Deletion => &["ScheduleKeyDeletion", "CancelKeyDeletion"],
        Attribute::MaterialId => &["RotateKeyOnDemand", "RotateKey", "ImportKeyMaterial"],
        Attribute::Material => &["DeleteImportedKeyMaterial", "DeleteExpiredKeyMaterial", "ImportKeyMaterial"],
        Attribute::State => &["DisableKey", "EnableKey", "CancelKeyDeletion"],
        Attribute::Policy | Attribute::Hidden => &["PutKeyPolicy"],
        Attribute::Grants => &["CreateGrant", "RevokeGrant", "RetireGrant"],
        Attribute::AliasMoved => &["UpdateAlias", "CreateAlias", "DeleteAlias"],
        Attribute::AliasMissing => &["DeleteAlias"],
        Attribute::AliasAdded => &["CreateAlias", "UpdateAlias"],
        Attribute::Expires => &["ImportKeyMaterial"],
        Attribute::RegionRole => &["UpdatePrimaryRegion"],
        Attribute::Replicas => &["ReplicateKey", "DeleteKey"],
        Attribute::OwnTags | Attribute::Tags => &["TagResource", "UntagResource"],
        Attribute::Description => &["UpdateKeyDescription"],
        Attribute::Unmanaged => &["CreateKey", "TagResource", "ReplicateKey"],
    }
}

/// Whether an event of Keystead's own session is explained by what Keystead last did to the key. One that is not is told: its credentials may be in other hands.
pub fn is_explained(heard: &Heard<'_>, changed_at: Timestamp) -> bool {
    heard.is_own && heard.at <= changed_at.plus_micros(SLACK)
}

/// The event that made a difference, of those that were heard, the newest first. Only the newest that can have made it counts: what was before it is undone. Where that
/// one is Keystead's own, the event that matters was not heard yet.
pub fn cause_of<'a>(sought: &Sought<'_>, heard: impl IntoIterator<Item = Heard<'a>>) -> Option<Heard<'a>> {
    let is_alias = matches!(sought.attribute, Attribute::AliasMoved | Attribute::AliasMissing | Attribute::AliasAdded);
    let fits = |event: &Heard<'_>| {
        events_of(sought.attribute).contains(&event.name) && event.at <= sought.found_at.plus_micros(SLACK) && (!is_alias || event.alias == sought.item)
    };
    heard.into_iter().find(fits).filter(|event| !is_explained(event, sought.changed_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_secs(minutes * 60)
    }

    fn heard(name: &str, minutes: i64) -> Heard<'_> {
        Heard { name, alias: "", at: at(minutes), is_own: false }
    }

    fn sought(attribute: Attribute) -> Sought<'static> {
        Sought { attribute, item: "", found_at: at(100), changed_at: at(50) }
    }

    #[test]
    fn every_attribute_can_be_made_to_differ_by_some_event_cm_018() {
        for attribute in Attribute::ALL {
            assert!(!events_of(attribute).is_empty(), "{}", attribute.as_str());
            for name in events_of(attribute) {
                assert!(cause_of(&Sought { item: "a", ..sought(attribute) }, [Heard { alias: "a", ..heard(name, 90) }]).is_some(), "{name}");
            }
            assert_eq!(cause_of(&sought(attribute), [heard("Decrypt", 90)]), None);
        }
    }

    #[test]
    fn the_newest_event_that_can_have_made_it_did() {
        let state = sought(Attribute::State);
        let events = [heard("TagResource", 95), heard("DisableKey", 90), heard("EnableKey", 80)];
        assert_eq!(cause_of(&state, events), Some(heard("DisableKey", 90)));
        assert_eq!(
            cause_of(&state, [heard("DisableKey", 110), heard("EnableKey", 80)]),
            Some(heard("EnableKey", 80)),
            "what came behind the look did not make it"
        );
    }

    #[test]
    fn what_keystead_undid_is_no_cause_of_what_came_behind() {
        let own = Heard { is_own: true, ..heard("EnableKey", 50) };
        assert_eq!(cause_of(&sought(Attribute::State), [own, heard("DisableKey", 40)]), None);
    }

    #[test]
    fn a_deed_in_keysteads_name_that_keystead_did_not_do_is_told() {
        let stolen = Heard { is_own: true, ..heard("DisableKey", 90) };
        assert_eq!(cause_of(&sought(Attribute::State), [stolen]), Some(stolen));
    }

    #[test]
    fn an_alias_is_moved_by_what_was_done_to_it_and_not_to_another() {
        let moved = Sought { item: "orders", ..sought(Attribute::AliasMoved) };
        let other = Heard { alias: "payments", ..heard("UpdateAlias", 90) };
        let this = Heard { alias: "orders", ..heard("UpdateAlias", 80) };
        assert_eq!(cause_of(&moved, [other, this]), Some(this));
    }
}
