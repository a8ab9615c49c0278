//! Material from elsewhere, into the module: what a person brings in plain, and what a key that is there already unwraps inside.

use keystead_domain::KeySpec;

use super::{
    ModuleRoot, check,
    material::{self, Cradle, Kept, Piece},
};
use crate::{
    HsmError, HsmKey, HsmSession, MaterialRefused, Purpose, Random, VaultError,
    hazmat::{
        key_wrap::{self, KeyWrapMode},
        spki,
    },
    safe::{
        CheckValue,
        birth::{Birth, Generated},
        material::Fresh,
    },
    secret::Secret,
};

impl ModuleRoot {
    /// Brings in material that the host has plain. It goes in wrapped under a key that serves for this alone, so that all modules take every kind alike.
    pub(crate) fn take_in(&self, cradle: Cradle, fresh: &Fresh, birth: Birth, random: &dyn Random) -> Result<Generated, VaultError> {
        if !self.abilities().wraps_by_rfc_5649 {
            return Err(not_as_the_standard());
        }
        let spec = cradle.spec();
        let kept = self.keep_incoming(cradle, fresh, random)?;
        Ok(self.generated(kept, spec, birth.source, birth.mechanism))
    }

    /// Brings material in that the host has plain, and seals it.
    pub(super) fn keep_incoming(&self, cradle: Cradle, fresh: &Fresh, random: &dyn Random) -> Result<Kept, VaultError> {
        let (incoming, public) = (Incoming::new(fresh.material.expose(), random)?, fresh.public_key.clone());
        self.run(move |session| {
            let key = material::carried(session, incoming.transport(session)?, &incoming.wrapped, cradle.spec())?;
            let wrapped = session.wrap(cradle.root(session)?.wrapping, key)?;
            cradle.keep_wrapped(session, &wrapped, public.clone())
        })
    }

    /// Unwraps material inside, under a key of the vault. The host sees it wrapped only.
    pub(crate) fn take_in_wrapped(
        &self,
        kek: Piece,
        cradle: Cradle,
        spec: KeySpec,
        wrapped: &[u8],
        expected: Option<&CheckValue>,
    ) -> Result<(super::material::Kept, KeyWrapMode), VaultError> {
        if !self.abilities().wraps_by_rfc_5649 {
            return Err(not_as_the_standard());
        }
        let (wrapped, expected) = (wrapped.to_vec(), expected.cloned());
        self.run(move |session| {
            let (_, kek) = kek.unwrap(session, Purpose::Unwrapping)?;
            let (key, mode) = unwrap(session, kek, &wrapped, Purpose::Material(spec))?;
            let root = cradle.root(session)?;
            check_len(session, root.wrapping, key, spec)?;
            let public = public(session, key, spec)?;
            let again = |purpose| unwrap(session, kek, &wrapped, purpose).map(|(key, _)| key);
            check::check(session, expected.as_ref(), spec, key, public.as_deref(), again)?;
            Ok((cradle.keep(session, key, public)?, mode))
        })
    }
}

/// A key that the host has plain, on its way in: wrapped under a key that serves for this alone.
pub(super) struct Incoming {
    transport: Secret<32>,
    wrapped: Vec<u8>,
}

impl Incoming {
    pub(super) fn new(plain: &[u8], random: &dyn Random) -> Result<Self, VaultError> {
        let transport = Secret::<32>::init_with(|bytes| random.fill(bytes));
        let wrapped = key_wrap::wrap_padded(transport.expose(), plain)?;
        Ok(Self { transport, wrapped })
    }

    /// The key in the session of a job.
    pub(super) fn key(&self, session: &dyn HsmSession, purpose: Purpose) -> Result<HsmKey, HsmError> {
        session.unwrap(self.transport(session)?, &self.wrapped, purpose)
    }

    fn transport(&self, session: &dyn HsmSession) -> Result<HsmKey, HsmError> {
        session.bring_in(self.transport.expose(), Purpose::Unwrapping)
    }
}

/// By KWP and, where that fails, by KW: a file does not say which it is.
fn unwrap(session: &dyn HsmSession, kek: HsmKey, wrapped: &[u8], purpose: Purpose) -> Result<(HsmKey, KeyWrapMode), VaultError> {
    let not_unwrapped = |error| match error {
        HsmError::Refused(_) | HsmError::Unauthentic | HsmError::Cannot { .. } => MaterialRefused::NotUnwrapped.into(),
        other => VaultError::from(other),
    };
    match session.unwrap(kek, wrapped, purpose).map_err(not_unwrapped) {
        Ok(key) => Ok((key, KeyWrapMode::Padded)),
        Err(VaultError::MaterialRefused(_)) => Ok((session.unwrap_plain(kek, wrapped, purpose).map_err(not_unwrapped)?, KeyWrapMode::Plain)),
        Err(other) => Err(other),
    }
}

pub(super) fn check_len(session: &dyn HsmSession, root: HsmKey, key: HsmKey, spec: KeySpec) -> Result<(), VaultError> {
    let Some(expected) = spec.material_len() else { return Ok(()) };
    let found = match session.len(key)? {
        Some(len) => len,
        // SoftHSM2 does not tell of a key that it unwrapped. Wrapped by AES-KWP it is as long as it is, to the next eight bytes, and eight more: so much is checked,
        // and a key that is short by less than that passes there for a whole one with zeros at its end.
        None => match session.wrap(root, key)?.len().saturating_sub(8) {
            padded if padded == expected.next_multiple_of(8) => expected,
            padded => padded,
        },
    };
    if found == expected { Ok(()) } else { Err(MaterialRefused::WrongSize { spec, expected, found }.into()) }
}

pub(super) fn public(session: &dyn HsmSession, key: HsmKey, spec: KeySpec) -> Result<Option<Vec<u8>>, VaultError> {
    if !spec.is_pair() {
        return Ok(None);
    }
    let numbers = session.public(key, spec)?.ok_or_else(|| HsmError::Cannot {
        what: format!("does not tell the public half of an {} that it unwrapped", spec.as_str()),
        mend: "Bring the private key as a PKCS#8 file, or make it here.".to_owned(),
    })?;
    // A pair of another size or curve than was asked for shows here.
    Ok(Some(spki::of(spec, &numbers).map_err(|_| MaterialRefused::NotPkcs8)?))
}

pub(super) fn not_as_the_standard() -> VaultError {
    HsmError::Cannot {
        what: "does not unwrap by AES-KWP as RFC 5649 has it".to_owned(),
        mend: "Material cannot be brought in here; let the module make it.".to_owned(),
    }
    .into()
}
