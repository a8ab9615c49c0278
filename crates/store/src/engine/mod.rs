//! The two engines behind one trait: what a transaction needs of a connection, and nothing else.

pub mod postgres;
pub mod sqlite;

use crate::{Row, StoreError, Value};

/// What the engines write differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL, and what speaks like it.
    Postgres,
}

impl Dialect {
    /// Fills the fragments in which the engines differ into a statement of a migration.
    pub fn fill(self, sql: &str) -> String {
        match self {
            // A primary key of the type INTEGER, and of no other, is the row's own number: one tree instead of two (sqlite.org/lang_createtable.html, "ROWIDs").
            Self::Sqlite => sql.replace("{BYTES}", "BLOB").replace("BIGINT NOT NULL PRIMARY KEY", "INTEGER NOT NULL PRIMARY KEY"),
            // Text is compared by its bytes, as on SQLite, whatever language the database was made in: one order on both engines, and the quicker one.
            Self::Postgres => sql.replace("{BYTES}", "BYTEA").replace(" TEXT", " TEXT COLLATE \"C\""),
        }
    }

    /// What stands behind a SELECT whose rows will be changed by this transaction.
    pub const fn for_update(self) -> &'static str {
        match self {
            // One writer holds the whole file: there is nobody to keep out.
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// What stands behind a SELECT whose rows must stay as they are until this transaction ends.
    pub const fn for_share(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR SHARE",
        }
    }

    /// Like [`for_update`](Self::for_update), leaving out what another node holds.
    pub const fn for_update_skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// A connection that runs one transaction at a time. Placeholders are `$1`, `$2`, … on both engines.
pub trait Connection {
    /// Which engine this is.
    fn dialect(&self) -> Dialect;

    /// Runs a statement and answers how many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError>;

    /// Runs a statement and answers its rows.
    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError>;

    /// Runs statements without values: BEGIN, ROLLBACK, migrations.
    fn batch(&mut self, sql: &str) -> Result<(), StoreError>;

    /// Ends the transaction and keeps what it wrote. Over a network the answer may be lost: [`StoreError::OutcomeUnknown`].
    fn commit(&mut self) -> Result<(), StoreError> {
        self.batch("COMMIT")
    }

    /// Whether the connection can still be used; a lost one is opened again.
    fn is_broken(&self) -> bool;
}
