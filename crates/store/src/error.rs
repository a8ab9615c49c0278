//! What can go wrong with a database, in words that are the same for both engines.

/// An error of the store. Nothing of the transaction has been kept; only behind [`StoreError::OutcomeUnknown`] that is not sure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A row with this value exists.
    #[error("{table}.{column} must be unique")]
    Unique {
        /// The table.
        table: String,
        /// The column, or the last of the columns, that must be unique together.
        column: String,
    },
    /// The row is no longer in the state that the transaction expected: somebody else was faster.
    #[error("{0} has moved on")]
    MovedOn(&'static str),
    /// The disk or the quota of the database is full.
    #[error("the database has no space left")]
    Full,
    /// Two transactions met; the same transaction may succeed when it is run again.
    #[error("the transaction met another one: {0}")]
    Collided(String),
    /// The database cannot be reached or opened.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The connection broke between COMMIT and its answer: the transaction may have been kept whole, or not at all. Only a later look can tell.
    #[error("the answer to a commit was lost: {0}")]
    OutcomeUnknown(String),
    /// The database was made by a newer Keystead.
    #[error("the database has schema {found}, this keystead knows up to {known}")]
    UnknownSchema {
        /// Version in the database.
        found: i64,
        /// Newest version that this binary knows.
        known: i64,
    },
    /// Another process holds this SQLite file.
    #[error("another keystead process uses {0}")]
    InUse(String),
    /// A row does not read as it was written.
    #[error("a row cannot be read: {0}")]
    Corrupt(String),
    /// The database refused a statement.
    #[error("the database refused a statement: {0}")]
    Database(String),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl From<keystead_domain::Invalid> for StoreError {
    fn from(invalid: keystead_domain::Invalid) -> Self {
        Self::Corrupt(invalid.to_string())
    }
}

impl StoreError {
    /// Whether a value of this table is taken.
    pub fn is_unique(&self, in_table: &str) -> bool {
        matches!(self, Self::Unique { table, .. } if table == in_table)
    }
}
