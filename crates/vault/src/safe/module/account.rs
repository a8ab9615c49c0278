//! Account keys in a module: two keys, made there and wrapped there under the root; what lies in the store is the two, sealed under the root and bound to the
//! account. One encrypts, the other makes MACs; the latter stays when the former rotates, because fingerprints stand in the audit log for ever.
//!
//! A session keeps the two for the next jobs, because unwrapping them is most of what a job costs. What it keeps them under is a digest of all that they were opened
//! from, so that finding them there says as much as opening the row does.

use aws_lc_rs::digest;
use keystead_domain::AccountId;

use super::{ModuleRoot, import::Incoming, moving::What, opened, sealed};
use crate::{
    AccountName, AccountPart, Blob, HsmError, HsmKey, HsmSession, Purpose, Random, RootId, RootKeys, VaultError,
    hazmat::{aad::Aad, gcm},
    random,
    safe::{
        account_key::{self, AccountSecrets},
        blob::{Format, SealedUnder},
        place::{AccountKey, SealedAccountKey},
    },
};
use std::sync::Arc;

/// An account's key as it lies in the store, with all that a job needs to open it.
#[derive(Clone)]
pub(crate) struct Stored {
    root: RootId,
    name: AccountName,
    aad: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// An account's key in the session of a job.
pub(crate) struct Account<'a> {
    pub(crate) root: RootKeys,
    pub(crate) sealing: HsmKey,
    stored: &'a Stored,
}

impl Stored {
    pub(crate) fn read(root: &ModuleRoot, account: &AccountId, key: AccountKey<'_>) -> Result<Self, VaultError> {
        let (under, ciphertext) = SealedUnder::split(Blob::AccountKey, key.sealed)?;
        under.expect_account_key(Blob::AccountKey, key.generation)?;
        under.expect_format(Blob::AccountKey, Format::Module)?;
        let aad = account_key::aad(under, account).as_bytes().to_vec();
        let name = name(root.id, &aad, ciphertext);
        Ok(Self { root: root.id, name, aad, ciphertext: ciphertext.to_vec() })
    }

    pub(crate) fn root(&self, session: &dyn HsmSession) -> Result<RootKeys, HsmError> {
        session.root(self.root)
    }

    pub(crate) fn open(&self, session: &dyn HsmSession) -> Result<Account<'_>, VaultError> {
        let root = session.root(self.root)?;
        let sealing = self.key(session, root, AccountPart::Sealing)?;
        Ok(Account { root, sealing, stored: self })
    }

    /// One of the two keys: the one that the session keeps, or unwrapped and kept from now on.
    fn key(&self, session: &dyn HsmSession, root: RootKeys, part: AccountPart) -> Result<HsmKey, VaultError> {
        if let Some(key) = session.account(&self.name, part) {
            return Ok(key);
        }
        let (sealing, mac) = self.wrapped(session, root)?;
        let wrapped = match part {
            AccountPart::Sealing => sealing,
            AccountPart::Mac => mac,
        };
        Ok(session.keep_account(&self.name, part, root.wrapping, &wrapped)?)
    }

    /// The two keys, wrapped under the root, as the row has them.
    fn wrapped(&self, session: &dyn HsmSession, root: RootKeys) -> Result<(Vec<u8>, Vec<u8>), VaultError> {
        let both = opened(session, root.sealing, &self.aad, &self.ciphertext).map_err(damaged)?;
        let (sealing, mac) = split(both.expose()).ok_or(VaultError::DoesNotOpen(Blob::AccountKey))?;
        Ok((sealing.to_vec(), mac.to_vec()))
    }
}

impl Account<'_> {
    /// The key that makes MACs. It is unwrapped only where it is needed.
    pub(crate) fn mac_key(&self, session: &dyn HsmSession) -> Result<HsmKey, VaultError> {
        self.stored.key(session, self.root, AccountPart::Mac)
    }
}

/// By what a session keeps an account's keys.
fn name(root: RootId, aad: &[u8], ciphertext: &[u8]) -> AccountName {
    let of = Aad::of("keystead account's keys in a session").bytes(&root.0).bytes(aad).bytes(ciphertext);
    let mut name = AccountName([0; 32]);
    name.0.copy_from_slice(digest::digest(&digest::SHA256, of.as_bytes()).as_ref());
    name
}

impl ModuleRoot {
    /// Makes the key of a new account.
    pub(crate) fn new_account_key(&self, under: SealedUnder, account: &AccountId, random: Arc<dyn Random>) -> Result<SealedAccountKey, VaultError> {
        let (id, aad) = (self.id, account_key::aad(under, account).as_bytes().to_vec());
        let made = self.run(move |session| {
            let root = session.root(id)?;
            let mac = session.generate(Purpose::AccountMac)?.key;
            let wrapped_mac = session.wrap(root.wrapping, mac)?;
            make(session, root, &wrapped_mac, &aad, random.as_ref())
        })?;
        Ok(SealedAccountKey(under.join(&made)))
    }

    /// Makes an account's next key; the key of its MACs stays, or comes over from another root.
    pub(crate) fn next_account_key(
        &self,
        under: SealedUnder,
        account: &AccountId,
        from: &Self,
        old: AccountKey<'_>,
        random: Arc<dyn Random>,
    ) -> Result<SealedAccountKey, VaultError> {
        let (old, aad, id) = (Stored::read(from, account, old)?, account_key::aad(under, account).as_bytes().to_vec(), self.id);
        let wrapped_mac = self.wrapped_here(from, What::AccountMac, move |session| {
            let root = old.root(session)?;
            Ok((root, old.wrapped(session, root)?.1))
        })?;
        self.make_account_key(under, id, wrapped_mac, aad, random)
    }

    /// Makes an account's next key where the one before lies in this process: the key of its MACs comes in.
    pub(crate) fn take_over_account_key(
        &self,
        under: SealedUnder,
        account: &AccountId,
        old: &AccountSecrets,
        random: Arc<dyn Random>,
    ) -> Result<SealedAccountKey, VaultError> {
        let (aad, id) = (account_key::aad(under, account).as_bytes().to_vec(), self.id);
        let incoming = Incoming::new(old.mac_key(), random.as_ref())?;
        let wrapped_mac = self.run(move |session| {
            let key = incoming.key(session, Purpose::AccountMac)?;
            Ok(session.wrap(session.root(id)?.wrapping, key)?)
        })?;
        self.make_account_key(under, id, wrapped_mac, aad, random)
    }

    fn make_account_key(
        &self,
        under: SealedUnder,
        id: RootId,
        wrapped_mac: Vec<u8>,
        aad: Vec<u8>,
        random: Arc<dyn Random>,
    ) -> Result<SealedAccountKey, VaultError> {
        let made = self.run(move |session| make(session, session.root(id)?, &wrapped_mac, &aad, random.as_ref()))?;
        Ok(SealedAccountKey(under.join(&made)))
    }
}

/// A fresh key that encrypts, beside a wrapped one that makes MACs, sealed under the root.
fn make(session: &dyn HsmSession, root: RootKeys, wrapped_mac: &[u8], aad: &[u8], random: &dyn Random) -> Result<Vec<u8>, VaultError> {
    let fresh = session.generate(Purpose::Account)?.key;
    let wrapped = session.wrap(root.wrapping, fresh)?;
    Ok(sealed(session, root.sealing, random::public::<{ gcm::NONCE_LEN }>(random), aad, &join(&wrapped, wrapped_mac))?)
}

/// Length of the first (2 bytes), the first, the second.
pub(crate) fn join(first: &[u8], second: &[u8]) -> Vec<u8> {
    // What a module wraps is at most an RSA pair of 4096 bits, about 2400 bytes.
    let len = u16::try_from(first.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes(), first, second].concat()
}

/// Takes [`join`]ed bytes apart.
pub(crate) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

fn damaged(error: HsmError) -> VaultError {
    match error {
        HsmError::Unauthentic => VaultError::DoesNotOpen(Blob::AccountKey),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_another_in_anything_has_another_name() {
        let row = name(RootId([1; 16]), b"account 1, generation 1", b"sealed");
        assert_eq!(row, name(RootId([1; 16]), b"account 1, generation 1", b"sealed"));
        assert_ne!(row, name(RootId([2; 16]), b"account 1, generation 1", b"sealed"));
        assert_ne!(row, name(RootId([1; 16]), b"account 2, generation 1", b"sealed"));
        assert_ne!(row, name(RootId([1; 16]), b"account 1, generation 1", b"sealee"));
        assert_ne!(row, name(RootId([1; 16]), b"account 1, generation 1s", b"ealed"), "where one ends and the other begins counts");
    }

    #[test]
    fn what_was_joined_comes_apart_and_what_is_short_does_not() {
        assert_eq!(split(&join(b"first", b"second")), Some((&b"first"[..], &b"second"[..])));
        assert_eq!(split(&join(b"", b"")), Some((&b""[..], &b""[..])));
        assert_eq!((split(&[0]), split(&[0, 3, 1, 2])), (None, None));
    }
}
