//! Material is sealed anew, page by page: what both rotations come to.

use keystead_domain::AccountId;
use keystead_operations::engine::material::{Sealed, account_key, place};
use keystead_store::{StoreError, Tx, vault, vault::AccountKeyRow, versions, versions::VersionRow};
use keystead_vault::{SealedUnder, sealed_under};

use crate::{App, Error};

/// How many versions are sealed anew in one transaction.
const BATCH: u32 = 200;

impl App {
    /// Seals every version anew that is not under the current root and the newest account key.
    pub(crate) async fn rewrap_versions(&self, account: &AccountId) -> Result<u64, Error> {
        let owner = account.clone();
        let keys = self.store().read("vault.account_keys", move |tx| vault::account_keys(tx, &owner)).await?;
        let (mut after, mut rewrapped) = (String::new(), 0);
        loop {
            let (owner, from) = (account.clone(), after.clone());
            let page = self.store().read("versions.page", move |tx| versions::page_with_material(tx, &owner, &from, BATCH)).await?;
            let Some(last) = page.last() else { return Ok(rewrapped) };
            after = last.id.to_string();
            rewrapped += self.rewrap_page(page, &keys).await?;
        }
    }

    async fn rewrap_page(&self, page: Vec<VersionRow>, keys: &[AccountKeyRow]) -> Result<u64, Error> {
        let Some(newest) = keys.last() else { return Ok(0) };
        let goal = SealedUnder { root_generation: self.vault().record().generation(), account_key_generation: newest.generation };
        let mut changed = Vec::new();
        for version in page {
            if version.sealed.as_deref().map(sealed_under).transpose()? != Some(goal) {
                let new = self.rewrap_version(&version, keys, newest)?;
                changed.push((version, new));
            }
        }
        let count = changed.len() as u64;
        self.store().write("versions.reseal", move |tx| changed.iter().try_for_each(|(old, new)| reseal(tx, old, new))).await?;
        Ok(count)
    }

    fn rewrap_version(&self, version: &VersionRow, keys: &[AccountKeyRow], newest: &AccountKeyRow) -> Result<VersionRow, Error> {
        let under = keys.iter().find(|key| key.generation == version.account_key_generation);
        let sealed = Sealed { version: version.clone(), account_key: under.cloned().ok_or_else(|| Error::Internal("an account key is missing".to_owned()))? };
        let held = sealed.held().ok_or_else(|| Error::Internal("the version has no material".to_owned()))?;
        debug_assert_eq!(held.place, place(&version.account_id, version));
        let generation = version.generation + 1;
        let new = self.vault().rewrap(&held, account_key(newest), generation)?;
        Ok(VersionRow { sealed: Some(new.into_bytes()), generation, account_key_generation: newest.generation, ..version.clone() })
    }
}

/// Somebody may have destroyed the material meanwhile, or sealed it anew: then there is nothing to do. An account key that is gone, or is of a root that another node
/// replaced, is told: nothing would come of going on.
fn reseal(tx: &mut Tx<'_>, old: &VersionRow, new: &VersionRow) -> Result<(), StoreError> {
    match versions::reseal(tx, &old.id, old.generation, new) {
        Err(StoreError::MovedOn("key version")) => Ok(()),
        other => other,
    }
}
