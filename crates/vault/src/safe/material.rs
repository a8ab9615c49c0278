//! Material: sealed twice, under its account's key and then under the root, and bound to its place both times. One lost key opens nothing.

use super::{
    account_key::{self, AccountSecrets},
    birth::{Birth, Generated, Source},
    blob::{Format, SealedUnder},
    fingerprint::Fingerprint,
    module::{
        ModuleRoot,
        material::{Cradle, Piece},
    },
    place::{AccountKey, Held, Place, SealedMaterial},
    root::{Root, Roots},
    vault::Vault,
};
use crate::{
    Blob, Random, SecretBytes, VaultError,
    hazmat::{
        aad::Aad,
        gcm, health,
        pair::{self, Pair},
    },
};
use keystead_domain::KeySpec;

/// Purposes of the two layers. They are part of the format.
pub(crate) const INNER: &str = "keystead material under its account key";
const OUTER: &str = "keystead material under the root";

impl Vault {
    /// Makes fresh material for a place.
    ///
    /// # Errors
    /// [`VaultError::UnhealthyRandom`] when the source fails a test (with a sound one, once in a thousand million times: try again); those of opening the
    /// account key.
    pub fn generate(&self, place: &Place<'_>, account_key: AccountKey<'_>) -> Result<Generated, VaultError> {
        if let Some(made) = self.with_roots(|roots| self.generate_inside(roots, place, account_key))? {
            return Ok(made);
        }
        if let Some(pair) = pair::generate(place.spec)? {
            return self.keep(place, account_key, &pair.into(), Birth::new(Source::Generated, pair::MECHANISM, &[]));
        }
        let material = health::tested(self.random(), place.spec.material_len().unwrap_or_default())?;
        self.keep(place, account_key, &material.into(), Birth::generated(self.random().mechanism()))
    }

    /// Seals what is held anew: under the current root, under the account key given, for the same place at another generation. Both rotations and every
    /// repair go this way.
    ///
    /// # Errors
    /// Those of opening what is held.
    pub fn rewrap(&self, held: &Held<'_>, to: AccountKey<'_>, generation: u32) -> Result<SealedMaterial, VaultError> {
        self.with_roots(|roots| {
            let place = Place { generation, ..held.place };
            if let Some(into) = roots.current.module() {
                let cradle = Cradle::new(into, roots.current.generation, &place, to, self.shared_random())?;
                return self.rewrap_inside(roots, held, into, cradle);
            }
            let (material, _) = open(roots, held)?;
            let secrets = account_key::open(roots, place.account, to)?;
            seal(&roots.current, &secrets, &place, &material, self.random())
        })
    }

    fn rewrap_inside(&self, roots: &Roots, held: &Held<'_>, into: &ModuleRoot, cradle: Cradle) -> Result<SealedMaterial, VaultError> {
        if let Some(from) = module_of(roots, held)? {
            return into.take_over(from, Piece::read(from, held)?, cradle, self.shared_random());
        }
        let (material, secrets) = open(roots, held)?;
        let (spec, fresh) = (held.place.spec, Fresh::read(held.place.spec, material));
        let fingerprint = Fingerprint::of(&secrets, spec, &fresh.material, fresh.public_key.as_deref())?;
        into.take_over_plain(cradle, &fresh, fingerprint, self.random())
    }

    /// Opens what is held, and says its fingerprint: proof that the row is whole and the vault can use it.
    ///
    /// # Errors
    /// Those of opening what is held.
    pub fn fingerprint(&self, held: &Held<'_>) -> Result<Fingerprint, VaultError> {
        self.with_roots(|roots| {
            if let Some(module) = module_of(roots, held)? {
                return module.fingerprint(Piece::read(module, held)?);
            }
            let (material, secrets) = open(roots, held)?;
            let spec = held.place.spec;
            Fingerprint::of(&secrets, spec, &material, public_half(spec, &material).as_deref())
        })
    }

    /// The public half of a pair (SubjectPublicKeyInfo in DER), computed from the private one, or sealed with it in a module: what stands beside it in the
    /// database could have been changed.
    ///
    /// # Errors
    /// Those of opening what is held.
    pub fn public_key(&self, held: &Held<'_>) -> Result<Option<Vec<u8>>, VaultError> {
        self.with_roots(|roots| {
            if let Some(module) = module_of(roots, held)? {
                return module.public_key(Piece::read(module, held)?);
            }
            let (material, _) = open(roots, held)?;
            Ok(public_half(held.place.spec, &material))
        })
    }

    /// Makes material in the module, if the root lies in one.
    fn generate_inside(&self, roots: &Roots, place: &Place<'_>, account_key: AccountKey<'_>) -> Result<Option<Generated>, VaultError> {
        let Some(module) = account_key::module(roots, account_key)? else { return Ok(None) };
        let cradle = Cradle::new(module, roots.current.generation, place, account_key, self.shared_random())?;
        module.generate(cradle).map(Some)
    }

    /// Seals new material and says what is known of it.
    pub(crate) fn keep(&self, place: &Place<'_>, account_key: AccountKey<'_>, fresh: &Fresh, birth: Birth) -> Result<Generated, VaultError> {
        self.with_roots(|roots| {
            if let Some(module) = account_key::module(roots, account_key)? {
                let cradle = Cradle::new(module, roots.current.generation, place, account_key, self.shared_random())?;
                return module.take_in(cradle, fresh, birth, self.random());
            }
            let secrets = account_key::open(roots, place.account, account_key)?;
            let sealed = seal(&roots.current, &secrets, place, &fresh.material, self.random())?;
            let fingerprint = Fingerprint::of(&secrets, place.spec, &fresh.material, fresh.public_key.as_deref())?;
            Ok(Generated { sealed, fingerprint, public_key: fresh.public_key.clone(), birth })
        })
    }
}

/// Material on its way in, with the half of it that everybody may know.
pub(crate) struct Fresh {
    pub(crate) material: SecretBytes,
    pub(crate) public_key: Option<Vec<u8>>,
}

impl Fresh {
    /// Material that was in the vault before.
    pub(crate) fn read(spec: KeySpec, material: SecretBytes) -> Self {
        Self { public_key: public_half(spec, &material), material }
    }
}

impl From<SecretBytes> for Fresh {
    fn from(material: SecretBytes) -> Self {
        Self { material, public_key: None }
    }
}

impl From<Pair> for Fresh {
    fn from(pair: Pair) -> Self {
        Self { material: pair.private, public_key: Some(pair.public) }
    }
}

fn public_half(spec: KeySpec, material: &SecretBytes) -> Option<Vec<u8>> {
    pair::read(spec, material.expose()).map(|pair| pair.public)
}

impl Birth {
    fn generated(mechanism: &'static str) -> Self {
        Self::new(Source::Generated, mechanism, health::TESTS)
    }
}

fn seal(root: &Root, secrets: &AccountSecrets, place: &Place<'_>, material: &SecretBytes, random: &dyn Random) -> Result<SealedMaterial, VaultError> {
    let under = SealedUnder { root_generation: root.generation, account_key_generation: secrets.generation, format: root.format() };
    let inner = gcm::seal(secrets.key(), &aad(INNER, under, place), material.expose(), random)?;
    let outer = root.seal(&aad(OUTER, under, place), &inner, random)?;
    Ok(SealedMaterial(under.join(&outer)))
}

/// The module in which what is held opens; `None` when it opens in this process.
pub(crate) fn module_of<'a>(roots: &'a Roots, held: &Held<'_>) -> Result<Option<&'a ModuleRoot>, VaultError> {
    let (under, _) = SealedUnder::split(Blob::Material, held.sealed)?;
    let generation = under.root_generation;
    let root = roots.find(generation).ok_or(VaultError::UnknownRoot { blob: Blob::Material, generation })?;
    Ok(root.module())
}

/// Opens material with the account's secrets, which the next thing one does with it usually needs.
pub(crate) fn open(roots: &Roots, held: &Held<'_>) -> Result<(SecretBytes, AccountSecrets), VaultError> {
    let Held { place, account_key, sealed } = held;
    let (under, outer) = SealedUnder::split(Blob::Material, sealed)?;
    under.expect_account_key(Blob::Material, account_key.generation)?;
    let generation = under.root_generation;
    let root = roots.find(generation).ok_or(VaultError::UnknownRoot { blob: Blob::Material, generation })?;
    under.expect_format(Blob::Material, Format::Software)?;
    let secrets = account_key::open(roots, place.account, *account_key)?;
    let inner = root.open(Blob::Material, &aad(OUTER, under, place), outer)?;
    let material = gcm::open(secrets.key(), &aad(INNER, under, place), inner.expose()).map_err(|_| VaultError::DoesNotOpen(Blob::Material))?;
    Ok((material, secrets))
}

pub(crate) fn aad(purpose: &str, under: SealedUnder, place: &Place<'_>) -> Aad {
    let Place { account, key, version, spec, generation } = place;
    let names = Aad::of(purpose).bytes(&under.header()).text(account.as_str()).text(key.as_str()).text(version.as_str());
    names.text(spec.as_str()).number(*generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::{
            SystemRandom,
            seeded::{Seeded, Stuck},
        },
        safe::{
            NewUnlock, RootRecord, root,
            testing::{House, account, counting, open_by_file, restarted},
        },
    };
    use keystead_domain::{KeyId, Timestamp, VersionId};
    use proptest::prelude::*;
    use std::sync::{Arc, LazyLock};

    fn refused<T>(result: Result<T, VaultError>) -> bool {
        matches!(result, Err(VaultError::DoesNotOpen(Blob::Material)))
    }

    #[test]
    fn material_opens_in_its_place() {
        let house = House::new("house");
        let generated = house.generate();
        assert_eq!(house.vault.fingerprint(&house.held(generated.sealed.as_bytes())), Ok(generated.fingerprint));
        assert_eq!(generated.birth.source, Source::Generated);
    }

    #[test]
    fn material_does_not_open_in_any_other_place() {
        let house = House::new("house");
        let generated = house.generate();
        let held = house.held(generated.sealed.as_bytes());
        let at = Timestamp::from_secs(1_790_000_001);
        let (key, version) = (KeyId::new(at, [2; 10]), VersionId::new(at, [3; 10]));
        let place = held.place;
        for place in [Place { key: &key, ..place }, Place { version: &version, ..place }, Place { generation: 2, ..place }, Place { generation: 0, ..place }] {
            assert!(refused(house.vault.fingerprint(&Held { place, ..held })), "{place:?}");
        }
    }

    #[test]
    fn material_of_another_account_does_not_open_even_with_its_own_account_key() {
        let house = House::new("house");
        let generated = house.generate();
        let other = account(2);
        let other_key = house.vault.new_account_key(&other, 1).expect("the vault is open");
        let other_key = AccountKey { generation: 1, sealed: other_key.as_bytes() };
        let held = house.held(generated.sealed.as_bytes());
        let place = Place { account: &other, ..held.place };
        assert_eq!(house.vault.fingerprint(&Held { place, ..held }), Err(VaultError::DoesNotOpen(Blob::AccountKey)), "their key, our place");
        assert!(refused(house.vault.fingerprint(&Held { place, account_key: other_key, ..held })), "their place, our material");
        assert_eq!(house.vault.fingerprint(&Held { account_key: other_key, ..held }), Err(VaultError::DoesNotOpen(Blob::AccountKey)));
    }

    #[test]
    fn every_part_of_the_place_is_bound() {
        // So far there is one kind of key: that a blob of another kind does not open is seen in what is authenticated.
        let under = SealedUnder { root_generation: 1, account_key_generation: 1, format: Format::Software };
        let house = House::new("house");
        let bound = aad(INNER, under, &house.place());
        for part in [house.account.as_str(), house.key.as_str(), house.version.as_str(), "AES_256", INNER] {
            assert!(bound.as_bytes().windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
        }
        assert_ne!(bound.as_bytes(), aad(OUTER, under, &house.place()).as_bytes());
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let house = House::new("house");
        let generated = house.generate();
        for at in 0..generated.sealed.as_bytes().len() * 8 {
            let mut bent = generated.sealed.as_bytes().to_vec();
            bent[at / 8] ^= 1 << (at % 8);
            assert!(house.vault.fingerprint(&house.held(&bent)).is_err(), "bit {at}");
        }
    }

    #[test]
    fn a_blob_of_any_other_length_is_noticed() {
        let house = House::new("house");
        let mut sealed = house.generate().sealed.into_bytes();
        for len in 0..sealed.len() {
            assert!(house.vault.fingerprint(&house.held(&sealed[..len])).is_err(), "{len} bytes");
        }
        sealed.push(0);
        assert!(refused(house.vault.fingerprint(&house.held(&sealed))));
    }

    #[test]
    fn a_row_that_was_put_back_does_not_open() {
        let house = House::new("house");
        let old = house.generate().sealed;
        let new = house.vault.rewrap(&house.held(old.as_bytes()), house.account_key(), 2).expect("the vault is open");
        let place = Place { generation: 2, ..house.place() };
        assert!(house.vault.fingerprint(&Held { place, ..house.held(new.as_bytes()) }).is_ok());
        assert!(refused(house.vault.fingerprint(&Held { place, ..house.held(old.as_bytes()) })));
    }

    #[test]
    fn the_same_material_is_known_again_within_its_account_only() {
        let house = House::new("house");
        let one = house.take_in(&counting());
        let two = house.take_in(&counting());
        assert_eq!(one.fingerprint, two.fingerprint);
        assert_ne!(one.sealed, two.sealed, "every sealing has its own nonces");
        assert_ne!(one.fingerprint, house.generate().fingerprint);
        let other = account(2);
        let other_key = house.vault.new_account_key(&other, 1).expect("the vault is open");
        let place = Place { account: &other, ..house.place() };
        let theirs = house.vault.take_in(&place, AccountKey { generation: 1, sealed: other_key.as_bytes() }, counting().to_vec().into(), None);
        assert_ne!(theirs.expect("sound material").fingerprint, one.fingerprint);
    }

    #[test]
    fn a_broken_source_makes_no_key() {
        let house = House::new("house");
        let stuck = Vault::sealed(house.vault.record(), Arc::new(Stuck(0)));
        stuck.unseal(&open_by_file(1)).expect("opening needs no randomness");
        assert!(matches!(stuck.generate(&house.place(), house.account_key()), Err(VaultError::UnhealthyRandom(_))));
    }

    #[test]
    fn production_randomness_says_in_the_birth_record_what_it_is() {
        let house = House::with_random(Arc::new(SystemRandom));
        assert!(house.generate().birth.mechanism.contains("SP 800-90A"));
        assert!(House::new("house").generate().birth.mechanism.contains("not for production"));
    }

    /// The format, frozen: whoever changes a byte of it must change the format number, and keep reading this one. A reader in another language, written from
    /// the description alone, opened these lines before they were frozen. (The root of shares was frozen anew when commitments came, before any release.)
    #[test]
    fn blobs_of_format_one_are_these_to_the_byte() {
        let house = House::new("golden");
        let generated = house.take_in(&counting());
        let shares = root::create(&NewUnlock::Shares { threshold: 2, count: 3 }, &Seeded::new("golden shares")).expect("a root is made");
        let found = [
            format!("root        {}", hex::encode(house.vault.record().to_bytes())),
            format!("account key {}", hex::encode(house.account_key.as_bytes())),
            format!("material    {}", hex::encode(generated.sealed.as_bytes())),
            format!("fingerprint {}", generated.fingerprint),
            format!("shares root {}", hex::encode(shares.record.to_bytes())),
            format!("share       {}", shares.shares[0].text().expose()),
        ];
        assert_eq!(found.join("\n"), GOLDEN.trim());
    }

    #[test]
    fn what_was_written_in_format_one_opens_today() {
        let bytes = |name: &str| {
            let line = GOLDEN.lines().find_map(|line| line.strip_prefix(name)).expect("the file has such a line");
            hex::decode(line.trim()).expect("hexadecimal")
        };
        let record = RootRecord::from_bytes(&bytes("root ")).expect("a root record");
        let vault = restarted(&record, "another seed");
        vault.unseal(&open_by_file(1)).expect("the golden house opens by this file");
        let (house, account_key, material) = (House::new("golden"), bytes("account key "), bytes("material "));
        let held = Held { account_key: AccountKey { generation: 1, sealed: &account_key }, ..house.held(&material) };
        assert_eq!(vault.fingerprint(&held).expect("format 1 is read").to_string(), hex::encode(bytes("fingerprint ")));
    }

    const GOLDEN: &str = include_str!("golden.txt");

    static HOUSE: LazyLock<House> = LazyLock::new(|| House::new("proptest"));

    proptest! {
        #[test]
        fn no_bytes_open_and_none_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), header: bool) {
            if header && bytes.len() > 9 {
                bytes[..9].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0, 1]);
            }
            prop_assert!(HOUSE.vault.fingerprint(&HOUSE.held(&bytes)).is_err());
            let account_key = AccountKey { generation: 1, sealed: &bytes };
            prop_assert!(HOUSE.vault.generate(&HOUSE.place(), account_key).is_err());
        }
    }
}
