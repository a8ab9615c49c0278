//! What comes with every request that changes something, and what it is answered with.

use keystead_domain::{ApplyId, BatchId, OperationId, Timestamp};
use keystead_store::{StoreError, Tx, batches, estates, keys::KeyRow, operations::Idempotency, operations::OperationRow};

/// What comes with a request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The caller's idempotency key, when one was given.
    pub idempotency: Option<Idempotency>,
    /// What asks for it by and by, in somebody's name: that is RUNNING from the intent's transaction on.
    pub item: Option<Item>,
}

/// One of many things that were asked for at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Of what.
    pub of: ItemOf,
    /// Its place there.
    pub position: u32,
    /// What was taken out of use since then is not brought back by it.
    pub began: Timestamp,
    /// The key as it was meant: what somebody changed since is not touched. `None`: whatever it is.
    pub seen: Option<i64>,
}

/// What consists of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemOf {
    /// An action on many keys.
    Batch(BatchId),
    /// A plan of an estate.
    Apply(ApplyId),
}

impl Item {
    /// Its operation begins, in the transaction of the intent: nothing is begun twice.
    pub(crate) fn begin(&self, tx: &mut Tx<'_>, operation: &OperationId) -> Result<(), StoreError> {
        match &self.of {
            ItemOf::Batch(id) => batches::begin_item(tx, id, self.position, operation),
            ItemOf::Apply(id) => estates::begin_change(tx, id, self.position, operation),
        }
    }

    /// As the audit log tells of what it is one: the name of the detail, and the id.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        match &self.of {
            ItemOf::Batch(id) => ("batch", id.as_str()),
            ItemOf::Apply(id) => ("apply", id.as_str()),
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone)]
pub struct Started {
    /// The operation that runs now; `None` when nothing had to be done.
    pub operation: Option<OperationRow>,
    /// The key as it was when the operation began.
    pub key: Option<KeyRow>,
}

impl Started {
    /// Whether it was already so.
    pub fn is_no_op(&self) -> bool {
        self.operation.is_none()
    }
}
