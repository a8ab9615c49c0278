//! Many at once: one action on all keys that a selector selects. A batch adds nothing to the cloud: each of its keys has the ordinary operation that it would have if
//! somebody had asked for it alone, with the same checks.

mod action;
mod begin;
pub(crate) mod foresee;
mod plan;
mod run;
mod select;
pub(crate) mod words;

use std::collections::BTreeMap;

pub use action::{BatchAction, TagsAndEnd};
pub use begin::NewBatch;
use keystead_domain::{
    Invalid,
    batch::{BatchState, ItemState},
};
use keystead_identity::{Action, Principal};
use keystead_operations::Problem;
use keystead_store::{
    StoreError, Tx, batches,
    batches::{BatchRow, Item},
    page::{Listed, Page},
};
pub use plan::{Place, Plan, PlannedKey, Verdict};

use crate::{App, Error, Request, error::TxError, once::Deed, permit};

const BEGIN: &str = "batch.begin";
const STOP: &str = "batch.stop";
const FINISH: &str = "batch.finish";

/// A batch, and how many of its keys stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The batch.
    pub row: BatchRow,
    /// States without any key are left out.
    pub counts: BTreeMap<ItemState, u64>,
}

impl App {
    /// A page of batches, in the order in which they began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_batches(&self, principal: &Principal, page: Page) -> Result<Listed<Batch>, Error> {
        let account = principal.account.clone();
        let listed = self.store().read("batches.list", move |tx| {
            let Listed { rows, next } = batches::list(tx, &account, &page)?;
            let rows: Result<Vec<_>, StoreError> = rows.into_iter().map(|row| Ok(Batch { counts: batches::counts(tx, &row.id)?, row })).collect();
            Ok::<_, StoreError>(Listed { rows: rows?, next })
        });
        Ok(listed.await?)
    }

    /// A batch by its id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_batch(&self, principal: &Principal, id: &str) -> Result<Batch, Error> {
        let (account, wanted) = (principal.account.clone(), id.to_owned());
        let found = self.store().read("batches.find", move |tx| {
            let Some(row) = batches::find(tx, &account, &wanted)? else { return Ok(None) };
            Ok::<_, StoreError>(Some(Batch { counts: batches::counts(tx, &row.id)?, row }))
        });
        let batch = found.await?.ok_or_else(|| Error::NotFound { what: "batch", name: id.to_owned() })?;
        permit(principal, Action::Read, &batch.row.account_id.clone(), batch).map(|proof| proof.payload)
    }

    /// A page of the keys of a batch.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming `cursor`.
    pub async fn batch_items(&self, principal: &Principal, id: &str, state: Option<ItemState>, page: Page) -> Result<Listed<Item>, Error> {
        if page.after.as_ref().is_some_and(|after| after.parse::<u32>().is_err()) {
            return Err(Invalid::new("cursor", "is not a cursor of this list", "Give the next_cursor of the page before, unchanged.").into());
        }
        let batch = self.show_batch(principal, id).await?;
        Ok(self.store().read("batches.items", move |tx| batches::items(tx, &batch.row.id, state, &page)).await?)
    }

    /// Stops a batch: nothing new is begun, and what runs goes on to its end. One that is stopped already is answered as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for one that has ended.
    pub async fn stop_batch(&self, principal: &Principal, request: &Request, id: &str) -> Result<Batch, Error> {
        if self.done_before(principal, request).await?.is_some() {
            return self.show_batch(principal, id).await;
        }
        let batch = self.show_batch(principal, id).await?;
        let proof = permit(principal, Action::ManageKeys, &batch.row.account_id.clone(), batch)?;
        match proof.payload.row.state {
            BatchState::Stopped => return Ok(proof.payload),
            BatchState::Done => {
                let mend = format!("See what became of its keys: `keystead batch items {id}`.");
                return Err(Invalid::new("batch", "is DONE: nothing is left to stop", mend).into());
            }
            BatchState::Running => {}
        }
        let (row, memory) = (proof.payload.row, self.memory(principal, request, Deed::StopBatch, id));
        let entry = self.entry(principal, STOP, proof.rule).subject("batch", row.id.as_str(), "").done();
        let why =
            Problem::new("batch-stopped", format!("{} stopped the batch before this key's turn.", principal.name), "Begin another batch for what is left.");
        let stopped = self.store().write("batches.stop", move |tx: &mut Tx<'_>| {
            memory.write(tx)?;
            batches::stop(tx, &row.id, &why.to_json())?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        if let Err(error) = stopped.await {
            return Err(self.met_itself(principal, request, error).await.into());
        }
        self.show_batch(principal, id).await
    }
}
