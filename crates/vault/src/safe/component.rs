//! Components of a key, each brought by another person: sealed one by one until the last is there, and then XORed (split knowledge: ANSI X9.24-1, NIST SP 800-57 part 2).
//!
//! Each component lies under a key of its own, a MAC by the half of the account's key that never rotates, so that what waits outlives a rotation and a root that moves. It is bound to account,
//! ceremony, terms, number and person: put in another's place, or among other terms, it does not open. With a root in a hardware module that key is made by the account's
//! MAC key there; the components themselves are in the host's memory when they are typed and when they are XORed, and so is the key that they make.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use keystead_domain::{AccountId, CeremonyId, KeySpec};

use super::{
    CheckValue, account_key,
    birth::{Birth, Generated, Source},
    check_value, import,
    material::Fresh,
    module::account::Stored,
    place::{AccountKey, Place},
    root::Roots,
    vault::Vault,
};
use crate::{
    Blob, Mac, MaterialRefused, SecretBytes, VaultError,
    hazmat::{aad::Aad, derive, gcm},
    secret::{Secret, is_one_byte_repeated},
};

/// What a sealed component begins with.
const FORMAT: u8 = 1;

/// Where a component belongs.
#[derive(Debug, Clone, Copy)]
pub struct ComponentPlace<'a> {
    /// The tenant.
    pub account: &'a AccountId,
    /// The ceremony.
    pub ceremony: &'a CeremonyId,
    /// What was agreed on when it began, whatever that is: who changes a word of it makes the components useless.
    pub terms: &'a str,
    /// Which component, from 1.
    pub number: u32,
    /// Who entered it.
    pub person: &'a str,
}

/// A component as the store keeps it.
#[derive(Debug, Clone, Copy)]
pub struct HeldComponent<'a> {
    /// Where it belongs.
    pub place: ComponentPlace<'a>,
    /// The sealed component.
    pub sealed: &'a [u8],
}

impl Vault {
    /// Seals a component until the others are there.
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`] for one of another length than the key has, one byte repeated, or another check value than is `expected` of this component; those of
    /// opening the account key.
    pub fn seal_component(
        &self,
        place: &ComponentPlace<'_>,
        spec: KeySpec,
        account_key: AccountKey<'_>,
        component: &SecretBytes,
        expected: Option<&CheckValue>,
    ) -> Result<Vec<u8>, VaultError> {
        check_component(spec, component)?;
        check_value::check(expected, spec, &fresh(component))?;
        let key = self.with_roots(|roots| component_key(roots, place, account_key))?;
        let sealed = gcm::seal(key.expose(), &bound(place), component.expose(), self.random())?;
        Ok([&[FORMAT], &sealed[..]].concat())
    }

    /// Whether these components and the last make the key that is expected, if one is: so the last can be entered again where it does not.
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`], and those of opening what is held.
    pub fn check_components(
        &self,
        spec: KeySpec,
        account_key: AccountKey<'_>,
        held: &[HeldComponent<'_>],
        last: &SecretBytes,
        expected: Option<&CheckValue>,
    ) -> Result<(), VaultError> {
        check_component(spec, last)?;
        let mut components = self.opened(account_key, held)?;
        components.push(copy(last));
        self.whole(spec, &components, expected).map(drop)
    }

    /// Makes the key of all its components. `entered_by` names who entered each, for the birth record.
    ///
    /// # Errors
    /// [`VaultError::MaterialRefused`], and those of opening what is held and the account key.
    pub fn take_in_components(
        &self,
        place: &Place<'_>,
        account_key: AccountKey<'_>,
        held: &[HeldComponent<'_>],
        entered_by: Vec<String>,
        expected: Option<&CheckValue>,
    ) -> Result<Generated, VaultError> {
        let fresh = self.whole(place.spec, &self.opened(account_key, held)?, expected)?;
        let birth = Birth::new(Source::ImportedByComponents { entered_by }, "XOR of components (split knowledge, ANSI X9.24-1)", &[]);
        self.keep_expected(place, account_key, &fresh, birth, expected)
    }

    fn opened(&self, account_key: AccountKey<'_>, held: &[HeldComponent<'_>]) -> Result<Vec<SecretBytes>, VaultError> {
        let open = |component: &HeldComponent<'_>| {
            let key = self.with_roots(|roots| component_key(roots, &component.place, account_key))?;
            let damaged = VaultError::DoesNotOpen(Blob::Component);
            let Some((&FORMAT, sealed)) = component.sealed.split_first() else { return Err(damaged) };
            gcm::open(key.expose(), &bound(&component.place), sealed).map_err(|_| damaged)
        };
        held.iter().map(open).collect()
    }

    fn whole(&self, spec: KeySpec, components: &[SecretBytes], expected: Option<&CheckValue>) -> Result<Fresh, VaultError> {
        let fresh = combined(spec, components)?;
        check_value::check(expected, spec, &fresh).map_err(|error| match error {
            VaultError::MaterialRefused(MaterialRefused::OtherCheckValue) => MaterialRefused::OtherWhole.into(),
            other => other,
        })?;
        Ok(fresh)
    }
}

/// A component alone: as long as the key, and not one byte repeated. A component of zeros is none, and its bringer keeps no part of the secret.
fn check_component(spec: KeySpec, component: &SecretBytes) -> Result<(), MaterialRefused> {
    let (expected, found) = (spec.material_len().unwrap_or_default(), component.len());
    if found != expected {
        return Err(MaterialRefused::WrongSize { spec, expected, found });
    }
    if is_one_byte_repeated(component.expose()) { Err(MaterialRefused::Weak) } else { Ok(()) }
}

/// The XOR. Two components that are the same would cancel each other out, and leave the key to those who know the rest.
fn combined(spec: KeySpec, components: &[SecretBytes]) -> Result<Fresh, MaterialRefused> {
    components.iter().try_for_each(|component| check_component(spec, component))?;
    let is_twice = |at: usize, one: &SecretBytes| components.iter().skip(at + 1).any(|other| verify_slices_are_equal(one.expose(), other.expose()).is_ok());
    if components.iter().enumerate().any(|(at, one)| is_twice(at, one)) {
        return Err(MaterialRefused::ComponentTwice);
    }
    let material = SecretBytes::init_with(spec.material_len().unwrap_or_default(), |out| {
        for component in components {
            out.iter_mut().zip(component.expose()).for_each(|(to, from)| *to ^= from);
        }
    });
    import::check(spec, material)
}

/// NIST SP 800-57 part 1, section 5.2: a key for one purpose, and here for one component.
fn component_key(roots: &Roots, place: &ComponentPlace<'_>, account_key: AccountKey<'_>) -> Result<Secret<32>, VaultError> {
    waiting_key(roots, place.account, account_key, &key_purpose(place), Blob::Component)
}

/// A key for what waits: a MAC of its purpose by the half of the account's key that never rotates.
pub(super) fn waiting_key(roots: &Roots, account: &AccountId, account_key: AccountKey<'_>, purpose: &Aad, blob: Blob) -> Result<Secret<32>, VaultError> {
    let mac = match account_key::module(roots, account_key)? {
        // The same by either kind of root: what waits outlives a root that moves, too.
        None => derive::mac(Mac::Sha256, account_key::open(roots, account, account_key)?.mac_key(), purpose.as_bytes()),
        Some(module) => {
            let (account, text) = (Stored::read(module, account, account_key)?, purpose.as_bytes().to_vec());
            module.run(move |session| Ok(session.mac(account.open(session)?.mac_key(session)?, Mac::Sha256, &text)?))?
        }
    };
    let mac = SecretBytes::from(mac);
    Secret::try_init_with(|out| {
        let mac: &[u8; 32] = mac.expose().try_into().map_err(|_| VaultError::DoesNotOpen(blob))?;
        out.copy_from_slice(mac);
        Ok(())
    })
}

fn key_purpose(place: &ComponentPlace<'_>) -> Aad {
    parts(Aad::of("keystead ceremony component key 1"), place)
}

fn bound(place: &ComponentPlace<'_>) -> Aad {
    parts(Aad::of("keystead ceremony component 1"), place)
}

fn parts(aad: Aad, place: &ComponentPlace<'_>) -> Aad {
    let ComponentPlace { account, ceremony, terms, number, person } = place;
    aad.text(account.as_str()).text(ceremony.as_str()).text(terms).number(*number).text(person)
}

fn copy(secret: &SecretBytes) -> SecretBytes {
    SecretBytes::init_with(secret.len(), |out| out.copy_from_slice(secret.expose()))
}

fn fresh(secret: &SecretBytes) -> Fresh {
    Fresh { material: copy(secret), public_key: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safe::testing::{House, account, counting};
    use keystead_domain::Timestamp;

    const TERMS: &str = r#"{"name":"root"}"#;
    const AES: KeySpec = KeySpec::Aes256;

    fn ceremony(n: u8) -> CeremonyId {
        CeremonyId::new(Timestamp::from_secs(1_790_000_000), [n; 10])
    }

    fn bytes(seed: u8) -> SecretBytes {
        SecretBytes::from((0..32).map(|at: u8| at.wrapping_mul(seed).wrapping_add(seed)).collect::<Vec<u8>>())
    }

    /// The components of a ceremony as they wait, with what each is bound to.
    struct Waiting<'a> {
        house: &'a House,
        ceremony: CeremonyId,
        sealed: Vec<Vec<u8>>,
    }

    const PEOPLE: [&str; 3] = ["user_ann", "user_bob", "user_cho"];

    impl<'a> Waiting<'a> {
        fn of(house: &'a House, components: &[SecretBytes]) -> Self {
            let mut this = Self { house, ceremony: ceremony(1), sealed: Vec::new() };
            for component in components {
                let place = this.place(this.sealed.len());
                let sealed = house.vault.seal_component(&place, AES, house.account_key(), component, None).expect("a sound component");
                this.sealed.push(sealed);
            }
            this
        }

        fn place(&self, at: usize) -> ComponentPlace<'_> {
            ComponentPlace { account: &self.house.account, ceremony: &self.ceremony, terms: TERMS, number: at as u32 + 1, person: PEOPLE[at] }
        }

        fn held(&self) -> Vec<HeldComponent<'_>> {
            self.sealed.iter().enumerate().map(|(at, sealed)| HeldComponent { place: self.place(at), sealed }).collect()
        }

        fn taken(&self, held: &[HeldComponent<'_>], expected: Option<&CheckValue>) -> Result<Generated, VaultError> {
            let house = self.house;
            house.vault.take_in_components(&house.place(), house.account_key(), held, vec!["ann".into(), "bob".into(), "cho".into()], expected)
        }
    }

    fn refused(refused: MaterialRefused) -> Option<VaultError> {
        Some(refused.into())
    }

    #[test]
    fn the_key_is_the_xor_of_its_components_and_its_birth_record_names_who_entered_them_fx_015() {
        let house = House::new("house");
        let components = [bytes(3), bytes(5), bytes(11)];
        let xor: Vec<u8> = (0..32).map(|at| components.iter().fold(0, |sum, component| sum ^ component.expose()[at])).collect();
        let waiting = Waiting::of(&house, &components);
        let taken = waiting.taken(&waiting.held(), None).expect("all are there");
        assert_eq!(taken.fingerprint, house.take_in(&xor).fingerprint);
        let source = taken.birth.fields()[0].1.clone();
        assert!(source.starts_with("imported by 3 components, entered by ann, bob, cho"), "{source}");
        let right = CheckValue::parse("check_value", AES, &hex::encode(&crate::hazmat::check::cmac_of_zeros(&xor).expect("a MAC")[..5])).expect("hex");
        assert!(waiting.taken(&waiting.held(), Some(&right)).is_ok());
        let wrong = CheckValue::parse("check_value", AES, "0102030405").expect("hex");
        assert_eq!(waiting.taken(&waiting.held(), Some(&wrong)).err(), refused(MaterialRefused::OtherWhole));
        let (two, last) = (waiting.held()[..2].to_vec(), &components[2]);
        let check = |last: &SecretBytes, expected| house.vault.check_components(AES, house.account_key(), &two, last, expected);
        assert_eq!(check(last, Some(&right)), Ok(()));
        assert_eq!(check(&bytes(13), Some(&right)).err(), refused(MaterialRefused::OtherWhole));
        assert_eq!(check(&bytes(5), None).err(), refused(MaterialRefused::ComponentTwice));
    }

    #[test]
    fn a_component_opens_in_its_own_place_only() {
        let house = House::new("house");
        let waiting = Waiting::of(&house, &[bytes(3), bytes(5), bytes(11)]);
        let (held, stranger, other) = (waiting.held(), account(2), ceremony(2));
        let theirs = house.vault.new_account_key(&stranger, 1).expect("the vault is open");
        let [first, second, ..] = &held[..] else { panic!("three") };
        let damaged = Some(VaultError::DoesNotOpen(Blob::Component));
        for place in [
            ComponentPlace { ceremony: &other, ..first.place },
            ComponentPlace { terms: r#"{"name":"roof"}"#, ..first.place },
            ComponentPlace { number: 2, ..first.place },
            ComponentPlace { person: "user_bob", ..first.place },
        ] {
            assert_eq!(waiting.taken(&[HeldComponent { place, ..*first }, *second], None).err(), damaged, "{place:?}");
        }
        let foreign = HeldComponent { place: ComponentPlace { account: &stranger, ..first.place }, ..*first };
        let account_key = AccountKey { generation: 1, sealed: theirs.as_bytes() };
        let opened = house.vault.check_components(AES, account_key, &[foreign], &bytes(5), None);
        assert_eq!(opened.err(), damaged);
        for at in 0..first.sealed.len() {
            let mut bent = first.sealed.to_vec();
            bent[at] ^= 1;
            assert_eq!(waiting.taken(&[HeldComponent { sealed: &bent, ..*first }, *second], None).err(), damaged, "byte {at}");
            assert_eq!(waiting.taken(&[HeldComponent { sealed: &first.sealed[..at], ..*first }, *second], None).err(), damaged, "{at} bytes");
        }
    }

    #[test]
    fn what_is_no_component_is_refused_when_it_is_entered() {
        let house = House::new("house");
        let waiting = Waiting::of(&house, &[]);
        let expected = CheckValue::parse("check_value", AES, "0102030405").expect("hex");
        let refusal = |component: &[u8], expected| {
            house.vault.seal_component(&waiting.place(0), AES, house.account_key(), &SecretBytes::from(component.to_vec()), expected).err()
        };
        assert_eq!(refusal(&counting()[..16], None), refused(MaterialRefused::WrongSize { spec: AES, expected: 32, found: 16 }));
        assert_eq!(refusal(&[0; 32], None), refused(MaterialRefused::Weak));
        assert_eq!(refusal(&counting(), Some(&expected)), refused(MaterialRefused::OtherCheckValue));
        assert_eq!(refusal(&counting(), None), None);
    }

    #[test]
    fn components_that_cancel_each_other_out_make_no_key() {
        let house = House::new("house");
        let twice = Waiting::of(&house, &[bytes(3), bytes(3), bytes(5)]);
        assert_eq!(twice.taken(&twice.held(), None).err(), refused(MaterialRefused::ComponentTwice));
        let inverse = SecretBytes::from(bytes(3).expose().iter().map(|byte| byte ^ 0xa5).collect::<Vec<u8>>());
        let weak = Waiting::of(&house, &[bytes(3), inverse]);
        assert_eq!(weak.taken(&weak.held(), None).err(), refused(MaterialRefused::Weak));
    }

    #[test]
    fn what_waits_outlives_a_rotation_of_the_account_key() {
        let house = House::new("house");
        let waiting = Waiting::of(&house, &[bytes(3), bytes(5)]);
        let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("the vault is open");
        let next = AccountKey { generation: 2, sealed: next.as_bytes() };
        assert!(house.vault.take_in_components(&house.place(), next, &waiting.held(), Vec::new(), None).is_ok());
    }
}
