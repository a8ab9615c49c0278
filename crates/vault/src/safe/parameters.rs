//! Import parameters of a cloud that wait for their use: a public key under which material will be wrapped, and the token that goes with it.
//!
//! They are no secret, but they must be the cloud's: who could put another public key there would have material wrapped for themselves. So they lie under a key of
//! their own, derived from the half of the account's key that never rotates, and are bound to account and key; what somebody wrote to the database does not open.

use keystead_domain::{AccountId, KeyId};

use super::{component::waiting_key, place::AccountKey, vault::Vault};
use crate::{
    Blob, VaultError,
    hazmat::{aad::Aad, gcm},
};

/// What sealed parameters begin with.
const FORMAT: u8 = 1;

/// Where parameters belong.
#[derive(Debug, Clone, Copy)]
pub struct ParametersPlace<'a> {
    /// The tenant.
    pub account: &'a AccountId,
    /// The key whose material they are for.
    pub key: &'a KeyId,
}

impl Vault {
    /// Seals parameters.
    ///
    /// # Errors
    /// Those of opening the account key.
    pub fn seal_parameters(&self, place: ParametersPlace<'_>, account_key: AccountKey<'_>, parameters: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.with_roots(|roots| waiting_key(roots, place.account, account_key, &purpose(place), Blob::Parameters))?;
        let sealed = gcm::seal(key.expose(), &bound(place), parameters, self.random())?;
        Ok([&[FORMAT], &sealed[..]].concat())
    }

    /// Opens parameters.
    ///
    /// # Errors
    /// [`VaultError::DoesNotOpen`] for those of another key, and damaged ones; those of opening the account key.
    pub fn open_parameters(&self, place: ParametersPlace<'_>, account_key: AccountKey<'_>, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = self.with_roots(|roots| waiting_key(roots, place.account, account_key, &purpose(place), Blob::Parameters))?;
        let damaged = VaultError::DoesNotOpen(Blob::Parameters);
        let Some((&FORMAT, sealed)) = sealed.split_first() else { return Err(damaged) };
        gcm::open(key.expose(), &bound(place), sealed).map(|opened| opened.expose().to_vec()).map_err(|_| damaged)
    }
}

fn purpose(place: ParametersPlace<'_>) -> Aad {
    Aad::of("keystead import parameters key 1").text(place.account.as_str())
}

fn bound(place: ParametersPlace<'_>) -> Aad {
    Aad::of("keystead import parameters 1").text(place.account.as_str()).text(place.key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safe::testing::{House, account};
    use keystead_domain::Timestamp;

    fn key(n: u8) -> KeyId {
        KeyId::new(Timestamp::from_secs(1_790_000_000), [n; 10])
    }

    #[test]
    fn parameters_open_for_their_own_key_only_fx_029() {
        let house = House::new("house");
        let (one, two, stranger) = (key(1), key(2), account(2));
        let place = ParametersPlace { account: &house.account, key: &one };
        let sealed = house.vault.seal_parameters(place, house.account_key(), b"parameters").expect("the vault is open");
        assert!(!sealed.windows(10).any(|window| window == b"parameters"));
        let open = |place, sealed: &[u8]| house.vault.open_parameters(place, house.account_key(), sealed);
        assert_eq!(open(place, &sealed), Ok(b"parameters".to_vec()));
        let damaged = Err(VaultError::DoesNotOpen(Blob::Parameters));
        assert_eq!(open(ParametersPlace { key: &two, ..place }, &sealed), damaged);
        assert!(open(ParametersPlace { account: &stranger, ..place }, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(open(place, &bent), damaged, "byte {at}");
            assert_eq!(open(place, &sealed[..at]), damaged, "{at} bytes");
        }
    }
}
