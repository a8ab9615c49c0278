//! A keystore is synced: what its account and Region hold is looked at, and known here from then on (FT-051 to FT-056).

use keystead_domain::OperationId;
use keystead_identity::{Action, Principal};
use keystead_operations::{Saga, saga::sync_keystore::SyncKeystore, stored::Stored};
use keystead_store::{syncs, syncs::SyncRow};

use crate::{App, Error, Request, Started, error::TxError, permit, who};

impl App {
    /// Begins a sync. One runs in a keystore at a time.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Busy`].
    pub async fn sync_keystore(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let keystore = self.active_keystore(principal, id_or_name).await?;
        super::demand_cloud(&keystore)?;
        let saga = Saga::SyncKeystore(SyncKeystore { keystore: Stored(keystore.id.clone()) });
        let proof = permit(principal, Action::ManageKeystores, &keystore.account_id, saga)?;
        let intent = self.engine.intend(&proof.payload, &keystore, &who(principal), proof.rule, request.idempotency.clone());
        let holds = [(keystore.id.to_string(), keystore.name.clone())];
        let written = self.store().write("keystores.sync", move |tx| {
            let operation = intent.write(tx)?;
            syncs::begin(tx, &operation.id, &keystore.id, SyncKeystore::first_step())?;
            Ok::<_, TxError>(operation)
        });
        match written.await {
            Ok(operation) => {
                self.engine.start(operation.clone());
                Ok(Started { operation: Some(operation), key: None })
            }
            Err(error) => self.not_begun(principal, request, error, &holds).await,
        }
    }

    /// How far a sync is, and what it came to; `None` for an operation that is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn sync_of(&self, operation: &OperationId) -> Result<Option<SyncRow>, Error> {
        let id = operation.clone();
        Ok(self.store().read("syncs.of", move |tx| syncs::of(tx, &id)).await?)
    }
}
