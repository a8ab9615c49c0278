//! What the tests of these rooms share: ids, a vault that opens in a moment, and one account with its key.

use super::{AccountKey, Generated, Held, KEY_FILE_LEN, NewUnlock, PassphraseCost, Place, RootRecord, SealedAccountKey, UnlockSecret, Vault, root};
use crate::{Random, SecretBytes, random::seeded::Seeded};
use keystead_domain::{AccountId, KeyId, KeySpec, Timestamp, VersionId};
use std::sync::Arc;

pub(crate) const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };

pub(crate) fn passphrase(text: &str) -> SecretBytes {
    SecretBytes::from(text.to_owned())
}

pub(crate) fn new_passphrase(text: &str) -> NewUnlock {
    NewUnlock::Passphrase { passphrase: passphrase(text), cost: CHEAP }
}

pub(crate) fn key_file(byte: u8) -> SecretBytes {
    SecretBytes::init_with(KEY_FILE_LEN, |bytes| bytes.iter_mut().enumerate().for_each(|(at, to)| *to = byte ^ at as u8))
}

pub(crate) fn new_key_file(byte: u8) -> NewUnlock {
    NewUnlock::KeyFile(key_file(byte))
}

pub(crate) fn open_by_file(byte: u8) -> UnlockSecret {
    UnlockSecret::KeyFile(key_file(byte))
}

/// A vault over this record, as a restart makes it.
pub(crate) fn restarted(record: &RootRecord, seed: &'static str) -> Vault {
    Vault::sealed(RootRecord::from_bytes(&record.to_bytes()).expect("we wrote it"), Arc::new(Seeded::new(seed)))
}

/// An open vault with one account.
pub(crate) struct House {
    pub(crate) vault: Vault,
    pub(crate) account: AccountId,
    pub(crate) key: KeyId,
    pub(crate) version: VersionId,
    pub(crate) account_key: SealedAccountKey,
}

impl House {
    /// A house that opens by key file 1; the seed decides every byte of it.
    pub(crate) fn new(seed: &'static str) -> Self {
        Self::with_random(Arc::new(Seeded::new(seed)))
    }

    pub(crate) fn with_random(random: Arc<dyn Random>) -> Self {
        let record = root::create(&new_key_file(1), random.as_ref()).expect("a root is made").record;
        let vault = Vault::sealed(record, random);
        vault.unseal(&open_by_file(1)).expect("it is the right file");
        let account = account(1);
        let account_key = vault.new_account_key(&account, 1).expect("the vault is open");
        let at = Timestamp::from_secs(1_790_000_000);
        Self { vault, account, key: KeyId::new(at, [2; 10]), version: VersionId::new(at, [3; 10]), account_key }
    }

    pub(crate) fn place(&self) -> Place<'_> {
        Place { account: &self.account, key: &self.key, version: &self.version, spec: KeySpec::Aes256, generation: 1 }
    }

    pub(crate) fn account_key(&self) -> AccountKey<'_> {
        AccountKey { generation: 1, sealed: self.account_key.as_bytes() }
    }

    pub(crate) fn generate(&self) -> Generated {
        self.vault.generate(&self.place(), self.account_key()).expect("the vault is open")
    }

    pub(crate) fn take_in(&self, material: &[u8]) -> Generated {
        self.vault.take_in(&self.place(), self.account_key(), SecretBytes::from(material.to_vec()), None).expect("sound material")
    }

    pub(crate) fn held<'a>(&'a self, sealed: &'a [u8]) -> Held<'a> {
        Held { place: self.place(), account_key: self.account_key(), sealed }
    }
}

pub(crate) fn account(byte: u8) -> AccountId {
    AccountId::new(Timestamp::from_secs(1_790_000_000), [byte; 10])
}

/// Material that is no repetition.
pub(crate) fn counting() -> [u8; 32] {
    std::array::from_fn(|at| at as u8)
}
