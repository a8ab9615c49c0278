//! Who asks, and may they.
//!
//! *Invariants*: this room knows `domain` and digests, no HTTP and no database. A permission given leaves a value behind ([`Authorized`]) that the use-case
//! takes, so that the compiler asks "who allowed this?". Tokens are shown once; only their hash is kept.
//!
//! So far every active user of an account may do everything in it, and dual control is the one rule between two users. Roles, groups and quorums come in here.

pub mod authorize;
pub mod principal;
pub mod token;

pub use authorize::{Action, Authorized, authorize};
pub use principal::Principal;
pub use token::Token;
