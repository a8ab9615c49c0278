//! By which key of the vault wrapped material is unwrapped: an AES-256 key, or a pair under whose public half somebody else wrapped it (FX-015).

use keystead_domain::{Invalid, KeySpec, KeyState, KeyUsage, WrapMethod, keystore::VAULT};
use keystead_identity::Principal;
use keystead_operations::{birth::Origin, engine::call::StepError};
use keystead_store::keys::KeyRow;

use crate::{App, Error};

const FIELD: &str = "material.unwrap_with";

impl App {
    /// Finds the key that opens wrapped material, and looks whether it may.
    pub(super) async fn unwrapping(&self, principal: &Principal, wrapped: Vec<u8>, by: &str, method: Option<WrapMethod>) -> Result<Origin, Error> {
        let no_key = |_| Error::Invalid(Invalid::new(FIELD, format!("names no key: {by}"), "Name a key that Keystead holds the material of."));
        let key = self.key(principal, by).await.map_err(no_key)?;
        check(&key, method)?;
        let sealed = match self.engine.sealed(&key).await {
            Err(StepError::Missing(_)) => return Err(Invalid::new(FIELD, "names a key whose material the vault does not have", "Name another key.").into()),
            sealed => Box::new(sealed?),
        };
        Ok(match method {
            Some(method) => Origin::ByPair { wrapped, pair: sealed, method },
            None => Origin::Wrapped(wrapped, sealed),
        })
    }
}

/// A pair that unwraps lies in the vault alone: whoever may decrypt with it in a cloud would open there what was wrapped for us. And it does not sign: one key, one use
/// (NIST SP 800-57 part 1, section 5.2).
fn check(key: &KeyRow, method: Option<WrapMethod>) -> Result<(), Invalid> {
    let refused = |reason: String, mend: &str| Err(Invalid::new(FIELD, reason, mend));
    match (key.spec, method) {
        _ if !matches!(key.state, KeyState::Active | KeyState::Replaced) => {
            refused(format!("names a key that is {}", key.state.as_str()), "Activate it, or name another key.")
        }
        (KeySpec::Rsa4096, None) => {
            let mend = format!("Say by which method it was wrapped: {}.", WrapMethod::ALL.map(WrapMethod::as_str).join(", "));
            Err(Invalid::new("material.method", "is missing: the key that unwraps is a pair", mend))
        }
        (KeySpec::Rsa4096, Some(_)) if key.cloud != VAULT => {
            refused("names a pair that lies in a cloud, too".to_owned(), "Name a pair of a keystore whose cloud is vault: nobody else can decrypt with it.")
        }
        (KeySpec::Rsa4096, Some(_)) if key.ties.is_exportable => {
            let mend = "Promise it with `keystead key update NAME --not-exportable`, or make a pair that is: a copy of it in a cloud could decrypt there.";
            refused("names a pair that may be exported and copied".to_owned(), mend)
        }
        (KeySpec::Rsa4096, Some(_)) if key.usage != KeyUsage::Encrypt => {
            refused(format!("names a pair whose use is {}", key.usage.as_str()), "Name a pair that was made with the use encrypt.")
        }
        (KeySpec::Aes256, Some(_)) => {
            Err(Invalid::new("material.method", "is for a pair, and the key that unwraps is AES_256", "Leave it out, or name an RSA_4096 pair."))
        }
        _ => Ok(()),
    }
}
