//! Looking at keys: one, many, their history.

use keystead_identity::{Action, Principal};
use keystead_operations::sync::ADOPTED;
use keystead_store::{
    StoreError, Tx, audit,
    audit::EntryRow,
    keys,
    keys::{KeyFilter, KeyRow},
    page::{Listed, Page},
    versions,
    versions::VersionRow,
    views,
    views::ViewRow,
};

use super::rotation::next_turn;
use crate::{
    App, Error,
    health::{KeyHealth, with_health},
    permit,
};

impl App {
    /// A key by id or name, with its versions.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_key(&self, principal: &Principal, id_or_name: &str) -> Result<(KeyRow, Vec<VersionRow>), Error> {
        let mut key = self.key(principal, id_or_name).await?;
        let (row, now) = (key.clone(), self.now());
        // What the schedule has planned may be a minute old; what is shown is not.
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((versions::of_key(tx, &row.id)?, next_turn(tx, &row, now)?));
        let (versions, next) = self.store().read("versions.of_key", look).await?;
        key.rotation.planned = next;
        Ok((key, versions))
    }

    /// What the cloud shows of a key beside its row, as the last sync saw it; and the full name of the cloud's key that it was adopted from.
    ///
    /// # Errors
    /// What the store says.
    pub async fn view_of(&self, principal: &Principal, key: &KeyRow) -> Result<(Option<ViewRow>, Option<String>), Error> {
        let proof = permit(principal, Action::Read, &key.account_id, key.clone())?;
        let key = proof.payload;
        let look = move |tx: &mut Tx<'_>| {
            let view = views::of(tx, &key.id)?.filter(|view| view.seen_at.as_micros() > 0);
            let before = match key.predecessor_id.as_ref().filter(|_| key.origin == ADOPTED) {
                Some(predecessor) => keys::by_id(tx, predecessor)?,
                None => None,
            };
            Ok::<_, StoreError>((view, before.and_then(|before| before.cloud_arn)))
        };
        Ok(self.store().read("views.of", look).await?)
    }

    /// A page of keys.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a keystore that is not there.
    pub async fn list_keys(
        &self,
        principal: &Principal,
        keystore: Option<&str>,
        mut filter: KeyFilter,
        page: Page,
    ) -> Result<Listed<(KeyRow, Option<KeyHealth>)>, Error> {
        if let Some(keystore) = keystore {
            filter.keystore = Some(self.keystore(principal, keystore).await?.id);
        }
        let (account, now) = (principal.account.clone(), self.now());
        let look = move |tx: &mut Tx<'_>| {
            let Listed { rows, next } = keys::list(tx, &account, &filter, &page)?;
            Ok::<_, StoreError>(Listed { rows: with_health(tx, rows, now)?, next })
        };
        Ok(self.store().read("keys.list", look).await?)
    }

    /// The health of a key; one that is DELETED has none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn key_health(&self, key: &KeyRow) -> Result<Option<KeyHealth>, Error> {
        let (key, now) = (key.clone(), self.now());
        let found = self.store().read("health.of_keys", move |tx| with_health(tx, vec![key.clone()], now)).await?;
        Ok(found.into_iter().next().and_then(|(_, health)| health))
    }

    /// What happened to a key, newest first; also after it is gone (CM-006, CM-061, FX-031).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn key_history(&self, principal: &Principal, id_or_name: &str, page: Page) -> Result<Listed<EntryRow>, Error> {
        let key = self.key(principal, id_or_name).await?;
        let account = principal.account.clone();
        Ok(self.store().read("audit.list", move |tx| audit::list(tx, &account, Some(key.id.as_str()), &page)).await?)
    }
}
