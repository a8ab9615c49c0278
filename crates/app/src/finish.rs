//! What a rotation of the root leaves to do when its record is stored: everything is sealed anew under the new root, and then the old one goes.

use std::time::Duration;

use keystead_domain::AccountId;
use keystead_operations::engine::material::at_the_vault;
use keystead_store::{StoreError, audit, vault};
use keystead_vault::{RootRecord, sealed_under};

use crate::{App, Error, rewrap::Round, vault::root_error};

/// How long this node still opens what lies under the old root when no row does any more: somebody may have read a row just before it was sealed anew, and not used
/// it yet.
const STRAGGLERS: Duration = Duration::from_secs(2);

impl App {
    /// Goes on with a rotation of the root that was begun, here or on another node; nothing to do is 0.
    ///
    /// # Errors
    /// What store and vault say. A version that does not open is told and left as it is: everything else is sealed anew all the same, and the old root stays.
    pub async fn finish_root_rotation(&self) -> Result<u64, Error> {
        let _alone = self.root_changes.lock().await;
        self.finish_rotation().await
    }

    /// The same, on a task of its own: whoever began it does not wait. If it fails, it is tried again from time to time.
    pub(crate) fn finish_in_background(&self) {
        let app = self.clone();
        tokio::spawn(async move {
            if let Err(error) = app.finish_root_rotation().await {
                tracing::warn!(?error, "the rotation of the root is not finished; it goes on by itself");
            }
        });
    }

    /// Whether the root that this node knows has a rotation behind it that is not finished.
    pub fn is_rotating(&self) -> bool {
        self.vault().record().previous_generation().is_some()
    }

    pub(crate) async fn finish_rotation(&self) -> Result<u64, Error> {
        if !self.is_rotating() {
            return Ok(0);
        }
        let generation = self.vault().record().generation();
        self.rewrap_log_key().await?;
        let mut round = Round::default();
        for account in self.store().read("vault.accounts", vault::accounts).await? {
            self.move_account(&account, generation).await?;
            round.add(self.rewrap_versions(&account).await?);
            self.forget_old_account_keys(&account).await?;
        }
        let rewrapped = round.whole()?;
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

    async fn rewrap_log_key(&self) -> Result<(), Error> {
        let Some(signer) = self.store().read("audit.signer", audit::signer).await? else { return Ok(()) };
        let new = at_the_vault(self.vault(), |vault| vault.rewrap_log_key(&signer.sealed))?;
        match self.store().write("audit.reseal_signer", move |tx| audit::reseal_signer(tx, &signer.sealed, &new)).await {
            // Another node finishes the same rotation; whether the key is under the new root is looked at before the old one goes.
            Err(StoreError::MovedOn(_)) => Ok(()),
            other => Ok(other?),
        }
    }
}
