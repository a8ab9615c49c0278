//! A change of a plan, judged by the rules of the command that would do it, on things as they will stand behind the changes before it. Nothing is written, nothing is told to the
//! audit log, and no cloud is called.

use std::collections::BTreeMap;

use keystead_domain::{
    AlertChannels, Aliases, Event, Invalid, KeyId, KeyState, KeystoreId, Timestamp,
    estate::{self, Action, Change, KeyUpdate, NewReplica, Place},
    keystore::KeystoreState,
};
use keystead_identity::Principal;
use keystead_operations::{
    Saga,
    saga::{add_replica::AddReplica, create_key::CreateKey},
    stored::Stored,
};
use keystead_store::{StoreError, Tx, keys::KeyRow, keystores::KeystoreRow, lineages};

use crate::{
    App, Error,
    batches::foresee::{Foreseen, Work},
    drift::check_wish,
    keys::{
        create::{Material, NewKey, Terms},
        family::suggested_name,
        lifecycle::{Ask, judge},
        rules::check_rotated_by_policy,
        update::{AliasChange, KeyChange},
    },
};

const NOTHING: Work = Work { steps: Vec::new(), keys_charged: 0 };

/// How things will stand behind the changes so far.
pub(super) struct Stage {
    pub keys: BTreeMap<KeyId, KeyRow>,
    /// Keys that the plan itself makes, by name.
    pub made: BTreeMap<String, KeyRow>,
    pub keystores: BTreeMap<String, KeystoreRow>,
}

impl Stage {
    fn key(&self, change: &Change) -> Option<&KeyRow> {
        match &change.key {
            Some(id) => self.keys.get(id),
            None => self.made.get(change.subject.name()),
        }
    }

    fn primary(&self, new: &NewReplica) -> Option<&KeyRow> {
        match &new.primary_id {
            Some(id) => self.keys.get(id),
            None => self.made.get(&new.primary),
        }
    }

    fn keystore(&self, name: &str) -> Result<&KeystoreRow, Error> {
        self.keystores.get(name).ok_or_else(|| Error::NotFound { what: "keystore", name: name.to_owned() })
    }

    fn keep(&mut self, key: KeyRow) {
        match self.made.get_mut(&key.name).filter(|made| made.id == key.id) {
            Some(made) => *made = key,
            None => drop(self.keys.insert(key.id.clone(), key)),
        }
    }
}

impl App {
    /// What a change comes to, behind those before it, by the rules of its own command; what the command would refuse is the error.
    pub(super) async fn judge_change(&self, principal: &Principal, stage: &mut Stage, change: &Change) -> Result<Work, Error> {
        match &change.action {
            Action::CreateKeystore(place) => self.judge_keystore(principal, stage, change.subject.name(), place),
            Action::SetDrift(drift) => {
                let below = |invalid: Invalid| Invalid { field: format!("drift.{}", invalid.field), ..invalid };
                check_wish(drift.every, drift.auto_repair).map_err(below)?;
                Ok(NOTHING)
            }
            Action::SetAlerts(channels) => {
                channels.demand_known("alerts", self.alert_channels())?;
                Ok(NOTHING)
            }
            Action::SetRotation(_) => {
                if let Some(key) = stage.key(change) {
                    check_rotated_by_policy(key).map_err(|(_, refused)| Invalid { field: "rotation".to_owned(), ..refused })?;
                }
                Ok(NOTHING)
            }
            Action::SetWarm(_) | Action::ClearRotation => Ok(NOTHING),
            Action::CreateKey(new) => self.judge_new(principal, stage, new).await,
            Action::AddReplica(new) => self.judge_replica(stage, new).await,
            Action::Update(update) => self.judge_changed(stage, change, update).await,
            Action::CancelDeletion => self.judge_asked(principal, stage, change, Ask::CancelDeletion, KeyState::Inactive).await,
            Action::Activate => self.judge_asked(principal, stage, change, Ask::Activate, KeyState::Active).await,
            Action::Deactivate => self.judge_asked(principal, stage, change, Ask::Deactivate, KeyState::Inactive).await,
            Action::ScheduleDeletion(days) => self.judge_asked(principal, stage, change, Ask::ScheduleDeletion(*days), KeyState::PendingDeletion).await,
        }
    }

    fn judge_keystore(&self, principal: &Principal, stage: &mut Stage, name: &str, place: &Place) -> Result<Work, Error> {
        let row = KeystoreRow {
            id: KeystoreId::new(self.now(), self.random()),
            account_id: principal.account.clone(),
            name: name.to_owned(),
            state: KeystoreState::Active,
            cloud: place.cloud.clone(),
            location: self.location(&place.cloud, place.location.clone())?,
            created_at: self.now(),
            created_by: principal.user.to_string(),
            deleted_at: None,
            swept_at: self.now(),
            alert_channels: AlertChannels::All,
        };
        stage.keystores.insert(row.name.clone(), row);
        Ok(NOTHING)
    }

    async fn judge_new(&self, principal: &Principal, stage: &mut Stage, new: &estate::NewKey) -> Result<Work, Error> {
        let new = self.checked_alone(new_key(new, self.now()))?;
        let keystore = stage.keystore(&new.keystore)?.clone();
        self.check_there(&keystore, &new)?;
        self.demand_free(stage, &keystore, Some(new.name.as_str()), &new.aliases).await?;
        let (key, lineage) = self.rows(principal, &keystore, &new, self.now());
        let key = KeyRow { state: KeyState::Active, enabled: true, material_present: true, ..key };
        let saga = Saga::CreateKey(CreateKey {
            key: Stored(key.id.clone()),
            lineage: Stored(lineage.id),
            aliases: lineage.aliases.into(),
            expires: key.expires_at.map(Into::into),
            copy_of: None,
            forgets: false,
            ceremony: None,
        });
        stage.made.insert(key.name.clone(), key.clone());
        Ok(steps_at(&key.keystore_id, &saga, 1))
    }

    async fn judge_replica(&self, stage: &mut Stage, new: &NewReplica) -> Result<Work, Error> {
        let keystore = stage.keystore(&new.keystore)?.clone();
        let primary = stage.primary(new).ok_or_else(|| Error::NotFound { what: "key", name: new.primary.clone() })?.clone();
        if new.primary_id.is_none() {
            self.catalog.check_multi_region(&keystore.cloud, &keystore.location)?;
            self.catalog.check_importable(&keystore.location, primary.spec)?;
        } else {
            self.check_replica(&primary, &keystore).await?;
        }
        let aliases = new.aliases.clone().unwrap_or_else(|| primary.aliases.clone());
        let name = match &new.name {
            Some(name) => name.clone(),
            None => suggested_name(&primary.name, &keystore.location.region)?,
        };
        self.demand_free(stage, &keystore, Some(name.as_str()), &aliases).await?;
        let saga = Saga::AddReplica(AddReplica {
            replica: Stored(primary.id.clone()),
            primary: Stored(primary.id.clone()),
            lineage: Stored(primary.lineage_id.clone()),
            aliases: aliases.into(),
            expires: primary.expires_at.map(Into::into),
        });
        Ok(steps_at(&keystore.id, &saga, 1))
    }

    /// A name that nobody bears, and aliases that nobody has whom the plan does not know: a lineage whose current key is gone, while its predecessors are not. What a key of
    /// the plan gives up, is its matter.
    async fn demand_free(&self, stage: &Stage, keystore: &KeystoreRow, name: Option<&str>, aliases: &Aliases) -> Result<(), Error> {
        let (account, place, wanted, asked) = (keystore.account_id.clone(), keystore.id.clone(), aliases.clone(), name.map(str::to_owned));
        let look = move |tx: &mut Tx<'_>| {
            let is_taken = asked.as_ref().map_or(Ok(false), |name| lineages::is_name_taken(tx, &account, name))?;
            let holders: Result<Vec<_>, StoreError> = wanted.iter().map(|alias| Ok((alias.with_prefix(), lineages::by_alias(tx, &place, alias)?))).collect();
            Ok::<_, StoreError>((is_taken, holders?))
        };
        let (is_taken, holders) = self.store().read("lineages.is_name_taken", look).await?;
        if is_taken {
            return Err(Error::Taken { field: "name", value: name.unwrap_or_default().to_owned() });
        }
        let strange = holders.into_iter().find(|(_, holder)| holder.as_ref().is_some_and(|holder| !stage.keys.contains_key(&holder.current_key_id)));
        strange.map_or(Ok(()), |(alias, _)| Err(Error::Taken { field: "aliases", value: alias }))
    }

    async fn judge_changed(&self, stage: &mut Stage, change: &Change, update: &KeyUpdate) -> Result<Work, Error> {
        let Some(key) = stage.key(change).cloned() else { return Ok(NOTHING) };
        if let (Some(aliases), Some(keystore)) = (&update.aliases, stage.keystores.get(&key.keystore_name)) {
            self.demand_free(stage, keystore, None, aliases).await?;
        }
        let judged = self.judge_update(&key, key_change(update, self.now())).await?;
        let Some(saga) = judged.map_err(|(_, error)| error)? else { return Ok(NOTHING) };
        let after = saga.after.clone();
        let work = self.worked(&key, &Saga::UpdateKey(Box::new(saga)), 0).await?;
        stage.keep(KeyRow { aliases: after.aliases.0, description: after.description, expires_at: after.expires.map(Into::into), ..key });
        Ok(work)
    }

    async fn judge_asked(&self, principal: &Principal, stage: &mut Stage, change: &Change, ask: Ask, to: KeyState) -> Result<Work, Error> {
        let Some(key) = stage.key(change).cloned() else { return Ok(NOTHING) };
        judge(&key, ask).map_err(|(_, error)| *error)?;
        // The deletion of its last replica, which goes before it, is not so yet.
        if change.waits_for.is_empty() || ask.event() != Event::ScheduleDeletion {
            self.judge_reach(&key, ask.event()).await??;
        }
        let keys_charged = match ask.event() {
            Event::ScheduleDeletion => -1,
            Event::CancelDeletion => 1,
            _ => 0,
        };
        let primary = self.primary_of(&key).await?;
        let (saga, _) = self.plan(principal, &key, primary.as_ref(), ask).await?;
        let work = self.worked(&key, &saga, keys_charged).await?;
        let is_there = to == KeyState::Active;
        stage.keep(KeyRow { state: to, enabled: is_there, material_present: is_there, ..key });
        Ok(work)
    }

    async fn worked(&self, key: &KeyRow, saga: &Saga, keys_charged: i64) -> Result<Work, Error> {
        match self.work(key, saga, keys_charged).await? {
            Foreseen::Changes(work) => Ok(work),
            Foreseen::AlreadySo | Foreseen::Refused(_) => Ok(NOTHING),
        }
    }
}

fn steps_at(at: &KeystoreId, saga: &Saga, keys_charged: i64) -> Work {
    Work { steps: saga.shape().steps().into_iter().map(|planned| (at.clone(), planned.step)).collect(), keys_charged }
}

/// A new key as its command asks for it.
pub(super) fn new_key(new: &estate::NewKey, now: Timestamp) -> NewKey {
    NewKey {
        name: new.name.clone(),
        keystore: new.keystore.clone(),
        spec: new.spec,
        usage: Some(new.usage),
        aliases: new.aliases.clone(),
        description: new.description.clone(),
        tags: new.tags.clone(),
        expires: new.expires.at(now),
        expiry_policy: new.expiry_policy,
        material: Material::Generate,
        expected: None,
        terms: Terms { exportable: new.exportable, kept: true },
        multi_region: new.multi_region,
    }
}

/// A change of properties as its command asks for it.
pub(super) fn key_change(update: &KeyUpdate, now: Timestamp) -> KeyChange {
    KeyChange {
        name: None,
        aliases: AliasChange { all: update.aliases.clone(), ..AliasChange::default() },
        description: update.description.clone(),
        tags: update.tags.clone(),
        expires: update.expires.map(|end| end.at(now)),
        expiry_policy: update.expiry_policy,
        exportable: update.forbids_export.then_some(false),
    }
}
