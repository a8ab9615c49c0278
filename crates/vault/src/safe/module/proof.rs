//! A pair proves that its halves belong together: it signs inside, and the public half is held against that outside (FIPS 140-3, pairwise consistency).

use aws_lc_rs::digest::{self, Algorithm, SHA256, SHA384, SHA512};
use keystead_domain::{KeyFamily, KeySpec};

use crate::{HsmError, HsmKey, HsmSession, Random, VaultError, hazmat::spki, random};

/// DigestInfo of SHA-256 up to the digest (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

/// What the birth record says was passed.
pub(super) const fn tests(spec: KeySpec) -> &'static [&'static str] {
    if spec.is_pair() { &["pairwise consistency: signed inside the module, verified outside of it under the public half"] } else { &[] }
}

/// Lets a pair sign, and verifies.
pub(super) fn prove(session: &dyn HsmSession, key: HsmKey, spec: KeySpec, public: &[u8], random: &dyn Random) -> Result<(), VaultError> {
    let text = random::public::<32>(random);
    let digest = digest::digest(hash(spec), &text);
    let signature = match spec.family() {
        KeyFamily::Rsa => session.sign(key, spec, &[&DIGEST_INFO, digest.as_ref()].concat())?,
        _ => session.sign(key, spec, digest.as_ref())?,
    };
    if spki::verifies(spec, public, &text, &signature) {
        return Ok(());
    }
    Err(HsmError::Refused("the private half of a pair does not sign for the public one".to_owned()).into())
}

fn hash(spec: KeySpec) -> &'static Algorithm {
    match spec {
        KeySpec::EcP384 => &SHA384,
        KeySpec::EcP521 => &SHA512,
        _ => &SHA256,
    }
}
