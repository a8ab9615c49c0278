//! The hardware module, as a configuration names it: loaded, with its PIN read from a file.

use std::{sync::Arc, time::Duration};

use keystead_vault::{HsmError, NewUnlock, SecretBytes, UnlockSecret};
use keystead_vault_pkcs11::Pkcs11Module;
pub use keystead_vault_pkcs11::{Finding, Report as ModuleReport, Speed};

use crate::{
    ServerError,
    config::{Hsm, read_line},
};

/// For how long each speed is measured.
const MEASURED_FOR: Duration = Duration::from_millis(500);

/// Loads the library.
pub(crate) fn load(config: &Hsm) -> Result<Arc<Pkcs11Module>, ServerError> {
    Ok(Arc::new(Pkcs11Module::load(config.settings()).map_err(told)?))
}

/// The PIN, if the configuration names its file.
pub(crate) fn pin(config: &Hsm) -> Result<Option<SecretBytes>, ServerError> {
    config.pin_file.as_deref().map(|path| read_line(path).map(SecretBytes::from)).transpose()
}

/// What opens the vault at a start. Without a PIN nothing would: one is not taken over the network.
pub(crate) fn secret(config: &Hsm) -> Result<UnlockSecret, ServerError> {
    let missing = || ServerError::Vault("its root lies in a hardware module, and hsm.pin_file names no file with the PIN of the token. Give one.".to_owned());
    let pin = pin(config)?.ok_or_else(missing)?;
    Ok(UnlockSecret::Module { hsm: load(config)?, pin })
}

/// What a new root is made with, and what opens it; both know the same module.
pub(crate) fn new_root(config: &Hsm, pin: &SecretBytes) -> Result<(NewUnlock, UnlockSecret), ServerError> {
    let hsm = load(config)?;
    let copy = || SecretBytes::from(pin.expose().to_vec());
    Ok((NewUnlock::Module { hsm: hsm.clone(), pin: copy() }, UnlockSecret::Module { hsm, pin: copy() }))
}

/// What a module can, what Keystead does with it, and how fast it is. It leaves nothing in the token.
///
/// # Errors
/// [`ServerError::Vault`] when the module cannot be opened.
pub fn examine(config: &Hsm, pin: &SecretBytes) -> Result<ModuleReport, ServerError> {
    load(config)?.examine(pin, MEASURED_FOR).map_err(told)
}

fn told(error: HsmError) -> ServerError {
    ServerError::Vault(error.to_string())
}
