//! Material on its way between store and vault: sealed rows go in, wrapped blobs come out.

use keystead_cloud::WrappingKey;
use keystead_domain::{AccountId, WrappingKeySpec};
use keystead_store::{keys::KeyRow, vault::AccountKeyRow, versions, versions::VersionRow};
use keystead_vault::{AccountKey, Held, Place};

use super::{Engine, call::StepError};

/// A version with the account key that it is sealed under: what the vault needs to use it.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The version.
    pub version: VersionRow,
    /// Its account key.
    pub account_key: AccountKeyRow,
}

impl Sealed {
    /// In the vault's words; `None` once the material is destroyed.
    pub fn held(&self) -> Option<Held<'_>> {
        let sealed = self.version.sealed.as_deref()?;
        Some(Held { place: place(&self.version.account_id, &self.version), account_key: account_key(&self.account_key), sealed })
    }
}

/// Where a version's material belongs.
pub fn place<'a>(account: &'a AccountId, version: &'a VersionRow) -> Place<'a> {
    Place { account, key: &version.key_id, version: &version.id, spec: version.spec, generation: version.generation }
}

/// An account key in the vault's words.
pub fn account_key(row: &AccountKeyRow) -> AccountKey<'_> {
    AccountKey { generation: row.generation, sealed: &row.sealed }
}

impl Engine {
    /// The newest version of a key, with its account key.
    ///
    /// # Errors
    /// [`StepError::Missing`] when the key has no version or its account key is gone.
    pub async fn sealed(&self, key: &KeyRow) -> Result<Sealed, StepError> {
        let (id, account) = (key.id.clone(), key.account_id.clone());
        let found = self
            .parts
            .store
            .read("versions.newest", move |tx| {
                let version = versions::newest(tx, &id)?;
                let keys = keystead_store::vault::account_keys(tx, &account)?;
                Ok::<_, keystead_store::StoreError>(version.and_then(|version| {
                    let account_key = keys.into_iter().find(|key| key.generation == version.account_key_generation)?;
                    Some(Sealed { version, account_key })
                }))
            })
            .await?;
        found.ok_or_else(|| StepError::Missing(key.id.clone()))
    }

    /// Wraps a key's material for the cloud that offered a wrapping key.
    pub(super) fn wrap(&self, key: &KeyRow, sealed: &Sealed, offered: &WrappingKey, asked_for: WrappingKeySpec) -> Result<Vec<u8>, StepError> {
        let held = sealed.held().ok_or_else(|| StepError::Missing(key.id.clone()))?;
        Ok(self.parts.vault.wrap_for_cloud(&held, &offered.public_key, offered.method, asked_for)?)
    }
}
