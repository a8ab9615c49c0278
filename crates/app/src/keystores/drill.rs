//! Drills of a keystore's kill switch: how often, and what came of them (FT-019). The schedule does them.

use std::collections::BTreeSet;

use keystead_domain::{Invalid, KeyId, Timestamp, drill::CANARY_TAG, time::SECOND};
use keystead_identity::{Action, Principal};
use keystead_operations::schedule::drills::{confirmed_with, tagged};
use keystead_store::{
    StoreError, Tx,
    drills::{self, DrillPolicyRow, DrillRow},
    keys,
    keys::KeyRow,
    keystores::KeystoreRow,
    page::{Listed, Page},
};

use crate::{App, Error, permit};

/// The audit log's word.
const SET: &str = "keystore.set-drill";

/// How a keystore is drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoreDrill {
    /// The keystore.
    pub keystore: KeystoreRow,
    /// How often; `None`: not at all.
    pub policy: Option<DrillPolicyRow>,
    /// The names of the keys that are killed: they have the tag, and had it when the drill was set.
    pub canaries: Vec<String>,
    /// The names of those that have the tag and are not confirmed: they are not killed.
    pub unconfirmed: Vec<String>,
    /// When the kill switch was last shown to work.
    pub last_success: Option<Timestamp>,
}

/// A drill with the name of its canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// The row.
    pub row: DrillRow,
    /// The canary's name.
    pub key_name: Option<String>,
}

impl App {
    /// How a keystore is drilled.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn drill(&self, principal: &Principal, keystore: &str) -> Result<KeystoreDrill, Error> {
        let keystore = self.active_keystore(principal, keystore).await?;
        let look = move |tx: &mut Tx<'_>| {
            let confirmed = drills::canaries(tx, &keystore.id)?;
            let (canaries, unconfirmed): (Vec<_>, Vec<_>) = tagged(tx, &keystore.id)?.into_iter().partition(|key| confirmed.contains(&key.id));
            let names = |keys: Vec<KeyRow>| keys.into_iter().map(|key| key.name).collect();
            let (policy, last_success) = (drills::policy_of(tx, &keystore.id)?, drills::last_success(tx, &keystore.id)?);
            Ok::<_, StoreError>(KeystoreDrill { keystore: keystore.clone(), policy, canaries: names(canaries), unconfirmed: names(unconfirmed), last_success })
        };
        Ok(self.store().read("drills.of", look).await?)
    }

    /// Says how often a keystore's canaries are killed and restored, and how long its cloud may take to refuse one; the first drill begins at once. The canaries are those
    /// keys that have the tag now. Without a span there are no more drills; what runs is restored all the same.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for a keystore that is in no cloud or has no canary.
    pub async fn set_drill(&self, principal: &Principal, keystore: &str, every: Option<i64>, within: i64) -> Result<KeystoreDrill, Error> {
        let found = self.active_keystore(principal, keystore).await?;
        let confirmed = if every.is_some() { self.confirmed(&found).await? } else { BTreeSet::new() };
        if !(SECOND..=86_400 * SECOND).contains(&within) {
            return Err(Invalid::new("within", "is not between a second and a day", "Give a span such as 5m.").into());
        }
        let proof = permit(principal, Action::ManageKeystores, &found.account_id.clone(), ())?;
        let words = self.entry(principal, SET, proof.rule).keystore(&found.id, &found.name);
        let entry = words.detail("every_micros", every.map_or("never".to_owned(), |every| every.to_string())).detail("within_micros", within.to_string());
        let entry = entry.detail("canaries", confirmed.iter().map(KeyId::as_str).collect::<Vec<_>>().join(" ")).done();
        let (id, now, set_by) = (found.id, self.now(), principal.user.to_string());
        let written = self.store().write("drills.set_policy", move |tx| {
            match every {
                Some(every) => {
                    let policy = DrillPolicyRow { keystore_id: id.clone(), every, within, next_at: now, set_at: now, set_by: set_by.clone() };
                    drills::set_policy(tx, &policy)?;
                }
                None => drills::clear_policy(tx, &id)?,
            }
            drills::set_canaries(tx, &id, confirmed.iter())?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        });
        written.await?;
        self.drill(principal, keystore).await
    }

    /// What a drill may take out of use from now on.
    async fn confirmed(&self, keystore: &KeystoreRow) -> Result<BTreeSet<KeyId>, Error> {
        if keystore.is_vault() {
            let mend = "Name a keystore of a cloud: a kill takes keys out of use there.";
            return Err(Invalid::new("keystore", "is the vault, where nobody uses a key", mend).into());
        }
        let id = keystore.id.clone();
        let look = move |tx: &mut Tx<'_>| {
            let canaries = tagged(tx, &id)?;
            confirmed_with(tx, &canaries)
        };
        let confirmed = self.store().read("drills.canaries", look).await?;
        if confirmed.is_empty() {
            let reason = format!("has no key in use with the tag {CANARY_TAG}, and no other key is ever killed by a drill");
            let mend = format!("Make one: `keystead key create canary --keystore {} --tag {CANARY_TAG}=yes`.", keystore.name);
            return Err(Invalid::new("keystore", reason, mend).into());
        }
        Ok(confirmed)
    }

    /// A page of a keystore's drills, the newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn drills(&self, principal: &Principal, keystore: &str, page: Page) -> Result<Listed<Drill>, Error> {
        let keystore = self.active_keystore(principal, keystore).await?;
        let look = move |tx: &mut Tx<'_>| {
            let listed = drills::list(tx, &keystore.id, &page)?;
            let named = listed.rows.into_iter().map(|row| {
                let key = row.key_id.as_ref().map_or(Ok(None), |id| keys::by_id(tx, id))?;
                Ok(Drill { row, key_name: key.map(|key| key.name) })
            });
            Ok::<_, StoreError>(Listed { rows: named.collect::<Result<Vec<_>, StoreError>>()?, next: listed.next })
        };
        Ok(self.store().read("drills.list", look).await?)
    }
}
