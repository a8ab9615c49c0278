//! The vault over a hardware module: the same rooms as over the software root, with keys that are only named here.
//!
//! ```text
//!  the root: two AES-256 keys in the token, which never leave it
//!      ├─ one wraps    account keys · material
//!      └─ one seals    what the account keys' rows hold · the seed of the audit log's signing key
//!  an account's key: two keys, made in the module
//!      ├─ one seals    the wrapped material, bound to its place
//!      └─ one MACs     fingerprints · preparations
//! ```
//!
//! What lies in the store is wrapped by the module under the root, and that once more sealed by the module under the account's key. Sessions keep accounts' keys for the
//! next jobs (`account.rs`); all else ends with its job. The host sees names of keys, wrapped keys and public halves. Two exceptions are told where they happen: material that a person brings in plain, and the way around
//! [`WayAround::HostWrap`](crate::WayAround::HostWrap).

pub(super) mod account;
pub(super) mod import;
pub(super) mod material;
pub(super) mod members;
pub(super) mod proof;
pub(super) mod wrap;

use std::sync::{Arc, Mutex, PoisonError};

pub use self::members::Member;
use self::members::Members;
use super::{
    record::WRAPPED_LEN,
    root::{Root, RootKey},
    unlock::Method,
};
use crate::{
    Abilities, Hsm, HsmError, HsmSession, Random, RootError, RootId, RootRecord, SecretBytes, UnsealError, VaultError,
    hazmat::{aad::Aad, gcm},
    random,
};

/// A root in a module that is open, or in several that hold the same.
pub(crate) struct ModuleRoot {
    members: Members,
    pub(crate) id: RootId,
    /// What the record that it opened tells it by.
    mark: [u8; 16],
    /// That record, against which a module that comes later shows that it holds the root.
    proof: Option<RootRecord>,
}

impl ModuleRoot {
    /// What every one of its modules was seen to do.
    pub(crate) fn abilities(&self) -> &Abilities {
        self.members.abilities()
    }

    /// The modules, and how each is doing.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.list()
    }

    /// Lets modules that failed, or idled, show that they work, and takes in those that were away and are back. It takes as long as the slowest of them.
    pub(crate) fn look_after_members(&self, idle: &dyn Fn(&str) -> bool) {
        let (id, proof) = (self.id, self.proof.as_ref().map(|record| (proof_aad(record).as_bytes().to_vec(), record.wrapped)));
        let prove: crate::Job = Arc::new(move |session| {
            let root = session.root(id)?;
            let Some((aad, wrapped)) = &proof else { return session.len(root.wrapping).map(drop) };
            match opened(session, root.sealing, aad, wrapped) {
                Err(HsmError::Unauthentic) => Err(HsmError::NoRoot),
                other => other.map(drop),
            }
        });
        let open = |hsm: &Arc<dyn Hsm>| match &self.proof {
            Some(record) => open_in(record, id, hsm).map_err(|error| reason(&error)),
            None => Err(HsmError::NoRoot),
        };
        self.members.look_after(&|hsm| idle(hsm.name()), &prove, &open);
    }

    /// Closes the modules, and waits some seconds for what runs in them.
    pub(crate) fn close(&self) {
        self.members.close();
    }

    fn new(hsm: &Arc<dyn Hsm>, id: RootId, mark: [u8; 16], abilities: Abilities) -> Self {
        Self { members: Members::one(hsm, abilities), id, mark, proof: None }
    }

    /// Whether a record is the one that it opened: somebody who writes to the database could name the same keys in another.
    pub(super) fn is_of(&self, record: &RootRecord) -> bool {
        matches!(&record.method, Method::Module(id) if *id == self.id) && record.mark == self.mark
    }

    /// Runs work in one session. It may run more than once, and only the last answer counts.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl Fn(&dyn HsmSession) -> Result<T, VaultError> + Send + Sync + 'static) -> Result<T, VaultError> {
        let answer = Arc::new(Mutex::new(None));
        let told = answer.clone();
        let job: crate::Job = Arc::new(move |session| match work(session) {
            // The module's own troubles are for the module to mend; all else is an answer.
            Err(VaultError::Module(error)) => Err(error),
            done => {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                Ok(())
            }
        });
        self.members.run(&job)?;
        let answered = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answered.unwrap_or_else(|| Err(HsmError::Away("a job ended without an answer".to_owned()).into()))
    }

    /// Seals bytes under the root. Nonce, text, tag: as the software root's.
    pub(crate) fn seal(&self, aad: &Aad, plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, VaultError> {
        let (id, aad, nonce) = (self.id, aad.as_bytes().to_vec(), random::public::<{ gcm::NONCE_LEN }>(random));
        let plain = SecretBytes::from(plain.to_vec());
        self.run(move |session| Ok(sealed(session, session.root(id)?.sealing, nonce, &aad, plain.expose())?))
    }

    /// Opens bytes that were sealed under the root.
    pub(crate) fn open(&self, aad: &Aad, sealed: &[u8]) -> Result<SecretBytes, VaultError> {
        let (id, aad, sealed) = (self.id, aad.as_bytes().to_vec(), sealed.to_vec());
        self.run(move |session| Ok(opened(session, session.root(id)?.sealing, &aad, &sealed)?))
    }
}

/// Seals with a key in the module; the answer begins with the nonce.
pub(crate) fn sealed(session: &dyn HsmSession, key: crate::HsmKey, nonce: [u8; gcm::NONCE_LEN], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, HsmError> {
    Ok([&nonce[..], &session.seal(key, nonce, aad, plain)?].concat())
}

/// Opens what [`sealed`] made.
pub(crate) fn opened(session: &dyn HsmSession, key: crate::HsmKey, aad: &[u8], sealed: &[u8]) -> Result<SecretBytes, HsmError> {
    let (nonce, text) = sealed.split_first_chunk().ok_or(HsmError::Unauthentic)?;
    session.open(key, *nonce, aad, text)
}

/// Makes a root in a module: its two keys, and a proof in its record that a token holds them.
pub(super) fn create(hsm: &Arc<dyn Hsm>, random: &dyn Random) -> Result<(RootRecord, Root), RootError> {
    let abilities = hsm.open()?;
    let id = RootId(random::public(random));
    hsm.make_root(id)?;
    let mark = random::public(random);
    let module = ModuleRoot::new(hsm, id, mark, abilities);
    let mut record = RootRecord { method: Method::Module(id), generation: 1, mark, wrapped: [0; WRAPPED_LEN], previous: None };
    let proof = module.seal(&proof_aad(&record), &proof_text(&record), random).map_err(root_error)?;
    record.wrapped = proof.try_into().map_err(|_| HsmError::Refused("a sealed text has another length than it should".to_owned()))?;
    Ok((record, Root { generation: 1, key: RootKey::Module(Arc::new(module)) }))
}

/// Opens the root of a record in all of these modules that hold it. When none does, the error is that of a module which may hold it later, or else the last.
pub(super) fn open(record: &RootRecord, id: RootId, hsms: &[Arc<dyn Hsm>]) -> Result<Root, UnsealError> {
    // Side by side: one that is slow, or hangs, is waited for once.
    let tried: Vec<_> = std::thread::scope(|scope| {
        let trying: Vec<_> = hsms.iter().map(|hsm| scope.spawn(|| open_in(record, id, hsm))).collect();
        let panicked = || Err(HsmError::Refused("opening it ended in a panic".to_owned()).into());
        trying.into_iter().map(|one| one.join().unwrap_or_else(|_| panicked())).collect()
    });
    let (mut opened, mut absent, mut told) = (Vec::new(), Vec::new(), UnsealError::Module(HsmError::NoRoot));
    for (hsm, tried) in hsms.iter().zip(tried) {
        match tried {
            Ok(abilities) => opened.push((hsm.clone(), abilities)),
            Err(error) => {
                absent.push((hsm.clone(), reason(&error)));
                if weight(&error) >= weight(&told) {
                    told = error;
                }
            }
        }
    }
    let members = Members::of(opened, absent).ok_or(told)?;
    let module = ModuleRoot { members, id, mark: record.mark, proof: Some(record.clone()) };
    Ok(Root { generation: record.generation, key: RootKey::Module(Arc::new(module)) })
}

/// Why a module did not open, in its own words.
fn reason(error: &UnsealError) -> HsmError {
    match error {
        UnsealError::Module(error) => error.clone(),
        UnsealError::WrongSecret => HsmError::NoRoot,
        other => HsmError::Refused(other.to_string()),
    }
}

/// How much an error says of whether the root will be found: a module that is away may hold it, one that has another root does not.
fn weight(error: &UnsealError) -> u8 {
    match error {
        UnsealError::Module(error) if error.passes() => 2,
        UnsealError::Module(HsmError::NoRoot) => 0,
        _ => 1,
    }
}

/// Logs in, and tries whether the token's keys are those that made the record.
fn open_in(record: &RootRecord, id: RootId, hsm: &Arc<dyn Hsm>) -> Result<Abilities, UnsealError> {
    let abilities = hsm.open()?;
    let module = ModuleRoot::new(hsm, id, record.mark, abilities.clone());
    match module.open(&proof_aad(record), &record.wrapped) {
        Ok(text) if text.expose() == proof_text(record) => Ok(abilities),
        Ok(_) | Err(VaultError::Module(HsmError::Unauthentic)) => Err(UnsealError::WrongSecret),
        Err(VaultError::Module(error)) => Err(error.into()),
        Err(other) => Err(HsmError::Refused(other.to_string()).into()),
    }
}

/// No secret: what shows is that it was sealed under the root, bound to the head of the record.
fn proof_text(record: &RootRecord) -> [u8; 32] {
    let mut text = [0; 32];
    text[..16].copy_from_slice(&record.mark);
    text
}

fn proof_aad(record: &RootRecord) -> Aad {
    Aad::of("keystead root in a hardware module").bytes(&record.head())
}

fn root_error(error: VaultError) -> RootError {
    match error {
        VaultError::Module(error) => error.into(),
        other => HsmError::Refused(other.to_string()).into(),
    }
}
