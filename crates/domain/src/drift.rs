//! Drift: in what the cloud's key differs from what Keystead wants, how bad that is, and who may mend it (CM-018, FX-042).
//!
//! Two rules stand above the table. What widens or takes away somebody's use of a key is never mended by Keystead alone: a key that somebody disabled may be an
//! incident that somebody contains. And what destroys (a countdown, material that was removed, a key that is gone) waits for a person, always.

use crate::Invalid;

/// What of a key differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// The cloud no longer has the key.
    Vanished,
    /// The countdown to deletion: it runs and should not, or the other way round, or until another day.
    Deletion,
    /// The id of the material that encrypts: another one was rotated in.
    MaterialId,
    /// Whether material is there.
    Material,
    /// Whether the key may be used.
    State,
    /// The policy of the key.
    Policy,
    /// The grants on the key.
    Grants,
    /// An alias of ours points at another key.
    AliasMoved,
    /// An alias of ours points at nothing.
    AliasMissing,
    /// An alias that is not ours points at the key.
    AliasAdded,
    /// When the material expires.
    Expires,
    /// The key's part in its family of Regions.
    RegionRole,
    /// The replicas of the family.
    Replicas,
    /// The tags by which Keystead knows its own again.
    OwnTags,
    /// The people's tags.
    Tags,
    /// The description.
    Description,
    /// What Keystead could look at, and may not any more.
    Hidden,
    /// A key with Keystead's tags that no row names.
    Unmanaged,
}

/// How bad a difference is, and who may mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftClass {
    /// Somebody took, or can take, what is not theirs, or is about to destroy data.
    Hostile,
    /// It may be meant; somebody has to say.
    NeedsPerson,
    /// What is wanted can be put back without harm.
    Repairable,
    /// Nothing hangs on it.
    Benign,
}

/// What has become of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DriftState {
    /// It is there.
    Open,
    /// What is wanted was put back.
    Repaired,
    /// What is, is wanted now.
    Accepted,
    /// It went away by itself.
    Gone,
}

/// What Keystead mends by itself in a keystore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AutoRepair {
    /// Nothing.
    None,
    /// What can be put back without harm: see [`Attribute::is_mended_alone`].
    Safe,
}

/// One difference: three ways of the same thing, as texts that people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub attribute: Attribute,
    /// Which one of several, for example an alias; else empty.
    pub item: String,
    /// How bad it is.
    pub class: DriftClass,
    /// What Keystead wants.
    pub wanted: String,
    /// What the look before saw; `None`: it was not looked at.
    pub last_seen: Option<String>,
    /// What the cloud says now.
    pub live: String,
}

macro_rules! named {
    ($type:ident, $field:literal, $mend:literal, { $($variant:ident = $name:literal,)* }) => {
        impl $type {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in API, command line and store.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Reads the name back.
            ///
            /// # Errors
            #[doc = concat!("[`Invalid`] naming `", $field, "`.")]
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| Invalid::new($field, format!("is {text:?}"), $mend))
            }
        }
    };
}

pub(crate) use named;

named!(Attribute, "attribute", "Give one that `keystead drift list` shows.", {
    Vanished = "vanished",
    Deletion = "deletion",
    MaterialId = "material-id",
    Material = "material",
    State = "state",
    Policy = "policy",
    Grants = "grants",
    AliasMoved = "alias-moved",
    AliasMissing = "alias-missing",
    AliasAdded = "alias-added",
    Expires = "expires",
    RegionRole = "region-role",
    Replicas = "replicas",
    OwnTags = "own-tags",
    Tags = "tags",
    Description = "description",
    Hidden = "hidden",
    Unmanaged = "unmanaged",
});
named!(DriftClass, "class", "Give hostile, needs-person, repairable or benign.", {
    Hostile = "hostile",
    NeedsPerson = "needs-person",
    Repairable = "repairable",
    Benign = "benign",
});
named!(DriftState, "state", "Give OPEN, REPAIRED, ACCEPTED or GONE.", {
    Open = "OPEN",
    Repaired = "REPAIRED",
    Accepted = "ACCEPTED",
    Gone = "GONE",
});
named!(AutoRepair, "auto_repair", "Give none or safe.", {
    None = "none",
    Safe = "safe",
});

impl Attribute {
    /// Whether Keystead may mend it without a person, where a policy says so: that neither widens nor takes away anybody's use of a key, and destroys nothing.
    pub const fn is_mended_alone(self) -> bool {
        matches!(self, Self::Description | Self::Tags | Self::OwnTags | Self::Expires | Self::AliasMissing)
    }

    /// Whether `drift repair` can put back what is wanted. Policies and grants hand out the use of a key: Keystead has no permission to write them, on purpose.
    pub const fn is_mended_by_keystead(self) -> bool {
        !matches!(self, Self::Vanished | Self::MaterialId | Self::Policy | Self::Grants | Self::RegionRole | Self::Replicas | Self::Unmanaged | Self::Hidden)
    }

    /// Whether `drift accept` can take what is for what is wanted; the other cases have a command of their own.
    pub const fn can_be_accepted(self) -> bool {
        matches!(self, Self::Description | Self::Tags | Self::Expires | Self::AliasMissing | Self::AliasAdded | Self::Policy | Self::Grants)
    }

    /// What a person does who wants things as they now are, where that is not `drift accept`.
    pub fn instead_of_accepting(self, key: &str) -> String {
        match self {
            Self::Vanished => {
                format!(
                    "Nothing brings that cloud key back. Make another with the same material, `keystead key recreate {key} --dry-run` says what for; or take its record out of use with \
                     `keystead key schedule-deletion {key}`."
                )
            }
            Self::Deletion => {
                format!("If it shall be deleted, say so: `keystead key schedule-deletion {key}`; if it shall stay: `keystead key cancel-deletion {key}`.")
            }
            Self::MaterialId => format!("Material that is not Keystead's is never taken for its own: make a successor with `keystead key renew {key}`."),
            Self::Material | Self::State => {
                format!("If it shall be out of use, say so: `keystead key deactivate {key}`; if in use: `keystead key activate {key}`.")
            }
            Self::AliasMoved => format!("If another key shall have the alias, take it from this one: `keystead key update {key} --remove-alias …`."),
            Self::RegionRole => "If the parts shall stay so, promote the replica here, too: `keystead key replica promote`.".to_owned(),
            Self::Replicas => format!("Make or remove the replica with `keystead key replica add|remove {key}`."),
            Self::OwnTags | Self::Unmanaged => {
                "Keystead's tags say whose a key is: put them back with `keystead drift repair`, or remove them in the cloud.".to_owned()
            }
            Self::Hidden => "What may not be looked at is not watched: let Keystead's role look again, in the key's policy and in its own.".to_owned(),
            _ => String::new(),
        }
    }

    /// What a person does in the cloud, where Keystead cannot put back what is wanted.
    pub fn instead_of_repairing(self, key: &str) -> String {
        match self {
            Self::Policy => "Keystead may not write key policies, so that nobody can gain the use of a key through it: put the wanted policy back with `aws kms put-key-policy`, \
                 or take the new one as wanted with `keystead drift accept`."
                .to_owned(),
            Self::Grants => "Keystead may not write grants: revoke what is not wanted with `aws kms revoke-grant`, or take them as wanted with `keystead drift accept`.".to_owned(),
            Self::Expires => format!("The wanted end has come. Take the cloud's as wanted with `keystead drift accept`, or say what shall be: `keystead key update {key} --expires`, `keystead key deactivate {key}`."),
            Self::Deletion | Self::Material | Self::State => {
                format!("The key's wanted end has come, or other material was rotated in: nothing is imported or enabled then. Look at it, then renew it with `keystead key renew {key}`.")
            }
            Self::Unmanaged => "Look at the key in the cloud: delete it there, or remove the keystead: tags from it.".to_owned(),
            other => other.instead_of_accepting(key),
        }
    }
}

/// How bad a difference is that stands for itself; those of policies and grants are judged by what they say: [`class_of_policy`], [`class_of_grants`].
pub const fn class_of(attribute: Attribute, use_is_wanted: bool) -> DriftClass {
    use Attribute::*;
    match attribute {
        Vanished | Deletion | MaterialId | AliasMoved => DriftClass::Hostile,
        // A key in use that was disabled or emptied may be an incident that somebody contains. One out of use that was brought back is somebody's way to old data.
        Material | State => {
            if use_is_wanted {
                DriftClass::NeedsPerson
            } else {
                DriftClass::Hostile
            }
        }
        Policy | Grants | RegionRole | Replicas | Unmanaged | Hidden => DriftClass::NeedsPerson,
        AliasMissing | Expires | OwnTags | Tags => DriftClass::Repairable,
        AliasAdded | Description => DriftClass::Benign,
    }
}

/// How bad it is that a policy changed, by the principals that it allows something: hostile when they are everybody, under whatever condition, or somebody outside of the
/// account whom the wanted policy did not allow anything; and when the live one cannot be read (`None`).
pub fn class_of_policy(account: &str, wanted: &[String], live: Option<&[String]>) -> DriftClass {
    let strangers =
        |principals: &[String]| principals.iter().flat_map(|principal| accounts_named(principal)).filter(|named| named != account).collect::<Vec<_>>();
    let known = strangers(wanted);
    let is_harmless =
        live.is_some_and(|live| !live.iter().any(|principal| principal.contains('*')) && strangers(live).iter().all(|stranger| known.contains(stranger)));
    if is_harmless { DriftClass::NeedsPerson } else { DriftClass::Hostile }
}

/// How bad it is that the end of material is another one. A later one lets it live longer than is wanted, and is put back without harm; an earlier one may be somebody
/// who contains an incident, and behind the wanted end nothing is imported any more.
pub fn class_of_end(wanted: Option<crate::Timestamp>, live: Option<crate::Timestamp>, has_come: bool) -> DriftClass {
    let is_later = match (wanted, live) {
        (Some(_), None) => true,
        (Some(wanted), Some(live)) => live > wanted,
        (None, _) => false,
    };
    if is_later && !has_come { DriftClass::Repairable } else { DriftClass::NeedsPerson }
}

/// How bad it is that grants came: hostile when one goes to another account, or lets its holder give more. `grants` are those that were not there before, as the
/// grantee and what they may do.
pub fn class_of_grants<'a>(account: &str, grants: impl IntoIterator<Item = (&'a str, &'a [String])>) -> DriftClass {
    let is_hostile = |(grantee, operations): (&str, &[String])| {
        accounts_named(grantee).any(|named| named != account) || operations.iter().any(|operation| operation == "CreateGrant")
    };
    if grants.into_iter().any(is_hostile) { DriftClass::Hostile } else { DriftClass::NeedsPerson }
}

/// The account numbers in a text: runs of exactly twelve digits.
fn accounts_named(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .filter(|part| part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit()))
        .map(ToOwned::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for attribute in Attribute::ALL {
            assert_eq!(Attribute::parse(attribute.as_str()), Ok(*attribute));
        }
        for class in DriftClass::ALL {
            assert_eq!(DriftClass::parse(class.as_str()), Ok(*class));
        }
        for state in DriftState::ALL {
            assert_eq!(DriftState::parse(state.as_str()), Ok(*state));
        }
        assert_eq!(DriftClass::parse("bad").expect_err("is none").field, "class");
    }

    /// CM-018: what Keystead does alone harms nobody, whatever comes into the table later.
    #[test]
    fn what_is_mended_alone_is_neither_hostile_nor_a_persons_to_decide() {
        for attribute in Attribute::ALL.iter().filter(|attribute| attribute.is_mended_alone()) {
            assert!(attribute.is_mended_by_keystead(), "{attribute:?}");
            for in_use in [true, false] {
                assert!(class_of(*attribute, in_use) >= DriftClass::Repairable, "{attribute:?}");
            }
        }
    }

    #[test]
    fn every_difference_has_a_way_out() {
        for attribute in Attribute::ALL {
            assert!(attribute.can_be_accepted() || !attribute.instead_of_accepting("orders").is_empty(), "{attribute:?}");
            assert!(attribute.is_mended_by_keystead() || !attribute.instead_of_repairing("orders").is_empty(), "{attribute:?}");
        }
    }

    #[test]
    fn a_policy_that_lets_strangers_in_is_hostile() {
        let of = |principals: &[&str]| principals.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let (own, other) = ("arn:aws:iam::111122223333:root", "arn:aws:iam::999988887777:root");
        let class = |wanted: &[&str], live: &[&str]| class_of_policy("111122223333", &of(wanted), Some(&of(live)));
        assert_eq!(class(&[own], &[own, "arn:aws:iam::111122223333:role/}/x"]), DriftClass::NeedsPerson);
        assert_eq!(class(&[own], &[own, other]), DriftClass::Hostile);
        assert_eq!(class(&[own, other], &[own]), DriftClass::NeedsPerson, "a stranger who goes");
        assert_eq!(class(&[own, "*"], &[own, "*"]), DriftClass::Hostile, "a condition may have gone");
        assert_eq!(class_of_policy("111122223333", &[], None), DriftClass::Hostile, "what cannot be read");
    }

    #[test]
    fn an_end_that_came_nearer_or_has_come_is_a_persons_to_judge() {
        let at = |secs| Some(crate::Timestamp::from_secs(secs));
        assert_eq!((class_of_end(at(5), at(9), false), class_of_end(at(5), None, false)), (DriftClass::Repairable, DriftClass::Repairable));
        for (wanted, live, has_come) in [(at(5), at(3), false), (None, at(3), false), (at(5), at(9), true), (at(5), None, true)] {
            assert_eq!(class_of_end(wanted, live, has_come), DriftClass::NeedsPerson);
        }
    }

    #[test]
    fn a_grant_to_a_stranger_or_one_that_breeds_is_hostile() {
        let class = |grantee: &str, may: &str| class_of_grants("111122223333", [(grantee, [may.to_owned()].as_slice())]);
        assert_eq!(class("arn:aws:iam::111122223333:role/app", "Decrypt"), DriftClass::NeedsPerson);
        assert_eq!(class("arn:aws:iam::111122223333:role/app", "CreateGrant"), DriftClass::Hostile);
        assert_eq!(class("arn:aws:iam::999988887777:role/app", "Decrypt"), DriftClass::Hostile);
        assert_eq!(class_of_grants("111122223333", []), DriftClass::NeedsPerson);
    }
}
