//! Material from elsewhere: taken in plain, or unwrapped by a key that is already here (FT-041, FT-042).

use super::{
    account_key,
    birth::{Birth, Generated, Source},
    check_value::{self, CheckValue},
    material::{self, Fresh},
    module::{
        ModuleRoot,
        material::{Cradle, Piece},
    },
    pkcs8,
    place::{AccountKey, Held, Place},
    root::Roots,
    vault::Vault,
};
use crate::{
    MaterialRefused, SecretBytes, VaultError, der,
    hazmat::{
        key_wrap::{self, KeyWrapMode},
        pair,
    },
    secret::is_one_byte_repeated,
};
use keystead_domain::KeySpec;

impl Vault {
    /// Takes in plain material. It was outside before; its birth record says so.
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`] when the length does not fit the kind of key, the material is one byte repeated, or not what is `expected`; those of opening the
    /// account key.
    pub fn take_in(
        &self,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        material: SecretBytes,
        expected: Option<&CheckValue>,
    ) -> Result<Generated, VaultError> {
        let fresh = check(place.spec, material)?;
        self.keep_expected(place, account_key, &fresh, Birth::new(Source::ImportedRaw, "raw bytes, not wrapped", &[]), expected)
    }

    /// Takes in the private half of a pair from a PKCS#8 file (RFC 5958): PEM or DER, plain or encrypted by a passphrase (PBES2 of RFC 8018).
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`], and those of opening the account key.
    pub fn take_in_pkcs8(
        &self,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        file: &SecretBytes,
        passphrase: Option<&SecretBytes>,
        expected: Option<&CheckValue>,
    ) -> Result<Generated, VaultError> {
        let fresh = check(place.spec, pkcs8::open(file, passphrase)?)?;
        self.keep_expected(place, account_key, &fresh, Birth::new(Source::ImportedRaw, "PKCS#8 file", &[]), expected)
    }

    /// Takes in material that is wrapped under an AES-256 key of this vault and the same account, by AES-KWP (RFC 5649) or AES-KW (RFC 3394).
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`], [`VaultError::OtherAccount`], and those of opening the unwrapping key.
    pub fn take_in_wrapped(
        &self,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        wrapped: &[u8],
        kek: &Held<'_>,
        expected: Option<&CheckValue>,
    ) -> Result<Generated, VaultError> {
        if kek.place.account != place.account {
            return Err(VaultError::OtherAccount);
        }
        if kek.place.spec != KeySpec::Aes256 {
            return Err(MaterialRefused::NotAnUnwrappingKey { spec: kek.place.spec }.into());
        }
        if let Some(made) = self.with_roots(|roots| self.unwrap_inside(roots, place, account_key, wrapped, kek, expected))? {
            return Ok(made.checked(expected));
        }
        let (material, mode) = self.with_roots(|roots| unwrap(&material::open(roots, kek)?.0, wrapped))?;
        let fresh = check(place.spec, trimmed(place.spec, material))?;
        self.keep_expected(place, account_key, &fresh, Birth::new(unwrapped_by(kek, mode), mechanism(mode), &[]), expected)
    }

    /// Keeps material that the host has, if it is what is expected.
    pub(super) fn keep_expected(
        &self,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        fresh: &Fresh,
        birth: Birth,
        expected: Option<&CheckValue>,
    ) -> Result<Generated, VaultError> {
        check_value::check(expected, place.spec, fresh)?;
        Ok(self.keep(place, account_key, fresh, birth)?.checked(expected))
    }

    /// Unwraps in the module, if the root lies in one.
    fn unwrap_inside(
        &self,
        roots: &Roots,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        wrapped: &[u8],
        kek: &Held<'_>,
        expected: Option<&CheckValue>,
    ) -> Result<Option<Generated>, VaultError> {
        let Some(module) = account_key::module(roots, account_key)? else { return Ok(None) };
        let cradle = Cradle::new(module, roots.current.generation, place, account_key, self.shared_random())?;
        let (kept, mode) = module.take_in_wrapped(here(roots, module, kek)?, cradle, place.spec, wrapped, expected)?;
        Ok(Some(module.generated(kept, place.spec, unwrapped_by(kek, mode), mechanism(mode))))
    }
}

/// A key of the vault as the module opens it. In the middle of a move it may lie under the root before still.
pub(super) fn here(roots: &Roots, module: &ModuleRoot, held: &Held<'_>) -> Result<Piece, VaultError> {
    match material::module_of(roots, held)? {
        Some(its) if its.id == module.id => Piece::read(module, held),
        _ => Err(VaultError::NotMovedYet),
    }
}

fn unwrapped_by(kek: &Held<'_>, mode: KeyWrapMode) -> Source {
    Source::ImportedWrapped { key: kek.place.key.clone(), version: kek.place.version.clone(), mode }
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

/// Some modules pad a document with zeros before they wrap it: what follows its DER is cut off, if it is nothing else.
pub(crate) fn trimmed(spec: KeySpec, material: SecretBytes) -> SecretBytes {
    match der::document_len(material.expose()) {
        Some(len) if spec.is_pair() && material.expose().iter().skip(len).all(|byte| *byte == 0) => material.shortened(len),
        _ => material,
    }
}

pub(super) fn check(spec: KeySpec, material: SecretBytes) -> Result<Fresh, MaterialRefused> {
    let Some(expected) = spec.material_len() else { return check_pair(spec, &material) };
    let found = material.len();
    if found != expected {
        return Err(MaterialRefused::WrongSize { spec, expected, found });
    }
    if is_one_byte_repeated(material.expose()) {
        return Err(MaterialRefused::Weak);
    }
    Ok(material.into())
}

fn check_pair(spec: KeySpec, der: &SecretBytes) -> Result<Fresh, MaterialRefused> {
    let refused = || pair::recognise(der.expose()).map_or(MaterialRefused::NotPkcs8, |found| MaterialRefused::OtherPair { spec, found });
    pair::read(spec, der.expose()).map(Fresh::from).ok_or_else(refused)
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
        house.vault.take_in_wrapped(&house.place(), house.account_key(), wrapped, &house.held(kek.sealed.as_bytes()), None)
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
        let result = house.vault.take_in_wrapped(&place, house.account_key(), &[0; 40], &house.held(kek.sealed.as_bytes()), None);
        assert_eq!(result.err(), Some(VaultError::OtherAccount));
    }

    #[test]
    fn material_of_the_wrong_length_or_none_at_all_is_refused() {
        let house = House::new("house");
        let refusal = |material: &[u8]| house.vault.take_in(&house.place(), house.account_key(), material.to_vec().into(), None).err();
        for found in [0, 16, 31, 33, 64] {
            let wrong = MaterialRefused::WrongSize { spec: KeySpec::Aes256, expected: 32, found };
            assert_eq!(refusal(&vec![7; found]), Some(wrong.into()));
        }
        assert_eq!(refusal(&[0; 32]), Some(MaterialRefused::Weak.into()));
        assert_eq!(refusal(&[0x41; 32]), Some(MaterialRefused::Weak.into()));
        assert_eq!(refusal(&counting()), None);
    }

    /// A pair in every form in which `openssl` writes it, and the fingerprint of the plain one.
    fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let piped = std::process::Stdio::piped;
        let mut child = std::process::Command::new("openssl")
            .args(arguments)
            .stdin(piped())
            .stdout(piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("openssl is installed");
        child.stdin.take().expect("a pipe").write_all(input).expect("openssl reads");
        child.wait_with_output().expect("openssl ends").stdout
    }

    const PAIRS: [(KeySpec, &[&str]); 6] = [
        (KeySpec::Rsa2048, &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
        (KeySpec::Rsa3072, &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"]),
        (KeySpec::EcP256, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        (KeySpec::EcP384, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        (KeySpec::EcP521, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"]),
        (KeySpec::EcSecp256k1, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"]),
    ];

    fn pem_of(spec: KeySpec) -> Vec<u8> {
        let (_, arguments) = PAIRS.into_iter().find(|(found, _)| *found == spec).expect("a pair of the list");
        openssl(&[&["genpkey"], arguments].concat(), b"")
    }

    fn taken(house: &House, spec: KeySpec, file: Vec<u8>, passphrase: Option<&str>) -> Result<Generated, VaultError> {
        let passphrase = passphrase.map(|text| SecretBytes::from(text.to_owned()));
        house.vault.take_in_pkcs8(&Place { spec, ..house.place() }, house.account_key(), &file.into(), passphrase.as_ref(), None)
    }

    #[test]
    fn every_kind_of_pair_is_taken_in_from_every_form_of_pkcs8() {
        let house = House::new("house");
        for (spec, _) in PAIRS {
            let pem = pem_of(spec);
            let plain = taken(&house, spec, pem.clone(), None).expect("a plain PEM");
            assert_eq!(plain.public_key.clone(), Some(openssl(&["pkey", "-pubout", "-outform", "DER"], &pem)), "{spec:?}");
            let der = openssl(&["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], &pem);
            assert_eq!(taken(&house, spec, der, None).expect("a plain DER").fingerprint, plain.fingerprint);
            for cipher in [&["-v2", "aes-256-cbc"][..], &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"], &["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512"]]
            {
                let command = [&["pkcs8", "-topk8", "-passout", "pass:right"], cipher].concat();
                let encrypted = openssl(&command, &pem);
                assert_eq!(taken(&house, spec, encrypted.clone(), Some("right")).expect("its passphrase").fingerprint, plain.fingerprint);
                assert_eq!(taken(&house, spec, encrypted.clone(), Some("wrong")).err(), Some(MaterialRefused::WrongPassphrase.into()));
                assert_eq!(taken(&house, spec, encrypted, None).err(), Some(MaterialRefused::PassphraseMissing.into()));
            }
        }
    }

    #[test]
    fn a_pair_of_another_kind_is_named() {
        let house = House::new("house");
        let other = MaterialRefused::OtherPair { spec: KeySpec::EcP256, found: KeySpec::EcP384 };
        assert_eq!(taken(&house, KeySpec::EcP256, pem_of(KeySpec::EcP384), None).err(), Some(other.into()));
        let small = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], b"");
        assert_eq!(taken(&house, KeySpec::Rsa2048, small, None).err(), Some(MaterialRefused::NotPkcs8.into()));
    }

    #[test]
    fn files_that_are_no_private_key_are_refused_with_their_mend() {
        let house = House::new("house");
        let pem = pem_of(KeySpec::EcP256);
        let refusal = |file: Vec<u8>| taken(&house, KeySpec::EcP256, file, Some("right")).err();
        assert_eq!(refusal(openssl(&["pkey", "-pubout"], &pem)), Some(MaterialRefused::NotPrivate.into()));
        assert_eq!(refusal(openssl(&["ec"], &pem)), Some(MaterialRefused::OlderPem.into()));
        assert_eq!(refusal(b"no key at all".to_vec()), Some(MaterialRefused::NotPkcs8.into()));
        assert_eq!(refusal(vec![0x30; 20_000]), Some(MaterialRefused::NotPkcs8.into()));
        // Padding that fits by chance: about four of a thousand wrong passphrases.
        let encrypted = openssl(&["pkcs8", "-topk8", "-passout", "pass:right", "-iter", "1"], &pem);
        for wrong in 0..600 {
            let wrong = taken(&house, KeySpec::EcP256, encrypted.clone(), Some(&format!("wrong {wrong}")));
            assert_eq!(wrong.err(), Some(MaterialRefused::WrongPassphrase.into()));
        }
        let small = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"], b"");
        assert_eq!(taken(&house, KeySpec::Rsa2048, small, None).err(), Some(MaterialRefused::NotPkcs8.into()), "an exponent of 3");
        let old = openssl(&["pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-passout", "pass:right"], &pem);
        assert_eq!(refusal(old), Some(MaterialRefused::UnknownEncryption.into()));
        let scrypt = openssl(&["pkcs8", "-topk8", "-passout", "pass:right", "-scrypt"], &pem);
        assert_eq!(refusal(scrypt), Some(MaterialRefused::UnknownEncryption.into()));
        let slow = openssl(&["pkcs8", "-topk8", "-passout", "pass:right", "-iter", "2000001"], &pem);
        assert_eq!(refusal(slow), Some(MaterialRefused::TooManyRounds.into()));
    }

    #[test]
    fn a_wrapped_document_may_end_in_the_zeros_that_some_modules_add() {
        let house = House::new("house");
        let pem = pem_of(KeySpec::EcP256);
        let plain = taken(&house, KeySpec::EcP256, pem.clone(), None).expect("a plain PEM");
        let document = openssl(&["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"], &pem);
        let held_kek = house.take_in(&kek());
        for zeros in 0..8 {
            let padded = [&document[..], &vec![0; zeros]].concat();
            let wrapped = key_wrap::wrap_padded(&kek(), &padded).expect("wrapping works");
            let place = Place { spec: KeySpec::EcP256, ..house.place() };
            let taken = house.vault.take_in_wrapped(&place, house.account_key(), &wrapped, &house.held(held_kek.sealed.as_bytes()), None);
            assert_eq!(taken.expect("the zeros are cut off").fingerprint, plain.fingerprint);
        }
    }

    #[test]
    fn every_kind_of_key_is_made_and_opens_again() {
        let house = House::new("house");
        for spec in KeySpec::ALL.into_iter().filter(|spec| !matches!(spec, KeySpec::Rsa3072 | KeySpec::Rsa4096)) {
            let place = Place { spec, ..house.place() };
            let made = house.vault.generate(&place, house.account_key()).expect("the vault is open");
            assert_eq!(made.public_key.is_some(), spec.is_pair(), "{spec:?}");
            let held = Held { place, ..house.held(made.sealed.as_bytes()) };
            assert_eq!(house.vault.fingerprint(&held), Ok(made.fingerprint));
            assert_eq!(house.vault.public_key(&held), Ok(made.public_key.clone()));
            let as_another = Held { place: Place { spec: KeySpec::Hmac224, ..place }, ..held };
            assert_eq!(house.vault.fingerprint(&as_another).is_ok(), spec == KeySpec::Hmac224, "the kind is bound");
        }
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
                let taken = house.vault.take_in_wrapped(&house.place(), house.account_key(), &wrapped, &house.held(kek.sealed.as_bytes()), None);
                prop_assert_eq!(taken.err(), Some(MaterialRefused::NotUnwrapped.into()));
            }
        }
    }
}
