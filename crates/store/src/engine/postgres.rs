//! PostgreSQL: several nodes over one database.

use std::{collections::HashMap, error::Error, sync::Arc};

use postgres::{
    Client, Statement,
    error::SqlState,
    types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

use super::{Connection, Dialect};
use crate::{Row, StoreError, Value, row::Cell};

/// A connection to PostgreSQL.
pub struct Postgres {
    client: Client,
    prepared: HashMap<String, Statement>,
}

impl Postgres {
    /// Connects; with TLS when the URL says `sslmode=require` or better.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when there is no connection.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        let config: postgres::Config = url.parse().map_err(|_| StoreError::Unavailable("the database URL cannot be read".to_owned()))?;
        let client = match config.get_ssl_mode() {
            postgres::config::SslMode::Require => config.connect(tls()),
            _ => config.connect(postgres::NoTls),
        };
        let mut client = client.map_err(|error| StoreError::Unavailable(describe(&error)))?;
        // A node that dies inside a transaction holds the head of the log; nobody else could write until the network notices, which takes hours.
        client
            .batch_execute("SET lock_timeout = '20s'; SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '15s'")
            .map_err(|error| StoreError::Unavailable(describe(&error)))?;
        Ok(Self { client, prepared: HashMap::new() })
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(translate)?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// TLS against the system's certificates, on the one provider of cryptography.
fn tls() -> tokio_postgres_rustls::MakeRustlsConnect {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
    // The provider has the default versions built in; a build without them cannot exist.
    tokio_postgres_rustls::MakeRustlsConnect::new(config.unwrap_or_else(|error| unreachable!("TLS versions: {error}")))
}

impl Connection for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let statement = self.prepare(sql)?;
        self.client.execute(&statement, &parameters(values)).map_err(translate)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows = self.client.query(&statement, &parameters(values)).map_err(translate)?;
        rows.iter().map(|row| (0..row.len()).map(|column| row.try_get(column).map_err(translate)).collect::<Result<_, _>>().map(Row)).collect()
    }

    fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).map_err(translate)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.client.batch_execute("COMMIT").map_err(|error| if is_refusal(&error) { translate(error) } else { StoreError::OutcomeUnknown(describe(&error)) })
    }

    fn is_broken(&self) -> bool {
        self.client.is_closed()
    }
}

fn parameters<'a>(values: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(int) => int.to_sql_checked(ty, out),
            Value::Text(text) => text.to_sql_checked(ty, out),
            Value::Bytes(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Cell::Int),
            Type::INT4 => i32::from_sql(ty, raw).map(|int| Cell::Int(i64::from(int))),
            Type::BOOL => bool::from_sql(ty, raw).map(|flag| Cell::Int(i64::from(flag))),
            Type::BYTEA => Vec::<u8>::from_sql(ty, raw).map(Cell::Bytes),
            _ => String::from_sql(ty, raw).map(Cell::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Cell::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// The database's own words and its code, without the statement's values.
fn describe(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}

/// The last of the columns in "Key (account_id, name)=(…) already exists.", in whatever language the server says it.
fn last_column(detail: &str) -> Option<&str> {
    let (columns, _) = detail.split_once(")=(")?;
    columns.rsplit(['(', ' ']).next()
}

/// Whether the server said that it did not commit. Without its words nobody knows; and some of its words tell of the end of the connection, which may come behind
/// a commit that stands (PostgreSQL, appendix A: class 08, class 57 from `57P01` on, and `40003`, statement completion unknown).
fn is_refusal(error: &postgres::Error) -> bool {
    error.code().is_some_and(|state| !["08", "57P", "40003"].iter().any(|unknown| state.code().starts_with(unknown)))
}

fn translate(error: postgres::Error) -> StoreError {
    let Some(db) = error.as_db_error() else { return StoreError::Unavailable(describe(&error)) };
    let code = db.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        let table = db.table().unwrap_or_default().to_owned();
        let column = db.detail().and_then(last_column).unwrap_or_default().to_owned();
        return StoreError::Unique { table, column };
    }
    match code.code() {
        "40001" | "40P01" | "55P03" => StoreError::Collided(describe(&error)),
        "53100" => StoreError::Full,
        state if state.starts_with("08") || state.starts_with("57") || state.starts_with("53") => StoreError::Unavailable(describe(&error)),
        _ => StoreError::Database(describe(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::last_column;

    #[test]
    fn the_column_that_is_taken_is_read_in_every_language_of_the_server() {
        assert_eq!(last_column("Key (account_id, name)=(acct_1, a (b)=(c)) already exists."), Some("name"));
        assert_eq!(last_column("La clé « (token_hash)=(x) » existe déjà."), Some("token_hash"));
        assert_eq!(last_column("no such words"), None);
    }
}
