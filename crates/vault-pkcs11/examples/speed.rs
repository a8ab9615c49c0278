//! Keys made and wrapped for a cloud in a second, through the vault, beside what the module itself does in the same run:
//! `cargo run --profile perf -p keystead-vault-pkcs11 --example speed -- LIBRARY TOKEN PIN`. It leaves a root in the token. Without arguments it measures the soft tokens
//! that are installed, each in a token of its own.
//!
//! Two figures of the module stand beside the vault's. *Bare* is what the issue of a key needs at the least: make it and wrap it under a root that lies in the token, or
//! unwrap it and wrap it for the cloud. *The same calls* is what the design asks for, without the vault around it: the answer that shows which key it is, its MAC, a pair's
//! proof that its halves belong together, and the second sealing under the account's key.

#![expect(clippy::print_stdout, reason = "it tells figures")]

use std::{
    error::Error,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use keystead_domain::{AccountId, Hash, KeyFamily, KeyId, KeySpec, Timestamp, VersionId, WrapMethod, WrappingKeySpec};
use keystead_testkit::token::{Kind, LABEL, PIN, Token};
use keystead_vault::{
    AccountKey, AccountName, AccountPart, Held, Hsm as _, HsmError, HsmKey, HsmSession, Mac, NewUnlock, Place, Purpose, RootId, SecretBytes, SystemRandom,
    UnlockSecret, Vault, root,
};
use keystead_vault_pkcs11::{Pkcs11Module, Settings};

/// How long one turn of a measurement takes, and how many of each alternate: what else the machine does meets all alike.
const EACH: Duration = Duration::from_millis(500);
const TURNS: usize = 6;
const THREADS: usize = 4;

/// How often in a second, by some threads at once.
fn rate(work: &(dyn Fn() + Sync)) -> f64 {
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

/// The median of some turns of each, turn by turn.
fn compare(what: &str, ours: &(dyn Fn() + Sync), bare: &(dyn Fn() + Sync), same: &(dyn Fn() + Sync)) {
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        for (rates, work) in rates.iter_mut().zip([ours, bare, same]) {
            rates.push(rate(work));
        }
    }
    let [ours, bare, same] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[TURNS / 2]
    });
    println!("{what:28} {ours:8.0} {bare:8.0} {:5.0} % {same:8.0} {:5.0} %", 100.0 * ours / bare, 100.0 * ours / same);
}

/// A job on the module itself.
fn job(hsm: &Pkcs11Module, work: impl Fn(&dyn HsmSession) -> Result<(), HsmError> + Send + Sync + 'static) {
    assert_eq!(hsm.run(Arc::new(work)), Ok(()));
}

/// An account's keys of the session, wrapped under the root when the measurement began.
#[derive(Clone)]
struct Account {
    sealing: Vec<u8>,
    mac: Vec<u8>,
}

impl Account {
    const NAME: AccountName = AccountName([7; 32]);

    fn new(session: &dyn HsmSession, root: RootId) -> Result<Self, HsmError> {
        let under = session.root(root)?.wrapping;
        let wrapped = |purpose| session.wrap(under, session.generate(purpose)?.key);
        Ok(Self { sealing: wrapped(Purpose::Account)?, mac: wrapped(Purpose::AccountMac)? })
    }

    fn key(&self, session: &dyn HsmSession, root: RootId, part: AccountPart) -> Result<HsmKey, HsmError> {
        let wrapped = if part == AccountPart::Sealing { &self.sealing } else { &self.mac };
        session.account(&Self::NAME, part).map_or_else(|| session.keep_account(&Self::NAME, part, session.root(root)?.wrapping, wrapped), Ok)
    }
}

/// What the vault has a module do when a key is made.
fn made(session: &dyn HsmSession, root: RootId, account: &Account, spec: KeySpec) -> Result<(), HsmError> {
    let made = session.generate(Purpose::Material(spec))?.key;
    match spec.family() {
        KeyFamily::Aes => session.encrypt_block(made, [3; 16]).map(drop)?,
        _ => session.sign(made, spec, &[3; 32]).map(drop)?,
    }
    session.mac(account.key(session, root, AccountPart::Mac)?, Mac::Sha256, &[3; 80])?;
    let wrapped = session.wrap(session.root(root)?.wrapping, made)?;
    session.seal(account.key(session, root, AccountPart::Sealing)?, [5; 12], &[3; 80], &wrapped).map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => [Kind::Softhsm, Kind::Kryoptic].into_iter().filter_map(Token::new).try_for_each(|token| over_soft_token(&token)),
        [library, token, pin] => over(library, token, pin),
        _ => Err("LIBRARY TOKEN PIN".into()),
    }
}

/// In a process of its own, because a library reads its configuration from the environment.
fn over_soft_token(token: &Token) -> Result<(), Box<dyn Error>> {
    let (name, value) = token.environment();
    let done = Command::new(std::env::current_exe()?).arg(&token.library).args([LABEL, PIN]).env(name, value).status()?;
    if done.success() { Ok(()) } else { Err(format!("{:?}: {done}", token.kind).into()) }
}

fn over(library: &str, token: &str, pin: &str) -> Result<(), Box<dyn Error>> {
    let settings = Settings {
        name: "hsm".to_owned(),
        library: library.into(),
        token: token.to_owned(),
        sessions: THREADS,
        queue: 256,
        patience: Duration::from_secs(60),
        allow: Vec::new(),
    };
    let hsm = Arc::new(Pkcs11Module::load(settings, &SecretBytes::from(pin.to_owned()))?);
    let record = root::create(&NewUnlock::Module { hsm: hsm.clone(), backup: None }, &SystemRandom)?.record;
    let id = record.module_root().ok_or("no root in a module")?;
    let vault = Vault::sealed(record, Arc::new(SystemRandom));
    vault.unseal(&UnlockSecret::Modules(vec![hsm.clone()]))?;
    println!("{}", hsm.description());
    println!("{:28} {:>8} {:>8} {:>7} {:>8} {:>7}", "a second", "vault", "bare", "", "same", "");
    measure(&hsm, &vault, id)
}

fn measure(hsm: &Arc<Pkcs11Module>, vault: &Vault, id: RootId) -> Result<(), Box<dyn Error>> {
    let at = Timestamp::from_secs(1_790_000_000);
    let (account, key, version) = (AccountId::new(at, [1; 10]), KeyId::new(at, [2; 10]), VersionId::new(at, [3; 10]));
    let sealed = vault.new_account_key(&account, 1)?;
    let account_key = AccountKey { generation: 1, sealed: sealed.as_bytes() };
    let place = |spec| Place { account: &account, key: &key, version: &version, spec, generation: 1 };
    let public = include_bytes!("wrapping.der");
    let told = Arc::new(std::sync::Mutex::new(None));
    let telling = told.clone();
    job(hsm, move |session| {
        let under = session.root(id)?.wrapping;
        let material = session.wrap(under, session.generate(Purpose::Material(KeySpec::Aes256))?.key)?;
        *telling.lock().map_err(|_| HsmError::NoRoot)? = Some((Account::new(session, id)?, material));
        Ok(())
    });
    let (of_ours, material) = told.lock().map_err(|_| "a panic")?.take().ok_or("no answer")?;

    for spec in [KeySpec::Aes256, KeySpec::EcP256] {
        let bare = move |session: &dyn HsmSession| session.wrap(session.root(id)?.wrapping, session.generate(Purpose::Material(spec))?.key).map(drop);
        let of_ours = &of_ours;
        let same = || {
            let of_ours = of_ours.clone();
            job(hsm, move |session| made(session, id, &of_ours, spec));
        };
        let ours = || assert!(vault.generate(&place(spec), account_key).is_ok());
        compare(&format!("{} made", spec.as_str()), &ours, &|| job(hsm, bare), &same);
    }
    let made = vault.generate(&place(KeySpec::Aes256), account_key)?;
    let held = Held { place: place(KeySpec::Aes256), account_key, sealed: made.sealed.as_bytes() };
    let method = vault.method_for_cloud(KeySpec::Aes256, WrapMethod::RsaOaep(Hash::Sha256))?;
    let WrapMethod::RsaOaep(hash) = method else { return Err("another method".into()) };
    let numbers = keystead_vault::der::read_spki(public)?;
    let (modulus, exponent) = (numbers.modulus.to_vec(), numbers.exponent.to_vec());
    let for_cloud = |is_sealed_twice: bool| {
        let (modulus, exponent, material, of_ours) = (modulus.clone(), exponent.clone(), material.clone(), of_ours.clone());
        job(hsm, move |session| {
            if is_sealed_twice {
                // Sealing and opening cost a module the same.
                session.seal(of_ours.key(session, id, AccountPart::Sealing)?, [5; 12], &[3; 80], &material)?;
            }
            let key = session.unwrap(session.root(id)?.wrapping, &material, Purpose::Material(KeySpec::Aes256))?;
            session.oaep(&modulus, &exponent, hash, key).map(drop)
        });
    };
    let ours = || assert!(vault.wrap_for_cloud(&held, public, method, WrappingKeySpec::Rsa4096).is_ok());
    compare("AES_256 wrapped for a cloud", &ours, &|| for_cloud(false), &|| for_cloud(true));
    Ok(())
}
