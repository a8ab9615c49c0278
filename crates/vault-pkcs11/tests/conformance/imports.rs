//! The cases of keys from elsewhere: wrapped under our pair, held against their check value, brought in components (FX-015).

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use keystead_domain::{CeremonyId, Hash, KeySpec, WrapMethod};
use keystead_testkit::token::Kind;
use keystead_vault::{AccountKey, Blob, CheckValue, ComponentPlace, HeldComponent, HsmError, MaterialRefused, SecretBytes, VaultError};

use crate::{
    cases::{AES, AT, at_the_cloud, counting, der},
    house::{Cloud, House, Root, kwp},
};

/// What somebody else's module makes of bytes under the public half of our pair.
fn under_our_pair(spki: &[u8], method: WrapMethod, plain: &[u8]) -> Vec<u8> {
    let public = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(spki).expect("a public key")).expect("a public key");
    let oaep = |plain: &[u8]| {
        let algorithm = if method.hash() == Hash::Sha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
        public.encrypt(algorithm, plain, &mut vec![0; 512], None).expect("wraps").to_vec()
    };
    match method {
        WrapMethod::RsaOaep(_) => oaep(plain),
        WrapMethod::RsaAesKwp(_) => [oaep(&[0x5c; 32]), kwp(&[0x5c; 32], plain)].concat(),
    }
}

/// SoftHSM2 has SHA-1 only, and says so.
fn refused_for_its_hash(root: &Root, method: WrapMethod, error: &VaultError) -> bool {
    let named = matches!(error, VaultError::Module(HsmError::Cannot { mend, .. }) if mend.contains(method.with(Hash::Sha1).as_str()));
    root.is(Kind::Softhsm) && method.hash() == Hash::Sha256 && named
}

pub fn what_others_wrap_under_our_pair_is_taken_in_fx_015(root: &Root) {
    let (house, cloud) = (House::new(root), Cloud::new());
    let pair = house.generate(KeySpec::Rsa4096);
    let (held, spki) = (house.held(KeySpec::Rsa4096, pair.sealed.as_bytes()), pair.public_key.as_deref().expect("a pair"));
    for spec in [AES, KeySpec::Hmac512] {
        let plain: Vec<u8> = (0..spec.material_len().expect("a secret") as u8).map(|at| at ^ 0x33).collect();
        for method in WrapMethod::ALL {
            match house.vault.take_in_by_pair(&house.place(spec), house.account_key(), &under_our_pair(spki, method, &plain), &held, method, None) {
                Ok(taken) => assert_eq!(at_the_cloud(&house, &cloud, spec, taken.sealed.as_bytes()), Ok(plain.clone()), "{spec:?} {method:?}"),
                Err(error) => assert!(refused_for_its_hash(root, method, &error), "{spec:?} {method:?}: {error}"),
            }
        }
    }
    let (rsa, method) = (KeySpec::Rsa2048, WrapMethod::RsaAesKwp(Hash::Sha1));
    let document = der(include_str!("../keys/rsa2048.pem"));
    let taken = house.vault.take_in_by_pair(&house.place(rsa), house.account_key(), &under_our_pair(spki, method, &document), &held, method, None);
    let file = SecretBytes::from(include_str!("../keys/rsa2048.pem").to_owned());
    let plain = house.vault.take_in_pkcs8(&house.place(rsa), house.account_key(), &file, None, None).expect("sound material");
    let taken = taken.expect("a pair under a pair");
    assert_eq!((taken.public_key, taken.fingerprint), (plain.public_key, plain.fingerprint));
}

pub fn what_was_not_wrapped_under_our_pair_is_refused_in_one_way(root: &Root) {
    let house = House::new(root);
    let pair = house.generate(KeySpec::Rsa4096);
    let (held, spki) = (house.held(KeySpec::Rsa4096, pair.sealed.as_bytes()), pair.public_key.as_deref().expect("a pair"));
    let (oaep, below) = (WrapMethod::RsaOaep(Hash::Sha1), WrapMethod::RsaAesKwp(Hash::Sha1));
    let bent = |method, plain: &[u8], at: usize| {
        let mut wrapped = under_our_pair(spki, method, plain);
        wrapped[at] ^= 1;
        wrapped
    };
    for (method, wrapped) in [
        (oaep, bent(oaep, &counting(), 100)),
        (oaep, under_our_pair(spki, oaep, &counting()[..16])),
        (below, bent(below, &counting(), 100)),
        (below, bent(below, &counting(), 530)),
        (below, [under_our_pair(spki, oaep, &[0x5c; 16]), kwp(&[0x5c; 32], &counting())].concat()),
    ] {
        let refused = house.vault.take_in_by_pair(&house.place(AES), house.account_key(), &wrapped, &held, method, None).err();
        assert_eq!(refused, Some(MaterialRefused::NotUnwrappedByPair.into()), "{method:?}");
    }
    let short = house.vault.take_in_by_pair(&house.place(AES), house.account_key(), &under_our_pair(spki, below, &counting()[..16]), &held, below, None);
    assert!(matches!(short.err(), Some(VaultError::MaterialRefused(MaterialRefused::WrongSize { .. }))), "behind the check value it is told");
    assert_eq!(house.vault.fingerprint(&held), Ok(pair.fingerprint), "and the vault works on");
}

/// By `openssl mac … CMAC`, `openssl enc -aes-256-ecb` and `openssl dgst -mac HMAC`, of the bytes of [`counting`].
const CMAC: &str = "99fa00a465";
const ZERO: &str = "kcv-zero:e4c261";
const HMAC: &str = "370afaaed4";

pub fn a_key_that_comes_wrapped_is_compared_inside_fx_015(root: &Root) {
    let house = House::new(root);
    let kek: [u8; 32] = std::array::from_fn(|at| 200 - at as u8);
    let held_kek = house.vault.take_in(&house.place(AES), house.account_key(), SecretBytes::from(kek.to_vec()), None).expect("sound material");
    let held_kek = house.held(AES, held_kek.sealed.as_bytes());
    let pair = house.generate(KeySpec::Rsa4096);
    let (held, spki) = (house.held(KeySpec::Rsa4096, pair.sealed.as_bytes()), pair.public_key.as_deref().expect("a pair"));
    let method = WrapMethod::RsaAesKwp(Hash::Sha1);
    let ways = |spec, expected: &CheckValue| {
        let (place, key) = (house.place(spec), house.account_key());
        [
            house.vault.take_in(&place, key, SecretBytes::from(counting()), Some(expected)),
            house.vault.take_in_wrapped(&place, key, &kwp(&kek, &counting()), &held_kek, Some(expected)),
            house.vault.take_in_by_pair(&place, key, &under_our_pair(spki, method, &counting()), &held, method, Some(expected)),
        ]
    };
    for (spec, right) in [(AES, CMAC), (AES, ZERO), (KeySpec::Hmac256, HMAC)] {
        let expected = CheckValue::parse("check_value", spec, right).expect("a check value");
        for taken in ways(spec, &expected) {
            match taken {
                Ok(taken) => assert!(taken.birth.fields().iter().any(|(name, _)| *name == "check_value"), "{right}"),
                // Not every module tells the older check value of a key that it unwrapped.
                Err(VaultError::Module(HsmError::Cannot { mend, .. })) => assert!(root.is_token() && right == ZERO && mend.contains("cmac"), "{right}: {mend}"),
                Err(error) => panic!("{spec:?} {right}: {error}"),
            }
        }
        let mut wrong = right.to_owned();
        wrong.replace_range(right.len() - 1.., if right.ends_with('0') { "1" } else { "0" });
        let wrong = CheckValue::parse("check_value", spec, &wrong).expect("a check value");
        for taken in ways(spec, &wrong) {
            let refused = matches!(taken, Err(VaultError::MaterialRefused(MaterialRefused::OtherCheckValue) | VaultError::Module(HsmError::Cannot { .. })));
            assert!(refused, "{spec:?} {right}");
        }
    }
}

pub fn a_key_is_made_of_components_that_waited_sealed_fx_015(root: &Root) {
    let (house, cloud) = (House::new(root), Cloud::new());
    let ceremony = CeremonyId::new(AT, [9; 10]);
    let three: Vec<Vec<u8>> = [3, 5, 11].map(|seed| (0..32).map(|at: u8| at.wrapping_mul(seed) ^ seed).collect()).into();
    let people = ["user_ann", "user_bob", "user_cho"];
    let place = |at: usize| ComponentPlace { account: &house.account, ceremony: &ceremony, terms: "a root", number: at as u32 + 1, person: people[at] };
    let seal = |at: usize| house.vault.seal_component(&place(at), AES, house.account_key(), &SecretBytes::from(three[at].clone()), None);
    let sealed: Vec<Vec<u8>> = (0..3).map(|at| seal(at).expect("a sound component")).collect();
    let held: Vec<HeldComponent<'_>> = sealed.iter().enumerate().map(|(at, sealed)| HeldComponent { place: place(at), sealed }).collect();
    let whole: Vec<u8> = (0..32).map(|at| three.iter().fold(0, |sum, component| sum ^ component[at])).collect();
    // What waits outlives a rotation of the account key.
    let next = house.vault.next_account_key(&house.account, house.account_key(), 2).expect("the vault is open");
    let next = AccountKey { generation: 2, sealed: next.as_bytes() };
    assert!(house.vault.take_in_components(&house.place(AES), next, &held, Vec::new(), None).is_ok());
    let taken = house.vault.take_in_components(&house.place(AES), house.account_key(), &held, people.map(str::to_owned).into(), None).expect("all are there");
    assert_eq!(at_the_cloud(&house, &cloud, AES, taken.sealed.as_bytes()), Ok(whole));
    let source = taken.birth.fields()[0].1.clone();
    assert!(source.contains("entered by user_ann, user_bob, user_cho") && source.contains("host's memory") == root.is_token(), "{source}");
    let swapped = [HeldComponent { place: place(1), ..held[0] }, held[1], held[2]];
    let refused = house.vault.take_in_components(&house.place(AES), house.account_key(), &swapped, Vec::new(), None);
    assert_eq!(refused.err(), Some(VaultError::DoesNotOpen(Blob::Component)), "each is bound to its person");
}
