//! Pairs that unwrap, at the port: made in the session, wrapped under the root and brought back; what others wrap under the public half comes out as it went in.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, UnboundCipherKey},
    rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents},
};
use keystead_domain::{Hash, KeySpec};
use keystead_testkit::token::{Kind, apart};
use keystead_vault::{Abilities, Hsm as _, HsmError, HsmKey, HsmSession, PublicNumbers, Purpose, RootId};
use keystead_vault_pkcs11::Pkcs11Module;

use crate::house::{kwp, pin, settings};

const ROOT: RootId = RootId([0xc3; 16]);

fn opened(library: PathBuf) -> (Pkcs11Module, Abilities) {
    let module = Pkcs11Module::load(settings(library, &[]), &pin()).expect("the library loads");
    let abilities = module.open().expect("the right PIN");
    (module, abilities)
}

fn in_a_job<T: Send + 'static>(module: &Pkcs11Module, work: impl Fn(&dyn HsmSession) -> Result<T, HsmError> + Send + Sync + 'static) -> Result<T, HsmError> {
    let (told, answer) = (Arc::new(Mutex::new(None)), ());
    let kept = told.clone();
    module.run(Arc::new(move |session| {
        *kept.lock().expect("no panic") = Some(work(session)?);
        Ok(answer)
    }))?;
    Ok(told.lock().expect("no panic").take().expect("the job ended"))
}

/// What somebody else makes of bytes with the public half.
fn wrapped(public: &PublicNumbers, hash: Hash, plain: &[u8]) -> Vec<u8> {
    let PublicNumbers::Rsa { modulus, exponent } = public else { panic!("an RSA pair") };
    let public: PublicEncryptingKey = PublicKeyComponents { n: &modulus[..], e: &exponent[..] }.try_into().expect("a public key");
    let public = OaepPublicEncryptingKey::new(public).expect("a public key");
    let mut room = vec![0; public.ciphertext_size()];
    let algorithm = if hash == Hash::Sha1 { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 };
    public.encrypt(algorithm, plain, &mut room, None).expect("wraps").to_vec()
}

fn block_under(key: &[u8; 32]) -> Vec<u8> {
    let mut block = [7; 16];
    let key = EncryptingKey::ecb(UnboundCipherKey::new(&AES_256, key).expect("a key")).expect("a key");
    key.encrypt(&mut block).expect("a block");
    block.to_vec()
}

/// The private half as it lies under the root, and its public half. The session that made it is over.
fn stored(module: &Pkcs11Module) -> (Vec<u8>, PublicNumbers) {
    module.make_root(ROOT).expect("a root is made");
    in_a_job(module, |session| {
        let made = session.generate(Purpose::UnwrappingPair)?;
        Ok((session.wrap(session.root(ROOT)?.wrapping, made.key)?, made.public.expect("a pair tells its public half")))
    })
    .expect("a pair is made and wrapped")
}

fn brought_back(session: &dyn HsmSession, stored: &[u8]) -> Result<HsmKey, HsmError> {
    session.unwrap(session.root(ROOT)?.wrapping, stored, Purpose::UnwrappingPair)
}

fn what_others_wrap_comes_out_whole(kind: Kind, library: &Path) {
    let (module, abilities) = opened(library.to_owned());
    let expected: &[Hash] = if kind == Kind::Softhsm { &[Hash::Sha1] } else { &[Hash::Sha256, Hash::Sha1] };
    assert_eq!(abilities.unwraps_oaep, expected, "found by doing it");
    let (stored, public) = stored(&module);
    let key: [u8; 32] = std::array::from_fn(|at| 90 + at as u8);
    let inner: [u8; 32] = std::array::from_fn(|at| 200 - at as u8);
    for hash in [Hash::Sha256, Hash::Sha1] {
        let (stored, outer, under_it) = (stored.clone(), wrapped(&public, hash, &key), kwp(&key, &inner));
        let blocks = in_a_job(&module, move |session| {
            let private = brought_back(session, &stored)?;
            let direct = session.unwrap_oaep(private, hash, &outer, Purpose::Material(KeySpec::Aes256))?;
            let transport = session.unwrap_oaep(private, hash, &outer, Purpose::Unwrapping)?;
            let below = session.unwrap(transport, &under_it, Purpose::Material(KeySpec::Aes256))?;
            Ok([session.encrypt_block(direct, [7; 16])?, session.encrypt_block(below, [7; 16])?].map(Vec::from))
        });
        match blocks {
            Ok(blocks) => assert_eq!(blocks, [block_under(&key), block_under(&inner)], "{hash:?}"),
            Err(error) => assert!(!expected.contains(&hash) && !error.passes(), "{hash:?}: {error}"),
        }
    }
}

fn the_private_half_does_nothing_else(library: &Path) {
    let (module, abilities) = opened(library.to_owned());
    let (stored, public) = stored(&module);
    let hash = *abilities.unwraps_oaep.first().expect("it has one");
    let refusals = in_a_job(&module, move |session| {
        let private = brought_back(session, &stored)?;
        let signs = session.sign(private, KeySpec::Rsa4096, &[7; 51]).is_ok();
        let mut bent = wrapped(&public, hash, &[9; 32]);
        bent[40] ^= 1;
        Ok((signs, session.unwrap_oaep(private, hash, &bent, Purpose::Unwrapping).is_ok()))
    });
    assert_eq!(refusals, Ok((false, false)), "it neither signs nor unwraps what was changed");
}

#[test]
fn softhsm_unwraps_what_others_wrap_with_sha_1() {
    apart("pairs::softhsm_unwraps_what_others_wrap_with_sha_1", Kind::Softhsm, |library, _| what_others_wrap_comes_out_whole(Kind::Softhsm, library));
}

#[test]
fn kryoptic_unwraps_what_others_wrap_with_either_hash() {
    apart("pairs::kryoptic_unwraps_what_others_wrap_with_either_hash", Kind::Kryoptic, |library, _| what_others_wrap_comes_out_whole(Kind::Kryoptic, library));
}

#[test]
fn a_private_half_that_unwraps_does_nothing_else_in_softhsm() {
    apart("pairs::a_private_half_that_unwraps_does_nothing_else_in_softhsm", Kind::Softhsm, |library, _| the_private_half_does_nothing_else(library));
}

#[test]
fn a_private_half_that_unwraps_does_nothing_else_in_kryoptic() {
    apart("pairs::a_private_half_that_unwraps_does_nothing_else_in_kryoptic", Kind::Kryoptic, |library, _| the_private_half_does_nothing_else(library));
}
