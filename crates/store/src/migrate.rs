//! The schema and its numbered changes. A change first only adds (expand), and takes away in a later release (contract), so that nodes of two releases can run
//! side by side; a binary refuses a schema that it does not know.

use crate::{StoreError, engine::Connection, engine::Dialect};

/// Every change, in order; the number is the position, from 1.
const MIGRATIONS: [&str; 20] = [
    include_str!("../migrations/0001_house.sql"),
    include_str!("../migrations/0002_alerts.sql"),
    include_str!("../migrations/0003_rotation.sql"),
    include_str!("../migrations/0004_custody.sql"),
    include_str!("../migrations/0005_in_place.sql"),
    include_str!("../migrations/0006_links.sql"),
    include_str!("../migrations/0007_native.sql"),
    include_str!("../migrations/0008_again.sql"),
    include_str!("../migrations/0009_aliases.sql"),
    include_str!("../migrations/0010_imports.sql"),
    include_str!("../migrations/0011_drift.sql"),
    include_str!("../migrations/0012_batches.sql"),
    include_str!("../migrations/0013_warm.sql"),
    include_str!("../migrations/0014_events.sql"),
    include_str!("../migrations/0015_estates.sql"),
    include_str!("../migrations/0016_health.sql"),
    include_str!("../migrations/0017_usage.sql"),
    include_str!("../migrations/0018_uses.sql"),
    include_str!("../migrations/0019_turns.sql"),
    include_str!("../migrations/0020_alert_channels.sql"),
];

/// The newest schema that this binary knows.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// A number that nobody else uses as an advisory lock: "keystead" in ASCII.
const MIGRATION_LOCK: i64 = 0x6b65_7973_7465_6164;

/// Brings the schema up to date, one database transaction a change.
pub(crate) fn apply(connection: &mut dyn Connection) -> Result<(), StoreError> {
    connection.batch("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)").or_else(|error| {
        // Two nodes that start at once may both try; PostgreSQL then lets one fail although the table exists.
        connection.query("SELECT version FROM schema_version", &[]).map(drop).map_err(|_| error)
    })?;
    let found = current(connection)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::UnknownSchema { found, known: SCHEMA_VERSION });
    }
    (found..SCHEMA_VERSION).try_for_each(|done| apply_one(connection, done))
}

fn current(connection: &mut dyn Connection) -> Result<i64, StoreError> {
    let row = connection.query("SELECT COALESCE(MAX(version), 0) FROM schema_version", &[])?.into_iter().next();
    row.map_or(Ok(0), |row| row.read().int())
}

fn apply_one(connection: &mut dyn Connection, done: i64) -> Result<(), StoreError> {
    let version = done + 1;
    let dialect = connection.dialect();
    connection.batch("BEGIN")?;
    let outcome = (|| {
        if dialect == Dialect::Postgres {
            connection.batch(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))?;
        }
        // Another node may have been faster while we waited for the lock.
        if current(connection)? >= version {
            return Ok(());
        }
        connection.batch(&dialect.fill(MIGRATIONS[done as usize]))?;
        connection.execute("INSERT INTO schema_version (version) VALUES ($1)", &[version.into()]).map(drop)
    })();
    match outcome {
        Ok(()) => connection.commit(),
        Err(error) => connection.batch("ROLLBACK").and(Err(error)),
    }
}
