//! Rows and named transactions, on SQLite and PostgreSQL.
//!
//! *Invariants*: this is the only room with SQL. A transaction is the only way to write, it has a name, and it is a plain function over [`Tx`]: the same text of
//! SQL and the same Rust run on both engines, which differ in `engine/sqlite.rs` and `engine/postgres.rs` only. The expected state stands in the WHERE. What
//! the vault sealed is opaque here. An answer is given after the commit, and SQLite commits with `synchronous=FULL`: an acknowledged key is on disk.
//!
//! Writes go through one thread that groups them: each transaction is a savepoint, one commit serves all that waited. The audit entries of a batch are appended to
//! the log in that same commit, so that an effect without its entry cannot exist.
//!
//! How to add a noun: a table in a new migration, a file in `noun/` with its row and its functions over [`Tx`], and a case in the suite that runs on both engines.

pub mod engine;
pub mod error;
mod migrate;
pub mod noun;
mod row;
mod store;
mod tx;
mod writer;

pub use error::StoreError;
pub use migrate::SCHEMA_VERSION;
pub use noun::*;
pub use row::{Row, RowReader, Value};
pub use store::{Database, Store};
pub use tx::Tx;
pub use writer::CarriesStoreError;
