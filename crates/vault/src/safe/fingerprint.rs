//! By what a key is known again: a MAC, under the account's key that never rotates, of what only this key answers. It is the same whether the key lies in this process or
//! in a hardware module, so that it stays when the root moves.

use keystead_domain::{KeyFamily, KeySpec};

use super::account_key::AccountSecrets;
use crate::{
    HsmError, HsmKey, HsmSession, Mac, SecretBytes, VaultError,
    hazmat::{aad::Aad, derive},
};

/// The block that an AES key encrypts to show which key it is: the first half of SHA-256 of "keystead check block". Not a block of zeros, as key check values have
/// it: what an AES key makes of that is what GCM authenticates with.
const CHECK_BLOCK: [u8; 16] = [0x63, 0x8c, 0x91, 0x54, 0x29, 0x91, 0x62, 0xf9, 0xb6, 0x90, 0xd8, 0x93, 0x83, 0x11, 0xe5, 0x38];
/// What an HMAC key authenticates for the same end.
const CHECK_TEXT: &[u8] = b"keystead fingerprint of an HMAC key";

/// A keyed MAC over kind and material: 16 bytes, shown in hexadecimal.
///
/// Equal material in one account has equal fingerprints, across rotations of root and account key and across kinds of root; in another account it has others. Unlike a
/// key check value (ANSI X9.24-1, or three bytes of a hash) it tells nobody anything who does not hold the account's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of material in this process; of a pair with its public half.
    pub(crate) fn of(secrets: &AccountSecrets, spec: KeySpec, material: &SecretBytes, public: Option<&[u8]>) -> Result<Self, VaultError> {
        let answer = match public {
            Some(public) => public.to_vec(),
            None if spec.family() == KeyFamily::Hmac => derive::mac(Mac::of(spec), material.expose(), CHECK_TEXT),
            None => derive::encrypt_block(material.expose(), CHECK_BLOCK)?.to_vec(),
        };
        Self::from_mac(derive::mac(Mac::Sha256, secrets.mac_key(), text(spec, &answer).as_bytes()))
    }

    /// Of a key in a module, by the account's key that makes MACs there.
    pub(crate) fn inside(session: &dyn HsmSession, mac_key: HsmKey, spec: KeySpec, key: HsmKey, public: Option<&[u8]>) -> Result<Self, VaultError> {
        let answer = match public {
            Some(public) => public.to_vec(),
            None if spec.family() == KeyFamily::Hmac => session.mac(key, Mac::of(spec), CHECK_TEXT)?,
            None => session.encrypt_block(key, CHECK_BLOCK)?.to_vec(),
        };
        Self::from_mac(session.mac(mac_key, Mac::Sha256, text(spec, &answer).as_bytes())?)
    }

    /// Truncated to its first 16 bytes (RFC 2104, section 5: not less than half).
    fn from_mac(mac: Vec<u8>) -> Result<Self, VaultError> {
        mac.first_chunk().copied().map(Self).ok_or_else(|| HsmError::Refused("a MAC is too short".to_owned()).into())
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

fn text(spec: KeySpec, answer: &[u8]) -> Aad {
    Aad::of("keystead fingerprint").text(spec.as_str()).bytes(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_block_is_what_it_says() {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"keystead check block");
        assert_eq!(CHECK_BLOCK[..], digest.as_ref()[..16]);
    }
}
