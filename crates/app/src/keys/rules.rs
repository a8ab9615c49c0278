//! What cannot be asked of a key because of where it lives, or whose its material is: rules beside the lifecycle table, each with its mend. Pure functions.

use keystead_domain::{Custody, Invalid, key::expiry::ExpiryPolicy};
use keystead_store::{keys::KeyRow, keystores::KeystoreRow};

use super::{create::NewKey, lifecycle::Ask, update::KeyChange};

/// Checks a new key against the place where it shall live.
pub(crate) fn check_place(keystore: &KeystoreRow, new: &NewKey) -> Result<(), Invalid> {
    if keystore.is_vault() { check_in_vault(new.alias.is_some(), new.expires.is_some()) } else { Ok(()) }
}

/// What belongs to a cloud is refused where there is none.
fn check_in_vault(has_alias: bool, expires: bool) -> Result<(), Invalid> {
    let refuse = |field: &str, reason: &str| {
        Err(Invalid::new(field, reason, "Leave it out, or make the key in a keystore of a cloud; `keystead key copy` brings it there, too."))
    };
    if has_alias {
        return refuse("alias", "belongs to a cloud, and this key lives in the vault alone");
    }
    if expires {
        return refuse("expires", "is the end of a cloud's copy, and this key lives in the vault alone");
    }
    Ok(())
}

/// The rule and the words of a refusal.
pub(crate) type Refused = (&'static str, Invalid);

/// Whether a key's place or custody stands against an event of its life.
pub(crate) fn check_ask(key: &KeyRow, ask: Ask) -> Result<(), Refused> {
    let refuse = |rule: &'static str, reason: &str, mend: String| Err((rule, Invalid::new("key", reason, mend)));
    match ask {
        Ask::Upload if key.is_in_vault() => {
            let mend = format!("Nothing is needed: its material is there. `keystead key copy {} --to KEYSTORE` brings it to a cloud.", key.name);
            refuse("key-has-a-cloud", "lives in the vault and has no copy in a cloud to upload", mend)
        }
        Ask::Renew | Ask::Rotate if key.ties.custody == Custody::Linked => {
            let mend = "Rotate the key that it is a copy of: `keystead key links` names it.".to_owned();
            refuse("copies-rotate-with-their-source", "is a copy and has no material of its own", mend)
        }
        _ => Ok(()),
    }
}

/// Whether a key's place or custody stands against a change of its properties.
pub(crate) fn check_change(key: &KeyRow, change: &KeyChange) -> Result<(), Invalid> {
    if key.is_in_vault() {
        check_in_vault(matches!(change.alias, Some(Some(_))), matches!(change.expires, Some(Some(_))))?;
    }
    if let Some(policy) = change.expiry_policy {
        check_policy(key.ties.custody, policy)?;
    }
    if change.exportable == Some(true) && !key.ties.is_exportable {
        let mend = "Leave it out. Material that shall leave the vault is made as an exportable key: make another one.";
        return Err(Invalid::new("exportable", "cannot become true: that its material never leaves the vault was promised when the key was made", mend));
    }
    Ok(())
}

/// Whether a policy of expiry fits whose the material is.
pub(crate) fn check_policy(custody: Custody, policy: ExpiryPolicy) -> Result<(), Invalid> {
    if custody == Custody::Linked && policy == ExpiryPolicy::Renew {
        let mend = "Give extend or alert; new material comes to it with the rotation of the key that it is a copy of.";
        return Err(Invalid::new("expiry_policy", "cannot be renew: a copy has no material of its own", mend));
    }
    Ok(())
}
