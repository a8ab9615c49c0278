//! The account key is made new while the house is open. It lies beneath the root, and material lies beneath it.

use keystead_domain::AccountId;
use keystead_identity::{Action, Principal};
use keystead_operations::engine::material::{account_key, at_the_vault};
use keystead_store::{StoreError, vault, vault::AccountKeyRow};
use keystead_vault::sealed_under;

use crate::{App, Error, Request, error::TxError, once::Deed, permit};

impl App {
    /// Makes a new account key and seals all material anew under it; answers how many versions. The same request again makes no other key: it goes on with what the first left undone.
    ///
    /// # Errors
    /// What store and vault say.
    pub async fn rotate_account_key(&self, principal: &Principal, request: &Request) -> Result<u64, Error> {
        match self.try_rotate_account_key(principal, request).await {
            Err(error) => Err(self.or_root_changed(error).await),
            rewrapped => rewrapped,
        }
    }

    async fn try_rotate_account_key(&self, principal: &Principal, request: &Request) -> Result<u64, Error> {
        if self.done_before(principal, request).await?.is_none() {
            self.make_account_key(principal, request).await?;
        }
        let round = self.rewrap_versions(&principal.account).await?;
        self.forget_old_account_keys(&principal.account).await?;
        round.whole()
    }

    async fn make_account_key(&self, principal: &Principal, request: &Request) -> Result<(), Error> {
        let proof = permit(principal, Action::ManageVault, &principal.account, ())?;
        let account = principal.account.clone();
        // A rotation of the root makes the next account key, too, and may be doing so behind its answer.
        let _alone = self.root_changes.lock().await;
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
            // Another node made the next one first.
            TxError::Store(error) if error.is_unique("account_keys") => Err(Error::MovedOn),
            other => Err(other.into()),
        }
    }

    /// Forgets every account key but the newest under which nothing is sealed any more.
    pub(crate) async fn forget_old_account_keys(&self, account: &AccountId) -> Result<(), Error> {
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

    pub(crate) fn next_account_key(&self, account: &AccountId, old: &AccountKeyRow) -> Result<AccountKeyRow, Error> {
        let generation = old.generation + 1;
        let sealed = at_the_vault(self.vault(), |vault| vault.next_account_key(account, account_key(old), generation))?.into_bytes();
        Ok(AccountKeyRow { generation, root_generation: sealed_under(&sealed)?.root_generation, sealed })
    }
}
