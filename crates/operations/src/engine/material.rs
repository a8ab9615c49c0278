//! Material on its way between store and vault: sealed rows go in, wrapped blobs come out.

use keystead_cloud::WrappingKey;
use keystead_domain::{AccountId, VersionId, WrappingKeySpec};
use keystead_store::{StoreError, Tx, keys::KeyRow, vault, vault::AccountKeyRow, versions, versions::VersionRow};
use keystead_vault::{AccountKey, Held, Place, Vault};
use tokio::runtime::{Handle, RuntimeFlavor};

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

/// A version of a key with the material that it has, its own or another key's.
#[derive(Debug, Clone)]
pub struct Material {
    /// The key's version, with what is known of its copy in the cloud.
    pub version: VersionRow,
    /// Where the material lies.
    pub sealed: Sealed,
}

/// Uses the vault from an async task. Over a software root that takes microseconds; a hardware module takes milliseconds, or makes one wait: then the other tasks
/// of this thread go on elsewhere.
pub fn at_the_vault<T>(vault: &Vault, work: impl FnOnce(&Vault) -> T) -> T {
    let has_threads = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    if vault.is_in_module() && has_threads() { tokio::task::block_in_place(|| work(vault)) } else { work(vault) }
}

impl Engine {
    /// The material of a key's current version, with its account key.
    ///
    /// # Errors
    /// [`StepError::Missing`] when the vault has none, or its account key is gone.
    pub async fn sealed(&self, key: &KeyRow) -> Result<Sealed, StepError> {
        let current = self.materials(key).await?.pop();
        current.map(|material| material.sealed).ok_or_else(|| StepError::Missing(key.id.clone()))
    }

    /// Every material that belongs to a key for good, the oldest first and the current one last.
    ///
    /// # Errors
    /// [`StepError::Missing`] when the vault lacks one, or its account key.
    pub async fn materials(&self, key: &KeyRow) -> Result<Vec<Material>, StepError> {
        self.read_materials(key, |version| !version.is_pending).await
    }

    /// The material of a version that waits to be rotated in.
    pub(super) async fn pending(&self, key: &KeyRow, version: &VersionId) -> Result<Material, StepError> {
        let pending = self.read_materials(key, |version| version.is_pending).await?;
        pending.into_iter().find(|material| material.version.id == *version).ok_or_else(|| StepError::Missing(key.id.clone()))
    }

    async fn read_materials(&self, key: &KeyRow, wanted: fn(&VersionRow) -> bool) -> Result<Vec<Material>, StepError> {
        let (id, account) = (key.id.clone(), key.account_id.clone());
        let read = move |tx: &mut Tx<'_>| {
            let account_keys = vault::account_keys(tx, &account)?;
            let versions = versions::of_key(tx, &id)?.into_iter().filter(wanted);
            versions.map(|version| material_of(tx, version, &account_keys)).collect::<Result<Option<Vec<_>>, StoreError>>()
        };
        let found = self.parts.store.read("versions.materials", read).await?;
        found.ok_or_else(|| StepError::Missing(key.id.clone()))
    }

    /// The versions that belong to a key for good, the current one last, whether their material is here or not.
    pub(super) async fn versions(&self, key: &KeyRow) -> Result<Vec<VersionRow>, StepError> {
        let id = key.id.clone();
        let versions = self.parts.store.read("versions.of_key", move |tx| versions::of_key(tx, &id)).await?;
        Ok(versions.into_iter().filter(|version| !version.is_pending).collect())
    }

    /// Wraps a key's material for the cloud that offered a wrapping key.
    pub(super) fn wrap(&self, key: &KeyRow, sealed: &Sealed, offered: &WrappingKey, asked_for: WrappingKeySpec) -> Result<Vec<u8>, StepError> {
        let held = sealed.held().ok_or_else(|| StepError::Missing(key.id.clone()))?;
        let wrapped = at_the_vault(&self.parts.vault, |vault| vault.wrap_for_cloud(&held, &offered.public_key, offered.method, asked_for));
        Ok(wrapped?)
    }
}

/// A version's material; `None` when it, or the account key under which it is sealed, is gone.
fn material_of(tx: &mut Tx<'_>, version: VersionRow, account_keys: &[AccountKeyRow]) -> Result<Option<Material>, StoreError> {
    let holder = match &version.source_id {
        Some(source) => versions::by_id(tx, source)?,
        None => Some(version.clone()),
    };
    let Some(holder) = holder.filter(|holder| holder.sealed.is_some()) else { return Ok(None) };
    let account_key = account_keys.iter().find(|key| key.generation == holder.account_key_generation).cloned();
    Ok(account_key.map(|account_key| Material { version, sealed: Sealed { version: holder, account_key } }))
}
