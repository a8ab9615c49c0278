//! The vault's keys are made new while the house is open: the root, and the account keys beneath it.
//!
//! On several nodes a rotation of the root needs no agreement. One node stores the record of the new root; from that commit on the store takes nothing that is
//! sealed under the old one, whoever sealed it (`keystead_store::vault` says how). A node that does not know the new root finds that out from the record, or from
//! the first row that it cannot open, seals itself, and waits for the new secret. What another node left undone, any node that is open under the new root finishes.

use std::time::Duration;

use keystead_audit::Entry;
use keystead_domain::AccountId;
use keystead_identity::{Action, Principal};
use keystead_operations::engine::material::account_key;
use keystead_store::{StoreError, audit, vault, vault::AccountKeyRow};
use keystead_vault::{Adopted, NewUnlock, RootRecord, Share, sealed_under};

use crate::{
    App, Error, Request,
    error::TxError,
    once::{Deed, Memory},
    permit,
    vault::{Rotated, root_error},
};

/// How long this node still opens what lies under the old root when no row does any more: somebody may have read a row just before it was sealed anew, and not used
/// it yet.
const STRAGGLERS: Duration = Duration::from_secs(2);

impl App {
    /// Makes a new root and seals everything anew under it, while the house is open. Every other node seals itself until it is opened with the new secret. A crash in
    /// between leaves every row openable; the next start goes on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unfit secret, [`Error::Sealed`], [`Error::RootChanged`]; [`Error::MovedOn`] when another node was faster. [`Error::AlreadyDone`] for the
    /// same request again: whether it names the same secret cannot be told, because nothing of a secret is remembered, and new shares are shown once.
    pub async fn rotate_root(&self, principal: &Principal, request: &Request, unlock: NewUnlock) -> Result<Rotated, Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, unlock)?;
        let _alone = self.root_changes.lock().await;
        self.refuse_again(principal, request).await?;
        // Beginning forgets the root of a rotation whose commit was not answered. If it was kept after all, this takes it over first.
        self.follow().await?;
        let engine = self.engine.clone();
        let begun = tokio::task::spawn_blocking(move || engine.parts().vault.begin_root_rotation(&proof.payload)).await;
        let created = match begun.map_err(|error| Error::Internal(error.to_string()))? {
            Ok(created) => created,
            Err(error) => return Err(self.told_of_root(root_error(error))),
        };
        let generation = created.record.generation().to_string();
        let entry = self.entry(principal, "vault.rotate-root", proof.rule).detail("generation", generation.clone()).done();
        let memory = self.memory(principal, request, Deed::RotateRoot, generation);
        if let Err(error) = self.begin_under(created.record, entry, memory).await {
            return Err(self.met_itself(principal, request, error).await.into());
        }
        // The new record is durable: from here on the new shares are what opens the vault, and nothing may keep them from their owner. What is left to seal anew is
        // gone on with in the background.
        let rewrapped = self.finish_rotation().await.unwrap_or_else(|error| {
            tracing::warn!(?error, "the rotation of the root is not finished; it goes on by itself");
            0
        });
        Ok(Rotated { rewrapped, shares: created.shares.iter().map(Share::text).collect() })
    }

    /// Goes on with a rotation of the root that was interrupted, here or on another node; nothing to do is 0.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn finish_root_rotation(&self) -> Result<u64, Error> {
        let _alone = self.root_changes.lock().await;
        self.finish_rotation().await
    }

    /// Whether the root that this node knows has a rotation behind it that is not finished.
    pub fn is_rotating(&self) -> bool {
        self.vault().record().previous_generation().is_some()
    }

    /// Takes over what another node did to the root. A node that does not know the new root seals itself and waits.
    ///
    /// # Errors
    /// What the store says.
    pub async fn follow_root(&self) -> Result<(), Error> {
        let _alone = self.root_changes.lock().await;
        self.follow().await
    }

    /// What a caller is told whose request met a sealed vault or a row that moved on: both may mean that another node changed the root, and then that is the answer.
    pub(crate) async fn or_root_changed(&self, error: Error) -> Error {
        if !matches!(error, Error::Sealed | Error::MovedOn) {
            return error;
        }
        // Whoever holds this changes the root on this very node.
        if let Ok(_alone) = self.root_changes.try_lock()
            && let Err(error) = self.follow().await
        {
            tracing::warn!(?error, "the record of the root could not be read");
        }
        self.told_of_root(error)
    }

    fn told_of_root(&self, error: Error) -> Error {
        if self.is_root_changed() { Error::RootChanged } else { error }
    }

    async fn follow(&self) -> Result<(), Error> {
        let met_later_root = self.vault().met_later_root();
        let stored = self.store().read("vault.root", vault::root).await?;
        let Some(record) = stored.and_then(|bytes| RootRecord::from_bytes(&bytes).ok()) else { return Ok(()) };
        if record == self.vault().record() {
            if met_later_root {
                tracing::error!("a row names a later root than the stored one: it is damaged; restore it from a backup");
            }
            return Ok(());
        }
        let was_open = !self.is_sealed();
        if self.vault().adopt(record) == Adopted::Sealed && was_open {
            tracing::error!("the root was changed on another node: this node is sealed until it is unsealed with the new secret");
        }
        Ok(())
    }

    /// Stores the record of a new root, and only then goes by it.
    async fn begin_under(&self, record: RootRecord, entry: Entry, memory: Memory) -> Result<(), TxError> {
        let (old, new, now) = (self.vault().record().to_bytes(), record.to_bytes(), self.now());
        let generation = record.generation();
        let kept = self.store().write("vault.replace_root", move |tx| {
            memory.write(tx)?;
            vault::replace_root(tx, &old, &new, generation, now)?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        if let Err(error) = kept.await
            && !self.is_stored(&record).await
        {
            return Err(error);
        }
        Ok(self.adopt(record)?)
    }

    /// Whether a record was kept although its commit was not answered. Its shares exist nowhere but here: they may not be thrown away for a lost answer. If the
    /// database cannot be asked either, the vault keeps the new root, and stays open under it when it next reads the record.
    async fn is_stored(&self, record: &RootRecord) -> bool {
        let stored = self.store().read("vault.root", vault::root).await;
        stored.is_ok_and(|stored| stored == Some(record.to_bytes()))
    }

    fn adopt(&self, record: RootRecord) -> Result<(), Error> {
        match self.vault().adopt(record) {
            Adopted::Open => Ok(()),
            Adopted::Sealed => Err(Error::Sealed),
        }
    }

    async fn finish_rotation(&self) -> Result<u64, Error> {
        if !self.is_rotating() {
            return Ok(0);
        }
        let generation = self.vault().record().generation();
        self.rewrap_log_key().await?;
        let mut rewrapped = 0;
        for account in self.store().read("vault.accounts", vault::accounts).await? {
            self.move_account(&account, generation).await?;
            rewrapped += self.rewrap_versions(&account).await?;
            self.forget_old_account_keys(&account).await?;
        }
        self.finish_under(self.vault().finish_root_rotation().map_err(root_error)?).await?;
        Ok(rewrapped)
    }

    /// Stores the record without the previous root, if nothing is left under that.
    async fn finish_under(&self, record: RootRecord) -> Result<(), Error> {
        let (old, new, now) = (self.vault().record().to_bytes(), record.to_bytes(), self.now());
        let generation = record.generation();
        let kept = self.store().write("vault.finish_root", move |tx| {
            // The store knows the root of every account key; that of the log key stands in the blob, which it cannot read.
            let signer = audit::signer(tx)?;
            if signer.is_some_and(|signer| sealed_under(&signer.sealed).is_ok_and(|under| under.root_generation != generation)) {
                return Err(StoreError::MovedOn("audit signer"));
            }
            vault::finish_root(tx, &old, &new, now)
        });
        kept.await?;
        tokio::time::sleep(STRAGGLERS).await;
        self.adopt(record)
    }

    /// Gives an account a key under the new root. Account keys are never sealed anew: their generation says under which root their material is.
    async fn move_account(&self, account: &AccountId, root_generation: u32) -> Result<(), Error> {
        let newest = self.engine.account_key(account).await?;
        if newest.root_generation == root_generation {
            return Ok(());
        }
        let row = self.next_account_key(account, &newest)?;
        let (account, now) = (account.clone(), self.now());
        match self.store().write("vault.insert_account_key", move |tx| vault::insert_account_key(tx, &account, &row, now)).await {
            // Another node finishes the same rotation, and was faster.
            Err(error) if error.is_unique("account_keys") => Ok(()),
            other => Ok(other?),
        }
    }

    fn next_account_key(&self, account: &AccountId, old: &AccountKeyRow) -> Result<AccountKeyRow, Error> {
        let generation = old.generation + 1;
        let sealed = self.vault().next_account_key(account, account_key(old), generation)?.into_bytes();
        Ok(AccountKeyRow { generation, root_generation: sealed_under(&sealed)?.root_generation, sealed })
    }

    async fn rewrap_log_key(&self) -> Result<(), Error> {
        let Some(signer) = self.store().read("audit.signer", audit::signer).await? else { return Ok(()) };
        let new = self.vault().rewrap_log_key(&signer.sealed)?;
        match self.store().write("audit.reseal_signer", move |tx| audit::reseal_signer(tx, &signer.sealed, &new)).await {
            // Another node finishes the same rotation; whether the key is under the new root is looked at before the old one goes.
            Err(StoreError::MovedOn(_)) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Makes a new account key and seals all material anew under it. The same request again makes no other key: it goes on with what the first left undone.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn rotate_account_key(&self, principal: &Principal, request: &Request) -> Result<Rotated, Error> {
        match self.try_rotate_account_key(principal, request).await {
            Ok(rewrapped) => Ok(Rotated { rewrapped, shares: Vec::new() }),
            Err(error) => Err(self.or_root_changed(error).await),
        }
    }

    async fn try_rotate_account_key(&self, principal: &Principal, request: &Request) -> Result<u64, Error> {
        if self.done_before(principal, request).await?.is_none() {
            self.make_account_key(principal, request).await?;
        }
        let rewrapped = self.rewrap_versions(&principal.account).await?;
        self.forget_old_account_keys(&principal.account).await?;
        Ok(rewrapped)
    }

    async fn make_account_key(&self, principal: &Principal, request: &Request) -> Result<(), Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, ())?;
        let account = principal.account.clone();
        let row = self.next_account_key(&account, &self.engine.account_key(&account).await?)?;
        let generation = row.generation.to_string();
        let entry = self.entry(principal, "vault.rotate-account-key", proof.rule).detail("generation", generation.clone()).done();
        let (now, memory) = (self.now(), self.memory(principal, request, Deed::RotateAccountKey, generation));
        let made = self
            .store()
            .write("vault.insert_account_key", move |tx| {
                memory.write(tx)?;
                vault::insert_account_key(tx, &account, &row, now)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        let Err(error) = made else { return Ok(()) };
        match self.met_itself(principal, request, error).await {
            // The same request a moment earlier made it.
            TxError::App(Error::AlreadyDone(_)) => Ok(()),
            other => Err(other.into()),
        }
    }

    /// Forgets every account key but the newest under which nothing is sealed any more.
    async fn forget_old_account_keys(&self, account: &AccountId) -> Result<(), Error> {
        let wanted = account.clone();
        let mut keys = self.store().read("vault.account_keys", move |tx| vault::account_keys(tx, &wanted)).await?;
        keys.pop();
        for key in keys {
            let account = account.clone();
            let deleted = self.store().write("vault.delete_account_key", move |tx| vault::delete_account_key(tx, &account, key.generation)).await;
            match deleted {
                // Gone before, or a key that was being made still needs it: the next rotation looks again.
                Ok(()) | Err(StoreError::MovedOn(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
