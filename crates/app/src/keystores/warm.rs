//! Whether import parameters of a keystore's keys are fetched ahead (FX-029).

use keystead_identity::{Action, Principal};
use keystead_store::{StoreError, Tx, keystores::KeystoreRow, warm};

use crate::{App, Error, permit};

impl App {
    /// Lets the keys of a keystore be warm, or cool.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a keystore in no cloud.
    pub async fn set_warm(&self, principal: &Principal, id_or_name: &str, on: bool) -> Result<KeystoreRow, Error> {
        let keystore = self.active_keystore(principal, id_or_name).await?;
        super::demand_cloud(&keystore)?;
        let proof = permit(principal, Action::ManageKeystores, &keystore.account_id, on)?;
        let (on, now) = (proof.payload, self.now());
        let entry = self.entry(principal, "keystore.warm", proof.rule).keystore(&keystore.id, &keystore.name).detail("on", on.to_string()).done();
        let id = keystore.id.clone();
        let set = move |tx: &mut Tx<'_>| {
            tx.audit(entry.clone());
            if on { warm::switch_on(tx, &id, now) } else { warm::switch_off(tx, &id) }
        };
        self.store().write("keystores.warm", set).await.map_err(|error: StoreError| Error::from(error))?;
        Ok(keystore)
    }
}
