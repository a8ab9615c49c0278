//! The copy of a root that lies in a module: its two keys, wrapped under a key whose shares people keep. It is made with the root, because later nothing lets the root out.
//! Whoever has enough shares and the record can restore the root in another token, and only then; the copy wraps the same two keys for ever, so that
//! new keepers get a new root.

use std::sync::Arc;

use super::{ModuleRoot, opened, proof_aad, proof_text};
use crate::{
    Hsm, HsmError, HsmSession, Purpose, RootRecord, UnsealError, VaultError,
    hazmat::aad::Aad,
    safe::{
        share::Share,
        unlock::{Backup, Method},
    },
};

impl ModuleRoot {
    /// Whether shares restore the copy of this root: inside the module, for the time of one job, and nothing stays.
    pub(crate) fn prove(&self, record: &RootRecord, backup: &Backup, shares: &[Share]) -> Result<(), UnsealError> {
        let (key, keys, id) = (backup.key(shares)?, backup.keys.clone(), self.id);
        let (aad, sealed, text): (Aad, _, _) = (proof_aad(record), record.wrapped, proof_text(record));
        let proved = self.run(move |session| {
            let under = session.bring_in(key.expose(), Purpose::Unwrapping)?;
            // The key that seals opens what the root in the token has sealed.
            let sealing = session.unwrap(under, &keys.sealing, Purpose::Account)?;
            let is_sealing = opened(session, sealing, aad.as_bytes(), &sealed)?.expose() == text;
            // The key that wraps unwraps what the root in the token has wrapped.
            let wrapping = session.unwrap(under, &keys.wrapping, Purpose::Unwrapping)?;
            let some = session.generate(Purpose::Transport)?.key;
            let wrapped = session.wrap(session.root(id)?.wrapping, some)?;
            session.unwrap(wrapping, &wrapped, Purpose::Transport)?;
            Ok(is_sealing)
        });
        match proved {
            Ok(true) => Ok(()),
            Ok(false) | Err(VaultError::Module(HsmError::Unauthentic | HsmError::Refused(_))) => Err(UnsealError::WrongSecret),
            Err(VaultError::Module(error)) => Err(error.into()),
            Err(other) => Err(HsmError::Refused(other.to_string()).into()),
        }
    }
}

/// Restores the root of a record in another token, from the shares of its copy. What it made is opened by the record, as at a start.
///
/// # Errors
/// [`UnsealError::NoBackup`] when the record has none; [`UnsealError::Share`]; what the module says.
pub fn restore(record: &RootRecord, hsm: &Arc<dyn Hsm>, shares: &[Share]) -> Result<(), UnsealError> {
    let Method::Module { id, backup: Some(backup) } = &record.method else { return Err(UnsealError::NoBackup) };
    let key = backup.key(shares)?;
    hsm.open()?;
    let id = *id;
    match hsm.run(Arc::new(move |session: &dyn HsmSession| session.root(id).map(drop))) {
        Err(HsmError::NoRoot) => {}
        Ok(()) => return Err(HsmError::Refused("the token has this root already".to_owned()).into()),
        Err(error) => return Err(error.into()),
    }
    hsm.restore_root(id, key.expose(), &backup.keys)?;
    super::open(record, id, std::slice::from_ref(hsm)).map(drop)
}
