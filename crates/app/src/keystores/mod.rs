//! Keystores: made, shown, checked, deleted (CM-039, CM-048, CM-049, CM-062, CM-069 to CM-073).

pub mod drill;
pub mod events;
pub mod kill;
pub mod restore;
pub mod sync;
pub mod update;
pub mod warm;

use keystead_audit::Outcome;
use keystead_cloud::ProbeReport;
use keystead_domain::{AlertChannels, Invalid, KeystoreId, Name, keystore, keystore::AwsLocation, keystore::KeystoreState};
use keystead_identity::{Action, Principal};
use keystead_operations::{Saga, health::in_words, saga::delete_keystore::DeleteKeystore, stored::Stored};
use keystead_store::{
    StoreError, Tx, events as queues, health, keys, keystores,
    keystores::KeystoreRow,
    operations,
    page::{Listed, Page},
};

use crate::{App, Error, Request, Started, catalog::Policy, error::TxError, health::KeystoreHealth, permit, who};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeystore {
    /// Name.
    pub name: Name,
    /// The cloud.
    pub cloud: String,
    /// Where in the cloud.
    pub location: AwsLocation,
    /// Which channels hear of it and of its keys.
    pub alert_channels: AlertChannels,
}

impl App {
    /// A keystore by id or name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn keystore(&self, principal: &Principal, id_or_name: &str) -> Result<KeystoreRow, Error> {
        let (account, wanted) = (principal.account.clone(), id_or_name.to_owned());
        let found = self.store().read("keystores.find", move |tx| keystores::find(tx, &account, &wanted)).await?;
        found.ok_or_else(|| Error::NotFound { what: "keystore", name: id_or_name.to_owned() })
    }

    pub(crate) async fn active_keystore(&self, principal: &Principal, id_or_name: &str) -> Result<KeystoreRow, Error> {
        let keystore = self.keystore(principal, id_or_name).await?;
        match keystore.state {
            KeystoreState::Active => Ok(keystore),
            KeystoreState::Deleted => Err(Error::NotFound { what: "keystore", name: id_or_name.to_owned() }),
        }
    }

    pub(crate) async fn keystore_by_id(&self, id: &KeystoreId) -> Result<KeystoreRow, Error> {
        let wanted = id.clone();
        let found = self.store().read("keystores.by_id", move |tx| keystores::by_id(tx, &wanted)).await?;
        found.ok_or_else(|| Error::Internal("a key without a keystore".to_owned()))
    }

    /// A page of keystores.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_keystores(&self, principal: &Principal, page: Page) -> Result<Listed<(KeystoreRow, Option<KeystoreHealth>)>, Error> {
        let (account, every, now) = (principal.account.clone(), self.check_every(), self.now());
        let look = move |tx: &mut Tx<'_>| {
            let Listed { rows, next } = keystores::list(tx, &account, &page)?;
            let mut known = health::keystores(tx, &account, now)?;
            let with_health = |row: KeystoreRow| {
                let known = known.remove(&row.id).unwrap_or_default();
                let health = KeystoreHealth::of(&row, known, every, now);
                (row, health)
            };
            Ok::<_, StoreError>(Listed { rows: rows.into_iter().map(with_health).collect(), next })
        };
        Ok(self.store().read("keystores.list", look).await?)
    }

    /// A keystore by id or name, with its health.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_keystore(&self, principal: &Principal, id_or_name: &str) -> Result<(KeystoreRow, Option<KeystoreHealth>), Error> {
        let row = self.keystore(principal, id_or_name).await?;
        let (account, id, now) = (row.account_id.clone(), row.id.clone(), self.now());
        let known = self.store().read("health.keystores", move |tx| Ok::<_, StoreError>(health::keystores(tx, &account, now)?.remove(&id))).await?;
        let health = KeystoreHealth::of(&row, known.unwrap_or_default(), self.check_every(), now);
        Ok((row, health))
    }

    /// The cloud's partition that a keystore is in; empty when the catalogue no longer takes its place.
    pub fn partition_of(&self, keystore: &KeystoreRow) -> String {
        self.catalog.check_location(&keystore.cloud, &keystore.location).unwrap_or_default()
    }

    /// Makes a keystore. No cloud is called: the role may not exist yet, and `keystore policy` says how to make it.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field; [`Error::Taken`].
    pub async fn create_keystore(&self, principal: &Principal, new: NewKeystore) -> Result<KeystoreRow, Error> {
        let location = self.location(&new.cloud, new.location)?;
        let proof = permit(principal, Action::ManageKeystores, &principal.account, (new.name, location))?;
        new.alert_channels.demand_known("alert_channels", self.alert_channels())?;
        let (name, location) = proof.payload;
        let row = KeystoreRow {
            id: KeystoreId::new(self.now(), self.random()),
            account_id: principal.account.clone(),
            name: name.to_string(),
            state: KeystoreState::Active,
            cloud: new.cloud,
            location,
            created_at: self.now(),
            created_by: principal.user.to_string(),
            deleted_at: None,
            swept_at: self.now(),
            alert_channels: new.alert_channels,
        };
        let entry = self
            .entry(principal, "keystore.create", proof.rule)
            .keystore(&row.id, &row.name)
            .detail("region", row.location.region.clone())
            .detail("cloud_account", row.location.account.clone())
            .detail("cloud", row.cloud.clone())
            .detail("alert_channels", row.alert_channels.told())
            .done();
        let written = row.clone();
        let made = self
            .store()
            .write("keystores.create", move |tx| {
                keystores::insert(tx, &written)?;
                tx.audit(entry.clone());
                Ok::<_, TxError>(())
            })
            .await;
        match made {
            Err(TxError::Store(error)) if error.is_unique("keystores") => {
                Err(self.refuse_taken(self.entry(principal, "keystore.create", "names-are-unique"), "name", row.name).await)
            }
            other => Ok(other.map(|()| row)?),
        }
    }

    /// Where a keystore shall be, checked and complete.
    pub(crate) fn location(&self, cloud: &str, given: AwsLocation) -> Result<AwsLocation, Error> {
        if cloud == keystore::VAULT {
            keystore::check_nowhere(&given)?;
            return Ok(given);
        }
        let partition = self.catalog.check_location(cloud, &given)?;
        keystore::check_account(&given.account)?;
        if let Some(role) = &given.role_arn {
            keystore::check_role_arn(role, &partition, &given.account)?;
        }
        Ok(AwsLocation { external_id: Some(self.external_id(given.external_id)?), ..given })
    }

    /// The external id that was given, or a fresh one: one a keystore, so that no other customer's role can be reached by accident.
    fn external_id(&self, given: Option<String>) -> Result<String, Error> {
        match given {
            Some(given) => {
                keystore::check_external_id(&given)?;
                Ok(given)
            }
            None => Ok(format!("keystead-{}", hex::encode(self.random::<16>()))),
        }
    }

    /// The policies to paste for a keystore (CM-069 to CM-073).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn keystore_policy(&self, principal: &Principal, id_or_name: &str, native: bool) -> Result<(KeystoreRow, Policy), Error> {
        let keystore = self.keystore(principal, id_or_name).await?;
        demand_cloud(&keystore)?;
        let id = keystore.id.clone();
        let queue = self.store().read("events.queue_of", move |tx| queues::queue_of(tx, &id)).await?;
        let policy = self.catalog.policy(&keystore, native, queue.as_ref().map(|queue| queue.queue.as_str()));
        Ok((keystore, policy))
    }

    /// Probes the permissions of a keystore's role: what is missing, what is too much. What was found is an entry of the audit log.
    ///
    /// # Errors
    /// [`Error::Problem`] when the role cannot be assumed or the cloud not be reached.
    pub async fn check_keystore(&self, principal: &Principal, id_or_name: &str) -> Result<ProbeReport, Error> {
        let keystore = self.active_keystore(principal, id_or_name).await?;
        demand_cloud(&keystore)?;
        let proof = permit(principal, Action::ManageKeystores, &keystore.account_id, ())?;
        let checked = self.engine.probe(&keystore).await;
        let words = self.entry(principal, "keystore.check", proof.rule).keystore(&keystore.id, &keystore.name);
        self.engine.keep_check(&keystore, &checked, in_words(words, &checked.probed), false).await?;
        checked.probed.map_err(|error| Error::Problem((&error).into()))
    }

    /// Deletes a keystore whose keys are all deleted (CM-038, CM-062).
    ///
    /// # Errors
    /// [`Error::KeystoreNotEmpty`], [`Error::Busy`].
    pub async fn delete_keystore(&self, principal: &Principal, request: &Request, id_or_name: &str) -> Result<Started, Error> {
        if let Some(earlier) = self.earlier(principal, request).await? {
            return Ok(earlier);
        }
        let keystore = self.keystore(principal, id_or_name).await?;
        if keystore.state == KeystoreState::Deleted {
            let entry = self.entry(principal, "keystore.delete", "lifecycle-table").keystore(&keystore.id, &keystore.name);
            self.tell(entry.detail("no_op", "true").detail("state", "DELETED").done()).await?;
            return Ok(Started { operation: None, key: None });
        }
        let id = keystore.id.clone();
        let (was_used, (count, names), coming_back) = self
            .store()
            .read("keystores.contents", move |tx| {
                Ok::<_, StoreError>((operations::any_in_keystore(tx, &id)?, keys::not_deleted(tx, &id)?, keystores::coming_back(tx, &id)?))
            })
            .await?;
        if count > 0 {
            let entry = self.entry(principal, "keystore.delete", "keystore-is-empty").keystore(&keystore.id, &keystore.name);
            let told = self.tell(entry.outcome(Outcome::Refused).detail("keys", count.to_string()).done()).await;
            return Err(told.err().unwrap_or(Error::KeystoreNotEmpty { keystore: keystore.name, count, names }));
        }
        if let Some(name) = coming_back.first() {
            let entry = self.entry(principal, "keystore.delete", "nothing-comes-back").keystore(&keystore.id, &keystore.name);
            let told = self.tell(entry.outcome(Outcome::Refused).detail("keys", coming_back.join(" ")).done()).await;
            let reason = format!("has keys that a rehearsal or a drill brings back by itself: {}", coming_back.join(", "));
            let mend = format!("End each rehearsal with `keystead key end-rehearsal {name}`, or wait; a drill ends by itself.");
            return Err(told.err().unwrap_or(Invalid::new("keystore", reason, mend).into()));
        }
        let saga = Saga::DeleteKeystore(DeleteKeystore { keystore: Stored(keystore.id.clone()), was_used });
        let proof = permit(principal, Action::ManageKeystores, &keystore.account_id, saga)?;
        let intent = self.engine.intend(&proof.payload, &keystore, &who(principal), proof.rule, request.idempotency.clone());
        let holds = [(keystore.id.to_string(), keystore.name.clone())];
        match self.store().write("keystores.delete", move |tx| Ok::<_, TxError>(intent.write(tx)?)).await {
            Ok(operation) => {
                self.engine.start(operation.clone());
                Ok(Started { operation: Some(operation), key: None })
            }
            Err(error) => self.not_begun(principal, request, error, &holds).await,
        }
    }
}

/// Refuses to ask a cloud about a keystore that is in none.
pub(crate) fn demand_cloud(keystore: &KeystoreRow) -> Result<(), Invalid> {
    if keystore.is_vault() {
        let mend = "Nothing is needed: no role and no permission stands between Keystead and its own vault.";
        return Err(Invalid::new("keystore", "is in the vault and has no cloud to ask", mend));
    }
    Ok(())
}
