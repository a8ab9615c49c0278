//! SQLite: one file, WAL, `synchronous=FULL`.

use std::path::Path;

use rusqlite::{ErrorCode, OpenFlags, ToSql, config::DbConfig, types::ToSqlOutput, types::ValueRef};

use super::{Connection, Dialect};
use crate::{Row, StoreError, Value, row::Cell};

/// A connection to a SQLite file.
pub struct Sqlite(rusqlite::Connection);

impl Sqlite {
    /// Opens the file for writing, and makes it when it is missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened, [`StoreError::Full`] when the disk is full.
    pub fn open_writer(path: &Path) -> Result<Self, StoreError> {
        let connection = rusqlite::Connection::open(path).map_err(unavailable)?;
        // FULL: a commit is on disk before it is acknowledged. NORMAL would lose the last keys in a power cut.
        connection
            .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=10000; PRAGMA secure_delete=ON; PRAGMA cache_size=-16384;")
            .map_err(unavailable)?;
        keep_statements(&connection)?;
        Ok(Self(connection))
    }

    /// Opens the file for reading.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened.
    pub fn open_reader(path: &Path) -> Result<Self, StoreError> {
        let connection =
            rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(unavailable)?;
        connection.execute_batch("PRAGMA busy_timeout=10000; PRAGMA cache_size=-16384;").map_err(unavailable)?;
        keep_statements(&connection)?;
        Ok(Self(connection))
    }
}

/// Statements are prepared once. Without QPSG SQLite looks at the values bound to a statement and prepares it anew whenever they change, in the hope of a
/// better plan; here each statement has one plan, whatever its values (sqlite.org/c3ref/c_dbconfig_defensive.html, "SQLITE_DBCONFIG_ENABLE_QPSG").
fn keep_statements(connection: &rusqlite::Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(256);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop).map_err(unavailable)
}

impl Connection for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.0.prepare_cached(&numbered(sql)).map_err(translate)?;
        statement.execute(rusqlite::params_from_iter(values)).map(|changed| changed as u64).map_err(translate)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.0.prepare_cached(&numbered(sql)).map_err(translate)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(translate)?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next().map_err(translate)? {
            let cells: Result<Vec<Cell>, _> = (0..columns).map(|column| row.get_ref(column).map(cell)).collect();
            answer.push(Row(cells.map_err(translate)?));
        }
        Ok(answer)
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        // BEGIN, SAVEPOINT and their like run at every transaction: prepared once, too.
        if sql.contains(';') {
            return self.0.execute_batch(sql).map_err(translate);
        }
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute([]).map(drop)).map_err(translate)
    }

    fn is_broken(&self) -> bool {
        false
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(int) => ValueRef::Integer(*int),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// To SQLite `$2` is a name, and names are counted in the order in which they occur; `?2` is the second value wherever it stands.
fn numbered(sql: &str) -> String {
    sql.replace('$', "?")
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(int) => Cell::Int(int),
        ValueRef::Real(real) => Cell::Text(real.to_string()),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

fn unavailable(error: rusqlite::Error) -> StoreError {
    match translate(error) {
        StoreError::Full => StoreError::Full,
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// SQLite names the columns of a broken constraint: "UNIQUE constraint failed: users.account_id, users.name".
fn translate(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(code, message) = &error else { return StoreError::Database(error.to_string()) };
    let message = message.clone().unwrap_or_default();
    match code.code {
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::CannotOpen | ErrorCode::NotADatabase | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure => StoreError::Unavailable(message),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Collided(message),
        ErrorCode::ConstraintViolation => unique(&message).unwrap_or(StoreError::Database(message)),
        _ => StoreError::Database(message),
    }
}

fn unique(message: &str) -> Option<StoreError> {
    let columns = message.strip_prefix("UNIQUE constraint failed: ")?;
    let (table, column) = columns.rsplit(", ").next()?.split_once('.')?;
    Some(StoreError::Unique { table: table.to_owned(), column: column.to_owned() })
}
