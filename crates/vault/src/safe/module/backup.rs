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
    secret::Secret,
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

/// Restores the root of a record in another token, from the shares of its copy. That they are its keys is seen in a session first; half a root that an earlier try left is
/// made whole.
///
/// # Errors
/// [`UnsealError::NoBackup`] when the record has none; [`UnsealError::Share`]; [`UnsealError::WrongSecret`] for a copy that is not this root's; what the module says.
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
    opens_the_proof(record, backup, hsm, key.expose())?;
    hsm.restore_root(id, key.expose(), &backup.keys)?;
    let root = super::open(record, id, std::slice::from_ref(hsm))?;
    root.module().map_or(Ok(()), |module| module.prove(record, backup, shares))
}

/// What is made in a token stays there. So the copy's keys open the proof in a session first: it binds the record's head, and with that both of them.
fn opens_the_proof(record: &RootRecord, backup: &Backup, hsm: &Arc<dyn Hsm>, under: &[u8; 32]) -> Result<(), UnsealError> {
    let (aad, sealed, text) = (proof_aad(record), record.wrapped, proof_text(record));
    let (keys, under) = (backup.keys.clone(), Secret::<32>::init_with(|key| *key = *under));
    let job = move |session: &dyn HsmSession| {
        let under = session.bring_in(under.expose(), Purpose::Unwrapping)?;
        session.unwrap(under, &keys.wrapping, Purpose::Unwrapping)?;
        let sealing = session.unwrap(under, &keys.sealing, Purpose::Account)?;
        if opened(session, sealing, aad.as_bytes(), &sealed)?.expose() == text { Ok(()) } else { Err(HsmError::Unauthentic) }
    };
    hsm.run(Arc::new(job)).map_err(|error| match error {
        HsmError::Unauthentic | HsmError::Refused(_) => UnsealError::WrongSecret,
        other => other.into(),
    })
}
