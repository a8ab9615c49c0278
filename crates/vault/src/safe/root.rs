//! Roots: made here, wrapped for their keepers, and opened again.

use super::{
    record::{Previous, RootRecord, WRAPPED_LEN},
    share::Share,
    unlock::{self, KEY_FILE_LEN, NewUnlock, Prepared, UnlockSecret},
};
use crate::{
    ProviderFailed, Random, RootError, SecretBytes, UnsealError,
    hazmat::{aad::Aad, derive, gcm, health},
    secret::Secret,
};

/// A root record that does not exist anywhere else yet, and the shares that open it, if shares do.
pub struct Created {
    /// What to keep.
    pub record: RootRecord,
    /// To be handed to their keepers, once; empty when a passphrase or a key file opens the root.
    pub shares: Vec<Share>,
}

/// Makes the first root of an installation. With a passphrase it takes as long as its cost says.
///
/// # Errors
/// [`RootError::Unlock`] when the unlock secret is not fit; [`RootError::UnhealthyRandom`].
pub fn create(unlock: &NewUnlock, random: &dyn Random) -> Result<Created, RootError> {
    let prepared = unlock::prepare(unlock, random)?;
    wrap(prepared, &Root::fresh(1, random)?, None, random)
}

/// Makes the contents of a key file, for its owner to write to a file that only the server can read.
///
/// # Errors
/// [`RootError::UnhealthyRandom`].
pub fn new_key_file(random: &dyn Random) -> Result<SecretBytes, RootError> {
    Ok(health::tested(random, KEY_FILE_LEN)?)
}

/// A root key.
pub(crate) struct Root {
    pub(crate) generation: u32,
    pub(crate) key: Secret<32>,
}

/// The roots that an open vault holds: one to seal under, and while a rotation runs one more to open with.
pub(crate) struct Roots {
    pub(crate) current: Root,
    pub(crate) previous: Option<Root>,
}

impl Root {
    pub(crate) fn fresh(generation: u32, random: &dyn Random) -> Result<Self, RootError> {
        Ok(Self { generation, key: health::tested_key(random)? })
    }

    /// What tells this root from every other, and says nothing of it.
    fn mark(&self) -> Result<[u8; 16], ProviderFailed> {
        let mark = derive::mark(self.key.expose(), &Aad::of("keystead root mark").number(self.generation))?;
        Ok(*mark.first_chunk().unwrap_or(&[0; 16]))
    }
}

impl Roots {
    /// The root of this generation, if the vault holds it.
    pub(crate) fn find(&self, generation: u32) -> Option<&Root> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|root| root.generation == generation)
    }
}

/// Wraps a root, and with it the root before.
pub(crate) fn wrap(prepared: Prepared, root: &Root, previous: Option<&Root>, random: &dyn Random) -> Result<Created, RootError> {
    let Prepared { method, key, shares } = prepared;
    let mut record = RootRecord { method, generation: root.generation, mark: root.mark()?, wrapped: [0; WRAPPED_LEN], previous: None };
    record.wrapped = seal(&key, &root_aad(&record), root, random)?;
    record.previous = previous.map(|previous| wrap_previous(root, previous, random)).transpose()?;
    Ok(Created { record, shares })
}

fn wrap_previous(current: &Root, previous: &Root, random: &dyn Random) -> Result<Previous, ProviderFailed> {
    let wrapped = seal(&current.key, &previous_aad(current.generation, previous.generation), previous, random)?;
    Ok(Previous { generation: previous.generation, wrapped })
}

fn seal(key: &Secret<32>, aad: &Aad, root: &Root, random: &dyn Random) -> Result<[u8; WRAPPED_LEN], ProviderFailed> {
    let wrapped = gcm::seal(key.expose(), aad, root.key.expose(), random)?;
    wrapped.try_into().map_err(ProviderFailed::at("seal a root key"))
}

/// Opens a record with the secret that somebody brought. With a passphrase it takes as long as its cost says.
pub(crate) fn open(record: &RootRecord, secret: &UnlockSecret) -> Result<Roots, UnsealError> {
    let unlock_key = record.method.key(secret)?;
    let key = Secret::try_init_with(|out| gcm::open_into(unlock_key.expose(), &root_aad(record), &record.wrapped, out));
    let current = Root { generation: record.generation, key: key.map_err(|_| UnsealError::WrongSecret)? };
    with_previous(current, record).ok_or(UnsealError::WrongSecret)
}

/// The roots of a record whose root is open already; `None` when the record does not fit it.
pub(crate) fn with_previous(current: Root, record: &RootRecord) -> Option<Roots> {
    if current.mark().ok()? != record.mark {
        return None;
    }
    let previous = match &record.previous {
        None => None,
        Some(previous) => Some(open_previous(&current, previous)?),
    };
    Some(Roots { current, previous })
}

fn open_previous(current: &Root, previous: &Previous) -> Option<Root> {
    let aad = previous_aad(current.generation, previous.generation);
    let key = Secret::try_init_with(|out| gcm::open_into(current.key.expose(), &aad, &previous.wrapped, out)).ok()?;
    Some(Root { generation: previous.generation, key })
}

fn root_aad(record: &RootRecord) -> Aad {
    Aad::of("keystead root key under its unlock key").bytes(&record.head())
}

fn previous_aad(current: u32, previous: u32) -> Aad {
    Aad::of("keystead previous root key under the current").number(current).number(previous)
}
