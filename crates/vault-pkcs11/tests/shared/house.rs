//! An open vault over a module, with one account and the place of one key.

use std::sync::Arc;

use keystead_domain::{AccountId, KeyId, KeySpec, Timestamp, VersionId};
use keystead_testkit::token::PIN;
use keystead_vault::{AccountKey, NewUnlock, Place, SecretBytes, SystemRandom, UnlockSecret, Vault, root};
use keystead_vault_pkcs11::Pkcs11Module;

pub struct House {
    pub vault: Vault,
    pub account: AccountId,
    pub key: KeyId,
    pub version: VersionId,
    pub account_key: Vec<u8>,
}

pub fn pin() -> SecretBytes {
    SecretBytes::from(PIN.to_owned())
}

impl House {
    /// Makes a root in the module, and opens a vault by it.
    pub fn over(hsm: &Arc<Pkcs11Module>) -> Self {
        let record = root::create(&NewUnlock::Module { hsm: hsm.clone(), backup: None }, &SystemRandom).expect("a root is made").record;
        let vault = Vault::sealed(record, Arc::new(SystemRandom));
        vault.unseal(&UnlockSecret::Modules(vec![hsm.clone()])).expect("the right PIN");
        let at = Timestamp::from_secs(1_790_000_000);
        let account = AccountId::new(at, [1; 10]);
        let account_key = vault.new_account_key(&account, 1).expect("the vault is open").into_bytes();
        Self { vault, account, key: KeyId::new(at, [2; 10]), version: VersionId::new(at, [3; 10]), account_key }
    }

    pub fn place(&self, spec: KeySpec) -> Place<'_> {
        Place { account: &self.account, key: &self.key, version: &self.version, spec, generation: 1 }
    }

    pub fn account_key(&self) -> AccountKey<'_> {
        AccountKey { generation: 1, sealed: &self.account_key }
    }
}
