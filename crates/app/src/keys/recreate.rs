//! A key that its cloud no longer has is made anew with the same material (FX-003). What cannot come back is told before and behind it.

use keystead_domain::{
    Custody, Event, Invalid, KeyState, RegionRole, Timestamp, Verdict,
    drift::Attribute,
    key::recreation::{lost, regained},
    verdict,
};
use keystead_identity::Principal;
use keystead_operations::{
    kill::expiry_of,
    recreation::{Start, start_of},
    sync::View,
};
use keystead_store::{StoreError, Tx, drifts, keys::KeyRow, views};

use super::{
    action_of,
    lifecycle::{TRIES, check_current},
};
use crate::{App, Error, Request, Started, who};

/// What whoever's key waits for its policy is told.
pub const WAITS: &str = "The new key waits INACTIVE, without material: the policy of the old one was not AWS's default, or no sync has seen it. Put the policy back with \
    `aws kms put-key-policy` and sync the keystore, or take the new one for wanted with `keystead drift accept` (behind a sync `keystead drift list --key NAME` has both); \
    then `keystead key activate NAME`. Until then it is refused.";
/// What whoever's key was out of use is told.
pub const OUT_OF_USE: &str = "The new key is INACTIVE, without material, as the old one was out of use. Bring it back with `keystead key activate NAME`.";

/// What making a key anew would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recreation {
    /// The key that is gone.
    pub key: KeyRow,
    /// Since when it is known to be gone; `None`: it is not known to be.
    pub gone_since: Option<Timestamp>,
    /// The state of the new key.
    pub becomes: KeyState,
    /// Whether it is given its material, or waits.
    pub start: Start,
    /// Until when its material will live.
    pub expires: Option<Timestamp>,
    /// The policy that the old one was wanted to have; `None`: no sync has seen it.
    pub policy: Option<String>,
    /// What works again.
    pub regained: Vec<&'static str>,
    /// What cannot come back.
    pub lost: Vec<&'static str>,
    /// What is to be done behind it.
    pub next: Option<&'static str>,
}

impl App {
    /// What making a key anew would come to. Nothing is changed, and no cloud is called.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongState`], and [`Error::Invalid`] for a key that cannot be made anew.
    pub async fn recreation(&self, principal: &Principal, id_or_name: &str) -> Result<Recreation, Error> {
        let key = self.key(principal, id_or_name).await?;
        recreatable(&key).map_err(|(_, error)| *error)?;
        self.outlook_of(key).await
    }

    /// Makes a key anew. The operation looks first whether it is gone, and fails while it is there.
    ///
    /// # Errors
    /// The same, also when no sync has seen that it is gone; [`Error::Busy`].
    pub async fn recreate_key(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        for _ in 0..TRIES {
            let key = self.key(principal, id_or_name).await?;
            match self.try_recreate(principal, request, key).await {
                Err(Error::MovedOn) => {}
                Err(error) => return Err(self.or_root_changed(error).await),
                begun => return begun,
            }
        }
        Err(self.or_root_changed(Error::MovedOn).await)
    }

    /// What whoever made this key anew is told behind it; to be asked before it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn recreation_warnings(&self, principal: &Principal, id_or_name: &str) -> Result<Vec<&'static str>, Error> {
        let key = self.key(principal, id_or_name).await?;
        let Recreation { lost, next, .. } = self.outlook_of(key).await?;
        Ok(lost.into_iter().chain(next).collect())
    }

    async fn try_recreate(&self, principal: &Principal, request: &Request, key: KeyRow) -> Result<Started, Error> {
        if let Err((rule, error)) = recreatable(&key) {
            // The same request may have brought the key there.
            if let Some(earlier) = self.earlier(principal, request).await? {
                return Ok(earlier);
            }
            return Err(self.refuse(principal, action_of(Event::Recreate), rule, &key, *error).await);
        }
        let outlook = self.outlook_of(key.clone()).await?;
        if outlook.gone_since.is_none() {
            let mend = format!("Run `keystead keystore sync {}` first, and ask again when `keystead drift list` has its `vanished`.", key.keystore_name);
            let error = Invalid::new("key", "is not known to be gone: no sync has missed it in its cloud", mend);
            return Err(self.refuse(principal, action_of(Event::Recreate), "seen-to-be-gone", &key, error.into()).await);
        }
        let expires = outlook.expires.map(Into::into);
        let prepared = self.engine.prepare_recreation(&key, &who(principal), expires, outlook.start).await?;
        let saga = prepared.saga();
        self.begin(principal, request, key, saga, Box::new(move |tx| Ok(prepared.write(tx)?))).await
    }

    async fn outlook_of(&self, key: KeyRow) -> Result<Recreation, Error> {
        let (id, keystore) = (key.id.clone(), self.keystore_by_id(&key.keystore_id).await?);
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((views::of(tx, &id)?, drifts::open_of_key(tx, &id)?));
        let (view, open) = self.store().read("keys.recreation", look).await?;
        let policy = view.and_then(|view| View::read(view.baseline.as_deref().unwrap_or(&view.facts)).policy).filter(|policy| !policy.is_empty());
        let start = start_of(key.state, policy.as_deref(), &keystore.location.account);
        Ok(Recreation {
            gone_since: open.iter().find(|drift| drift.attribute == Attribute::Vanished).map(|drift| drift.found_at),
            becomes: if start == Start::AtOnce { KeyState::Active } else { KeyState::Inactive },
            start,
            expires: expiry_of(&key, self.now()).map(Timestamp::from),
            policy,
            regained: regained(key.spec, key.usage),
            lost: lost(key.spec, key.usage),
            next: next(start),
            key,
        })
    }
}

/// What is to be done behind it.
fn next(start: Start) -> Option<&'static str> {
    match start {
        Start::AtOnce => None,
        Start::OutOfUse => Some(OUT_OF_USE),
        Start::AwaitsPolicy => Some(WAITS),
    }
}

/// Whether a key can be made anew, by the key alone: or the rule that refuses and its words. A pure function.
fn recreatable(key: &KeyRow) -> Result<(), (&'static str, Box<Error>)> {
    let refuse = |rule: &'static str, reason: &str, mend: String| Err((rule, Box::new(Error::Invalid(Invalid::new("key", reason, mend)))));
    if verdict(key.state, Event::Recreate) == Verdict::Refused {
        return Err(("lifecycle-table", Error::WrongState { key: key.name.clone(), state: key.state, event: Event::Recreate }.into()));
    }
    if let Err(refused) = check_current(key) {
        return Err(("current-key", Box::new(refused.into())));
    }
    if key.is_in_vault() {
        return refuse("key-has-a-cloud", "lives in the vault, where nothing is lost", "Nothing is needed.".to_owned());
    }
    if key.ties.role != RegionRole::Single {
        let mend = "Renew the primary, which makes the whole family anew with new material (`keystead key renew`); or remove the replica here (`keystead key replica remove`) and add it again.";
        return refuse("single-region", "is a multi-Region key, and one made anew would have another id than the rest of its family", mend.to_owned());
    }
    match key.ties.custody {
        Custody::Own => Ok(()),
        Custody::Linked => {
            let mend = format!(
                "Make another copy with `keystead key copy SOURCE --to {}`, then `keystead key schedule-deletion {}` for this one.",
                key.keystore_name, key.name
            );
            refuse("material-is-its-own", "is a copy: its material is another key's", mend)
        }
        Custody::Native => {
            let mend = format!("Its material went with it. Make another key with `keystead key create`; `keystead key forget {}` ends this record.", key.name);
            refuse("custody", "has its material in its cloud alone, and the vault has none", mend)
        }
    }
}
