//! The copy of a root in a module: made with it, rehearsed, and restored in another token, of the same maker or of another.

use std::{path::Path, sync::Arc};

use keystead_domain::KeySpec;
use keystead_testkit::token::{Kind, apart, apart_with_both};
use keystead_vault::{Hsm, HsmError, NewUnlock, RootRecord, Share, ShareError, SystemRandom, UnlockSecret, UnsealError, restore, root};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

use crate::house::{House, pin, reopened, settings};

fn module(name: &str, library: &Path) -> Arc<dyn Hsm> {
    let settings = Settings { name: name.to_owned(), ..settings(library.to_owned(), &[]) };
    Arc::new(Pkcs11Module::load(settings, &pin()).expect("the library loads"))
}

fn shares(created: &root::Created, numbers: &[usize]) -> Vec<Share> {
    numbers.iter().map(|at| Share::parse(created.shares[*at].text().expose()).expect("a share")).collect()
}

/// The record with the two keys of its copy in each other's place, as somebody who writes to the database could have it.
fn swapped(record: &RootRecord) -> RootRecord {
    let mut bytes = record.to_bytes();
    // Format, kind, name, threshold and count, set, three commitments.
    let at = 1 + 1 + 16 + 2 + 4 + 3 * 32;
    let (first, second) = bytes[at..at + 80].split_at_mut(40);
    first.swap_with_slice(second);
    RootRecord::from_bytes(&bytes).expect("it has the form of one")
}

/// Made in the one, restored in the other: every key opens there.
fn goes_over(from: &Path, into: &Path) {
    let (old, new) = (module("old", from), module("new", into));
    let created = root::create(&NewUnlock::Module { hsm: old.clone(), backup: Some((2, 3)) }, &SystemRandom).expect("a root is made");
    let house = House::at(&created.record, &UnlockSecret::Modules(vec![old]));
    let made = house.generate(KeySpec::Aes256);
    let held = house.held(KeySpec::Aes256, made.sealed.as_bytes());

    assert_eq!(house.vault.rehearse(shares(&created, &[2, 0])), Ok(created.record.clone()));
    assert_eq!(house.vault.rehearse(shares(&created, &[1])), Err(ShareError::TooFew { have: 1, need: 2 }.into()));
    assert_eq!(house.vault.rehearse(shares(&created, &[1, 1])), Err(ShareError::Duplicate { number: 2 }.into()));
    let other = House::new(&crate::Root::Software);
    assert!(matches!(other.vault.rehearse(shares(&created, &[2, 0])), Err(UnsealError::OtherKind { .. })));

    house.vault.seal();
    let vault = reopened(&created.record);
    let alone = UnlockSecret::Modules(vec![new.clone()]);
    assert_eq!(vault.unseal(&alone), Err(UnsealError::Module(HsmError::NoRoot)), "not before it is restored");
    assert_eq!(restore(&created.record, &new, &shares(&created, &[1])), Err(ShareError::TooFew { have: 1, need: 2 }.into()));
    assert_eq!(restore(&swapped(&created.record), &new, &shares(&created, &[1, 0])), Err(UnsealError::WrongSecret), "each key for its own work");
    assert_eq!(vault.unseal(&alone), Err(UnsealError::Module(HsmError::NoRoot)), "and nothing was made by that");
    assert_eq!(restore(&created.record, &new, &shares(&created, &[1, 0])), Ok(()));
    assert_eq!(vault.unseal(&alone), Ok(()));
    assert_eq!(vault.fingerprint(&held), Ok(made.fingerprint));
    assert!(matches!(restore(&created.record, &new, &shares(&created, &[1, 0])), Err(UnsealError::Module(HsmError::Refused(why))) if why.contains("already")));
    vault.seal();
}

#[test]
fn a_root_of_kryoptic_is_restored_in_softhsm() {
    apart_with_both("backups::a_root_of_kryoptic_is_restored_in_softhsm", |softhsm, kryoptic| goes_over(kryoptic, softhsm));
}

#[test]
fn a_root_of_softhsm_is_restored_in_kryoptic() {
    apart_with_both("backups::a_root_of_softhsm_is_restored_in_kryoptic", goes_over);
}

/// A copy is made with a root, or never.
#[test]
fn a_root_without_a_copy_is_not_restored() {
    apart("backups::a_root_without_a_copy_is_not_restored", Kind::Kryoptic, |library, _| {
        let hsm = module("one", library);
        let with = root::create(&NewUnlock::Module { hsm: hsm.clone(), backup: Some((2, 2)) }, &SystemRandom).expect("a root is made");
        let without = root::create(&NewUnlock::Module { hsm: hsm.clone(), backup: None }, &SystemRandom).expect("a root is made");
        assert_eq!(restore(&without.record, &hsm, &shares(&with, &[0, 1])), Err(UnsealError::NoBackup));
        assert_eq!((with.record.backup(), without.record.backup()), (Some((2, 2)), None));
    });
}
