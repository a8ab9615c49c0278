//! How the keys of the year live: in which keystores, of which kind, under which policies, and how often that turns them.

use keystead_domain::{
    KeySpec, KeyUsage,
    key::expiry::ExpiryPolicy,
    rotation::{Strategy, Wish},
    time::DAY,
};

/// Where keys live that live in one Region only.
pub const HOME: &str = "eu-west-1";

/// How a group of keys lives through the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// A successor every 60 days, on a weekend's night.
    Successor,
    /// In place every 45 days, at night.
    InPlace,
    /// A successor on the first of each month, the predecessor deactivated 14 days later.
    Calendar,
    /// No rotation; the expiry policy renews.
    Renewed,
    /// No rotation; people are told, and one of them moves the end.
    Told,
    /// A primary and two replicas in other Regions, all of which get successors every 60 days.
    FamilySuccessor,
    /// The same, rotated in place every 45 days.
    FamilyInPlace,
    /// A key of the vault with copies in two Regions, which follow its successors in waves; what was before them is deactivated 14 days later.
    Source,
}

impl Group {
    pub const ALL: [Self; 8] =
        [Self::Successor, Self::InPlace, Self::Calendar, Self::Renewed, Self::Told, Self::FamilySuccessor, Self::FamilyInPlace, Self::Source];

    /// Of twenty keys: seven, four, three, two, and one of each other group.
    pub fn of(number: usize) -> Self {
        match number % 20 {
            0..=6 => Self::Successor,
            7..=10 => Self::InPlace,
            11..=13 => Self::Calendar,
            14 | 15 => Self::Renewed,
            16 => Self::Told,
            17 => Self::FamilySuccessor,
            18 => Self::FamilyInPlace,
            _ => Self::Source,
        }
    }

    /// The keystore of the group's own, which has its policy.
    pub const fn keystore(self) -> &'static str {
        match self {
            Self::Successor => "successor",
            Self::InPlace => "in-place",
            Self::Calendar => "calendar",
            Self::Renewed => "renewed",
            Self::Told => "told",
            Self::FamilySuccessor => "family-successor",
            Self::FamilyInPlace => "family-in-place",
            Self::Source => "sources",
        }
    }

    pub const fn is_family(self) -> bool {
        matches!(self, Self::FamilySuccessor | Self::FamilyInPlace)
    }

    pub const fn is_in_place(self) -> bool {
        matches!(self, Self::InPlace | Self::FamilyInPlace)
    }

    /// The keystores, and their Regions, of the replicas or the copies.
    pub const fn others(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::FamilySuccessor | Self::FamilyInPlace => &[("replicas-us", "us-east-1"), ("replicas-de", "eu-central-1")],
            Self::Source => &[("copies-eu", HOME), ("copies-us", "us-east-1")],
            _ => &[],
        }
    }

    /// The keys that are used in the cloud: the name behind the lineage's own, and the Region.
    pub const fn used(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::FamilySuccessor | Self::FamilyInPlace => &[("", HOME), ("_us-east-1", "us-east-1"), ("_eu-central-1", "eu-central-1")],
            Self::Source => &[("_copy1", HOME), ("_copy2", "us-east-1")],
            _ => &[("", HOME)],
        }
    }

    pub fn wish(self) -> Option<Wish> {
        let night = |window: &str| Wish { zone: Some("Europe/Berlin".into()), window: Some(window.into()), notice: Some(3 * DAY), ..Wish::default() };
        match self {
            Self::Successor | Self::FamilySuccessor => Some(Wish { every: Some(60 * DAY), ..night("sat,sun@02:00-04:00") }),
            Self::InPlace | Self::FamilyInPlace => Some(Wish { every: Some(45 * DAY), strategy: Strategy::InPlace, ..night("02:00-04:00") }),
            Self::Calendar => Some(Wish { cron: Some("30 2 1 * *".into()), grace: Some(14 * DAY), ..night("02:00-04:00") }),
            Self::Source => Some(Wish { every: Some(60 * DAY), grace: Some(14 * DAY), ..night("02:00-04:00") }),
            Self::Renewed | Self::Told => None,
        }
    }

    pub const fn is_on_weekends(self) -> bool {
        matches!(self, Self::Successor | Self::FamilySuccessor)
    }

    pub const fn expiry_policy(self) -> ExpiryPolicy {
        match self {
            Self::Renewed => ExpiryPolicy::Renew,
            Self::Told => ExpiryPolicy::Alert,
            _ => ExpiryPolicy::Extend,
        }
    }

    /// Turns in a year, the fewest and the most: a turn waits for the next window, and for better weather.
    pub const fn turns(self) -> (usize, usize) {
        match self {
            Self::Successor | Self::FamilySuccessor | Self::Source => (5, 6),
            Self::InPlace | Self::FamilyInPlace => (7, 8),
            Self::Calendar => (11, 13),
            Self::Renewed => (4, 5),
            Self::Told => (0, 0),
        }
    }
}

/// The kind of the key of this number: every kind occurs in each group that can have it; large RSA pairs seldom, because making them takes long.
pub fn kind_of(number: usize) -> (KeySpec, Option<KeyUsage>) {
    if Group::of(number).is_in_place() || number % 3 == 1 {
        return (KeySpec::Aes256, None);
    }
    let spec = match number % 64 {
        61 => KeySpec::Rsa4096,
        59 => KeySpec::Rsa3072,
        other if other % 16 == 5 => KeySpec::Rsa2048,
        other => {
            [KeySpec::Hmac224, KeySpec::Hmac256, KeySpec::Hmac384, KeySpec::Hmac512, KeySpec::EcP256, KeySpec::EcP384, KeySpec::EcP521, KeySpec::EcSecp256k1]
                [other % 8]
        }
    };
    (spec, spec.usages().iter().find(|usage| **usage == KeyUsage::Sign).copied())
}
