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
pub(super) mod backup;
mod check;
pub(super) mod import;
pub(super) mod material;
pub(super) mod members;
pub(super) mod moving;
pub(super) mod proof;
pub(super) mod transport;
pub(super) mod wrap;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use moving::Bridge;

use keystead_domain::KeySpec;

pub use self::members::Member;
use self::members::Members;
use super::{
    record::WRAPPED_LEN,
    root::{Created, Root, RootKey},
    share::Share,
    unlock::{self, Backup, Method},
};
use crate::{
    Abilities, Hsm, HsmError, HsmSession, Origin, Random, RootError, RootId, RootRecord, SecretBytes, UnsealError, VaultError,
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
    /// The way over from the root before, where that lies in another module.
    bridge: OnceLock<Bridge>,
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

    /// What a module says of the origin of the root's two keys.
    pub(crate) fn origin(&self) -> Result<[Origin; 2], VaultError> {
        let id = self.id;
        self.run(move |session| {
            let root = session.root(id)?;
            Ok([session.origin(root.wrapping)?, session.origin(root.sealing)?])
        })
    }

    /// Closes the modules, and waits some seconds for what runs in them.
    pub(crate) fn close(&self) {
        self.members.close();
    }

    /// What the next root's record says of this one: its name in the token, and its mark.
    pub(crate) fn name_and_mark(&self) -> [u8; 32] {
        let mut text = [0; 32];
        text[..16].copy_from_slice(&self.id.0);
        text[16..].copy_from_slice(&self.mark);
        text
    }

    /// Whether every session with this root reaches the other, too.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        self.members.are_among(&other.members)
    }

    fn new(hsm: &Arc<dyn Hsm>, id: RootId, mark: [u8; 16], abilities: Abilities) -> Self {
        Self::over(Members::one(hsm, abilities), id, mark, None)
    }

    fn over(members: Members, id: RootId, mark: [u8; 16], proof: Option<RootRecord>) -> Self {
        Self { members, id, mark, proof, bridge: OnceLock::new() }
    }

    /// Whether a record is the one that it opened: somebody who writes to the database could name the same keys in another.
    pub(super) fn is_of(&self, record: &RootRecord) -> bool {
        record.module_root() == Some(self.id) && record.mark == self.mark
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

/// Makes a root in a module, for keys of these kinds, which the module must take: its two keys, a copy of them for keepers if one is wanted, and a proof in its record that
/// a token holds them.
pub(super) fn create(
    hsm: &Arc<dyn Hsm>,
    backup: Option<(u8, u8)>,
    generation: u32,
    kinds: &[KeySpec],
    random: &dyn Random,
) -> Result<(Created, Root), RootError> {
    let abilities = hsm.open()?;
    let strange: Vec<_> =
        kinds.iter().filter(|kind| !(abilities.makes.contains(kind) && wrap::lets_out(&abilities, **kind))).map(|kind| kind.as_str()).collect();
    if !strange.is_empty() {
        return Err(RootError::CannotHold { module: hsm.name().to_owned(), kinds: strange });
    }
    let id = RootId(random::public(random));
    let (backup, shares) = make_keys(hsm, &abilities, id, backup, random)?;
    let mark = random::public(random);
    let module = ModuleRoot::new(hsm, id, mark, abilities);
    let mut record = RootRecord { method: Method::Module { id, backup }, generation, mark, wrapped: [0; WRAPPED_LEN], previous: None };
    let proof = module.seal(&proof_aad(&record), &proof_text(&record), random).map_err(root_error)?;
    record.wrapped = proof.try_into().map_err(|_| HsmError::Refused("a sealed text has another length than it should".to_owned()))?;
    Ok((Created { record, shares }, Root { generation, key: RootKey::Module(Arc::new(module)) }))
}

/// Makes the two keys of a root, and with them the copy that keepers can restore.
fn make_keys(
    hsm: &Arc<dyn Hsm>,
    abilities: &Abilities,
    id: RootId,
    backup: Option<(u8, u8)>,
    random: &dyn Random,
) -> Result<(Option<Backup>, Vec<Share>), RootError> {
    let Some((threshold, count)) = backup else {
        hsm.make_root(id)?;
        return Ok((None, Vec::new()));
    };
    if !abilities.wraps_by_rfc_5649 {
        let what = "does not wrap by AES-KWP as RFC 5649 has it, so that no other module would read the copy of a root".to_owned();
        return Err(HsmError::Cannot { what, mend: "Make the root without a copy, and let the module's own tools clone it.".to_owned() }.into());
    }
    let (joined, set, shares) = unlock::split(threshold, count, random)?;
    let keys = hsm.make_root_with_backup(id, unlock::backup_key(&joined)?.expose())?;
    Ok((Some(Backup { set, keys }), shares))
}

/// Opens the root of a record in all of these modules that hold it.
pub(super) fn open(record: &RootRecord, id: RootId, hsms: &[Arc<dyn Hsm>]) -> Result<Root, UnsealError> {
    // Side by side: one that is slow, or hangs, is waited for once.
    let tried: Vec<_> = std::thread::scope(|scope| {
        let trying: Vec<_> = hsms.iter().map(|hsm| scope.spawn(|| open_in(record, id, hsm))).collect();
        let panicked = || Err(HsmError::Refused("opening it ended in a panic".to_owned()).into());
        trying.into_iter().map(|one| one.join().unwrap_or_else(|_| panicked())).collect()
    });
    let members = gathered(hsms, tried)?;
    let module = ModuleRoot::over(members, id, record.mark, Some(record.clone()));
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

/// A root that a record names as the one before: that it is in a token is seen here, that it is the right one when it opens something.
pub(super) fn find(name_and_mark: [u8; 32], hsms: &[Arc<dyn Hsm>]) -> Result<ModuleRoot, UnsealError> {
    let [id, mark] = [&name_and_mark[..16], &name_and_mark[16..]].map(|half| *half.first_chunk().unwrap_or(&[0; 16]));
    let id = RootId(id);
    let find_in = |hsm: &Arc<dyn Hsm>| {
        let abilities = hsm.open()?;
        hsm.run(Arc::new(move |session| session.root(id).map(drop)))?;
        Ok(abilities)
    };
    let members = gathered(hsms, hsms.iter().map(|hsm| find_in(hsm).map_err(|error: HsmError| error.into())).collect())?;
    Ok(ModuleRoot::over(members, id, mark, None))
}

/// The modules of which each was tried, and those that opened. When none did, the error is that of a module which may hold the root later, or else the last.
fn gathered(hsms: &[Arc<dyn Hsm>], tried: Vec<Result<Abilities, UnsealError>>) -> Result<Members, UnsealError> {
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
    Members::of(opened, absent).ok_or(told)
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

pub(super) fn root_error(error: VaultError) -> RootError {
    match error {
        VaultError::Module(error) => error.into(),
        other => HsmError::Refused(other.to_string()).into(),
    }
}
