//! One change of an apply is done: asked of the use-case that its own command asks, and tied to its operation by the transaction of the intent.

use keystead_domain::{
    AlertChannels, ApplyId, KeyId, KeyState, Name, Timestamp,
    batch::ItemState,
    estate::{Action, NewReplica, Place},
};
use keystead_identity::Principal;
use keystead_operations::{Problem, Saga};
use keystead_store::{
    StoreError, Tx, estates,
    estates::{AppliedChange, ApplyRow, ChangeRow},
    keys,
    keystores::KeystoreRow,
    operations,
    operations::OperationRow,
    page::Page,
};

use super::{
    judge::{key_change, new_key},
    stored,
};
use crate::{
    App, Error, Request, Started,
    keys::{family, lifecycle::Ask, rotation::Target},
    keystores::{NewKeystore, update::KeystoreChange},
    request::{Item, ItemOf},
};

/// So many operations of one apply are looked at.
const RUNS_MAX: u32 = 1000;

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
        if matches!(action, Action::Activate) {
            self.demand_not_taken_out(row, began).await?;
        }
        let seen = self.seen_again(row).await?;
        let item = Item { of: ItemOf::Apply(apply.id.clone()), position: row.position, began, seen };
        let request = Request { idempotency: None, item: Some(item) };
        let key = row.key_id.as_ref().map_or(row.name.as_str(), |id| id.as_str());
        let started = match action {
            Action::CreateKey(new) => self.create_key(asker, &request, new_key(&new, self.now())).await?,
            Action::AddReplica(new) => {
                self.add_replica(asker, &request, new.primary_id.as_ref().map_or(new.primary.as_str(), KeyId::as_str), replica(&new)).await?
            }
            Action::Update(update) => self.update_key(asker, &request, key, key_change(&update, self.now())).await?,
            Action::CancelDeletion => self.ask(asker, &request, key, Ask::CancelDeletion).await?,
            Action::Activate => self.ask(asker, &request, key, Ask::Activate).await?,
            Action::Deactivate => self.ask(asker, &request, key, Ask::Deactivate).await?,
            Action::ScheduleDeletion(days) => self.ask(asker, &request, key, Ask::ScheduleDeletion(days)).await?,
            _ => return Err(Error::Internal("a change that is none of a key".to_owned())),
        };
        Ok(if matches!(started, Started { operation: Some(_), .. }) { Begun::Runs } else { Begun::AlreadySo })
    }

    /// A key that somebody took out of use since the apply began is not brought back by it.
    async fn demand_not_taken_out(&self, row: &ChangeRow, began: Timestamp) -> Result<(), Error> {
        let Some(id) = row.key_id.clone() else { return Ok(()) };
        let key = self.store().read("keys.by_id", move |tx| keys::by_id(tx, &id)).await?;
        if !key.is_some_and(|key| key.state == KeyState::Inactive && key.updated_at > began) {
            return Ok(());
        }
        let detail = "The key was taken out of use, or changed, since the apply began.";
        Err(Error::Problem(Problem::new("taken-out", detail.to_owned(), "Plan again, and look at it: apply it if it is still wanted.")))
    }

    /// The revision that the key of a change must have: the one that the plan saw, or that the last operation of this apply left. A key that somebody else changed since is not
    /// touched; while an operation of this apply has it, nobody knows yet.
    async fn seen_again(&self, row: &ChangeRow) -> Result<Option<i64>, Error> {
        let (Some(id), of, before) = (row.key_id.clone(), row.apply_id.clone(), row.position.saturating_sub(1)) else { return Ok(None) };
        let look = move |tx: &mut Tx<'_>| {
            let page = Page { after: Some(before.to_string()), limit: 1 };
            let seen = estates::changes(tx, &of, None, &page)?.rows.into_iter().next().and_then(|change| change.row.seen_revision);
            let now = keys::by_id(tx, &id)?.map(|key| key.revision);
            let is_free = seen.is_none() || seen == now || !is_in_hand(tx, &of, &id)?;
            Ok::<_, StoreError>((seen, now, is_free))
        };
        match self.store().read("estates.seen", look).await? {
            (seen, now, _) if seen.is_none() || seen == now => Ok(seen),
            (_, _, false) => Err(Error::MovedOn),
            _ => {
                let detail = "Somebody changed the key since the plan was made. It was not touched.";
                Err(Error::Problem(Problem::new("key-moved", detail, "Plan again, and look at it: apply what is still wanted.")))
            }
        }
    }

    /// What is one transaction of the database: done twice it is as done once.
    async fn perform_at_once(&self, asker: &Principal, row: &ChangeRow, action: Action) -> Result<(), Error> {
        match action {
            Action::CreateKeystore(place) => self.make_keystore(asker, row, place).await,
            Action::SetWarm(on) => self.set_warm(asker, &row.name, on).await.map(drop),
            Action::SetDrift(drift) => self.set_drift_policy(asker, &row.name, drift.every, drift.auto_repair).await.map(drop),
            Action::SetAlerts(channels) => self.update_keystore(asker, &row.name, KeystoreChange { alert_channels: Some(channels) }).await.map(drop),
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
                let (name, Place { cloud, location }) = (Name::parse(&row.name)?, place.clone());
                let new = NewKeystore { name, cloud, location, alert_channels: AlertChannels::All };
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

/// Whether an operation of an apply has a key, or had it and its end is not written down yet.
fn is_in_hand(tx: &mut Tx<'_>, apply: &ApplyId, key: &KeyId) -> Result<bool, StoreError> {
    let runs = estates::changes(tx, apply, Some(ItemState::Running), &Page { after: None, limit: RUNS_MAX })?;
    for operation in runs.rows.into_iter().filter_map(|change| change.row.operation_id) {
        if operations::by_id(tx, &operation)?.is_some_and(|operation| touched(&operation).contains(key)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys that an operation changes.
pub(super) fn touched(operation: &OperationRow) -> Vec<KeyId> {
    let saga = serde_json::from_str::<Saga>(&operation.params);
    saga.map_or_else(|_| Vec::new(), |saga| saga.keys().into_iter().cloned().collect())
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
