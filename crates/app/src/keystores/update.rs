//! What changes of a keystore: which channels hear of it (FX-043).

use keystead_domain::AlertChannels;
use keystead_identity::{Action, Principal};
use keystead_store::{
    StoreError, Tx,
    keystores::{self, KeystoreRow},
};

use crate::{App, Error, permit};

/// What shall change; `None` leaves as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeystoreChange {
    /// Which channels hear of it and of its keys.
    pub alert_channels: Option<AlertChannels>,
}

impl App {
    /// Changes a keystore. The same again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming `alert_channels`.
    pub async fn update_keystore(&self, principal: &Principal, id_or_name: &str, change: KeystoreChange) -> Result<KeystoreRow, Error> {
        let keystore = self.active_keystore(principal, id_or_name).await?;
        let proof = permit(principal, Action::ManageKeystores, &keystore.account_id, change)?;
        let words = self.entry(principal, "keystore.update", proof.rule).keystore(&keystore.id, &keystore.name);
        let Some(wanted) = proof.payload.alert_channels.filter(|wanted| *wanted != keystore.alert_channels) else {
            self.tell(words.detail("no_op", "true").done()).await?;
            return Ok(keystore);
        };
        wanted.demand_known("alert_channels", self.alert_channels())?;
        let entry = words.detail("alert_channels", wanted.told()).done();
        let id = keystore.id.clone();
        let set = move |tx: &mut Tx<'_>| {
            keystores::set_alert_channels(tx, &id, &wanted)?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        };
        self.store().write("keystores.update", set).await?;
        self.keystore(principal, keystore.id.as_str()).await
    }

    /// The channels of the server's configuration.
    pub(crate) fn alert_channels(&self) -> &[String] {
        &self.engine.parts().settings.alerts.channels
    }
}
