//! The runner of batches: takes on what is next, a bounded number in flight in each keystore, and writes down what became of each key. What is to be done is found in
//! the rows, so that it goes on behind any crash; a key's state in the WHERE of its intent's transaction lets it be begun once.
//!
//! It lives here and not beside the schedule, because a batch is somebody asking for many things: each is asked of the use-case that a single command asks, in the name
//! of who began the batch.

use std::collections::BTreeMap;

use keystead_domain::{
    AccountId, KeyState, KeystoreId, UserId,
    batch::{BatchState, IN_FLIGHT_MAX, ItemState, REST, in_flight},
};
use keystead_identity::Principal;
use keystead_operations::{Problem, effort::Calls, words::Who};
use keystead_store::{
    StoreError, Tx, batches,
    batches::{BatchRow, Item},
    keys, users,
};

use super::{
    BatchAction, FINISH, STOP,
    foresee::Foreseen,
    words::{already_so, passes, problem_of},
};
use crate::{
    App, Error, Request, Started,
    keys::{
        lifecycle::Ask,
        waves::{Copies, RotateCopies},
    },
    request::{self, ItemOf},
};

impl App {
    /// One look at all batches: settles what has ended, begins what is next, ends what is done. Answers how many operations it began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_batches(&self) -> Result<usize, Error> {
        let open = self.store().read("batches.open", batches::open).await?;
        let mut begun = 0;
        for batch in open {
            begun += match self.go_on(&batch).await {
                Err(error @ Error::Internal(_)) => {
                    tracing::error!(batch = %batch.id, ?error, "a batch cannot be read and waits");
                    0
                }
                went_on => went_on?,
            };
        }
        Ok(begun)
    }

    async fn go_on(&self, batch: &BatchRow) -> Result<usize, Error> {
        self.settle_items(batch).await?;
        let mut begun = 0;
        if batch.state == BatchState::Running {
            let action = BatchAction::from_json(&batch.action)?;
            match self.asker(batch).await? {
                Some(asker) => begun = self.begin_next(batch, &asker, &action).await?,
                None => self.stop_without_asker(batch).await?,
            }
        }
        self.finish_batch(batch).await?;
        Ok(begun)
    }

    /// Writes down what the operations that have ended came to.
    async fn settle_items(&self, batch: &BatchRow) -> Result<(), Error> {
        let id = batch.id.clone();
        let ended = self.store().read("batches.ended", move |tx| batches::ended(tx, &id)).await?;
        if ended.is_empty() {
            return Ok(());
        }
        let settle = move |tx: &mut Tx<'_>| {
            for Item { row, operation, operation_problem, .. } in &ended {
                let to = if operation.as_deref() == Some("SUCCEEDED") { ItemState::Done } else { ItemState::Failed };
                let problem = operation_problem.as_deref().filter(|_| to == ItemState::Failed);
                match batches::end_item(tx, &row.batch_id, row.position, ItemState::Running, to, problem) {
                    // Another node was faster, and wrote the same.
                    Err(StoreError::MovedOn(_)) => {}
                    other => other?,
                }
            }
            Ok::<_, StoreError>(())
        };
        Ok(self.store().write("batches.settle", settle).await?)
    }

    async fn asker(&self, batch: &BatchRow) -> Result<Option<Principal>, Error> {
        self.if_active(&batch.account_id, &batch.created_by).await
    }

    /// Who began something, if they are still active: it goes on in their name, and not in that of somebody who was locked out.
    pub(crate) async fn if_active(&self, account: &AccountId, user: &str) -> Result<Option<Principal>, Error> {
        let (of, wanted) = (account.clone(), user.to_owned());
        let found = self.store().read("users.find", move |tx| users::find(tx, &of, &wanted)).await?;
        let found = found.filter(|found| found.id.as_str() == user && found.state == "ACTIVE");
        let id = UserId::parse(user).map_err(|invalid| Error::Internal(format!("who began something: {invalid}")))?;
        Ok(found.map(|found| Principal { user: id, account: account.clone(), name: found.name }))
    }

    async fn stop_without_asker(&self, batch: &BatchRow) -> Result<(), Error> {
        let (id, random, now) = (batch.id.clone(), self.engine.parts().random.clone(), self.now());
        let entry = keystead_operations::words::entry(random.as_ref(), now, &batch.account_id, &Who::system(), STOP, "asker-is-active");
        let entry = entry.subject("batch", id.as_str(), "").done();
        let detail = format!("{} began the batch, and is no longer active.", batch.created_by_name);
        let why = Problem::new("asker-inactive", detail, "Begin another batch for what is left, in the name of somebody who is active.");
        let stop = move |tx: &mut Tx<'_>| {
            batches::stop(tx, &id, &why.to_json())?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        };
        match self.store().write("batches.stop", stop).await {
            Ok(()) | Err(StoreError::MovedOn(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn begin_next(&self, batch: &BatchRow, asker: &Principal, action: &BatchAction) -> Result<usize, Error> {
        let id = batch.id.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((batches::waits_in(tx, &id)?, batches::in_flight(tx)?));
        let (places, flying): (Vec<KeystoreId>, BTreeMap<KeystoreId, u32>) = self.store().read("batches.waits_in", look).await?;
        let mut begun = 0;
        for place in places {
            let flying = flying.get(&place).copied().unwrap_or(0);
            begun += self.begin_in(batch, asker, action, place, flying).await?;
        }
        Ok(begun)
    }

    /// Begins what is next in a keystore, as far as there is room.
    async fn begin_in(&self, batch: &BatchRow, asker: &Principal, action: &BatchAction, place: KeystoreId, flying: u32) -> Result<usize, Error> {
        let (id, now, keystore) = (batch.id.clone(), self.now(), place.clone());
        let next = self.store().read("batches.next", move |tx| batches::next(tx, &id, &keystore, now, IN_FLIGHT_MAX)).await?;
        let mut room = None;
        let mut begun = 0;
        for item in next {
            let most = match room {
                Some(most) => most,
                None => *room.insert(self.room(asker, action, &place, &item).await?),
            };
            if flying + begun >= most {
                break;
            }
            begun += u32::from(self.begin_item(batch, asker, action, &item).await?);
        }
        Ok(begun as usize)
    }

    /// How many operations like this key's a keystore's quotas let be in flight.
    async fn room(&self, asker: &Principal, action: &BatchAction, place: &KeystoreId, item: &Item) -> Result<u32, Error> {
        let wanted = item.row.key_id.clone();
        let Some(key) = self.store().read("keys.by_id", move |tx| keys::by_id(tx, &wanted)).await? else { return Ok(IN_FLIGHT_MAX) };
        let mut calls = Calls::default();
        if let Ok(Foreseen::Changes(work)) = self.foresee(asker, &key, action).await {
            work.steps.iter().for_each(|(_, step)| calls.add_step(step));
        }
        // A connection that cannot be made ready is the matter of the operation, which waits for it.
        let capabilities = self.engine.capabilities_of(place).await.ok().flatten();
        Ok(in_flight(capabilities.map_or(0, |capabilities| calls.micros(&capabilities))))
    }

    /// Asks for one key's operation, as its own command would. Answers whether one began.
    async fn begin_item(&self, batch: &BatchRow, asker: &Principal, action: &BatchAction, item: &Item) -> Result<bool, Error> {
        if let Some(why) = self.was_taken_out(batch, action, item).await? {
            return self.end_unbegun(item, ItemState::Failed, Some(why)).await.map(|()| false);
        }
        let tie = request::Item { of: ItemOf::Batch(item.row.batch_id.clone()), position: item.row.position, began: batch.created_at, seen: None };
        let request = Request { idempotency: None, item: Some(tie) };
        match self.ask_one(asker, &request, action, item.row.key_id.as_str()).await {
            Ok(Started { operation: Some(_), .. }) => Ok(true),
            Ok(Started { key, .. }) => {
                let why = key.map(|key| already_so(&key, action.event()));
                self.end_unbegun(item, ItemState::Skipped, why).await.map(|()| false)
            }
            Err(error) if passes(&error) => self.rest_item(item, &problem_of(&error)).await.map(|()| false),
            Err(error) => self.end_unbegun(item, ItemState::Failed, Some(problem_of(&error))).await.map(|()| false),
        }
    }

    /// Why a key is not brought back: somebody took it out of use since the batch began, perhaps by a kill. Whoever began the batch has not seen that.
    async fn was_taken_out(&self, batch: &BatchRow, action: &BatchAction, item: &Item) -> Result<Option<Problem>, Error> {
        if !matches!(action.ask(), Some(Ask::Activate)) {
            return Ok(None);
        }
        let id = item.row.key_id.clone();
        let key = self.store().read("keys.by_id", move |tx| keys::by_id(tx, &id)).await?;
        let is_newly_out = key.is_some_and(|key| key.state == KeyState::Inactive && key.updated_at > batch.created_at);
        let detail = "The key was taken out of use, or changed, since the batch began.";
        Ok(is_newly_out.then(|| Problem::new("moved-on", detail.to_owned(), "Look at it, and activate it by itself if that is wanted.")))
    }

    async fn ask_one(&self, asker: &Principal, request: &Request, action: &BatchAction, key: &str) -> Result<Started, Error> {
        match action {
            BatchAction::Update(change) => {
                let change = change.of(&self.key(asker, key).await?)?;
                self.update_key(asker, request, key, change).await
            }
            BatchAction::Rotate => self.rotate_key(asker, request, key, &RotateCopies { strategy: None, copies: Copies::None, wave: 1 }).await,
            other => match other.ask() {
                Some(ask) => self.ask(asker, request, key, ask).await,
                None => Err(Error::Internal("an action that is no event".to_owned())),
            },
        }
    }

    /// A key for which nothing was begun has its outcome.
    async fn end_unbegun(&self, item: &Item, to: ItemState, why: Option<Problem>) -> Result<(), Error> {
        let (row, why) = (item.row.clone(), why.map(|why| why.to_json()));
        let end = move |tx: &mut Tx<'_>| batches::end_item(tx, &row.batch_id, row.position, ItemState::Waiting, to, why.as_deref());
        match self.store().write("batches.end_item", end).await {
            // Another node was faster, or somebody stopped the batch.
            Ok(()) | Err(StoreError::MovedOn(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn rest_item(&self, item: &Item, why: &Problem) -> Result<(), Error> {
        let (row, until, why) = (item.row.clone(), self.now().plus_micros(REST), why.to_json());
        Ok(self.store().write("batches.rest_item", move |tx| batches::rest_item(tx, &row.batch_id, row.position, until, &why)).await?)
    }

    /// Ends a batch in which every key has its outcome, and tells the audit log how many have which.
    async fn finish_batch(&self, batch: &BatchRow) -> Result<(), Error> {
        let id = batch.id.clone();
        let counts = self.store().read("batches.counts", move |tx| batches::counts(tx, &id)).await?;
        if counts.contains_key(&ItemState::Waiting) || counts.contains_key(&ItemState::Running) {
            return Ok(());
        }
        let (id, now) = (batch.id.clone(), self.now());
        let entry =
            keystead_operations::words::entry(self.engine.parts().random.as_ref(), now, &batch.account_id, &Who::system(), FINISH, "every-key-has-its-outcome");
        let entry = entry.subject("batch", id.as_str(), "");
        let entry = counts.iter().fold(entry, |entry, (state, count)| entry.detail(&state.as_str().to_lowercase(), count.to_string())).done();
        let finish = move |tx: &mut Tx<'_>| {
            // Of two nodes one tells it.
            if batches::finish(tx, &id, now)? {
                tx.audit(entry.clone());
            }
            Ok::<_, StoreError>(())
        };
        Ok(self.store().write("batches.finish", finish).await?)
    }
}
