//! Channels and messages: how somebody is told. Mail over SMTP, and webhooks signed as Standard Webhooks.
//!
//! *Invariants*: this room knows the nouns and nothing else of the house: neither rows nor keys nor configuration. It decides nothing about when something is
//! sent, or again. What is sent twice has the same id twice. No secret stands in an error, and nothing here that holds one can be printed.

mod channel;
mod digest;
mod error;
mod mail;
mod secret;
mod webhook;

pub use channel::Channel;
pub use digest::{Message, digest, sentence};
pub use error::NotifyError;
pub use mail::{Mail, Security, Smtp};
pub use secret::Secret;
pub use webhook::{Webhook, check_url, sign};
