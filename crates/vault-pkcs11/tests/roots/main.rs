//! The keys of a root as they lie in the token, seen past Keystead; and a key that somebody else put there in their place.

#[path = "../shared/house.rs"]
mod house;

use std::{path::Path, sync::Arc, time::Duration};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass},
    session::{Session, UserType},
    types::AuthPin,
};
use keystead_domain::KeySpec;
use keystead_testkit::token::{Kind, LABEL, PIN, apart};
use keystead_vault::{Held, Hsm as _, HsmError, RootId};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

fn module(library: &Path) -> Pkcs11Module {
    let settings = Settings {
        name: "hsm".to_owned(),
        library: library.to_owned(),
        token: LABEL.to_owned(),
        sessions: 1,
        queue: 8,
        patience: Duration::from_secs(60),
        allow: Vec::new(),
    };
    let module = Pkcs11Module::load(settings, &house::pin()).expect("the library loads");
    module.open().expect("the right PIN");
    module
}

/// A session of somebody else in the process in which the module is logged in already.
fn beside(library: &Path) -> Session {
    let token = Pkcs11::new(library).expect("the library loads");
    // It is initialised, and logged in, by whoever came first.
    drop(token.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)));
    let slot = token.get_slots_with_initialized_token().expect("slots").remove(0);
    let session = token.open_rw_session(slot).expect("a session");
    drop(session.login(UserType::User, Some(&AuthPin::from(PIN.to_owned()))));
    session
}

fn the_keys_stay(library: &Path) {
    let module = module(library);
    module.make_root(RootId([0xa5; 16])).expect("a root is made");
    module.make_root(RootId([0x5a; 16])).expect("another is made");
    module.make_root_with_backup(RootId([0xc3; 16]), &[7; 32]).expect("a third is made, with a copy");
    let session = beside(library);
    let found = session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)]).expect("found");
    assert_eq!(found.len(), 6, "nothing of the copy stays behind");
    let mut labels = Vec::new();
    for key in found {
        let wanted = [AttributeType::Derive, AttributeType::Copyable, AttributeType::Destroyable, AttributeType::Extractable, AttributeType::Label];
        let mut shown = session.get_attributes(key, &wanted).expect("shown");
        let Some(Attribute::Label(label)) = shown.pop() else { panic!("it has a label") };
        labels.push(String::from_utf8(label).expect("text"));
        let no = [Attribute::Derive(false), Attribute::Copyable(false), Attribute::Destroyable(false), Attribute::Extractable(false)];
        assert_eq!(shown, no);
        assert!(session.copy_object(key, &[]).is_err() && session.destroy_object(key).is_err());
    }
    labels.sort();
    let root = |id: &str, does: &str| format!("Keystead root {id}, {does}");
    let wanted = ["5a5a5a5a", "a5a5a5a5", "c3c3c3c3"].map(|id| [root(id, "seals records"), root(id, "wraps keys")]);
    assert_eq!(labels, wanted.concat());
    module
        .run(Arc::new(|session| {
            let root = session.root(RootId([0xa5; 16]))?;
            for key in [root.wrapping, root.sealing] {
                let told = session.origin(key)?.to_string();
                assert!(told.starts_with("CKA_LOCAL=true, CKA_ALWAYS_SENSITIVE=true, CKA_NEVER_EXTRACTABLE=true"), "{told}");
                assert!(told.ends_with("AES_KEY_GEN"), "{told}");
            }
            Ok(())
        }))
        .expect("it is found");
    let report = module.examine(Duration::from_millis(1)).expect("it is looked at");
    let roots = report.findings.iter().find(|finding| finding.what == "roots").expect("they are told");
    assert!(!roots.is_whole && roots.found.contains("Keystead root 5a5a5a5a, seals records: CKA_LOCAL=true"), "{roots:?}");
    assert!(roots.found.contains("Keystead root c3c3c3c3, seals records: CKA_LOCAL=false") && roots.so.contains("restored"), "{roots:?}");
}

/// What stays in a session behind its jobs: the two keys of an account, and they can be used there and nothing else.
fn what_a_session_keeps_cannot_be_taken_out(library: &Path) {
    let hsm = Arc::new(module(library));
    let house = house::House::over(&hsm);
    for spec in [KeySpec::Aes256, KeySpec::EcP256, KeySpec::Hmac256] {
        let made = house.vault.generate(&house.place(spec), house.account_key()).expect("the vault is open");
        let held = Held { place: house.place(spec), account_key: house.account_key(), sealed: made.sealed.as_bytes() };
        house.vault.fingerprint(&held).expect("the vault is open");
    }
    let session = beside(library);
    let found = session.find_objects(&[Attribute::Token(false)]).expect("found");
    assert_eq!(found.len(), 2, "the material is gone with its job");
    for key in found {
        let wanted = [AttributeType::Extractable, AttributeType::Sensitive, AttributeType::Wrap, AttributeType::Unwrap];
        let shown = session.get_attributes(key, &wanted).expect("shown");
        assert_eq!(shown, [Attribute::Extractable(false), Attribute::Sensitive(true), Attribute::Wrap(false), Attribute::Unwrap(false)]);
    }
    house.vault.seal();
    assert_eq!(session.find_objects(&[Attribute::Token(false)]).map(|found| found.len()).unwrap_or_default(), 0, "sealed, the module keeps nothing");
}

#[test]
fn what_a_session_keeps_stays_in_softhsm_and_only_so_long() {
    apart("what_a_session_keeps_stays_in_softhsm_and_only_so_long", Kind::Softhsm, |library, _| what_a_session_keeps_cannot_be_taken_out(library));
}

#[test]
fn what_a_session_keeps_stays_in_kryoptic_and_only_so_long() {
    apart("what_a_session_keeps_stays_in_kryoptic_and_only_so_long", Kind::Kryoptic, |library, _| what_a_session_keeps_cannot_be_taken_out(library));
}

fn a_key_that_may_leave_is_no_root(library: &Path) {
    let module = module(library);
    let session = beside(library);
    for (last, is_extractable) in [(b'w', true), (b's', false)] {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(32.into()),
            Attribute::Id([&[7; 16][..], &[last]].concat()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(is_extractable),
            Attribute::Wrap(true),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).expect("somebody makes it");
    }
    let told = module.run(Arc::new(|session| session.root(RootId([7; 16])).map(drop)));
    assert!(matches!(&told, Err(HsmError::Refused(why)) if why.contains("wraps keys") && why.contains("CKA_EXTRACTABLE")), "{told:?}");
}

#[test]
fn the_keys_of_a_root_stay_where_they_are_in_softhsm() {
    apart("the_keys_of_a_root_stay_where_they_are_in_softhsm", Kind::Softhsm, |library, _| the_keys_stay(library));
}

#[test]
fn the_keys_of_a_root_stay_where_they_are_in_kryoptic() {
    apart("the_keys_of_a_root_stay_where_they_are_in_kryoptic", Kind::Kryoptic, |library, _| the_keys_stay(library));
}

#[test]
fn a_key_that_may_leave_the_token_is_no_root_in_softhsm() {
    apart("a_key_that_may_leave_the_token_is_no_root_in_softhsm", Kind::Softhsm, |library, _| a_key_that_may_leave_is_no_root(library));
}

#[test]
fn a_key_that_may_leave_the_token_is_no_root_in_kryoptic() {
    apart("a_key_that_may_leave_the_token_is_no_root_in_kryoptic", Kind::Kryoptic, |library, _| a_key_that_may_leave_is_no_root(library));
}
