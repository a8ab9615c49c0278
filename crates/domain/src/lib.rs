//! The nouns and rules of Keystead.
//!
//! *Invariants of absence*: this room knows no clock, no randomness, no async, no serde, no database and no HTTP. Time and random bytes come in as
//! arguments; a decision is a function from what is to what shall be. Everybody may know this room; it knows nobody.

pub mod alert;
pub mod alert_channels;
pub mod alias;
pub mod batch;
pub mod cause;
pub mod ceremony;
pub mod drift;
pub mod drill;
pub mod duration;
pub mod estate;
pub mod health;
pub mod id;
pub mod invalid;
pub mod key;
pub mod keystore;
pub mod name;
pub mod rehearsal;
pub mod rotation;
pub mod selector;
pub mod tags;
pub mod time;
pub mod waves;
pub mod wrapping;

pub use alert_channels::AlertChannels;
pub use alias::{Alias, Aliases};
pub use id::{
    AccountId, AlertId, ApplyId, BatchId, CeremonyId, DriftId, DrillId, EntryId, GroupId, KeyId, KeystoreId, LineageId, OperationId, RehearsalId, UserId,
    VersionId,
};
pub use invalid::Invalid;
pub use key::custody::{Custody, RegionRole};
pub use key::lifecycle::{Event, KeyState, Verdict, verdict};
pub use key::spec::{KeyFamily, KeySpec, KeyUsage};
pub use name::Name;
pub use selector::Selector;
pub use tags::Tags;
pub use time::{Clock, Timestamp};
pub use wrapping::{Hash, WrapMethod, WrappingKeySpec};
