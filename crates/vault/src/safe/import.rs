//! Material from elsewhere: taken in plain, or unwrapped by a key that is already here (FT-041, FT-042).

use super::{
    birth::{Birth, Generated, Source},
    place::{AccountKey, Held, Place},
    vault::Vault,
};
use crate::{
    MaterialRefused, SecretBytes, VaultError,
    hazmat::key_wrap::{self, KeyWrapMode},
    secret::is_one_byte_repeated,
};
use keystead_domain::KeySpec;

impl Vault {
    /// Takes in plain material. It was outside before; its birth record says so.
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`] when the length does not fit the kind of key, or the material is one byte repeated; those of opening the account key.
    pub fn take_in(&self, place: &Place<'_>, account_key: AccountKey<'_>, material: SecretBytes) -> Result<Generated, VaultError> {
        check(place.spec, &material)?;
        self.keep(place, account_key, &material, Birth::new(Source::ImportedRaw, "raw bytes, not wrapped", &[]))
    }

    /// Takes in material that is wrapped under an AES-256 key of this vault and the same account, by AES-KWP (RFC 5649) or AES-KW (RFC 3394).
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`], [`VaultError::OtherAccount`], and those of opening the unwrapping key.
    pub fn take_in_wrapped(&self, place: &Place<'_>, account_key: AccountKey<'_>, wrapped: &[u8], kek: &Held<'_>) -> Result<Generated, VaultError> {
        if kek.place.account != place.account {
            return Err(VaultError::OtherAccount);
        }
        if kek.place.spec != KeySpec::Aes256 {
            return Err(MaterialRefused::NotAnUnwrappingKey { spec: kek.place.spec }.into());
        }
        let (material, mode) = self.with_material(kek, |kek| unwrap(kek, wrapped))?;
        check(place.spec, &material)?;
        let source = Source::ImportedWrapped { key: kek.place.key.clone(), version: kek.place.version.clone(), mode };
        self.keep(place, account_key, &material, Birth::new(source, mechanism(mode), &[]))
    }
}

fn unwrap(kek: &SecretBytes, wrapped: &[u8]) -> Result<(SecretBytes, KeyWrapMode), VaultError> {
    let kek = kek.expose().try_into().map_err(|_| MaterialRefused::NotUnwrapped)?;
    Ok(key_wrap::unwrap(kek, wrapped).ok_or(MaterialRefused::NotUnwrapped)?)
}

fn mechanism(mode: KeyWrapMode) -> &'static str {
    match mode {
        KeyWrapMode::Padded => "AES-256-KWP (RFC 5649, NIST SP 800-38F)",
        KeyWrapMode::Plain => "AES-256-KW (RFC 3394, NIST SP 800-38F)",
    }
}

fn check(spec: KeySpec, material: &SecretBytes) -> Result<(), MaterialRefused> {
    let (expected, found) = (spec.material_len(), material.len());
    if found != expected {
        return Err(MaterialRefused::WrongSize { spec, expected, found });
    }
    if is_one_byte_repeated(material.expose()) {
        return Err(MaterialRefused::Weak);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safe::testing::{House, account, counting};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    /// AES-256-KWP and KW of the bytes 0, 1, 2 … 31 under the key 31, 30, 29 … 0, by `openssl enc -id-aes256-wrap-pad` and `-id-aes256-wrap`.
    const KWP: &str = "2f6f444e4818f9bdeba193d8d6fbdb4941fc5f2eaac2f715e06eec431761271de361a0465991ed1c";
    const KW: &str = "7c9ddd2773853709a9927a230265abb2841caad55caee9cb5a2f822e38643b8b1afeb451d0646196";

    fn kek() -> [u8; 32] {
        std::array::from_fn(|at| 31 - at as u8)
    }

    fn unwrapped(wrapped: &[u8]) -> Result<Generated, VaultError> {
        let house = House::new("house");
        let kek = house.take_in(&kek());
        house.vault.take_in_wrapped(&house.place(), house.account_key(), wrapped, &house.held(kek.sealed.as_bytes()))
    }

    #[test]
    fn both_wrappings_are_unwrapped_and_the_birth_record_says_which() {
        let plain = House::new("house").take_in(&counting());
        for (wrapped, mode) in [(KWP, KeyWrapMode::Padded), (KW, KeyWrapMode::Plain)] {
            let taken = unwrapped(&hex::decode(wrapped).expect("hexadecimal")).expect("openssl wrapped it under this key");
            assert_eq!(taken.fingerprint, plain.fingerprint);
            assert!(matches!(taken.birth.source, Source::ImportedWrapped { mode: found, .. } if found == mode));
            assert!(taken.birth.health_tests.is_empty());
        }
    }

    #[test]
    fn what_does_not_unwrap_is_refused() {
        let mut bent = hex::decode(KWP).expect("hexadecimal");
        bent[20] ^= 1;
        for wrapped in [&bent[..], &bent[..39], &[], &counting()] {
            assert_eq!(unwrapped(wrapped).err(), Some(MaterialRefused::NotUnwrapped.into()));
        }
    }

    #[test]
    fn a_key_of_another_account_unwraps_nothing() {
        let house = House::new("house");
        let kek = house.take_in(&kek());
        let other = account(2);
        let place = Place { account: &other, ..house.place() };
        let result = house.vault.take_in_wrapped(&place, house.account_key(), &[0; 40], &house.held(kek.sealed.as_bytes()));
        assert_eq!(result.err(), Some(VaultError::OtherAccount));
    }

    #[test]
    fn material_of_the_wrong_length_or_none_at_all_is_refused() {
        let house = House::new("house");
        let refusal = |material: &[u8]| house.vault.take_in(&house.place(), house.account_key(), material.to_vec().into()).err();
        for found in [0, 16, 31, 33, 64] {
            let wrong = MaterialRefused::WrongSize { spec: KeySpec::Aes256, expected: 32, found };
            assert_eq!(refusal(&vec![7; found]), Some(wrong.into()));
        }
        assert_eq!(refusal(&[0; 32]), Some(MaterialRefused::Weak.into()));
        assert_eq!(refusal(&[0x41; 32]), Some(MaterialRefused::Weak.into()));
        assert_eq!(refusal(&counting()), None);
    }

    static HOUSE: LazyLock<(House, Generated)> = LazyLock::new(|| {
        let house = House::new("import");
        let kek = house.take_in(&kek());
        (house, kek)
    });

    proptest! {
        #[test]
        fn nothing_but_what_was_wrapped_is_taken_in(wrapped in proptest::collection::vec(any::<u8>(), 0..80), at in 0usize..40 * 8) {
            let (house, kek) = &*HOUSE;
            let mut bent = hex::decode(KWP).expect("hexadecimal");
            bent[at / 8] ^= 1 << (at % 8);
            for wrapped in [wrapped, bent] {
                let taken = house.vault.take_in_wrapped(&house.place(), house.account_key(), &wrapped, &house.held(kek.sealed.as_bytes()));
                prop_assert_eq!(taken.err(), Some(MaterialRefused::NotUnwrapped.into()));
            }
        }
    }
}
