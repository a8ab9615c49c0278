//! The cases. Each is one promise of the vault, whichever root it has.

use keystead_domain::{Hash, KeyFamily, KeyId, KeySpec, Timestamp, VersionId, WrapMethod, WrappingKeySpec};
use keystead_testkit::token::Kind;
use keystead_vault::{
    AccountKey, Blob, ExportKey, Generated, Held, HsmError, MaterialRefused, Place, Preparation, SecretBytes, Source, UnsealError, VaultError, WayAround, der,
    export_method,
};

use crate::house::{Cloud, House, Root, account, kwp, reopened};

pub const AT: Timestamp = Timestamp::from_secs(1_790_000_001);
pub const AES: KeySpec = KeySpec::Aes256;
/// All but the large moduli, which take seconds each.
const QUICK: [KeySpec; 10] = [
    AES,
    KeySpec::Hmac224,
    KeySpec::Hmac256,
    KeySpec::Hmac384,
    KeySpec::Hmac512,
    KeySpec::Rsa2048,
    KeySpec::EcP256,
    KeySpec::EcP384,
    KeySpec::EcP521,
    KeySpec::EcSecp256k1,
];

/// The kinds that the root makes: kryoptic, as it is built here, does not know secp256k1, and says so.
fn kinds<'a>(root: &'a Root, all: &'a [KeySpec]) -> impl Iterator<Item = KeySpec> + 'a {
    all.iter().copied().filter(|spec| !(root.is(Kind::Kryoptic) && *spec == KeySpec::EcSecp256k1))
}

pub fn counting() -> Vec<u8> {
    (0..32).map(|at: u8| at.wrapping_mul(7) ^ 0x5a).collect()
}

fn fingerprint(house: &House, spec: KeySpec, made: &Generated) -> keystead_vault::Fingerprint {
    house.vault.fingerprint(&house.held(spec, made.sealed.as_bytes())).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
}

pub fn every_kind_of_key_is_made_and_known_again_cm_002_cm_035(root: &Root) {
    let house = House::new(root);
    for spec in kinds(root, &KeySpec::ALL).filter(|spec| *spec != KeySpec::Rsa4096) {
        let (one, other) = (house.generate(spec), if spec == KeySpec::Rsa3072 { None } else { Some(house.generate(spec)) });
        assert_eq!(fingerprint(&house, spec, &one), one.fingerprint, "{spec:?}");
        assert_ne!(Some(one.fingerprint), other.map(|other| other.fingerprint), "{spec:?}: two keys are two");
        assert_eq!(one.sealed.as_bytes()[0], if root.is_token() { 2 } else { 1 }, "the blob says under which kind of root it lies");
    }
}

pub fn a_kind_that_the_root_does_not_make_is_refused_in_words(root: &Root) {
    let house = House::new(root);
    let made = house.vault.generate(&house.place(KeySpec::EcSecp256k1), house.account_key());
    match made {
        Err(VaultError::Module(HsmError::Cannot { what, .. })) => assert!(root.is(Kind::Kryoptic) && what == "does not make EC_SECP256K1", "{what}"),
        made => assert!(made.is_ok() && !root.is(Kind::Kryoptic)),
    }
}

pub fn a_pair_signs_for_the_public_half_that_is_told(root: &Root) {
    let house = House::new(root);
    for spec in kinds(root, &QUICK) {
        let made = house.generate(spec);
        assert_eq!(made.public_key.is_some(), spec.is_pair(), "{spec:?}");
        assert_eq!(house.vault.public_key(&house.held(spec, made.sealed.as_bytes())), Ok(made.public_key.clone()), "{spec:?}");
        if spec == KeySpec::Rsa2048 {
            let numbers = der::read_spki(made.public_key.as_deref().expect("a pair")).expect("RSA");
            assert_eq!((numbers.bits(), numbers.exponent), (2048, &[1, 0, 1][..]));
        }
    }
}

fn does_not_open<T: std::fmt::Debug>(result: Result<T, VaultError>) {
    let known =
        matches!(result, Err(VaultError::DoesNotOpen(_) | VaultError::Truncated(_) | VaultError::UnknownFormat { .. } | VaultError::OtherKindOfRoot(_)));
    let generation = matches!(result, Err(VaultError::UnknownRoot { .. } | VaultError::OtherAccountKey { .. } | VaultError::Sealed));
    assert!(known || generation, "{result:?}");
}

pub fn material_is_bound_to_its_place(root: &Root) {
    let house = House::new(root);
    let made = house.generate(AES);
    let held = house.held(AES, made.sealed.as_bytes());
    let (key, version, other) = (KeyId::new(AT, [2; 10]), VersionId::new(AT, [3; 10]), account(2));
    let place = held.place;
    for place in [
        Place { key: &key, ..place },
        Place { version: &version, ..place },
        Place { generation: 2, ..place },
        Place { spec: KeySpec::Hmac256, ..place },
        Place { account: &other, ..place },
    ] {
        does_not_open(house.vault.fingerprint(&Held { place, ..held }));
    }
    let theirs = house.vault.new_account_key(&other, 1).expect("the vault is open");
    let theirs = AccountKey { generation: 1, sealed: theirs.as_bytes() };
    does_not_open(house.vault.fingerprint(&Held { account_key: theirs, ..held }));
    let place = Place { account: &other, ..place };
    does_not_open(house.vault.fingerprint(&Held { account_key: theirs, place, ..held }));
}

pub fn a_flipped_bit_is_noticed(root: &Root) {
    let house = House::new(root);
    let made = house.generate(AES);
    let bytes = made.sealed.as_bytes();
    for at in (0..bytes.len()).step_by(3) {
        let mut bent = bytes.to_vec();
        bent[at] ^= 1 << (at % 8);
        does_not_open(house.vault.fingerprint(&house.held(AES, &bent)));
        does_not_open(house.vault.fingerprint(&house.held(AES, &bytes[..at])));
    }
    for at in (0..house.account_key.as_bytes().len()).step_by(5) {
        let mut bent = house.account_key.as_bytes().to_vec();
        bent[at] ^= 0x20;
        let account_key = AccountKey { generation: 1, sealed: &bent };
        does_not_open(house.vault.fingerprint(&Held { account_key, ..house.held(AES, bytes) }));
    }
}

pub fn a_blob_of_another_root_does_not_open(root: &Root) {
    let (one, other) = (House::new(root), House::new(root));
    let made = one.generate(AES);
    let foreign = other.held(AES, made.sealed.as_bytes());
    assert_eq!(other.vault.fingerprint(&foreign), Err(VaultError::DoesNotOpen(Blob::Material)), "the other root's account key is not it");
    assert_eq!(other.vault.fingerprint(&Held { account_key: one.account_key(), ..foreign }), Err(VaultError::DoesNotOpen(Blob::AccountKey)));
}

pub fn what_is_sealed_anew_is_the_same_material(root: &Root) {
    let house = House::new(root);
    for spec in [AES, KeySpec::EcP256] {
        let made = house.generate(spec);
        let held = house.held(spec, made.sealed.as_bytes());
        let anew = house.vault.rewrap(&held, house.account_key(), 2).expect("the vault is open");
        let place = Place { generation: 2, ..held.place };
        assert_eq!(house.vault.fingerprint(&Held { place, ..house.held(spec, anew.as_bytes()) }), Ok(made.fingerprint));
        assert_eq!(house.vault.public_key(&Held { place, ..house.held(spec, anew.as_bytes()) }), Ok(made.public_key.clone()));
        does_not_open(house.vault.fingerprint(&Held { place, ..held }));
    }
}

pub fn an_account_key_rotates_and_old_rows_stay_closed_to_the_new(root: &Root) {
    let house = House::new(root);
    let made = house.generate(AES);
    let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("the vault is open");
    let next = AccountKey { generation: 2, sealed: next.as_bytes() };
    let held = house.held(AES, made.sealed.as_bytes());
    let moved = house.vault.rewrap(&held, next, 2).expect("the vault is open");
    let place = Place { generation: 2, ..held.place };
    assert_eq!(house.vault.fingerprint(&Held { place, account_key: next, sealed: moved.as_bytes() }), Ok(made.fingerprint), "fingerprints stay comparable");
    does_not_open(house.vault.fingerprint(&Held { place, sealed: moved.as_bytes(), ..held }));
    does_not_open(house.vault.fingerprint(&Held { account_key: next, ..held }));
}

/// What the cloud gets, in the method that the root chooses.
pub fn at_the_cloud(house: &House, cloud: &Cloud, spec: KeySpec, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let preferred = if spec.is_pair() { WrapMethod::RsaAesKwp(Hash::Sha256) } else { WrapMethod::RsaOaep(Hash::Sha256) };
    let method = house.vault.method_for_cloud(spec, preferred)?;
    let wrapped = house.vault.wrap_for_cloud(&house.held(spec, sealed), &cloud.public, method, WrappingKeySpec::Rsa4096)?;
    Ok(cloud.unwrap(method, &wrapped).expect("it was wrapped for this cloud, as the standard says"))
}

fn is_whole_document(plain: &[u8]) -> bool {
    der::document_len(plain) == Some(plain.len())
}

pub fn a_cloud_unwraps_every_kind_of_key_fx_012(root: &Root) {
    let (house, cloud) = (House::new(root), Cloud::new());
    let allowing = House::allowing(root, &[WayAround::HostWrap]);
    for spec in kinds(root, &QUICK) {
        let made = house.generate(spec);
        let plain = match at_the_cloud(&house, &cloud, spec, made.sealed.as_bytes()) {
            Err(VaultError::Module(HsmError::Cannot { mend, .. })) => {
                // SoftHSM2 puts zeros behind what is no multiple of eight bytes. It is refused before anything is sent, and done on the host where that is allowed.
                assert!(root.is(Kind::Softhsm) && (spec.is_pair() || spec == KeySpec::Hmac224) && mend.contains("host-wrap"), "{spec:?}: {mend}");
                let made = allowing.generate(spec);
                assert!(
                    made.birth.fields().iter().any(|(name, value)| *name == "way_around" && value.starts_with("host-wrap")),
                    "and its birth record says so"
                );
                at_the_cloud(&allowing, &cloud, spec, made.sealed.as_bytes()).expect("allowed")
            }
            wrapped => wrapped.unwrap_or_else(|error| panic!("{spec:?}: {error}")),
        };
        match spec.material_len() {
            Some(len) => assert_eq!(plain.len(), len, "{spec:?}"),
            None => assert!(is_whole_document(&plain), "{spec:?}: PKCS#8, and nothing behind it"),
        }
    }
}

pub fn a_person_unwraps_an_export(root: &Root) {
    let allow: &[WayAround] = if root.is(Kind::Softhsm) { &[WayAround::HostWrap] } else { &[] };
    let (house, person) = (House::allowing(root, allow), Cloud::new());
    let to = ExportKey::from_spki_der(&person.public).expect("a sound key");
    for spec in [AES, KeySpec::Hmac224, KeySpec::EcP256] {
        let made = house.generate(spec);
        let wrapped = house.vault.export(&house.held(spec, made.sealed.as_bytes()), &to).expect("the vault is open");
        let plain = person.unwrap(export_method(spec), &wrapped).expect("wrapped for this person");
        assert!(spec.material_len() == Some(plain.len()) || is_whole_document(&plain), "{spec:?}");
    }
    if root.is(Kind::Softhsm) {
        let strict = House::new(root);
        let made = strict.generate(AES);
        let refused = strict.vault.export(&strict.held(AES, made.sealed.as_bytes()), &to).expect_err("it has no OAEP with SHA-256");
        assert!(matches!(refused, VaultError::Module(HsmError::Cannot { .. })), "{refused:?}");
    }
}

pub fn plain_material_is_taken_in_and_is_the_same_at_the_cloud(root: &Root) {
    let (house, cloud) = (House::new(root), Cloud::new());
    let take = |bytes: &[u8]| house.vault.take_in(&house.place(AES), house.account_key(), SecretBytes::from(bytes.to_vec()), None);
    let (one, same) = (take(&counting()).expect("sound material"), take(&counting()).expect("sound material"));
    assert_eq!(one.fingerprint, same.fingerprint);
    assert_ne!(one.fingerprint, house.generate(AES).fingerprint);
    assert_eq!(one.birth.source, Source::ImportedRaw);
    assert_eq!(at_the_cloud(&house, &cloud, AES, one.sealed.as_bytes()), Ok(counting()));
    assert_eq!(take(&[0x41; 32]).err(), Some(MaterialRefused::Weak.into()));
    assert!(matches!(take(&[1; 31]).err(), Some(VaultError::MaterialRefused(MaterialRefused::WrongSize { .. }))));
    for (spec, pem) in [(KeySpec::EcP256, include_str!("../keys/p256.pem")), (KeySpec::Rsa2048, include_str!("../keys/rsa2048.pem"))] {
        let file = SecretBytes::from(pem.to_owned());
        let taken = house.vault.take_in_pkcs8(&house.place(spec), house.account_key(), &file, None, None).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        assert_eq!(fingerprint(&house, spec, &taken), taken.fingerprint);
        assert!(taken.public_key.is_some());
    }
}

pub fn wrapped_material_is_taken_in_under_a_key_of_the_vault(root: &Root) {
    let (house, cloud) = (House::new(root), Cloud::new());
    let kek: [u8; 32] = std::array::from_fn(|at| 200 - at as u8);
    let held_kek = house.vault.take_in(&house.place(AES), house.account_key(), SecretBytes::from(kek.to_vec()), None).expect("sound material");
    for spec in [AES, KeySpec::Hmac224, KeySpec::Hmac512].into_iter().filter(|spec| !root.is(Kind::Softhsm) || *spec != KeySpec::Hmac224) {
        let plain: Vec<u8> = (0..spec.material_len().expect("a secret") as u8).map(|at| at ^ 0x33).collect();
        let held_kek = house.held(AES, held_kek.sealed.as_bytes());
        let taken = house.vault.take_in_wrapped(&house.place(spec), house.account_key(), &kwp(&kek, &plain), &held_kek, None);
        let taken = taken.unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        assert!(matches!(taken.birth.source, Source::ImportedWrapped { .. }));
        assert_eq!(at_the_cloud(&house, &cloud, spec, taken.sealed.as_bytes()), Ok(plain));
    }
    let short =
        house.vault.take_in_wrapped(&house.place(AES), house.account_key(), &kwp(&kek, &counting()[..16]), &house.held(AES, held_kek.sealed.as_bytes()), None);
    assert!(matches!(short.err(), Some(VaultError::MaterialRefused(_))), "16 bytes are no AES-256 key");
}

/// The document in a PEM file.
pub fn der(pem: &str) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).expect("base64")
}

pub fn a_wrapped_pair_is_taken_in_or_refused_in_words(root: &Root) {
    let house = House::new(root);
    let kek: [u8; 32] = std::array::from_fn(|at| 200 - at as u8);
    let held_kek = house.vault.take_in(&house.place(AES), house.account_key(), SecretBytes::from(kek.to_vec()), None).expect("sound material");
    let held_kek = house.held(AES, held_kek.sealed.as_bytes());
    for (spec, pem) in [(KeySpec::Rsa2048, include_str!("../keys/rsa2048.pem")), (KeySpec::EcP256, include_str!("../keys/p256.pem"))] {
        let file = SecretBytes::from(pem.to_owned());
        let plain = house.vault.take_in_pkcs8(&house.place(spec), house.account_key(), &file, None, None).expect("sound material");
        match house.vault.take_in_wrapped(&house.place(spec), house.account_key(), &kwp(&kek, &der(pem)), &held_kek, None) {
            Ok(taken) => assert_eq!((taken.public_key, taken.fingerprint), (plain.public_key, plain.fingerprint), "{spec:?}"),
            // A private key of a curve does not tell its public half in every module.
            Err(VaultError::Module(HsmError::Cannot { mend, .. })) => assert!(root.is_token() && spec == KeySpec::EcP256 && mend.contains("PKCS#8"), "{mend}"),
            Err(error) => panic!("{spec:?}: {error}"),
        }
        let other = if spec == KeySpec::EcP256 { KeySpec::EcP384 } else { KeySpec::Rsa3072 };
        let refused = house.vault.take_in_wrapped(&house.place(other), house.account_key(), &kwp(&kek, &der(pem)), &held_kek, None);
        assert!(refused.is_err(), "an {} is no {}", spec.as_str(), other.as_str());
    }
}

pub fn what_does_not_unwrap_is_refused(root: &Root) {
    let house = House::new(root);
    let kek = house.generate(AES);
    let held_kek = house.held(AES, kek.sealed.as_bytes());
    for wrapped in [&kwp(&[9; 32], &counting())[..], &[0; 40], &[], &[1; 7]] {
        let refused = house.vault.take_in_wrapped(&house.place(AES), house.account_key(), wrapped, &held_kek, None).err();
        assert_eq!(refused, Some(MaterialRefused::NotUnwrapped.into()), "{} bytes", wrapped.len());
    }
    assert_eq!(house.vault.fingerprint(&held_kek), Ok(kek.fingerprint), "and the vault works on");
}

pub fn a_preparation_that_was_changed_is_not_the_one_that_was_sealed(root: &Root) {
    let house = House::new(root);
    let person = ExportKey::from_spki_der(&Cloud::new().public).expect("a sound key");
    let prepared = Preparation { account: &house.account, key: &house.key, public_key: &person, prepared_by: "user_ann", prepared_at: AT };
    let seal = house.vault.seal_preparation(&prepared, house.account_key()).expect("the vault is open");
    assert_eq!(house.vault.is_as_prepared(&prepared, house.account_key(), &seal), Ok(true));
    let changed = Preparation { prepared_by: "user_bob", ..prepared };
    assert_eq!(house.vault.is_as_prepared(&changed, house.account_key(), &seal), Ok(false));
    assert_eq!(house.vault.is_as_prepared(&prepared, house.account_key(), &seal[..31]), Ok(false));
    let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("the vault is open");
    let next = AccountKey { generation: 2, sealed: next.as_bytes() };
    assert_eq!(house.vault.is_as_prepared(&prepared, next, &seal), Ok(true), "it outlives a rotation of the account key");
}

pub fn the_audit_logs_key_signs(root: &Root) {
    let house = House::new(root);
    let key = house.vault.new_log_key().expect("the vault is open");
    let signature = house.vault.sign_log(&key.sealed, b"a checkpoint").expect("the vault is open");
    let public = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key.public_key);
    assert!(public.verify(b"a checkpoint", &signature).is_ok());
    let mut bent = key.sealed.clone();
    let last = bent.len() - 1;
    bent[last] ^= 1;
    assert_eq!(house.vault.sign_log(&bent, b"a checkpoint"), Err(VaultError::DoesNotOpen(Blob::LogKey)));
}

pub fn a_restart_opens_what_was_made_before_and_a_wrong_secret_does_not(root: &Root) {
    let house = House::new(root);
    let made = house.generate(KeySpec::EcP384);
    let (record, held) = (house.vault.record(), house.held(KeySpec::EcP384, made.sealed.as_bytes()));
    house.vault.seal();
    let restarted = reopened(&record);
    let refused = restarted.unseal(&root.wrong_secret()).expect_err("it is another secret");
    assert!(matches!(refused, UnsealError::WrongSecret | UnsealError::Module(HsmError::PinWrong)), "{refused:?}");
    assert!(restarted.is_sealed());
    restarted.unseal(&root.secret(&[])).expect("the right secret");
    assert_eq!(restarted.fingerprint(&held), Ok(made.fingerprint));
    assert_eq!(restarted.is_in_module(), root.is_token());
    let stranger = reopened(&House::new(root).vault.record());
    stranger.unseal(&root.secret(&[])).expect("the right secret");
    does_not_open(stranger.fingerprint(&held));
}

pub fn a_sealed_vault_does_nothing(root: &Root) {
    let house = House::new(root);
    let made = house.generate(AES);
    let held = house.held(AES, made.sealed.as_bytes());
    house.vault.seal();
    assert_eq!(house.vault.generate(&held.place, house.account_key()).err(), Some(VaultError::Sealed));
    assert_eq!(house.vault.fingerprint(&held).err(), Some(VaultError::Sealed));
    assert_eq!(house.vault.rewrap(&held, house.account_key(), 2).err(), Some(VaultError::Sealed));
    assert_eq!(house.vault.new_account_key(&house.account, 1).err(), Some(VaultError::Sealed));
    assert_eq!(house.vault.method_for_cloud(AES, WrapMethod::RsaOaep(Hash::Sha256)).err(), Some(VaultError::Sealed));
    assert_eq!(house.vault.new_log_key().err(), Some(VaultError::Sealed));
}

pub fn the_birth_record_says_where_a_key_was_made_aw_034(root: &Root) {
    let house = House::new(root);
    for spec in [AES, KeySpec::Hmac256, KeySpec::Rsa2048, KeySpec::EcP256] {
        let made = house.generate(spec);
        let fields = made.birth.fields();
        let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).unwrap_or_default();
        if root.is_token() {
            assert_eq!(field("source"), "generated in the hardware module");
            assert!(field("mechanism").starts_with("CKM_") && field("module").contains("PKCS#11") && field("fips").is_empty(), "{fields:?}");
            assert_eq!(field("health_test").contains("pairwise"), matches!(spec.family(), KeyFamily::Rsa | KeyFamily::Ec));
        } else {
            assert_eq!(field("source"), "generated in the vault");
            assert!(field("module").contains("AWS-LC"));
        }
        assert_eq!(field("way_around"), "", "nothing is allowed here");
    }
}

pub fn many_threads_use_it_at_once(root: &Root) {
    let house = House::new(root);
    let made = house.generate(AES);
    let held = house.held(AES, made.sealed.as_bytes());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(house.vault.fingerprint(&held), Ok(made.fingerprint));
                    house.generate(AES);
                }
            });
        }
    });
}
