//! The hardware modules, as a configuration names them: loaded, with their PINs read from files.

use std::{sync::Arc, time::Duration};

use keystead_vault::{self as vault, HsmError, NewUnlock, SecretBytes, UnlockSecret};
use keystead_vault_pkcs11::Pkcs11Module;
pub use keystead_vault_pkcs11::{Finding, Report as ModuleReport, Speed};

use crate::{
    ServerError,
    config::{Config, Hsm, read_line},
};

/// For how long each speed is measured.
const MEASURED_FOR: Duration = Duration::from_millis(500);

/// Loads the library.
fn load(config: &Hsm, pin: &SecretBytes) -> Result<Arc<Pkcs11Module>, ServerError> {
    Ok(Arc::new(Pkcs11Module::load(config.settings(), pin).map_err(told)?))
}

/// Loads a module with the PIN that its configuration names. One is not taken over the network.
fn load_configured(config: &Hsm) -> Result<Arc<dyn vault::Hsm>, ServerError> {
    let missing = || ServerError::Vault(format!("the hardware module {:?} has no pin_file, a file with the PIN of its token. Give one.", config.name));
    let path = config.pin_file.as_deref().ok_or_else(missing)?;
    Ok(load(config, &SecretBytes::from(read_line(path)?))?)
}

/// Every module that a configuration names. One of several may be broken: that is told, and the others serve.
pub(crate) fn modules(config: &Config) -> Result<Vec<Arc<dyn vault::Hsm>>, ServerError> {
    let Some(hsm) = &config.hsm else { return Ok(Vec::new()) };
    let (mut loaded, mut first) = (Vec::new(), None);
    for module in hsm.all() {
        match load_configured(module) {
            Ok(module) => loaded.push(module),
            Err(error) => {
                tracing::error!(module = module.name, %error, "a hardware module cannot be used");
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if loaded.is_empty() => Err(error),
        _ => Ok(loaded),
    }
}

/// What a new root is made with, and what opens it; both know the same module.
pub(crate) fn new_root(config: &Hsm, pin: &SecretBytes, backup: Option<(u8, u8)>) -> Result<(NewUnlock, UnlockSecret), ServerError> {
    let hsm = load(config, pin)?;
    Ok((NewUnlock::Module { hsm: hsm.clone(), backup }, UnlockSecret::Modules(vec![hsm])))
}

/// What a module can, what Keystead does with it, and how fast it is. It leaves nothing in the token.
///
/// # Errors
/// [`ServerError::Vault`] when the module cannot be opened.
pub fn examine(config: &Hsm, pin: &SecretBytes) -> Result<ModuleReport, ServerError> {
    load(config, pin)?.examine(MEASURED_FOR).map_err(told)
}

fn told(error: HsmError) -> ServerError {
    ServerError::Vault(error.to_string())
}
