//! A batch begins: which keys, is fixed in one transaction with the entry of the audit log.

use keystead_domain::{
    BatchId, Invalid, KeyId, Selector,
    batch::{BatchState, ItemState},
};
use keystead_identity::{Action, Principal};
use keystead_operations::sync::sha256;
use keystead_store::{
    batches,
    batches::{BatchRow, ItemRow},
    keys::KeyRow,
};

use super::{BEGIN, Batch, BatchAction, select};
use crate::{App, Error, Request, error::TxError, once::Deed, permit};

/// The most keys of one batch: its rows are written in one transaction, in which nobody else writes.
const KEYS_MAX: usize = 100_000;

/// A batch as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// What is done to each key.
    pub action: BatchAction,
    /// To which.
    pub selector: Selector,
    /// How many keys whoever asks has seen in the plan: if it is another number now, nothing begins.
    pub expect_keys: Option<u64>,
    /// The digest of these keys, from the plan: if they are others now, nothing begins.
    pub expect_digest: Option<String>,
}

impl App {
    /// Begins a batch. The operations of its keys are begun by and by.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming `selector`, `update`, `expect_keys` or `expect_digest`; [`Error::NotFound`] for what the selector names and is not there.
    pub async fn begin_batch(&self, principal: &Principal, request: &Request, new: NewBatch) -> Result<Batch, Error> {
        if let Some(done) = self.done_before(principal, request).await? {
            return self.show_batch(principal, &done.subject).await;
        }
        if let BatchAction::Update(change) = &new.action {
            change.check()?;
        }
        let proof = permit(principal, Action::ManageKeys, &principal.account, new)?;
        let new = proof.payload;
        let keys = self.select(principal, &new.selector, new.action.event()).await?;
        check_count(&new, keys.len())?;
        check_set(&new, &keys)?;
        let (batch, items) = self.batch_rows(principal, &new, &keys);
        let entry = self.entry(principal, BEGIN, proof.rule).subject("batch", batch.id.as_str(), "");
        let entry = entry.detail("action", batch.action.clone()).detail("selector", batch.selector.clone()).detail("keys", keys.len().to_string()).done();
        let memory = self.memory(principal, request, Deed::BeginBatch, batch.id.as_str());
        let id = batch.id.to_string();
        let begun = self.store().write("batches.begin", move |tx| {
            memory.write(tx)?;
            batches::insert(tx, &batch)?;
            items.iter().try_for_each(|item| batches::insert_item(tx, item))?;
            tx.audit(entry.clone());
            Ok::<_, TxError>(())
        });
        match begun.await {
            Ok(()) => self.show_batch(principal, &id).await,
            // The same request a moment earlier: its batch is the answer.
            Err(error) => match self.done_before(principal, request).await? {
                Some(done) => self.show_batch(principal, &done.subject).await,
                None => Err(error.into()),
            },
        }
    }

    fn batch_rows(&self, principal: &Principal, new: &NewBatch, keys: &[KeyRow]) -> (BatchRow, Vec<ItemRow>) {
        let now = self.now();
        let batch = BatchRow {
            id: BatchId::new(now, self.random()),
            account_id: principal.account.clone(),
            action: new.action.to_json(),
            selector: select::to_json(&new.selector),
            state: BatchState::Running,
            created_by: principal.user.to_string(),
            created_by_name: principal.name.clone(),
            created_at: now,
            finished_at: None,
        };
        let item = |(position, key): (u32, &KeyRow)| ItemRow {
            batch_id: batch.id.clone(),
            position,
            key_id: key.id.clone(),
            keystore_id: key.keystore_id.clone(),
            state: ItemState::Waiting,
            operation_id: None,
            problem: None,
            not_before: now,
        };
        let items = (1..).zip(keys).map(item).collect();
        (batch, items)
    }
}

/// The digest of a set of keys, in whatever order they come: who agrees to a plan agrees to these and to no others.
pub(super) fn digest_of<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> String {
    let mut ids: Vec<&str> = ids.into_iter().map(KeyId::as_str).collect();
    ids.sort_unstable();
    sha256(&ids.join("\n"))
}

fn check_set(new: &NewBatch, keys: &[KeyRow]) -> Result<(), Invalid> {
    match &new.expect_digest {
        Some(expected) if *expected != digest_of(keys.iter().map(|key| &key.id)) => {
            let mend = "Nothing was begun. Look at the plan again, and repeat the request with its digest if it is still wanted.";
            Err(Invalid::new("expect_digest", "is of other keys than the selector selects now", mend))
        }
        _ => Ok(()),
    }
}

fn check_count(new: &NewBatch, count: usize) -> Result<(), Invalid> {
    if count == 0 {
        let mend = "Look what there is: `keystead key list`. A DELETED key is selected by its state only.";
        return Err(Invalid::new("selector", "selects no key", mend));
    }
    if count > KEYS_MAX {
        return Err(Invalid::new("selector", format!("selects {count} keys"), format!("Narrow it to {KEYS_MAX}, for example by keystore.")));
    }
    match new.expect_keys {
        Some(expected) if expected != count as u64 => {
            let mend = "Nothing was begun. Look at the plan again, and repeat the request if it is still wanted.";
            Err(Invalid::new("expect_keys", format!("is {expected}, and the selector selects {count} now"), mend))
        }
        _ => Ok(()),
    }
}
