//! Material that somebody else's module wrapped under our public half, unwrapped inside: the host sees it wrapped only, and so it does the key between.

use keystead_domain::{Hash, KeySpec, WrapMethod};

use super::{
    ModuleRoot, check,
    import::{check_len, not_as_the_standard, public},
    material::{Cradle, Kept, Piece},
};
use crate::{
    HsmError, HsmKey, HsmSession, MaterialRefused, Purpose, VaultError,
    safe::{CheckValue, transport::BLOCK_LEN},
};

impl ModuleRoot {
    /// Unwraps material inside, by a pair of the vault.
    pub(crate) fn take_in_by_pair(
        &self,
        pair: Piece,
        cradle: Cradle,
        wrapped: &[u8],
        method: WrapMethod,
        expected: Option<&CheckValue>,
    ) -> Result<Kept, VaultError> {
        self.demand(method)?;
        let (wrapped, expected, spec) = (wrapped.to_vec(), expected.cloned(), cradle.spec());
        self.run(move |session| {
            let (_, pair) = pair.unwrap(session, Purpose::UnwrappingPair)?;
            let root = cradle.root(session)?.wrapping;
            let again = |purpose| open(session, pair, root, &wrapped, method, purpose);
            let key = again(Purpose::Material(spec))?;
            let public = public(session, key, spec)?;
            check_material_len(session, root, key, spec, method)?;
            check::check(session, expected.as_ref(), spec, key, public.as_deref(), again)?;
            cradle.keep(session, key, public)
        })
    }

    /// Whether the module was seen to do it.
    fn demand(&self, method: WrapMethod) -> Result<(), VaultError> {
        let able = self.abilities();
        if matches!(method, WrapMethod::RsaAesKwp(_)) && !able.wraps_by_rfc_5649 {
            return Err(not_as_the_standard());
        }
        if able.unwraps_oaep.contains(&method.hash()) {
            return Ok(());
        }
        let what = format!("does not unwrap by RSAES-OAEP with {}", name(method.hash()));
        let mend = match able.unwraps_oaep.first() {
            Some(other) => format!("Have the key wrapped by {}: OAEP does not rely on what SHA-1 has lost.", method.with(*other).as_str()),
            None => "It unwraps by no hash of OAEP. Have the key wrapped under an AES_256 key of the vault.".to_owned(),
        };
        Err(HsmError::Cannot { what, mend }.into())
    }
}

const fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
    }
}

/// Every refusal of the module is the same answer: see `safe/transport.rs`. How long a module takes for each is its own affair.
fn open(session: &dyn HsmSession, pair: HsmKey, root: HsmKey, wrapped: &[u8], method: WrapMethod, purpose: Purpose) -> Result<HsmKey, VaultError> {
    let not_unwrapped = || VaultError::from(MaterialRefused::NotUnwrappedByPair);
    let of = |error: HsmError| match error {
        HsmError::Refused(_) | HsmError::Unauthentic | HsmError::Cannot { .. } => not_unwrapped(),
        other => other.into(),
    };
    match method {
        WrapMethod::RsaOaep(hash) => session.unwrap_oaep(pair, hash, wrapped, purpose).map_err(of),
        WrapMethod::RsaAesKwp(hash) => {
            let (outer, inner) = wrapped.split_at_checked(BLOCK_LEN).ok_or_else(not_unwrapped)?;
            let between = session.unwrap_oaep(pair, hash, outer, Purpose::Unwrapping).map_err(of)?;
            check_len(session, root, between, KeySpec::Aes256).map_err(same)?;
            let key = session.unwrap(between, inner, purpose).map_err(of);
            session.forget(between);
            key
        }
    }
}

/// By OAEP alone a wrong length is told like everything else; behind the check value of KWP it is told as what it is.
fn check_material_len(session: &dyn HsmSession, root: HsmKey, key: HsmKey, spec: KeySpec, method: WrapMethod) -> Result<(), VaultError> {
    let checked = check_len(session, root, key, spec);
    if matches!(method, WrapMethod::RsaOaep(_)) { checked.map_err(same) } else { checked }
}

fn same(error: VaultError) -> VaultError {
    match error {
        VaultError::MaterialRefused(_) => MaterialRefused::NotUnwrappedByPair.into(),
        other => other,
    }
}
