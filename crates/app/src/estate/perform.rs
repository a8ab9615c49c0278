//! One change of an apply is done: asked of the use-case that its own command asks, and tied to its operation by the transaction of the intent.

use keystead_domain::{
    KeyId, KeyState, Name,
    estate::{Action, NewReplica, Place},
};
use keystead_identity::Principal;
use keystead_operations::Problem;
use keystead_store::{
    estates::{AppliedChange, ApplyRow, ChangeRow},
    keystores::KeystoreRow,
};

use super::{
    judge::{key_change, new_key},
    stored,
};
use crate::{
    App, Error, Request, Started,
    keys::{family, lifecycle::Ask, rotation::Target},
    keystores::NewKeystore,
    request::{Item, ItemOf},
};

/// What became of the beginning of a change.
pub(super) enum Begun {
    /// Its operation runs.
    Runs,
    /// It is done.
    Done,
    /// It was so already.
    AlreadySo,
}

impl App {
    /// Does a change, or begins the operation that does.
    pub(super) async fn perform(&self, apply: &ApplyRow, asker: &Principal, change: &AppliedChange) -> Result<Begun, Error> {
        let row = &change.row;
        let action = stored::from_json(&row.change)?;
        if action.is_immediate() {
            return self.perform_at_once(asker, row, action).await.map(|()| Begun::Done);
        }
        let began = self.waited_until(row).await?.unwrap_or(apply.created_at);
        let item = Item { of: ItemOf::Apply(apply.id.clone()), position: row.position, began };
        let request = Request { idempotency: None, item: Some(item) };
        let key = row.key_id.as_ref().map_or(row.name.as_str(), |id| id.as_str());
        let started = match action {
            Action::CreateKey(new) => self.create_key(asker, &request, new_key(&new, self.now())).await?,
            Action::AddReplica(new) => self.add_replica(asker, &request, new.primary_id.as_ref().map_or(new.primary.as_str(), KeyId::as_str), replica(&new)).await?,
            Action::Update(update) => self.update_key(asker, &request, key, key_change(&update, self.now())).await?,
            Action::CancelDeletion => self.ask(asker, &request, key, Ask::CancelDeletion).await?,
            Action::Activate => {
                self.demand_not_taken_out(asker, &request, key).await?;
                self.ask(asker, &request, key, Ask::Activate).await?
            }
            Action::Deactivate => self.ask(asker, &request, key, Ask::Deactivate).await?,
            Action::ScheduleDeletion(days) => self.ask(asker, &request, key, Ask::ScheduleDeletion(days)).await?,
            _ => return Err(Error::Internal("a change that is none of a key".to_owned())),
        };
        Ok(if matches!(started, Started { operation: Some(_), .. }) { Begun::Runs } else { Begun::AlreadySo })
    }

    /// A key that somebody took out of use since the apply began is not brought back by it.
    async fn demand_not_taken_out(&self, asker: &Principal, request: &Request, key: &str) -> Result<(), Error> {
        let key = self.key(asker, key).await?;
        let is_newly_out = request.item.as_ref().is_some_and(|item| key.state == KeyState::Inactive && key.updated_at > item.began);
        if !is_newly_out {
            return Ok(());
        }
        let detail = "The key was taken out of use, or changed, since the apply began.";
        Err(Error::Problem(Problem::new("taken-out", detail.to_owned(), "Plan again, and look at it: apply it if it is still wanted.")))
    }

    /// What is one transaction of the database: done twice it is as done once.
    async fn perform_at_once(&self, asker: &Principal, row: &ChangeRow, action: Action) -> Result<(), Error> {
        match action {
            Action::CreateKeystore(place) => self.make_keystore(asker, row, place).await,
            Action::SetWarm(on) => self.set_warm(asker, &row.name, on).await.map(drop),
            Action::SetDrift(drift) => self.set_drift_policy(asker, &row.name, drift.every, drift.auto_repair).await.map(drop),
            Action::SetRotation(wish) => self.set_rotation(asker, &target(row), *wish).await.map(drop),
            Action::ClearRotation => self.clear_rotation(asker, &target(row)).await.map(drop),
            _ => Err(Error::Internal("a change that needs an operation".to_owned())),
        }
    }

    async fn make_keystore(&self, asker: &Principal, row: &ChangeRow, place: Place) -> Result<(), Error> {
        match self.active_keystore(asker, &row.name).await {
            // A crash came between its making and the note of it.
            Ok(there) if is_there(&there, &place) => Ok(()),
            Ok(there) => Err(Error::Taken { field: "name", value: there.name }),
            Err(Error::NotFound { .. }) => {
                let new = NewKeystore { name: Name::parse(&row.name)?, cloud: place.cloud.clone(), location: place.location.clone() };
                match self.create_keystore(asker, new).await {
                    // Another node was faster, perhaps with the same one.
                    Err(taken @ Error::Taken { .. }) => {
                        let there = self.active_keystore(asker, &row.name).await?;
                        if is_there(&there, &place) { Ok(()) } else { Err(taken) }
                    }
                    made => made.map(drop),
                }
            }
            Err(error) => Err(error),
        }
    }
}

fn is_there(there: &KeystoreRow, place: &Place) -> bool {
    let is = Place { cloud: there.cloud.clone(), location: there.location.clone() }.told();
    place.told().iter().all(|field| is.contains(field))
}

fn target(row: &ChangeRow) -> Target {
    match row.subject.as_str() {
        "keystore" => Target::Keystore(row.name.clone()),
        "key" => Target::Key(row.key_id.as_ref().map_or_else(|| row.name.clone(), ToString::to_string)),
        _ => Target::Default,
    }
}

fn replica(new: &NewReplica) -> family::NewReplica {
    family::NewReplica {
        keystore: new.keystore.clone(),
        name: new.name.clone(),
        aliases: new.aliases.clone(),
        description: new.description.clone(),
        tags: new.tags.clone(),
    }
}
