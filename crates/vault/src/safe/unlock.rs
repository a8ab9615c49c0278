//! What a root opens by: a passphrase, a key file, or k of n shares. Each ends in the same thing, an AES-256 key that wraps the root and nothing else. A root in
//! a hardware module is wrapped by nothing: its module's PIN opens it.

use super::{
    share::{SetId, Share},
    share_set::{self, ShareSet},
};
use crate::{
    Hsm, Random, RootBackup, RootError, RootId, SecretBytes, UnsealError,
    hazmat::{aad::Aad, derive, health},
    random,
    secret::{Secret, is_one_byte_repeated},
};
use keystead_domain::Invalid;
use std::sync::Arc;

/// Shortest passphrase in bytes. Who has the root record can try passphrases at home, at the cost that [`PassphraseCost`] sets; length is what stops him.
pub const PASSPHRASE_LEN_MIN: usize = 12;
/// Length of a key file in bytes: a 256-bit key, raw.
pub const KEY_FILE_LEN: usize = 32;
/// Most shares of a root: what a ceremony can handle, and what two digits can say.
pub const SHARES_MAX: u8 = 16;

/// Most memory that Argon2id may take, in KiB: the 2 GiB of RFC 9106's first recommendation. A doctored record shall not exhaust the machine.
const MEMORY_KIB_MAX: u32 = 2 * 1024 * 1024;
/// Most passes over the memory, for the same reason.
const PASSES_MAX: u32 = 64;
/// Most lanes; they are computed one after another.
const LANES_MAX: u32 = 16;

/// How hard a passphrase is to try: the parameters of Argon2id (RFC 9106, section 3.1). They are stored with the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory *m* in KiB.
    pub memory_kib: u32,
    /// Passes *t*.
    pub passes: u32,
    /// Lanes *p*.
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// 64 MiB and three passes, as the second recommendation of RFC 9106, section 4, but in one lane: ours are not computed in parallel.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl PassphraseCost {
    /// Whether Argon2id can work with it (RFC 9106, section 3.1) and we want it to.
    pub(crate) fn is_possible(self) -> bool {
        let lanes = (1..=LANES_MAX).contains(&self.lanes);
        lanes && (1..=PASSES_MAX).contains(&self.passes) && (8 * self.lanes..=MEMORY_KIB_MAX).contains(&self.memory_kib)
    }
}

/// What kind of secret a root opens by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnlockKind {
    /// A passphrase, through Argon2id.
    Passphrase,
    /// A file of 32 random bytes.
    KeyFile,
    /// k of n shares.
    Shares,
    /// The PIN of the hardware module that holds the root.
    Module,
}

impl std::fmt::Display for UnlockKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase => "a passphrase",
            Self::KeyFile => "a key file",
            Self::Shares => "shares",
            Self::Module => "the PIN of a hardware module",
        })
    }
}

/// A secret that opens a vault.
pub enum UnlockSecret {
    /// A passphrase, byte for byte as it was set; no normalisation of Unicode takes place.
    Passphrase(SecretBytes),
    /// The contents of the key file.
    KeyFile(SecretBytes),
    /// At least as many shares as the threshold says; further ones are left aside.
    Shares(Vec<Share>),
    /// The hardware modules that the root may lie in, each with the PIN of its token. A wrong one counts against the token.
    Modules(Vec<Arc<dyn Hsm>>),
}

impl UnlockSecret {
    /// What kind it is.
    pub fn kind(&self) -> UnlockKind {
        match self {
            Self::Passphrase(_) => UnlockKind::Passphrase,
            Self::KeyFile(_) => UnlockKind::KeyFile,
            Self::Shares(_) => UnlockKind::Shares,
            Self::Modules(_) => UnlockKind::Module,
        }
    }
}

/// What a root shall open by from now on.
pub enum NewUnlock {
    /// A passphrase of at least [`PASSPHRASE_LEN_MIN`] bytes.
    Passphrase {
        /// The passphrase.
        passphrase: SecretBytes,
        /// How hard it is to try.
        cost: PassphraseCost,
    },
    /// A key file of exactly [`KEY_FILE_LEN`] bytes; [`root::new_key_file`](super::root::new_key_file) makes one.
    KeyFile(SecretBytes),
    /// Fresh shares, which come back with the record and exist nowhere else.
    Shares {
        /// How many open the vault: at least 2.
        threshold: u8,
        /// How many there are: at most [`SHARES_MAX`].
        count: u8,
    },
    /// A root that is made in a hardware module, and stays there.
    Module {
        /// The module.
        hsm: Arc<dyn Hsm>,
        /// Threshold and count of the shares of a copy that is made with it; without them there is none, and never will be.
        backup: Option<(u8, u8)>,
    },
}

/// Why an unlock secret is not fit to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlockRefused {
    /// Too short.
    PassphraseTooShort,
    /// Parameters that Argon2id does not have or that would exhaust the machine.
    Cost,
    /// Not 32 bytes.
    KeyFileLength {
        /// How many bytes it has.
        found: usize,
    },
    /// One byte repeated.
    KeyFileWeak,
    /// Not 2 ≤ k ≤ n ≤ 16.
    ShareNumbers,
}

impl UnlockRefused {
    fn words(self) -> (&'static str, String, String) {
        match self {
            Self::PassphraseTooShort => ("passphrase", "is too short".to_owned(), format!("Give at least {PASSPHRASE_LEN_MIN} characters, better six words.")),
            Self::Cost => (
                "cost",
                "cannot be".to_owned(),
                format!("Give 1 to {LANES_MAX} lanes, 1 to {PASSES_MAX} passes, and memory from 8 KiB a lane to {MEMORY_KIB_MAX} KiB."),
            ),
            Self::KeyFileLength { found } => {
                ("key_file", format!("is {found} bytes long"), format!("Give a file of exactly {KEY_FILE_LEN} random bytes, raw: `head -c 32 /dev/urandom`."))
            }
            Self::KeyFileWeak => ("key_file", "is one byte repeated".to_owned(), "Give random bytes: `head -c 32 /dev/urandom`.".to_owned()),
            Self::ShareNumbers => ("shares", "cannot be".to_owned(), format!("Give a threshold of at least 2, and at most {SHARES_MAX} shares.")),
        }
    }
}

impl std::fmt::Display for UnlockRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (field, reason, mend) = self.words();
        write!(f, "{field} {reason}. {mend}")
    }
}

impl std::error::Error for UnlockRefused {}

impl From<UnlockRefused> for Invalid {
    fn from(refused: UnlockRefused) -> Self {
        let (field, reason, mend) = refused.words();
        Self::new(field, reason, mend)
    }
}

/// How a root opens, without the secret: what the root record keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    Passphrase { salt: [u8; 16], cost: PassphraseCost },
    KeyFile,
    Shares(ShareSet),
    Module { id: RootId, backup: Option<Backup> },
}

/// A copy of a root that lies in a module, and who can restore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backup {
    pub(crate) set: ShareSet,
    pub(crate) keys: RootBackup,
}

impl Backup {
    /// The key that it is wrapped under.
    pub(crate) fn key(&self, shares: &[Share]) -> Result<Secret<32>, UnsealError> {
        Ok(backup_key(&self.set.join(shares)?)?)
    }
}

/// What shares of a copy join to, as the key that wraps it.
pub(crate) fn backup_key(joined: &Secret<32>) -> Result<Secret<32>, crate::ProviderFailed> {
    wrapping_key(UnlockKind::Module, joined.expose())
}

impl Method {
    pub(crate) fn kind(&self) -> UnlockKind {
        match self {
            Self::Passphrase { .. } => UnlockKind::Passphrase,
            Self::KeyFile => UnlockKind::KeyFile,
            Self::Shares(_) => UnlockKind::Shares,
            Self::Module { .. } => UnlockKind::Module,
        }
    }

    /// The key that wraps the root, from a secret that somebody brought. Whether it is the right one shows when the root opens.
    pub(crate) fn key(&self, secret: &UnlockSecret) -> Result<Secret<32>, UnsealError> {
        match (self, secret) {
            (Self::Passphrase { salt, cost }, UnlockSecret::Passphrase(passphrase)) => Ok(passphrase_key(passphrase, salt, *cost)?),
            (Self::KeyFile, UnlockSecret::KeyFile(file)) if file.len() == KEY_FILE_LEN => Ok(wrapping_key(UnlockKind::KeyFile, file.expose())?),
            (Self::KeyFile, UnlockSecret::KeyFile(file)) => Err(UnlockRefused::KeyFileLength { found: file.len() }.into()),
            (Self::Shares(set), UnlockSecret::Shares(shares)) => Ok(wrapping_key(UnlockKind::Shares, set.join(shares)?.expose())?),
            _ => Err(UnsealError::OtherKind { wants: self.kind(), given: secret.kind() }),
        }
    }
}

/// A new way to open, ready to wrap a root.
pub(crate) struct Prepared {
    pub(crate) method: Method,
    pub(crate) key: Secret<32>,
    pub(crate) shares: Vec<Share>,
}

/// Makes the key that will wrap a root. With a passphrase it takes as long as the cost says.
pub(crate) fn prepare(new: &NewUnlock, random: &dyn Random) -> Result<Prepared, RootError> {
    match new {
        NewUnlock::Passphrase { passphrase, cost } => prepare_passphrase(passphrase, *cost, random),
        NewUnlock::KeyFile(file) => prepare_key_file(file),
        NewUnlock::Shares { threshold, count } => prepare_shares(*threshold, *count, random),
        // Nothing wraps such a root: `root::create` makes it in its module, and a rotation does not lead there yet.
        NewUnlock::Module { .. } => Err(RootError::InModule),
    }
}

fn prepare_passphrase(passphrase: &SecretBytes, cost: PassphraseCost, random: &dyn Random) -> Result<Prepared, RootError> {
    if passphrase.len() < PASSPHRASE_LEN_MIN {
        return Err(UnlockRefused::PassphraseTooShort.into());
    }
    if !cost.is_possible() {
        return Err(UnlockRefused::Cost.into());
    }
    let salt = random::public(random);
    Ok(Prepared { method: Method::Passphrase { salt, cost }, key: passphrase_key(passphrase, &salt, cost)?, shares: Vec::new() })
}

fn prepare_key_file(file: &SecretBytes) -> Result<Prepared, RootError> {
    if file.len() != KEY_FILE_LEN {
        return Err(UnlockRefused::KeyFileLength { found: file.len() }.into());
    }
    if is_one_byte_repeated(file.expose()) {
        return Err(UnlockRefused::KeyFileWeak.into());
    }
    Ok(Prepared { method: Method::KeyFile, key: wrapping_key(UnlockKind::KeyFile, file.expose())?, shares: Vec::new() })
}

/// A fresh secret among keepers.
pub(crate) fn split(threshold: u8, count: u8, random: &dyn Random) -> Result<(Secret<32>, ShareSet, Vec<Share>), RootError> {
    if !share_set::numbers_are_possible(threshold, count) {
        return Err(UnlockRefused::ShareNumbers.into());
    }
    let secret = health::tested_key::<32>(random)?;
    let (set, shares) = share_set::split(&secret, threshold, count, SetId::new(random), random)?;
    Ok((secret, set, shares))
}

fn prepare_shares(threshold: u8, count: u8, random: &dyn Random) -> Result<Prepared, RootError> {
    let (unlock_key, set, shares) = split(threshold, count, random)?;
    Ok(Prepared { method: Method::Shares(set), key: wrapping_key(UnlockKind::Shares, unlock_key.expose())?, shares })
}

fn passphrase_key(passphrase: &SecretBytes, salt: &[u8; 16], cost: PassphraseCost) -> Result<Secret<32>, crate::ProviderFailed> {
    let stretched = derive::from_passphrase(passphrase.expose(), salt, cost.memory_kib, cost.passes, cost.lanes)?;
    wrapping_key(UnlockKind::Passphrase, stretched.expose())
}

/// NIST SP 800-57 part 1, section 5.2: a key for one purpose. The key file may serve elsewhere, too; what wraps the root is derived from it.
fn wrapping_key(kind: UnlockKind, secret: &[u8]) -> Result<Secret<32>, crate::ProviderFailed> {
    let purpose = match kind {
        UnlockKind::Passphrase => "passphrase",
        UnlockKind::KeyFile => "key file",
        UnlockKind::Shares => "shares",
        UnlockKind::Module => "copy of a root in a hardware module",
    };
    derive::subkey(secret, &Aad::of("keystead unlock key").text(purpose))
}
