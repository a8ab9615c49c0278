//! A transaction as its functions see it: statements, and entries for the audit log.

use keystead_audit::Entry;

use crate::{Row, StoreError, Value, engine::Connection, engine::Dialect};

/// A running transaction. What it writes and what it says to the audit log is kept together or not at all.
pub struct Tx<'c> {
    connection: &'c mut dyn Connection,
    entries: Vec<Entry>,
    // The first statement that failed: after it the transaction cannot be kept, whatever its function answers.
    failed: Option<StoreError>,
}

impl<'c> Tx<'c> {
    pub(crate) fn new(connection: &'c mut dyn Connection) -> Self {
        Self { connection, entries: Vec::new(), failed: None }
    }

    /// What was said to the audit log, and the error of the first statement that failed.
    pub(crate) fn into_parts(self) -> (Vec<Entry>, Option<StoreError>) {
        (self.entries, self.failed)
    }

    fn note<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &outcome {
            self.failed.get_or_insert_with(|| error.clone());
        }
        outcome
    }

    /// Says something to the audit log; it is appended in the commit of this transaction.
    pub fn audit(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Which engine this is, for the few fragments that differ.
    pub fn dialect(&self) -> Dialect {
        self.connection.dialect()
    }

    /// Runs a statement and answers how many rows it changed.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let outcome = self.connection.execute(sql, values);
        self.note(outcome)
    }

    /// Runs a statement that must change exactly one row: the expected state stands in its WHERE.
    pub(crate) fn execute_one(&mut self, what: &'static str, sql: &str, values: &[Value<'_>]) -> Result<(), StoreError> {
        match self.execute(sql, values)? {
            1 => Ok(()),
            _ => Err(StoreError::MovedOn(what)),
        }
    }

    /// Runs a statement and answers its rows.
    pub(crate) fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let outcome = self.connection.query(sql, values);
        self.note(outcome)
    }

    /// Runs a statement and answers its first row.
    pub(crate) fn query_opt(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }
}
