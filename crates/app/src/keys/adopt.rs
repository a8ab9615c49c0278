//! A key whose material is the cloud's gets a successor with material of the vault (FT-079, FT-080); and a pointer to a key that is gone is forgotten (FT-067, FT-068).

use keystead_domain::{Custody, Event, Invalid, RegionRole, Timestamp, Verdict, key::expiry, verdict};
use keystead_identity::Principal;
use keystead_operations::{Saga, saga::forget_key::ForgetKey, stored::Stored};
use keystead_store::keys::KeyRow;

use super::lifecycle::TRIES;
use crate::{App, Error, Request, Started, who};

/// The audit log's word.
const ADOPT: &str = "key.adopt";

impl App {
    /// Adopts a key: a new one of the same kind and use, with new material of the vault, takes over every alias that the last sync saw. The old one stays enabled.
    ///
    /// # Errors
    /// [`Error::WrongState`], [`Error::Busy`], and [`Error::Invalid`] for a key that cannot be adopted, before anything is made.
    pub async fn adopt_key(&self, principal: &Principal, request: &Request, id_or_name: &str, expires: Option<Timestamp>) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let expires = expires.map(|expires| expiry::check(expires, self.now())).transpose()?;
        for _ in 0..TRIES {
            let key = self.key(principal, id_or_name).await?;
            match self.try_adopt(principal, request, key, expires).await {
                Err(Error::MovedOn) => {}
                Err(error) => return Err(self.or_root_changed(error).await),
                begun => return begun,
            }
        }
        Err(self.or_root_changed(Error::MovedOn).await)
    }

    async fn try_adopt(&self, principal: &Principal, request: &Request, key: KeyRow, expires: Option<Timestamp>) -> Result<Started, Error> {
        if verdict(key.state, Event::Renew) == Verdict::Refused {
            // The same request may have brought the key there.
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            let error = Error::WrongState { key: key.name.clone(), state: key.state, event: Event::Renew };
            return Err(self.refuse(principal, ADOPT, "lifecycle-table", &key, error).await);
        }
        if let Err(invalid) = self.check_adoptable(&key).await? {
            return Err(self.refuse(principal, ADOPT, "adoptable", &key, invalid.into()).await);
        }
        let prepared = self.engine.prepare_adoption(&key, &who(principal), self.now(), expires).await?;
        let saga = prepared.saga();
        self.begin(principal, request, key, saga, Box::new(move |tx| Ok(prepared.write(tx)?))).await
    }

    async fn check_adoptable(&self, key: &KeyRow) -> Result<Result<(), Invalid>, Error> {
        if let Err(invalid) = adoptable(key) {
            return Ok(Err(invalid));
        }
        let keystore = self.keystore_by_id(&key.keystore_id).await?;
        Ok(self.check_importable(&keystore, key.spec))
    }

    /// Forgets the pointer to a key that the cloud has deleted; the operation looks first, and fails while the key is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that is more than a pointer; [`Error::Busy`].
    pub async fn forget_key(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let key = self.key(principal, id_or_name).await?;
        if key.ties.custody != Custody::Native {
            let reason = "is more than a pointer: its material is, or was, in the vault, and its record stays";
            let refused = Invalid::new("key", reason, format!("Delete it: `keystead key schedule-deletion {}`.", key.name));
            return Err(self.refuse(principal, "key.forget", "custody", &key, refused.into()).await);
        }
        let saga = Saga::ForgetKey(ForgetKey { key: Stored(key.id.clone()) });
        self.begin(principal, request, key, saga, Box::new(|_| Ok(()))).await
    }
}

/// Whether a key is one that can be adopted, whatever its kind.
fn adoptable(key: &KeyRow) -> Result<(), Invalid> {
    if key.ties.custody != Custody::Native {
        return Err(Invalid::new("key", "cannot be adopted: its material is in the vault already", "Renew it: `keystead key renew NAME`."));
    }
    if !key.is_current {
        return Err(Invalid::new(
            "key",
            "is not the current key of its lineage",
            "Its successor has taken over already: name the key instead of giving its id.",
        ));
    }
    if key.ties.role != RegionRole::Single {
        let reason = "cannot be adopted: it is a multi-Region key, and a successor in this Region alone would leave its relatives in the others behind";
        return Err(Invalid::new("key", reason, "Make a key of your own with `keystead key create`, and move the aliases in each Region."));
    }
    Ok(())
}
