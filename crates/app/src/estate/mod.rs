//! Estates: keystores, keys and policies in files. A plan says what would be done; an apply does that plan and nothing else. Like a batch it adds nothing to the clouds: each
//! of its changes is what one command does, in the name of who began it.

mod begin;
mod draw;
mod export;
mod judge;
mod perform;
mod run;
mod standing;
mod stored;

use std::collections::BTreeMap;

pub use begin::NewApply;
pub use draw::{EstatePlan, Seen};
use keystead_domain::{
    Invalid,
    batch::{BatchState, ItemState},
};
use keystead_identity::{Action, Principal};
use keystead_operations::Problem;
use keystead_store::{
    StoreError, Tx, estates,
    estates::{AppliedChange, ApplyRow},
    page::{Listed, Page},
};

use crate::{App, Error, Request, error::TxError, once::Deed, permit};

/// So many changes a plan may have, and so many keys an apply may be told of.
pub const CHANGES_MAX: usize = 100_000;
/// So many mistakes are told at once.
pub const MISTAKES_MAX: usize = 1_000;

const BEGIN: &str = "estate.apply";
const STOP: &str = "estate.stop";
const FINISH: &str = "estate.finish";

/// A plan that is being done, and how many of its changes stand where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apply {
    /// The apply.
    pub row: ApplyRow,
    /// States without any change are left out.
    pub counts: BTreeMap<ItemState, u64>,
}

impl App {
    /// A page of applies, in the order in which they began.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list_applies(&self, principal: &Principal, page: Page) -> Result<Listed<Apply>, Error> {
        let account = principal.account.clone();
        let listed = self.store().read("estates.list", move |tx| {
            let Listed { rows, next } = estates::list(tx, &account, &page)?;
            let rows: Result<Vec<_>, StoreError> = rows.into_iter().map(|row| Ok(Apply { counts: estates::counts(tx, &row.id)?, row })).collect();
            Ok::<_, StoreError>(Listed { rows: rows?, next })
        });
        Ok(listed.await?)
    }

    /// An apply by its id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_apply(&self, principal: &Principal, id: &str) -> Result<Apply, Error> {
        let (account, wanted) = (principal.account.clone(), id.to_owned());
        let found = self.store().read("estates.find", move |tx| {
            let Some(row) = estates::find(tx, &account, &wanted)? else { return Ok(None) };
            Ok::<_, StoreError>(Some(Apply { counts: estates::counts(tx, &row.id)?, row }))
        });
        let apply = found.await?.ok_or_else(|| Error::NotFound { what: "apply", name: id.to_owned() })?;
        permit(principal, Action::Read, &apply.row.account_id.clone(), apply).map(|proof| proof.payload)
    }

    /// A page of the changes of an apply.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming `cursor`.
    pub async fn applied_changes(&self, principal: &Principal, id: &str, state: Option<ItemState>, page: Page) -> Result<Listed<AppliedChange>, Error> {
        if page.after.as_ref().is_some_and(|after| after.parse::<u32>().is_err()) {
            return Err(Invalid::new("cursor", "is not a cursor of this list", "Give the next_cursor of the page before, unchanged.").into());
        }
        let apply = self.show_apply(principal, id).await?;
        Ok(self.store().read("estates.changes", move |tx| estates::changes(tx, &apply.row.id, state, &page)).await?)
    }

    /// Stops an apply: nothing new is begun, and what runs goes on to its end. One that is stopped already is answered as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] for one that has ended.
    pub async fn stop_apply(&self, principal: &Principal, request: &Request, id: &str) -> Result<Apply, Error> {
        if self.done_before(principal, request).await?.is_some() {
            return self.show_apply(principal, id).await;
        }
        let apply = self.show_apply(principal, id).await?;
        let proof = permit(principal, Action::ManageKeys, &apply.row.account_id.clone(), apply)?;
        match proof.payload.row.state {
            BatchState::Stopped => return Ok(proof.payload),
            BatchState::Done => {
                let mend = format!("See what became of its changes: `keystead estate changes {id}`.");
                return Err(Invalid::new("apply", "is DONE: nothing is left to stop", mend).into());
            }
            BatchState::Running => {}
        }
        let (row, memory) = (proof.payload.row, self.memory(principal, request, Deed::StopApply, id));
        let entry = self.entry(principal, STOP, proof.rule).subject("apply", row.id.as_str(), "").done();
        let detail = format!("{} stopped the apply before this change's turn.", principal.name);
        let why = Problem::new("apply-stopped", detail, "Plan again, and apply what is left.");
        let stopped = self.store().write("estates.stop", move |tx: &mut Tx<'_>| {
            memory.write(tx)?;
            estates::stop(tx, &row.id, &why.to_json())?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        if let Err(error) = stopped.await {
            return Err(self.met_itself(principal, request, error).await.into());
        }
        self.show_apply(principal, id).await
    }
}
