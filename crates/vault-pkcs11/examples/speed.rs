//! Keys made and wrapped for a cloud in a second, through the vault, beside what the module itself does in the same run: `cargo run --release --example speed -- LIBRARY TOKEN PIN`.

#![expect(clippy::print_stdout, reason = "it tells figures")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use keystead_domain::{AccountId, Hash, KeyId, KeySpec, Timestamp, VersionId, WrapMethod, WrappingKeySpec};
use keystead_vault::{AccountKey, Held, Hsm as _, NewUnlock, Place, Purpose, SecretBytes, SystemRandom, UnlockSecret, Vault, root};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

const EACH: Duration = Duration::from_secs(3);
const THREADS: usize = 4;

/// How often in a second, by some threads at once.
fn rate(work: impl Fn() + Sync) -> f64 {
    let (count, began) = (AtomicU32::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while began.elapsed() < EACH {
                    work();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    f64::from(count.load(Ordering::Relaxed)) / began.elapsed().as_secs_f64()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, token, pin] = arguments.as_slice() else { return Err("LIBRARY TOKEN PIN".into()) };
    let settings = Settings {
        name: "hsm".to_owned(),
        library: library.into(),
        token: token.clone(),
        sessions: THREADS,
        queue: 256,
        patience: Duration::from_secs(60),
        allow: Vec::new(),
    };
    let hsm = Arc::new(Pkcs11Module::load(settings, &SecretBytes::from(pin.clone()))?);
    let record = root::create(&NewUnlock::Module { hsm: hsm.clone(), backup: None }, &SystemRandom)?.record;
    let vault = Vault::sealed(record, Arc::new(SystemRandom));
    vault.unseal(&UnlockSecret::Modules(vec![hsm.clone()]))?;
    let at = Timestamp::from_secs(1_790_000_000);
    let (account, key, version) = (AccountId::new(at, [1; 10]), KeyId::new(at, [2; 10]), VersionId::new(at, [3; 10]));
    let sealed = vault.new_account_key(&account, 1)?;
    let account_key = AccountKey { generation: 1, sealed: sealed.as_bytes() };
    let place = |spec| Place { account: &account, key: &key, version: &version, spec, generation: 1 };
    let public = include_bytes!("wrapping.der");

    for spec in [KeySpec::Aes256, KeySpec::EcP256] {
        let raw = rate(|| {
            let made = hsm.run(Arc::new(move |session| {
                let transport = session.generate(Purpose::Transport)?.key;
                let made = session.generate(Purpose::Material(spec))?.key;
                session.wrap(transport, made).map(drop)
            }));
            assert!(made.is_ok());
        });
        let ours = rate(|| assert!(vault.generate(&place(spec), account_key).is_ok()));
        println!("{}: made by the vault {ours:.0} a second; made and wrapped by the module {raw:.0}; {:.0} %", spec.as_str(), 100.0 * ours / raw);
    }
    let made = vault.generate(&place(KeySpec::Aes256), account_key)?;
    let held = Held { place: place(KeySpec::Aes256), account_key, sealed: made.sealed.as_bytes() };
    let method = vault.method_for_cloud(KeySpec::Aes256, WrapMethod::RsaOaep(Hash::Sha256))?;
    let WrapMethod::RsaOaep(hash) = method else { return Err("another method".into()) };
    let numbers = keystead_vault::der::read_spki(public)?;
    let (modulus, exponent) = (numbers.modulus.to_vec(), numbers.exponent.to_vec());
    let raw = rate(|| {
        let (modulus, exponent) = (modulus.clone(), exponent.clone());
        let wrapped = hsm.run(Arc::new(move |session| {
            let made = session.generate(Purpose::Material(KeySpec::Aes256))?.key;
            session.oaep(&modulus, &exponent, hash, made).map(drop)
        }));
        assert!(wrapped.is_ok());
    });
    let ours = rate(|| assert!(vault.wrap_for_cloud(&held, public, method, WrappingKeySpec::Rsa4096).is_ok()));
    println!("AES_256: wrapped for a cloud by the vault {ours:.0} a second; by the module {raw:.0}; {:.0} %", 100.0 * ours / raw);
    Ok(())
}
