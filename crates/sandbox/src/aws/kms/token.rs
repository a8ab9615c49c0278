//! What the service gives out and wants back unharmed: import tokens and page markers. Both are sealed with a key that only this sandbox has, so one that
//! was damaged, invented or given for something else does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};

use crate::clock::{DAY, Micros};
use crate::random::{self, NoRandomness};

/// How long import parameters live.
pub(crate) const PARAMETERS_LIFE: Micros = DAY;

/// What a sealed thing is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    ImportToken,
    Marker,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ImportToken => b"import token",
            Self::Marker => b"page marker",
        }
    }
}

/// The sandbox's own sealing key.
pub(crate) struct Seal {
    key: LessSafeKey,
}

impl Seal {
    /// A fresh key.
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        let key = UnboundKey::new(&AES_256_GCM, &random::bytes::<32>()?).map_err(|_| NoRandomness)?;
        Ok(Self { key: LessSafeKey::new(key) })
    }

    pub(crate) fn close(&self, purpose: Purpose, content: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let mut sealed = content.to_vec();
        let aad = Aad::from(purpose.label());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).map_err(|_| NoRandomness)?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open(&self, purpose: Purpose, closed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = closed.split_at_checked(NONCE_LEN)?;
        let mut content = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let len = self.key.open_in_place(nonce, Aad::from(purpose.label()), &mut content).ok()?.len();
        content.truncate(len);
        Some(content)
    }
}

/// What an import token says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImportToken {
    /// ARN of the one key that it is for.
    pub(crate) key_arn: String,
    pub(crate) algorithm: String,
    pub(crate) wrapping_spec: String,
    /// Which pair of the pool.
    pub(crate) pair: usize,
    pub(crate) expires: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_damaged_invented_or_for_something_else_does_not_open() {
        let seal = Seal::new().expect("randomness");
        let closed = seal.close(Purpose::ImportToken, b"token").expect("randomness");
        assert_eq!(seal.open(Purpose::ImportToken, &closed).as_deref(), Some(&b"token"[..]));
        assert_eq!(seal.open(Purpose::Marker, &closed), None);
        assert_eq!(Seal::new().expect("randomness").open(Purpose::ImportToken, &closed), None);
        for index in 0..closed.len() {
            let mut damaged = closed.clone();
            damaged[index] ^= 1;
            assert_eq!(seal.open(Purpose::ImportToken, &damaged), None, "byte {index}");
        }
        assert_eq!(seal.open(Purpose::ImportToken, b"short"), None);
    }
}
