//! Who is calling.

use keystead_domain::{AccountId, UserId};

/// A person who has shown a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user: UserId,
    /// The account that they belong to.
    pub account: AccountId,
    /// Their name, for the audit log.
    pub name: String,
}
