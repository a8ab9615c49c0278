//! Account keys: one a tenant, random, sealed under the root and bound to the account. They are opened for each use and forgotten after it.

use super::{
    blob::{Format, SealedUnder},
    module::ModuleRoot,
    place::{AccountKey, SealedAccountKey},
    root::{Root, Roots},
    vault::Vault,
};
use crate::{
    Blob, Random, VaultError,
    hazmat::{aad::Aad, health},
    secret::Secret,
};
use keystead_domain::AccountId;

/// What is sealed as an account key: 32 bytes that encrypt material, and 32 bytes that make MACs: fingerprints, and the seals of preparations. The latter stay when the
/// former rotate: fingerprints stand in the audit log for ever, and shall be comparable as long.
pub(crate) struct AccountSecrets {
    pub(crate) generation: u32,
    both: Secret<64>,
}

impl AccountSecrets {
    /// The key that seals material.
    pub(crate) fn key(&self) -> &[u8; 32] {
        self.both.expose().first_chunk().unwrap_or(&[0; 32])
    }

    /// The key that makes MACs.
    pub(crate) fn mac_key(&self) -> &[u8; 32] {
        self.both.expose().last_chunk().unwrap_or(&[0; 32])
    }
}

impl Vault {
    /// Makes the key of a new account; `generation` is 1.
    ///
    /// # Errors
    /// [`VaultError::Sealed`], [`VaultError::UnhealthyRandom`].
    pub fn new_account_key(&self, account: &AccountId, generation: u32) -> Result<SealedAccountKey, VaultError> {
        self.with_roots(|roots| {
            if let Some(module) = roots.current.module() {
                return module.new_account_key(under(&roots.current, generation), account, self.shared_random());
            }
            let secrets = AccountSecrets { generation, both: health::tested_key(self.random())? };
            seal(&roots.current, account, &secrets, self.random())
        })
    }

    /// Makes the account's next key, under the current root. Keep both while rows are [re-wrapped](Vault::rewrap) from one to the other; a rotation of the root
    /// goes this way, too.
    ///
    /// # Errors
    /// Those of opening the old key; [`VaultError::UnhealthyRandom`].
    pub fn next_account_key(&self, account: &AccountId, old: AccountKey<'_>, generation: u32) -> Result<SealedAccountKey, VaultError> {
        self.with_roots(|roots| {
            let under = under(&roots.current, generation);
            match (module(roots, old)?, roots.current.module()) {
                (Some(from), Some(into)) => return into.next_account_key(under, account, from, old, self.shared_random()),
                (None, Some(into)) => return into.take_over_account_key(under, account, &open(roots, account, old)?, self.shared_random()),
                (_, None) => {}
            }
            let old = open(roots, account, old)?;
            let fresh = health::tested_key::<32>(self.random())?;
            let both = Secret::init_with(|both| {
                let (key, mac_key) = both.split_at_mut(32);
                key.copy_from_slice(fresh.expose());
                mac_key.copy_from_slice(old.mac_key());
            });
            seal(&roots.current, account, &AccountSecrets { generation, both }, self.random())
        })
    }
}

/// Opens an account key for one use.
pub(crate) fn open(roots: &Roots, account: &AccountId, key: AccountKey<'_>) -> Result<AccountSecrets, VaultError> {
    let (under, ciphertext) = SealedUnder::split(Blob::AccountKey, key.sealed)?;
    under.expect_account_key(Blob::AccountKey, key.generation)?;
    let root = root_of(roots, under)?;
    under.expect_format(Blob::AccountKey, root.format())?;
    under.expect_format(Blob::AccountKey, Format::Software)?;
    let both = root.open(Blob::AccountKey, &aad(under, account), ciphertext)?;
    let both: &[u8; 64] = both.expose().try_into().map_err(|_| VaultError::DoesNotOpen(Blob::AccountKey))?;
    Ok(AccountSecrets { generation: key.generation, both: Secret::init_with(|out| out.copy_from_slice(both)) })
}

/// The module in which an account's key opens; `None` when it opens in this process.
pub(crate) fn module<'a>(roots: &'a Roots, key: AccountKey<'_>) -> Result<Option<&'a ModuleRoot>, VaultError> {
    let (under, _) = SealedUnder::split(Blob::AccountKey, key.sealed)?;
    Ok(root_of(roots, under)?.module())
}

fn root_of(roots: &Roots, under: SealedUnder) -> Result<&Root, VaultError> {
    let generation = under.root_generation;
    roots.find(generation).ok_or(VaultError::UnknownRoot { blob: Blob::AccountKey, generation })
}

fn seal(root: &Root, account: &AccountId, secrets: &AccountSecrets, random: &dyn Random) -> Result<SealedAccountKey, VaultError> {
    let under = under(root, secrets.generation);
    let ciphertext = root.seal(&aad(under, account), secrets.both.expose(), random)?;
    Ok(SealedAccountKey(under.join(&ciphertext)))
}

fn under(root: &Root, generation: u32) -> SealedUnder {
    SealedUnder { root_generation: root.generation, account_key_generation: generation, format: root.format() }
}

pub(crate) fn aad(under: SealedUnder, account: &AccountId) -> Aad {
    Aad::of("keystead account key under the root").bytes(&under.header()).text(account.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::seeded::Stuck,
        safe::testing::{House, account},
    };
    use std::sync::Arc;

    fn refusal(house: &House, account: &AccountId, generation: u32, sealed: &[u8]) -> Option<VaultError> {
        house.vault.next_account_key(account, AccountKey { generation, sealed }, generation + 1).err()
    }

    #[test]
    fn an_account_key_opens_for_its_account_and_generation_only() {
        let house = House::new("house");
        let sealed = house.account_key.as_bytes();
        assert_eq!(refusal(&house, &house.account, 1, sealed), None);
        assert_eq!(refusal(&house, &account(2), 1, sealed), Some(VaultError::DoesNotOpen(Blob::AccountKey)));
        let other = VaultError::OtherAccountKey { blob: Blob::AccountKey, sealed_under: 1, given: 2 };
        assert_eq!(refusal(&house, &house.account, 2, sealed), Some(other));
        let mut renamed = sealed.to_vec();
        renamed[8] = 2;
        assert_eq!(refusal(&house, &house.account, 2, &renamed), Some(VaultError::DoesNotOpen(Blob::AccountKey)));
    }

    #[test]
    fn a_flipped_bit_or_a_missing_byte_anywhere_is_noticed() {
        let house = House::new("house");
        let sealed = house.account_key.as_bytes();
        for at in 0..sealed.len() {
            let mut bent = sealed.to_vec();
            bent[at] ^= 0x10;
            assert!(refusal(&house, &house.account, 1, &bent).is_some(), "byte {at}");
            assert!(refusal(&house, &house.account, 1, &sealed[..at]).is_some(), "{at} bytes");
        }
    }

    #[test]
    fn sealed_material_is_no_account_key() {
        let house = House::new("house");
        let material = house.generate().sealed;
        assert_eq!(refusal(&house, &house.account, 1, material.as_bytes()), Some(VaultError::DoesNotOpen(Blob::AccountKey)));
    }

    #[test]
    fn a_stuck_source_makes_no_account_key() {
        let vault = crate::safe::testing::restarted(&House::new("house").vault.record(), "unused");
        let stuck = Vault::sealed(vault.record(), Arc::new(Stuck(9)));
        stuck.unseal(&crate::safe::testing::open_by_file(1)).expect("opening needs no randomness");
        assert!(matches!(stuck.new_account_key(&account(1), 1), Err(VaultError::UnhealthyRandom(_))));
    }
}
