//! What cannot be asked of a key because of where it lives, or whose its material is: rules beside the lifecycle table, each with its mend. Pure functions.

use keystead_domain::{Custody, Event, Invalid, key::expiry::ExpiryPolicy};
use keystead_store::{keys::KeyRow, keystores::KeystoreRow};

use super::{create::Material, create::NewKey, lifecycle::Ask, update::KeyChange};

/// Checks a new key against the place where it shall live.
pub(crate) fn check_place(keystore: &KeystoreRow, new: &NewKey) -> Result<(), Invalid> {
    if !keystore.is_vault() {
        return Ok(());
    }
    if !new.terms.kept {
        return Err(Invalid::new(
            "keep",
            "cannot be false in the vault: it is the only place that has the material",
            "Leave it out, or name a keystore of a cloud.",
        ));
    }
    check_in_vault(!new.aliases.is_empty(), new.expires.is_some())
}

/// Checks what can be asked of a key of which the vault keeps no copy.
pub(crate) fn check_kept(new: &NewKey) -> Result<(), Invalid> {
    if new.terms.kept {
        return Ok(());
    }
    if matches!(new.material, Material::Generate) {
        let mend = "Bring the material along: `keystead key import --no-copy`. Material that the vault makes is kept by it.";
        return Err(Invalid::new("keep", "cannot be false for material that the vault makes: nobody else would have it", mend));
    }
    if new.multi_region {
        let mend = "Leave one of the two out: a replica is given the same material, and Keystead would have none.";
        return Err(Invalid::new("keep", "cannot be false for a multi-Region key", mend));
    }
    check_policy(Custody::Native, new.expiry_policy)
}

/// What belongs to a cloud is refused where there is none.
fn check_in_vault(has_aliases: bool, expires: bool) -> Result<(), Invalid> {
    let refuse = |field: &str, reason: &str| {
        Err(Invalid::new(field, reason, "Leave it out, or make the key in a keystore of a cloud; `keystead key copy` brings it there, too."))
    };
    if has_aliases {
        return refuse("aliases", "belong to a cloud, and this key lives in the vault alone");
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
        Ask::Activate | Ask::Upload => check_policy_is_settled(key)?,
        _ => {}
    }
    match ask {
        Ask::Upload if key.is_in_vault() => {
            let mend = format!("Nothing is needed: its material is there. `keystead key copy {} --to KEYSTORE` brings it to a cloud.", key.name);
            refuse("key-has-a-cloud", "lives in the vault and has no copy in a cloud to upload", mend)
        }
        Ask::Upload | Ask::Renew | Ask::Rotate if was_brought_along(key) => {
            let mend = "Make another key with `keystead key create` or `keystead key import`, and have its users change over.".to_owned();
            refuse("material-is-in-the-vault", NO_COPY, mend)
        }
        _ => Ok(()),
    }
}

/// A key that was made anew gets no material under another policy than its predecessor had, unless somebody wants that.
pub(crate) fn check_policy_is_settled(key: &KeyRow) -> Result<(), Refused> {
    if !key.awaits_policy {
        return Ok(());
    }
    let mend = format!(
        "Put the policy back with `aws kms put-key-policy` (`keystead drift list --key {0}` has the wanted one) and run `keystead keystore sync {1}`, which must be allowed kms:GetKeyPolicy; or take the policy \
         that it has for wanted: `keystead drift accept` of its difference of `policy`.",
        key.name, key.keystore_name
    );
    Err(("policy-is-settled", Invalid::new("key", "was made anew, and no sync has seen its policy as it was", mend)))
}

/// Whether a person brought its material along, and the vault kept none; another native key was made in its cloud.
fn was_brought_along(key: &KeyRow) -> bool {
    key.ties.custody == Custody::Native && key.origin == "imported"
}

/// Why much cannot be done with such a key.
pub(crate) const NO_COPY: &str = "has its material in its cloud alone: Keystead keeps no copy of its material";

/// Whether a policy of rotation can be set for a key.
pub(crate) fn check_rotated_by_policy(key: &KeyRow) -> Result<(), Refused> {
    if was_brought_along(key) {
        let mend = "Rotate it in its cloud, or make another key whose material the vault keeps.";
        return Err(("material-is-in-the-vault", Invalid::new("key", NO_COPY, mend)));
    }
    if let Some(refused) = key.ties.custody.refusal(Event::Renew) {
        return Err(("custody", refused));
    }
    if key.ties.is_copy() {
        let mend = "Set a policy for the key that it is a copy of: its copies are rotated with it. `keystead key links` names it.";
        return Err(("copies-rotate-with-their-source", Invalid::new("key", "is a copy and has no material of its own", mend)));
    }
    Ok(())
}

/// Whether a key's place or custody stands against a change of its properties.
pub(crate) fn check_change(key: &KeyRow, change: &KeyChange) -> Result<(), Invalid> {
    if key.is_in_vault() {
        check_in_vault(change.aliases.gives_any(), matches!(change.expires, Some(Some(_))))?;
    }
    // What is refused of a key that its cloud made is said in other words: it can be adopted.
    if key.ties.custody == Custody::Native && !was_brought_along(key) {
        return Ok(());
    }
    if was_brought_along(key) && change.expires.is_some() {
        let mend = "Make another key for what it does after its end: bringing the material again is the only way to move it.";
        return Err(Invalid::new("expires", "cannot be moved: Keystead keeps no copy of the material", mend));
    }
    if let Some(policy) = change.expiry_policy {
        check_policy(key.ties.custody_to_come(), policy)?;
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
    if custody == Custody::Native && policy != ExpiryPolicy::Alert {
        let reason = format!("cannot be {}: Keystead keeps no copy of the material", policy.as_str());
        return Err(Invalid::new("expiry_policy", reason, "Give alert, or leave it out."));
    }
    Ok(())
}
