//! Looking at operations, waiting for them, and waking those that wait.

use std::time::Duration;

use keystead_domain::OperationId;
use keystead_identity::Principal;
use keystead_operations::Saga;
use keystead_store::{
    journal,
    journal::JournalRow,
    operations,
    operations::OperationRow,
    page::{Listed, Page},
};

use crate::{App, Error};

impl App {
    /// An operation, with its journal.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn show_operation(&self, principal: &Principal, id: &str) -> Result<(OperationRow, Vec<JournalRow>), Error> {
        let not_found = || Error::NotFound { what: "operation", name: id.to_owned() };
        let wanted = OperationId::parse(id).map_err(|_| not_found())?;
        let account = principal.account.clone();
        let found = self
            .store()
            .read("operations.find", move |tx| {
                let Some(operation) = operations::find(tx, &account, &wanted)? else { return Ok::<_, keystead_store::StoreError>(None) };
                Ok(Some((operation, journal::of_operation(tx, &wanted)?)))
            })
            .await?;
        found.ok_or_else(not_found)
    }

    /// A page of operations, newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a key that is not there.
    pub async fn list_operations(&self, principal: &Principal, key: Option<&str>, page: Page) -> Result<Listed<OperationRow>, Error> {
        let key = match key {
            Some(key) => Some(self.key(principal, key).await?.id),
            None => None,
        };
        let account = principal.account.clone();
        Ok(self.store().read("operations.list", move |tx| operations::list(tx, &account, key.as_ref(), &page)).await?)
    }

    /// Waits until an operation has ended, at most this long, and answers it as it then is.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn wait_operation(&self, principal: &Principal, id: &str, at_most: Duration) -> Result<OperationRow, Error> {
        let (operation, _) = self.show_operation(principal, id).await?;
        let ended = self.engine.wait(&operation.id, at_most).await?;
        Ok(ended.unwrap_or(operation))
    }

    /// Makes a waiting operation try again now: what it waited for has been mended.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn wake_operation(&self, principal: &Principal, id: &str) -> Result<OperationRow, Error> {
        let (operation, _) = self.show_operation(principal, id).await?;
        let (wanted, now) = (operation.id.clone(), self.now());
        self.store().write("operations.wake", move |tx| operations::wake(tx, &wanted, now)).await?;
        self.engine.take_due().await?;
        Ok(operation)
    }
}

/// How far an operation is: steps done, steps in all, and the name of the one in hand. One that succeeded has done them all.
pub fn progress(operation: &OperationRow) -> (usize, usize, &'static str) {
    let Ok(saga) = serde_json::from_str::<Saga>(&operation.params) else { return (0, 0, "") };
    let steps = saga.shape().steps();
    let done = if operation.state == "SUCCEEDED" { steps.len() } else { operation.step as usize };
    let name = steps.get(done).map_or("done", |planned| planned.step.name());
    (done, steps.len(), name)
}
