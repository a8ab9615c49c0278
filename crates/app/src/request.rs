//! What comes with every request that changes something, and what it is answered with.

use keystead_domain::{BatchId, Timestamp};
use keystead_store::{keys::KeyRow, operations::Idempotency, operations::OperationRow};

/// What comes with a request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The caller's idempotency key, when one was given.
    pub idempotency: Option<Idempotency>,
    /// The key of a batch that it is about: that one is RUNNING from the intent's transaction on.
    pub item: Option<Item>,
}

/// A key of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The batch.
    pub batch: BatchId,
    /// Its place there.
    pub position: u32,
    /// When the batch began: what was taken out of use since is not brought back by it.
    pub began: Timestamp,
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
