//! What one person prepared for an export, under the vault's own seal: whoever can write to the database, but not open the vault, cannot put another public key,
//! another key or another person's name there (CM-063 to CM-065).
//!
//! The seal is HMAC-SHA-256 under the half of the account's key that never rotates: a preparation outlives a rotation, and a root that moves.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{ExportKey, account_key, module::account::Stored, place::AccountKey, vault::Vault};
use crate::{
    Mac, VaultError,
    hazmat::{aad::Aad, derive},
};
use keystead_domain::{AccountId, KeyId, Timestamp};

/// A preparation: all that its seal binds.
#[derive(Clone, Copy)]
pub struct Preparation<'a> {
    /// The tenant.
    pub account: &'a AccountId,
    /// The key whose material shall be exported.
    pub key: &'a KeyId,
    /// Under which public key.
    pub public_key: &'a ExportKey,
    /// Who prepared it, and so may not download it.
    pub prepared_by: &'a str,
    /// When.
    pub prepared_at: Timestamp,
}

impl Vault {
    /// The seal of a preparation, 32 bytes, to be stored beside it. It is no secret.
    ///
    /// # Errors
    /// [`VaultError::Sealed`], and those of opening the account key.
    pub fn seal_preparation(&self, preparation: &Preparation<'_>, account_key: AccountKey<'_>) -> Result<Vec<u8>, VaultError> {
        match self.seal_inside(preparation, account_key)? {
            Some(seal) => Ok(seal),
            None => self.with_roots(|roots| {
                let secrets = account_key::open(roots, preparation.account, account_key)?;
                Ok(derive::mac(Mac::Sha256, secrets.mac_key(), bound(preparation).as_bytes()))
            }),
        }
    }

    /// Whether a preparation is the one that was sealed. A copy of one that was used up is, too; what it lets out is what its preparer once let out.
    ///
    /// # Errors
    /// Those of [`seal_preparation`](Self::seal_preparation).
    pub fn is_as_prepared(&self, preparation: &Preparation<'_>, account_key: AccountKey<'_>, seal: &[u8]) -> Result<bool, VaultError> {
        let right = self.seal_preparation(preparation, account_key)?;
        Ok(verify_slices_are_equal(&right, seal).is_ok())
    }

    /// The seal, if the root lies in a module: by the account's key there that makes MACs. What it is made for stands at the beginning of what it binds.
    fn seal_inside(&self, of: &Preparation<'_>, account_key: AccountKey<'_>) -> Result<Option<Vec<u8>>, VaultError> {
        self.with_roots(|roots| {
            let Some(module) = account_key::module(roots, account_key)? else { return Ok(None) };
            let (account, text) = (Stored::read(module, of.account, account_key)?, bound(of).as_bytes().to_vec());
            let seal = module.run(move |session| Ok(session.mac(account.open(session)?.mac_key(session)?, Mac::Sha256, &text)?))?;
            Ok(Some(seal))
        })
    }
}

fn bound(preparation: &Preparation<'_>) -> Aad {
    let Preparation { account, key, public_key, prepared_by, prepared_at } = preparation;
    let names = Aad::of("keystead export preparation 1").text(account.as_str()).text(key.as_str());
    names.bytes(public_key.spki_der()).text(prepared_by).bytes(&prepared_at.as_micros().to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Blob,
        safe::testing::{House, account},
    };

    const AT: Timestamp = Timestamp::from_secs(1_790_000_000);

    /// 2048 bits; the other begins as a copy of it and differs in the last byte of its modulus.
    fn public_keys() -> [ExportKey; 2] {
        let one = ExportKey::parse_pem(include_str!("../../tests/keys/rsa2048.spki.pem")).expect("a public key");
        let mut der = one.spki_der().to_vec();
        let last_of_modulus = der.len() - 6;
        der[last_of_modulus] ^= 2;
        let other = ExportKey::from_spki_der(&der).expect("another public key");
        [one, other]
    }

    #[test]
    fn a_preparation_that_was_changed_anywhere_is_not_the_one_that_was_sealed() {
        let house = House::new("house");
        let [one, other] = public_keys();
        let prepared = Preparation { account: &house.account, key: &house.key, public_key: &one, prepared_by: "user_ann", prepared_at: AT };
        let seal = house.vault.seal_preparation(&prepared, house.account_key()).expect("the vault is open");
        let holds = |preparation: &Preparation<'_>, seal: &[u8]| house.vault.is_as_prepared(preparation, house.account_key(), seal);
        assert_eq!(holds(&prepared, &seal), Ok(true));
        let another_key = KeyId::new(AT, [9; 10]);
        for changed in [
            Preparation { public_key: &other, ..prepared },
            Preparation { key: &another_key, ..prepared },
            Preparation { prepared_by: "user_bob", ..prepared },
            Preparation { prepared_at: AT.plus_micros(1), ..prepared },
        ] {
            assert_eq!(holds(&changed, &seal), Ok(false));
        }
        for at in 0..seal.len() {
            let mut bent = seal.clone();
            bent[at] ^= 1;
            assert_eq!(holds(&prepared, &bent), Ok(false), "byte {at}");
            assert_eq!(holds(&prepared, &seal[..at]), Ok(false), "{at} bytes");
        }
    }

    #[test]
    fn another_accounts_key_seals_nothing_here() {
        let house = House::new("house");
        let ([one, _], stranger) = (public_keys(), account(2));
        let foreign = Preparation { account: &stranger, key: &house.key, public_key: &one, prepared_by: "user_ann", prepared_at: AT };
        assert_eq!(house.vault.seal_preparation(&foreign, house.account_key()), Err(VaultError::DoesNotOpen(Blob::AccountKey)));
    }

    #[test]
    fn a_preparation_outlives_a_rotation_of_the_account_key() {
        let house = House::new("house");
        let [one, _] = public_keys();
        let prepared = Preparation { account: &house.account, key: &house.key, public_key: &one, prepared_by: "user_ann", prepared_at: AT };
        let seal = house.vault.seal_preparation(&prepared, house.account_key()).expect("the vault is open");
        let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("the vault is open");
        assert_eq!(house.vault.is_as_prepared(&prepared, AccountKey { generation: 2, sealed: next.as_bytes() }, &seal), Ok(true));
        house.vault.seal();
        assert_eq!(house.vault.is_as_prepared(&prepared, house.account_key(), &seal), Err(VaultError::Sealed));
    }
}
