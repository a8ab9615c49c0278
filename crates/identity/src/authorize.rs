//! The decision, and the proof it leaves.

use keystead_domain::AccountId;

use crate::Principal;

/// What may be asked for. One list: the audit log, the rules and, later, the roles use these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Look at keys, keystores, operations and users.
    Read,
    /// Make, change and delete keystores.
    ManageKeystores,
    /// Everything in a key's life but its export.
    ManageKeys,
    /// Name a public key for an export.
    PrepareExport,
    /// Take the wrapped material away.
    DownloadExport,
    /// Make users, replace their tokens.
    ManageUsers,
    /// Seal, unseal and rotate the vault.
    ManageVault,
    /// Read and export the audit log.
    ReadAudit,
    /// Send a test alert.
    TestAlerts,
}

/// The caller may do it: made only by [`authorize`], taken by value by the use-case.
#[derive(Debug)]
pub struct Authorized<P> {
    /// Who asks.
    pub principal: Principal,
    /// What they ask for.
    pub payload: P,
    /// Which rule allowed it, for the audit log.
    pub rule: &'static str,
}

/// The caller may not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What they asked for.
    pub action: Action,
}

/// Decides whether `principal` may do `action` to something of `account`.
///
/// # Errors
/// [`Refused`] when the thing belongs to another account.
pub fn authorize<P>(principal: &Principal, action: Action, account: &AccountId, payload: P) -> Result<Authorized<P>, Refused> {
    if principal.account != *account {
        return Err(Refused { action });
    }
    Ok(Authorized { principal: principal.clone(), payload, rule: "member-of-account" })
}

#[cfg(test)]
mod tests {
    use keystead_domain::{Timestamp, UserId};

    use super::*;

    #[test]
    fn things_of_another_account_are_refused() {
        let ours = AccountId::new(Timestamp::from_secs(1), [1; 10]);
        let theirs = AccountId::new(Timestamp::from_secs(1), [2; 10]);
        let principal = Principal { user: UserId::new(Timestamp::from_secs(1), [3; 10]), account: ours.clone(), name: "ann".into() };
        assert!(authorize(&principal, Action::ManageKeys, &ours, ()).is_ok());
        assert_eq!(authorize(&principal, Action::Read, &theirs, ()).map(|proof| proof.rule), Err(Refused { action: Action::Read }));
    }
}
