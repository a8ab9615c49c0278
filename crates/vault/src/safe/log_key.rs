//! The key that signs the audit log's checkpoints: an Ed25519 seed (RFC 8032, section 5.1.5), sealed under the root. It signs in here, like every key works in
//! here; whoever has the database but not the root cannot forge a checkpoint. With a root in a hardware module it stays a key of the host, sealed by the module:
//! it protects no material, and few modules sign with Ed25519.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use super::{
    blob::SealedUnder,
    root::{Root, Roots},
    vault::Vault,
};
use crate::{
    Blob, Random, VaultError,
    hazmat::{ProviderFailed, aad::Aad, health},
    secret::Secret,
};

const FAILED: ProviderFailed = ProviderFailed { operation: "Ed25519" };

/// A log key as it is stored, and its public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLogKey {
    /// To be stored. Opaque outside the vault.
    pub sealed: Vec<u8>,
    /// The Ed25519 public key, to hand out.
    pub public_key: [u8; 32],
}

impl Vault {
    /// Makes a log key.
    ///
    /// # Errors
    /// [`VaultError::Sealed`], [`VaultError::UnhealthyRandom`].
    pub fn new_log_key(&self) -> Result<NewLogKey, VaultError> {
        self.with_roots(|roots| {
            let seed = health::tested_key::<32>(self.random())?;
            let public_key = public_half(&pair(&seed)?)?;
            Ok(NewLogKey { sealed: seal(&roots.current, &seed, self.random())?, public_key })
        })
    }

    /// Signs with a log key.
    ///
    /// # Errors
    /// [`VaultError::Sealed`], [`VaultError::DoesNotOpen`].
    pub fn sign_log(&self, sealed: &[u8], message: &[u8]) -> Result<[u8; 64], VaultError> {
        self.with_roots(|roots| {
            let signature = pair(&open(roots, sealed)?)?.try_sign(message).map_err(|_| FAILED)?;
            signature.as_ref().try_into().map_err(|_| FAILED.into())
        })
    }

    /// The same log key under the current root: part of a root rotation.
    ///
    /// # Errors
    /// Those of opening the key.
    pub fn rewrap_log_key(&self, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.with_roots(|roots| seal(&roots.current, &open(roots, sealed)?, self.random()))
    }
}

fn pair(seed: &Secret<32>) -> Result<Ed25519KeyPair, VaultError> {
    Ok(Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| FAILED)?)
}

fn public_half(pair: &Ed25519KeyPair) -> Result<[u8; 32], VaultError> {
    pair.public_key().as_ref().try_into().map_err(|_| FAILED.into())
}

fn open(roots: &Roots, sealed: &[u8]) -> Result<Secret<32>, VaultError> {
    let (under, ciphertext) = SealedUnder::split(Blob::LogKey, sealed)?;
    let generation = under.root_generation;
    let root = roots.find(generation).ok_or(VaultError::UnknownRoot { blob: Blob::LogKey, generation })?;
    under.expect_format(Blob::LogKey, root.format())?;
    let seed = root.open(Blob::LogKey, &aad(under), ciphertext)?;
    let seed: &[u8; 32] = seed.expose().try_into().map_err(|_| VaultError::DoesNotOpen(Blob::LogKey))?;
    Ok(Secret::init_with(|out| out.copy_from_slice(seed)))
}

fn seal(root: &Root, seed: &Secret<32>, random: &dyn Random) -> Result<Vec<u8>, VaultError> {
    let under = SealedUnder { root_generation: root.generation, account_key_generation: 0, format: root.format() };
    Ok(under.join(&root.seal(&aad(under), seed.expose(), random)?))
}

fn aad(under: SealedUnder) -> Aad {
    Aad::of("keystead log key under the root").bytes(&under.header())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;
    use crate::{NewUnlock, SystemRandom, UnlockSecret, root};

    fn open_vault() -> Vault {
        let key = || crate::SecretBytes::from(vec![9; 31].into_iter().chain([7]).collect::<Vec<u8>>());
        let created = root::create(&NewUnlock::KeyFile(key()), &SystemRandom).expect("a root");
        let vault = Vault::sealed(created.record, Arc::new(SystemRandom));
        vault.unseal(&UnlockSecret::KeyFile(key())).expect("opens");
        vault
    }

    #[test]
    fn a_signature_verifies_under_the_public_half_and_survives_a_rewrap() {
        let vault = open_vault();
        let key = vault.new_log_key().expect("a key");
        let again = vault.rewrap_log_key(&key.sealed).expect("rewrapped");
        let verifier = UnparsedPublicKey::new(&ED25519, key.public_key);
        for sealed in [&key.sealed, &again] {
            let signature = vault.sign_log(sealed, b"checkpoint").expect("signs");
            assert!(verifier.verify(b"checkpoint", &signature).is_ok());
            assert!(verifier.verify(b"another", &signature).is_err());
        }
    }

    #[test]
    fn a_damaged_key_and_a_sealed_vault_do_not_sign() {
        let vault = open_vault();
        let key = vault.new_log_key().expect("a key");
        let mut damaged = key.sealed.clone();
        damaged[20] ^= 1;
        assert_eq!(vault.sign_log(&damaged, b"x"), Err(VaultError::DoesNotOpen(Blob::LogKey)));
        vault.seal();
        assert_eq!(vault.sign_log(&key.sealed, b"x"), Err(VaultError::Sealed));
    }
}
