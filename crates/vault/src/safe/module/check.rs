//! Whether a key in the module is the one that was expected, found out inside: the key does not come out for it, and neither does more than is compared.

use keystead_domain::KeySpec;

use crate::{
    HsmError, HsmKey, HsmSession, Mac, MaterialRefused, Purpose, VaultError,
    hazmat::check::ZEROS,
    safe::{CheckMethod, CheckValue},
};

/// Holds a key against what is expected of it, if anything is. `again` brings the same key in once more for another purpose: one that encrypts does not make MACs.
pub(super) fn check(
    session: &dyn HsmSession,
    expected: Option<&CheckValue>,
    spec: KeySpec,
    key: HsmKey,
    public: Option<&[u8]>,
    again: impl Fn(Purpose) -> Result<HsmKey, VaultError>,
) -> Result<(), VaultError> {
    let Some(expected) = expected else { return Ok(()) };
    let compared = match expected.method() {
        CheckMethod::Cmac => expected.compare(&cmac(session, again(Purpose::Checking)?)?),
        // The whole encrypted block would come out of the module for it, and that is GCM's key: only the three bytes that the module tells by itself are taken.
        CheckMethod::KcvZero => {
            expected.compare(&session.check_value(key)?.ok_or_else(|| lacking("tells no CKA_CHECK_VALUE of a key that it unwrapped", "cmac"))?)
        }
        CheckMethod::Hmac => expected.compare(&session.mac(key, Mac::of(spec), b"")?),
        CheckMethod::Sha256 => public.map_or(Err(MaterialRefused::OtherCheckValue), |public| expected.compare_public(public)),
    };
    Ok(compared?)
}

fn cmac(session: &dyn HsmSession, key: HsmKey) -> Result<Vec<u8>, HsmError> {
    session.cmac(key, ZEROS).map_err(|error| match error {
        HsmError::Cannot { .. } => lacking("has no AES-CMAC (CKM_AES_CMAC)", "kcv-zero"),
        other => other,
    })
}

fn lacking(what: &str, other: &str) -> HsmError {
    HsmError::Cannot { what: what.to_owned(), mend: format!("Give a check value by {other}, or none and compare the key by using it.") }
}
