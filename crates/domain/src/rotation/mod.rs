//! When keys are rotated: policies, and the pure decisions over them. No clock is read here; what is due is a function of the policy, of what has happened to the
//! key, and of the time that somebody else tells.

pub mod advice;
pub mod calendar;
pub mod policy;
pub mod strategy;
pub mod window;
pub mod wish;
pub mod zone;

pub use calendar::Calendar;
pub use policy::{Cadence, Due, History, Policy, Rule};
pub use strategy::{Strategy, Turnable};
pub use window::Window;
pub use wish::Wish;
pub use zone::Zone;

use crate::{KeystoreId, LineageId};

/// What a policy is for. The nearest counts: the key's own, its keystore's, the installation's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One key, with its successors.
    Key(LineageId),
    /// Every key of a keystore that has none of its own.
    Keystore(KeystoreId),
    /// Every other key.
    Default,
}

impl Scope {
    /// The word in the API and the store.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Keystore(_) => "keystore",
            Self::Default => "default",
        }
    }
}
