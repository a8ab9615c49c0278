//! The runner of applies: takes on what waits for nothing any more, a bounded number in flight in each keystore, and writes down what became of each change. What is to be
//! done is found in the rows, so that it goes on behind any crash; a change's state in the WHERE of its intent's transaction lets it be begun once.

use keystead_domain::{
    Timestamp,
    batch::{BatchState, IN_FLIGHT_MAX, ItemState, REST, in_flight},
};
use keystead_identity::Principal;
use keystead_operations::{Problem, words, words::Who};
use keystead_store::{
    StoreError, Tx, estates,
    estates::{AppliedChange, ApplyRow, ChangeRow},
    keys, operations,
};

use super::{
    FINISH, STOP,
    perform::{Begun, touched},
};
use crate::{
    App, Error,
    batches::words::{passes, problem_of},
};

impl App {
    /// One look at all applies: settles what has ended, begins what is next, ends what is done. Answers how many changes it began or did.
    ///
    /// # Errors
    /// What the store says.
    pub async fn look_at_applies(&self) -> Result<usize, Error> {
        let open = self.store().read("estates.open", estates::open).await?;
        let mut begun = 0;
        for apply in open {
            begun += match self.go_on_with(&apply).await {
                Err(error @ Error::Internal(_)) => {
                    tracing::error!(apply = %apply.id, ?error, "an apply cannot be read and waits");
                    0
                }
                went_on => went_on?,
            };
        }
        Ok(begun)
    }

    async fn go_on_with(&self, apply: &ApplyRow) -> Result<usize, Error> {
        self.settle_changes(apply).await?;
        let mut begun = 0;
        if apply.state == BatchState::Running {
            self.give_up_hopeless(apply).await?;
            match self.if_active(&apply.account_id, &apply.created_by).await? {
                Some(asker) => begun = self.begin_changes(apply, &asker).await?,
                None => self.stop_in_nobodys_name(apply).await?,
            }
        }
        self.finish_apply(apply).await?;
        Ok(begun)
    }

    /// Writes down what the operations that have ended came to.
    async fn settle_changes(&self, apply: &ApplyRow) -> Result<(), Error> {
        let id = apply.id.clone();
        let ended = self.store().read("estates.ended", move |tx| estates::ended(tx, &id)).await?;
        if ended.is_empty() {
            return Ok(());
        }
        let settle = move |tx: &mut Tx<'_>| {
            for AppliedChange { row, operation, operation_problem } in &ended {
                let to = if operation.as_deref() == Some("SUCCEEDED") { ItemState::Done } else { ItemState::Failed };
                let problem = operation_problem.as_deref().filter(|_| to == ItemState::Failed);
                match estates::end_change(tx, &row.apply_id, row.position, ItemState::Running, to, problem) {
                    Ok(()) if to == ItemState::Done => see_again(tx, row)?,
                    ended => or_faster(ended)?,
                }
            }
            Ok::<_, StoreError>(())
        };
        Ok(self.store().write("estates.settle", settle).await?)
    }

    /// What waits for a change that failed is skipped, and what waits for that, too.
    async fn give_up_hopeless(&self, apply: &ApplyRow) -> Result<(), Error> {
        let why = Problem::new("not-reached", "A change that goes before it failed or was skipped.", "Mend that one. Then plan again, and apply what is left.");
        loop {
            let (id, why) = (apply.id.clone(), why.to_json());
            let hopeless = self.store().read("estates.hopeless", move |tx| estates::hopeless(tx, &id)).await?;
            if hopeless.is_empty() {
                return Ok(());
            }
            let skip = move |tx: &mut Tx<'_>| {
                hopeless.iter().try_for_each(|AppliedChange { row, .. }| {
                    or_faster(estates::end_change(tx, &row.apply_id, row.position, ItemState::Waiting, ItemState::Skipped, Some(&why)))
                })
            };
            self.store().write("estates.skip", skip).await?;
        }
    }

    async fn stop_in_nobodys_name(&self, apply: &ApplyRow) -> Result<(), Error> {
        let (id, random, now) = (apply.id.clone(), self.engine.parts().random.clone(), self.now());
        let entry = words::entry(random.as_ref(), now, &apply.account_id, &Who::system(), STOP, "asker-is-active");
        let entry = entry.subject("apply", id.as_str(), "").done();
        let detail = format!("{} began the apply, and is no longer active.", apply.created_by_name);
        let why = Problem::new("asker-inactive", detail, "Plan again, and apply what is left in the name of somebody who is active.");
        let stop = move |tx: &mut Tx<'_>| {
            estates::stop(tx, &id, &why.to_json())?;
            tx.audit(entry.clone());
            Ok::<_, StoreError>(())
        };
        match self.store().write("estates.stop", stop).await {
            Ok(()) | Err(StoreError::MovedOn(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn begin_changes(&self, apply: &ApplyRow, asker: &Principal) -> Result<usize, Error> {
        let id = apply.id.clone();
        let look = move |tx: &mut Tx<'_>| Ok::<_, StoreError>((estates::waits_in(tx, &id)?, estates::in_flight(tx, &id)?));
        let (places, flying) = self.store().read("estates.waits_in", look).await?;
        let mut begun = 0;
        for place in places {
            let flying = flying.get(&place).copied().unwrap_or(0);
            begun += self.begin_changes_in(apply, asker, &place, flying).await?;
        }
        Ok(begun)
    }

    /// Begins what is next in a keystore, as far as its quotas have room for changes like it.
    async fn begin_changes_in(&self, apply: &ApplyRow, asker: &Principal, place: &str, flying: u32) -> Result<usize, Error> {
        let (id, now, keystore) = (apply.id.clone(), self.now(), place.to_owned());
        let next = self.store().read("estates.next", move |tx| estates::next(tx, &id, &keystore, now, IN_FLIGHT_MAX)).await?;
        let (mut begun, mut runs) = (0, 0);
        for change in next {
            if flying + runs >= in_flight(change.row.call_interval) {
                break;
            }
            let started = self.begin_one(apply, asker, &change).await?;
            runs += u32::from(matches!(started, Some(Begun::Runs)));
            begun += usize::from(started.is_some());
        }
        Ok(begun)
    }

    /// Begins a change, or does it. `None`: it rests, or failed.
    async fn begin_one(&self, apply: &ApplyRow, asker: &Principal, change: &AppliedChange) -> Result<Option<Begun>, Error> {
        let row = &change.row;
        match self.perform(apply, asker, change).await {
            Ok(Begun::Runs) => Ok(Some(Begun::Runs)),
            Ok(Begun::Done) => self.end_at_once(row, ItemState::Done, None).await.map(|()| Some(Begun::Done)),
            Ok(Begun::AlreadySo) => {
                let why = Problem::new("already-so", "It was so already.", "Nothing is needed.");
                self.end_at_once(row, ItemState::Done, Some(why)).await.map(|()| Some(Begun::AlreadySo))
            }
            Err(error) if passes(&error) => self.rest_change(row, &problem_of(&error)).await.map(|()| None),
            Err(error) => self.end_at_once(row, ItemState::Failed, Some(problem_of(&error))).await.map(|()| None),
        }
    }

    /// A change for which no operation runs has its outcome.
    async fn end_at_once(&self, row: &ChangeRow, to: ItemState, why: Option<Problem>) -> Result<(), Error> {
        let (id, position, why) = (row.apply_id.clone(), row.position, why.map(|why| why.to_json()));
        let end = move |tx: &mut Tx<'_>| or_faster(estates::end_change(tx, &id, position, ItemState::Waiting, to, why.as_deref()));
        Ok(self.store().write("estates.end_change", end).await?)
    }

    async fn rest_change(&self, row: &ChangeRow, why: &Problem) -> Result<(), Error> {
        let (id, position, until, why) = (row.apply_id.clone(), row.position, self.now().plus_micros(REST), why.to_json());
        Ok(self.store().write("estates.rest_change", move |tx| estates::rest_change(tx, &id, position, until, &why)).await?)
    }

    /// When the last operation ended that a change waited for.
    pub(super) async fn waited_until(&self, row: &ChangeRow) -> Result<Option<Timestamp>, Error> {
        let (id, position) = (row.apply_id.clone(), row.position);
        Ok(self.store().read("estates.waited_until", move |tx| estates::waited_until(tx, &id, position)).await?)
    }

    /// Ends an apply in which every change has its outcome, and tells the audit log how many have which.
    async fn finish_apply(&self, apply: &ApplyRow) -> Result<(), Error> {
        let id = apply.id.clone();
        let counts = self.store().read("estates.counts", move |tx| estates::counts(tx, &id)).await?;
        if counts.contains_key(&ItemState::Waiting) || counts.contains_key(&ItemState::Running) {
            return Ok(());
        }
        let (id, now) = (apply.id.clone(), self.now());
        let entry = words::entry(self.engine.parts().random.as_ref(), now, &apply.account_id, &Who::system(), FINISH, "every-change-has-its-outcome");
        let entry = entry.subject("apply", id.as_str(), "");
        let entry = counts.iter().fold(entry, |entry, (state, count)| entry.detail(&state.as_str().to_lowercase(), count.to_string())).done();
        let finish = move |tx: &mut Tx<'_>| {
            // Of two nodes one tells it.
            if estates::finish(tx, &id, now)? {
                tx.audit(entry.clone());
            }
            Ok::<_, StoreError>(())
        };
        Ok(self.store().write("estates.finish", finish).await?)
    }
}

/// The keys as the operation of a change left them, if nobody changed them since: so they are expected by what waits for them.
fn see_again(tx: &mut Tx<'_>, row: &ChangeRow) -> Result<(), StoreError> {
    let Some(id) = &row.operation_id else { return Ok(()) };
    let Some(operation) = operations::by_id(tx, id)? else { return Ok(()) };
    for id in touched(&operation) {
        let Some(key) = keys::by_id(tx, &id)? else { continue };
        let is_own = row.key_id.as_ref() == Some(&id) || key.updated_at >= operation.created_at;
        if is_own && operation.finished_at.is_some_and(|finished| key.updated_at <= finished) {
            estates::see_again(tx, &row.apply_id, &id, key.revision)?;
        }
    }
    Ok(())
}

/// Another node may have been faster, or somebody stopped it: that is as good.
fn or_faster(ended: Result<(), StoreError>) -> Result<(), StoreError> {
    match ended {
        Err(StoreError::MovedOn(_)) => Ok(()),
        other => other,
    }
}
