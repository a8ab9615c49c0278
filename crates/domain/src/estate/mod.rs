//! Estates: keystores, keys and policies as somebody writes them down, beside what is; and the way from the one to the other.
//!
//! Three rules stand above it. What a file leaves out is left alone, a field as well as a whole key. Nothing is deleted unless the file says so. And a plan is a pure
//! function of what is wanted and what is, so that an apply can draw it again and see whether it is still the one that somebody said yes to.

mod aliases;
mod change;
mod check;
mod difference;
mod keys;
#[cfg(test)]
mod model;
mod places;
mod replicas;
mod rotations;
mod standing;
mod words;

pub use change::{Action, Change, Danger, FieldChange, KeyUpdate, NewKey, NewReplica, Subject};
pub use check::check;
pub use difference::{Difference, difference};
pub use standing::{Standing, StandingKey, StandingKeystore};

use crate::{
    AlertChannels, Aliases, Invalid, KeySpec, KeyUsage, Name, Tags, Timestamp,
    drift::AutoRepair,
    key::{deletion::WaitingDays, expiry::ExpiryPolicy},
    keystore::AwsLocation,
    rotation::Wish,
};

/// The form of estates that this house reads and writes.
pub const VERSION: u32 = 1;

/// An estate as somebody wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Estate {
    /// Keystores, each by its name.
    pub keystores: Vec<WantedKeystore>,
    /// Keys, each by its name.
    pub keys: Vec<WantedKey>,
    /// How keys are rotated for which nothing nearer is said.
    pub rotation: Option<RotationWish>,
}

/// A keystore as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKeystore {
    /// Its name.
    pub name: Name,
    /// Where it is; needed of one that is to be made.
    pub place: Option<Place>,
    /// Whether import parameters are fetched ahead.
    pub warm: Option<bool>,
    /// How often it is looked through, and what is mended alone.
    pub drift: Option<DriftWish>,
    /// Which channels hear of it and of its keys.
    pub alerts: Option<AlertChannels>,
    /// How its keys are rotated.
    pub rotation: Option<RotationWish>,
}

/// Where a keystore is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The cloud: `aws`, or `vault` for none.
    pub cloud: String,
    /// Where in the cloud.
    pub location: AwsLocation,
}

/// How a keystore is looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriftWish {
    /// So often, in microseconds; `None`: when somebody asks.
    pub every: Option<i64>,
    /// What is mended without a person.
    pub auto_repair: AutoRepair,
}

/// A rotation policy as an estate says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotationWish {
    /// This one.
    Policy(Box<Wish>),
    /// None of its own: the next nearest counts.
    Inherit,
}

/// A key as somebody wants it; `None` leaves as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKey {
    /// Its name.
    pub name: Name,
    /// Its keystore, by name; needed of a key that is to be made.
    pub keystore: Option<String>,
    /// Kind; AES_256 of a key that is to be made.
    pub spec: Option<KeySpec>,
    /// What it is for.
    pub usage: Option<KeyUsage>,
    /// Where its material comes from; only what the vault generates can be made from a file.
    pub origin: Option<Origin>,
    /// Whether it can have replicas.
    pub multi_region: Option<bool>,
    /// Whether its material may leave the vault.
    pub exportable: Option<bool>,
    /// Free text.
    pub description: Option<String>,
    /// All aliases.
    pub aliases: Option<Aliases>,
    /// All tags.
    pub tags: Option<Tags>,
    /// Whether it is in use.
    pub state: Option<WantedState>,
    /// When its material ends.
    pub expires: Option<WantedEnd>,
    /// What happens before.
    pub expiry_policy: Option<ExpiryPolicy>,
    /// How it is rotated.
    pub rotation: Option<RotationWish>,
    /// Its replicas, each by its keystore.
    pub replicas: Vec<WantedReplica>,
    /// It goes: the only way to say so.
    pub deleted: Option<WaitingDays>,
}

/// A replica as somebody wants it; `None` leaves as it is, and of one that is to be made is as the primary has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedReplica {
    /// Its keystore, by name: of another Region.
    pub keystore: String,
    /// Its name.
    pub name: Option<Name>,
    /// Free text.
    pub description: Option<String>,
    /// All aliases.
    pub aliases: Option<Aliases>,
    /// All tags.
    pub tags: Option<Tags>,
    /// It goes.
    pub deleted: Option<WaitingDays>,
}

/// Where a key's material comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The vault made it.
    Generated,
    /// Somebody brought it.
    Imported,
    /// It is another key's.
    Copy,
}

/// Whether a key is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedState {
    /// In use.
    Active,
    /// Out of use.
    Inactive,
}

/// When material ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedEnd {
    /// Never.
    Never,
    /// At this time.
    At(Timestamp),
    /// It lives so long, counted from whenever it is imported; microseconds.
    Lives(i64),
}

impl Origin {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Generated, Self::Imported, Self::Copy];

    /// The word in files and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Imported => "imported",
            Self::Copy => "copy",
        }
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`Invalid`] naming `origin`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|origin| origin.as_str() == text);
        found.ok_or_else(|| Invalid::new("origin", "is not an origin of material", "Give generated, imported or copy, or leave it out."))
    }
}

impl WantedState {
    /// The word in files and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`Invalid`] naming `state`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "ACTIVE" => Ok(Self::Active),
            "INACTIVE" => Ok(Self::Inactive),
            _ => Err(Invalid::new("state", "is not a state that a file can ask for", "Give ACTIVE or INACTIVE. A key that shall go has deleted = true.")),
        }
    }
}

impl WantedEnd {
    /// The point in time, if it is decided now.
    pub fn at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::At(time) => Some(time),
            Self::Lives(span) => Some(now.plus_micros(span)),
        }
    }
}
