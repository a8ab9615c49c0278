//! Roots: made here, wrapped for their keepers, and opened again.

use super::{
    blob::Format,
    module::{self, ModuleRoot},
    record::{Previous, PreviousOf, RootRecord, WRAPPED_LEN},
    share::Share,
    unlock::{self, KEY_FILE_LEN, Method, NewUnlock, Prepared, UnlockSecret},
};
use std::sync::Arc;

use crate::{
    Blob, Hsm, HsmError, ProviderFailed, Random, RootError, SecretBytes, UnsealError, VaultError,
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
    if let NewUnlock::Module { hsm, backup } = unlock {
        return Ok(module::create(hsm, *backup, 1, &[], random)?.0);
    }
    let prepared = unlock::prepare(unlock, random)?;
    let root = Root::fresh(1, random)?;
    wrap(prepared, &root, None, random)
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
    pub(crate) key: RootKey,
}

/// Where the key is.
pub(crate) enum RootKey {
    /// In this process.
    Software(Secret<32>),
    /// In a hardware module.
    Module(Arc<ModuleRoot>),
}

/// The roots that an open vault holds: one to seal under, and while a rotation runs one more to open with.
pub(crate) struct Roots {
    pub(crate) current: Root,
    pub(crate) previous: Option<Root>,
}

impl Root {
    pub(crate) fn fresh(generation: u32, random: &dyn Random) -> Result<Self, RootError> {
        Ok(Self { generation, key: RootKey::Software(health::tested_key(random)?) })
    }

    /// The format of what is sealed under it.
    pub(crate) fn format(&self) -> Format {
        match self.key {
            RootKey::Software(_) => Format::Software,
            RootKey::Module(_) => Format::Module,
        }
    }

    /// The module that it lies in, if it does.
    pub(crate) fn module(&self) -> Option<&ModuleRoot> {
        match &self.key {
            RootKey::Software(_) => None,
            RootKey::Module(module) => Some(module),
        }
    }

    pub(crate) fn in_module(&self) -> Option<Self> {
        match &self.key {
            RootKey::Software(_) => None,
            RootKey::Module(module) => Some(Self { generation: self.generation, key: RootKey::Module(module.clone()) }),
        }
    }

    /// Seals bytes under it.
    pub(crate) fn seal(&self, aad: &Aad, plain: &[u8], random: &dyn Random) -> Result<Vec<u8>, VaultError> {
        match &self.key {
            RootKey::Software(key) => Ok(gcm::seal(key.expose(), aad, plain, random)?),
            RootKey::Module(module) => module.seal(aad, plain, random),
        }
    }

    /// Opens bytes that were sealed under it.
    pub(crate) fn open(&self, blob: Blob, aad: &Aad, sealed: &[u8]) -> Result<SecretBytes, VaultError> {
        match &self.key {
            RootKey::Software(key) => gcm::open(key.expose(), aad, sealed).map_err(|_| VaultError::DoesNotOpen(blob)),
            RootKey::Module(module) => module.open(aad, sealed).map_err(|error| match error {
                VaultError::Module(HsmError::Unauthentic) => VaultError::DoesNotOpen(blob),
                other => other,
            }),
        }
    }

    /// The key, where it is in this process: only such a root is wrapped for keepers.
    fn software(&self) -> Result<&Secret<32>, RootError> {
        match &self.key {
            RootKey::Software(key) => Ok(key),
            RootKey::Module(_) => Err(RootError::InModule),
        }
    }

    /// Whether it is the root of this record.
    fn is_of(&self, record: &RootRecord) -> bool {
        match &self.key {
            RootKey::Software(key) => mark(key, self.generation).is_ok_and(|mark| mark == record.mark),
            // That the token's keys made the record was seen when it was opened.
            RootKey::Module(module) => module.is_of(record) && self.generation == record.generation,
        }
    }
}

/// What tells a root from every other, and says nothing of it.
fn mark(key: &Secret<32>, generation: u32) -> Result<[u8; 16], ProviderFailed> {
    let mark = derive::mark(key.expose(), &Aad::of("keystead root mark").number(generation))?;
    Ok(*mark.first_chunk().unwrap_or(&[0; 16]))
}

impl Roots {
    /// The same once more, where they lie in modules: then they hold no key.
    pub(crate) fn in_module(&self) -> Option<Self> {
        let previous = match &self.previous {
            None => None,
            Some(previous) => Some(previous.in_module()?),
        };
        Some(Self { current: self.current.in_module()?, previous })
    }

    /// The modules that they lie in.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &ModuleRoot> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().filter_map(Root::module)
    }

    /// The root of this generation, if the vault holds it.
    pub(crate) fn find(&self, generation: u32) -> Option<&Root> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().find(|root| root.generation == generation)
    }
}

/// Wraps a root, and with it the root before.
pub(crate) fn wrap(prepared: Prepared, root: &Root, previous: Option<&Root>, random: &dyn Random) -> Result<Created, RootError> {
    let Prepared { method, key, shares } = prepared;
    let root_key = root.software()?;
    let mark = mark(root_key, root.generation)?;
    let mut record = RootRecord { method, generation: root.generation, mark, wrapped: [0; WRAPPED_LEN], previous: None };
    record.wrapped = seal(&key, &root_aad(&record), root_key, random)?;
    record.previous = previous.map(|previous| ToKeep::of(previous).under(root, random)).transpose()?;
    Ok(Created { record, shares })
}

/// What the record of the next root keeps of this one. It can be taken away from the root, so that nobody waits for a module that seals it.
pub(crate) struct ToKeep {
    generation: u32,
    of: PreviousOf,
    text: Secret<32>,
}

impl ToKeep {
    pub(crate) fn of(root: &Root) -> Self {
        let (of, text) = match &root.key {
            RootKey::Software(key) => (PreviousOf::Software, Secret::init_with(|text| *text = *key.expose())),
            RootKey::Module(module) => (PreviousOf::Module, Secret::init_with(|text| *text = module.name_and_mark())),
        };
        Self { generation: root.generation, of, text }
    }

    /// Sealed under the next root. A root in a module is followed by one in a module only: what a module holds does not come out.
    pub(crate) fn under(&self, current: &Root, random: &dyn Random) -> Result<Previous, RootError> {
        let Self { generation, of, text } = self;
        if *of == PreviousOf::Module && current.module().is_none() {
            return Err(RootError::InModule);
        }
        let wrapped = current.seal(&previous_aad(current.generation, *generation, *of), text.expose(), random).map_err(module::root_error)?;
        let wrapped = wrapped.try_into().map_err(|_| ProviderFailed { operation: "seal a root key" })?;
        Ok(Previous { generation: *generation, of: *of, wrapped })
    }
}

fn seal(key: &Secret<32>, aad: &Aad, root: &Secret<32>, random: &dyn Random) -> Result<[u8; WRAPPED_LEN], ProviderFailed> {
    let wrapped = gcm::seal(key.expose(), aad, root.expose(), random)?;
    wrapped.try_into().map_err(ProviderFailed::at("seal a root key"))
}

/// Opens a record with the secret that somebody brought. With a passphrase it takes as long as its cost says, with a module as long as that.
pub(crate) fn open(record: &RootRecord, secret: &UnlockSecret) -> Result<Roots, UnsealError> {
    if let (Method::Module { id, .. }, UnlockSecret::Modules(hsms)) = (&record.method, secret) {
        let current = module::open(record, *id, hsms)?;
        return with_previous(current, record, hsms);
    }
    let unlock_key = record.method.key(secret)?;
    let key = Secret::try_init_with(|out| gcm::open_into(unlock_key.expose(), &root_aad(record), &record.wrapped, out));
    let current = Root { generation: record.generation, key: RootKey::Software(key.map_err(|_| UnsealError::WrongSecret)?) };
    with_previous(current, record, &[])
}

/// Whether shares open the root of this record, or restore the copy of one that lies in a module. Nothing changes.
pub(crate) fn prove(record: &RootRecord, root: &Root, secret: &UnlockSecret) -> Result<(), UnsealError> {
    match (&record.method, secret, root.module()) {
        (Method::Module { backup: Some(backup), .. }, UnlockSecret::Shares(shares), Some(module)) => module.prove(record, backup, shares),
        _ => open(record, secret).map(drop),
    }
}

/// The roots of a record whose root is open. Only the record's own root opens what it says of the one before.
fn with_previous(current: Root, record: &RootRecord, hsms: &[Arc<dyn Hsm>]) -> Result<Roots, UnsealError> {
    if !current.is_of(record) {
        return Err(UnsealError::WrongSecret);
    }
    let previous = record.previous.as_ref().map(|previous| open_previous(&current, previous, hsms)).transpose()?;
    Ok(Roots { current, previous })
}

fn open_previous(current: &Root, previous: &Previous, hsms: &[Arc<dyn Hsm>]) -> Result<Root, UnsealError> {
    let aad = previous_aad(current.generation, previous.generation, previous.of);
    let text = current.open(Blob::AccountKey, &aad, &previous.wrapped).map_err(|error| match error {
        VaultError::Module(error) => error.into(),
        _ => UnsealError::WrongSecret,
    })?;
    let text: &[u8; 32] = text.expose().try_into().map_err(|_| UnsealError::WrongSecret)?;
    let key = match previous.of {
        PreviousOf::Software => RootKey::Software(Secret::init_with(|key| *key = *text)),
        PreviousOf::Module => RootKey::Module(Arc::new(module::find(*text, hsms)?)),
    };
    Ok(Root { generation: previous.generation, key })
}

/// The roots of a record whose root is here already; `held` are further roots that were here. `None` when the record does not fit.
pub(crate) fn adopted(current: Root, held: Vec<Root>, record: &RootRecord) -> Option<Roots> {
    let Some(previous) = &record.previous else { return with_previous(current, record, &[]).ok() };
    match &current.key {
        RootKey::Software(_) => with_previous(current, record, &[]).ok(),
        // It was sealed by this very process, or seen when it opened the record; a module is not asked again while everybody waits.
        RootKey::Module(_) if current.is_of(record) => {
            let previous = held.into_iter().find(|root| root.generation == previous.generation)?;
            Some(Roots { current, previous: Some(previous) })
        }
        RootKey::Module(_) => None,
    }
}

fn root_aad(record: &RootRecord) -> Aad {
    Aad::of("keystead root key under its unlock key").bytes(&record.head())
}

/// Each kind has a purpose of its own: the name of a root in a module is no secret, and must never be taken for a key.
fn previous_aad(current: u32, previous: u32, of: PreviousOf) -> Aad {
    let purpose = match of {
        PreviousOf::Software => "keystead previous root key under the current",
        PreviousOf::Module => "keystead name of the previous root under the current",
    };
    Aad::of(purpose).number(current).number(previous)
}
