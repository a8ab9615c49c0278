//! What the schedule has to do, row by row: one that cannot be read (damage, or a kind of thing that an older node does not know) is told and left out, so that it holds
//! up no other.

use crate::{Row, StoreError, Tx, Value};

/// A row that cannot be read: its id, and why.
pub(super) struct Unreadable {
    pub(super) id: String,
    error: StoreError,
}

impl Unreadable {
    pub(super) fn tell(&self) {
        tracing::error!(id = self.id, error = %self.error, "a row that cannot be read is left out");
    }
}

/// Parts the rows that can be read from the others. Each begins with its id.
pub(super) fn parted<T>(rows: Vec<Row>, read: fn(Row) -> Result<T, StoreError>) -> (Vec<T>, Vec<Unreadable>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for row in rows {
        let id = row.first_text().to_owned();
        match read(row) {
            Ok(one) => found.push(one),
            Err(error) => left_out.push(Unreadable { id, error }),
        }
    }
    (found, left_out)
}

/// The rows that can be read.
pub(super) fn readable<T>(rows: Vec<Row>, read: fn(Row) -> Result<T, StoreError>) -> Vec<T> {
    let (found, left_out) = parted(rows, read);
    left_out.iter().for_each(Unreadable::tell);
    found
}

/// The first rows that can be read, at most so many. Those that cannot do not count: behind a page of them nothing would ever be seen.
pub(super) fn first<T>(
    tx: &mut Tx<'_>,
    sql: impl Fn(u32) -> String,
    values: &[Value<'_>],
    limit: u32,
    read: fn(Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut fetched = limit;
    loop {
        let rows = tx.query(&sql(fetched), values)?;
        let are_all = rows.len() < fetched as usize;
        let (mut found, left_out) = parted(rows, read);
        if are_all || found.len() >= limit as usize {
            left_out.iter().for_each(Unreadable::tell);
            found.truncate(limit as usize);
            return Ok(found);
        }
        fetched = fetched.saturating_mul(2);
    }
}
