//! The vault from outside: is it open, open it, close it, change its keys while it works.

use keystead_domain::{AccountId, Invalid};
use keystead_identity::{Action, Principal};
use keystead_operations::engine::material::{Sealed, account_key, place};
use keystead_store::{StoreError, Tx, audit, operations, vault, vault::AccountKeyRow, versions, versions::VersionRow};
use keystead_vault::{Adopted, NewUnlock, Progress, RootRecord, SealedUnder, UnlockKind, UnlockSecret, UnsealError, Vault, sealed_under};

use crate::{App, Error, permit};

/// How the vault stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultStatus {
    /// Whether it holds no root key.
    pub sealed: bool,
    /// What opens it.
    pub kind: UnlockKind,
    /// How far shares have come.
    pub shares: Option<Progress>,
    /// Generation of the root.
    pub root_generation: u32,
    /// Whether a rotation of the root is not finished.
    pub rotating: bool,
}

/// What somebody offers to open the vault with.
pub enum Offer {
    /// A whole secret.
    Secret(UnlockSecret),
    /// One share of several.
    Share(String),
}

/// What became of a rotation.
pub struct Rotated {
    /// How many key versions were sealed anew.
    pub rewrapped: u64,
    /// The new shares, when the root opens by shares; shown this once.
    pub shares: Vec<keystead_vault::SecretText>,
}

/// How many versions are sealed anew in one transaction.
const BATCH: u32 = 200;

impl App {
    fn vault(&self) -> &Vault {
        &self.engine.parts().vault
    }

    /// How the vault stands. Anybody may ask: whoever unseals it has no token yet.
    pub fn vault_status(&self) -> VaultStatus {
        let record = self.vault().record();
        VaultStatus {
            sealed: self.vault().is_sealed(),
            kind: record.kind(),
            shares: self.vault().progress(),
            root_generation: record.generation(),
            rotating: record.previous_generation().is_some(),
        }
    }

    /// Whether requests can be served: the database answers and the vault is open.
    ///
    /// # Errors
    /// [`Error::Sealed`], or what the store says.
    pub async fn check_ready(&self) -> Result<(), Error> {
        self.account().await?;
        if self.vault().is_sealed() { Err(Error::Sealed) } else { Ok(()) }
    }

    /// Opens the vault. Who knows the secret needs no token; operations that waited go on at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong secret.
    pub async fn unseal(&self, offer: Offer) -> Result<VaultStatus, Error> {
        let parts = self.engine.clone();
        let was_sealed = self.vault().is_sealed();
        // Argon2id takes half a second of one core: not on a thread that serves others.
        let opened = tokio::task::spawn_blocking(move || open(&parts.parts().vault, offer)).await;
        opened.map_err(|error| Error::Internal(error.to_string()))??;
        if was_sealed && !self.vault().is_sealed() {
            self.note_vault("vault.unseal").await?;
            let now = self.now();
            self.store().write("operations.wake_all", move |tx| operations::wake_all(tx, now)).await?;
        }
        Ok(self.vault_status())
    }

    /// Forgets the root key. Running uses end first; operations then wait.
    ///
    /// # Errors
    /// What the store says.
    pub async fn seal(&self, principal: &Principal) -> Result<VaultStatus, Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, ())?;
        let entry = self.entry(principal, "vault.seal", proof.rule).done();
        self.vault().seal();
        self.store()
            .write("vault.seal", move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(self.vault_status())
    }

    async fn note_vault(&self, action: &'static str) -> Result<(), Error> {
        let account = self.account().await?;
        let parts = self.engine.parts();
        let who = keystead_operations::words::Who::system();
        let entry = keystead_operations::words::entry(parts.random.as_ref(), self.now(), &account, &who, action, "knows-the-secret").done();
        Ok(self
            .store()
            .write(action, move |tx| {
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?)
    }

    async fn account(&self) -> Result<AccountId, Error> {
        let first = self.store().read("accounts.first", keystead_store::accounts::first).await?;
        first.ok_or_else(|| Error::Internal("there is no account".to_owned()))
    }

    /// Makes a new root and seals everything anew under it, while the house is open. A crash in between leaves every row openable; the next start goes on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unfit secret, [`Error::Sealed`].
    pub async fn rotate_root(&self, principal: &Principal, unlock: NewUnlock) -> Result<Rotated, Error> {
        if !self.store().is_exclusive() {
            // Another node could still seal under the old root while this one takes it away, and that material would be lost.
            let mend = "Rotate the account key instead, or move to a single node on SQLite: a root that changes under several nodes is not built yet.";
            return Err(Invalid::new("what", "cannot be root on PostgreSQL", mend).into());
        }
        let proof = permit(principal, Action::ManageVault, &principal.account, unlock)?;
        let _alone = self.root_changes.lock().await;
        let engine = self.engine.clone();
        let begun = tokio::task::spawn_blocking(move || engine.parts().vault.begin_root_rotation(&proof.payload)).await;
        let created = begun.map_err(|error| Error::Internal(error.to_string()))?.map_err(root_error)?;
        let entry = self.entry(principal, "vault.rotate-root", proof.rule).detail("generation", created.record.generation().to_string()).done();
        self.replace_record(created.record, Some(entry)).await?;
        // The new record is durable: from here on the new shares are what opens the vault, and nothing may keep them from their owner. What is left to seal anew is
        // gone on with in the background.
        let rewrapped = self.finish_rotation().await.unwrap_or_else(|error| {
            tracing::warn!(?error, "the rotation of the root is not finished; it goes on by itself");
            0
        });
        Ok(Rotated { rewrapped, shares: created.shares.iter().map(keystead_vault::Share::text).collect() })
    }

    /// Goes on with a rotation of the root that a crash interrupted; nothing to do is 0.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn finish_root_rotation(&self) -> Result<u64, Error> {
        let _alone = self.root_changes.lock().await;
        self.finish_rotation().await
    }

    async fn finish_rotation(&self) -> Result<u64, Error> {
        if self.vault().record().previous_generation().is_none() {
            return Ok(0);
        }
        let account = self.account().await?;
        self.rewrap_account_keys(&account).await?;
        self.rewrap_log_key().await?;
        let rewrapped = self.rewrap_versions(&account).await?;
        let record = self.vault().finish_root_rotation().map_err(root_error)?;
        self.replace_record(record, None).await?;
        Ok(rewrapped)
    }

    /// Stores a record of the root, and only then goes by it.
    async fn replace_record(&self, record: RootRecord, entry: Option<keystead_audit::Entry>) -> Result<(), Error> {
        let (old, new, now) = (self.vault().record().to_bytes(), record.to_bytes(), self.now());
        self.store()
            .write("vault.replace_root", move |tx| {
                vault::replace_root(tx, &old, &new, now)?;
                entry.iter().for_each(|entry| tx.audit(entry.clone()));
                Ok::<_, StoreError>(())
            })
            .await?;
        match self.vault().adopt(record) {
            Adopted::Open => Ok(()),
            Adopted::Sealed => Err(Error::Sealed),
        }
    }

    /// Takes over what another node did to the root. A node that does not know the new root seals itself and waits.
    ///
    /// # Errors
    /// What the store says.
    pub async fn follow_root(&self) -> Result<(), Error> {
        let _alone = self.root_changes.lock().await;
        let stored = self.store().read("vault.root", vault::root).await?;
        let Some(record) = stored.and_then(|bytes| RootRecord::from_bytes(&bytes).ok()) else { return Ok(()) };
        if record != self.vault().record() && self.vault().adopt(record) == Adopted::Sealed {
            tracing::error!("another node changed the root of the vault; this node is sealed until it is unsealed with the new secret");
        }
        Ok(())
    }

    async fn rewrap_account_keys(&self, account: &AccountId) -> Result<(), Error> {
        let wanted = account.clone();
        let keys = self.store().read("vault.account_keys", move |tx| vault::account_keys(tx, &wanted)).await?;
        for key in keys {
            let (account, new) = (account.clone(), self.vault().rewrap_account_key(account, account_key(&key))?);
            self.store()
                .write("vault.replace_account_key", move |tx| vault::replace_account_key(tx, &account, key.generation, &key.sealed, new.as_bytes()))
                .await?;
        }
        Ok(())
    }

    async fn rewrap_log_key(&self) -> Result<(), Error> {
        let Some(signer) = self.store().read("audit.signer", audit::signer).await? else { return Ok(()) };
        let new = self.vault().rewrap_log_key(&signer.sealed)?;
        Ok(self.store().write("audit.reseal_signer", move |tx| audit::reseal_signer(tx, &signer.sealed, &new)).await?)
    }

    /// Makes a new account key and seals all material anew under it.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn rotate_account_key(&self, principal: &Principal) -> Result<Rotated, Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, ())?;
        let account = principal.account.clone();
        let old = self.engine.account_key(&account).await?;
        let generation = old.generation + 1;
        let new = self.vault().next_account_key(&account, account_key(&old), generation)?;
        let row = AccountKeyRow { generation, sealed: new.into_bytes() };
        let entry = self.entry(principal, "vault.rotate-account-key", proof.rule).detail("generation", generation.to_string()).done();
        let (owner, now) = (account.clone(), self.now());
        self.store()
            .write("vault.insert_account_key", move |tx| {
                vault::insert_account_key(tx, &owner, &row, now)?;
                tx.audit(entry.clone());
                Ok::<_, StoreError>(())
            })
            .await?;
        let rewrapped = self.rewrap_versions(&account).await?;
        self.forget_old_account_keys(&account, generation).await?;
        Ok(Rotated { rewrapped, shares: Vec::new() })
    }

    async fn forget_old_account_keys(&self, account: &AccountId, newest: u32) -> Result<(), Error> {
        for generation in 1..newest {
            let account = account.clone();
            let deleted = self.store().write("vault.delete_account_key", move |tx| vault::delete_account_key(tx, &account, generation)).await;
            match deleted {
                // Gone before, or a key that was being made still needs it: the next rotation looks again.
                Ok(()) | Err(StoreError::MovedOn(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Seals every version anew that is not under the current root and the newest account key.
    async fn rewrap_versions(&self, account: &AccountId) -> Result<u64, Error> {
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

/// Somebody may have destroyed the material meanwhile: then there is nothing to seal.
fn reseal(tx: &mut Tx<'_>, old: &VersionRow, new: &VersionRow) -> Result<(), StoreError> {
    match versions::reseal(tx, &old.id, old.generation, new) {
        Err(StoreError::MovedOn(_)) => Ok(()),
        other => other,
    }
}

fn open(vault: &Vault, offer: Offer) -> Result<(), Error> {
    let opened = match offer {
        Offer::Secret(secret) => vault.unseal(&secret),
        Offer::Share(text) => vault.offer_share(&text).map(drop),
    };
    opened.map_err(|error| match error {
        UnsealError::Share(error) => Error::Invalid(error.into()),
        other => Error::Invalid(Invalid::new("secret", format!("does not open the vault: {other}"), "Give the secret that `keystead vault status` asks for.")),
    })
}

fn root_error(error: keystead_vault::RootError) -> Error {
    match error {
        keystead_vault::RootError::Sealed => Error::Sealed,
        keystead_vault::RootError::Unlock(refused) => Error::Invalid(refused.into()),
        other => Error::Invalid(Invalid::new("unlock", format!("was refused: {other}"), "See `keystead vault status`.")),
    }
}
