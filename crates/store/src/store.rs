//! The store: opened once, shared by everybody, closed by dropping.

use std::{fs::File, path::PathBuf, sync::Arc, sync::Mutex};

use tokio::sync::mpsc;

use crate::{
    StoreError, Tx,
    engine::{Connection, postgres::Postgres, sqlite::Sqlite},
    migrate,
    writer::{Call, CarriesStoreError, Job, Open, read_loop, write_loop},
};

/// Which database.
#[derive(Clone)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL; it may hold a password, so it has no Debug.
    Postgres(String),
}

/// Threads that read. SQLite's are as many as a small machine has cores; PostgreSQL's wait on the network most of the time.
const SQLITE_READERS: usize = 2;
const POSTGRES_READERS: usize = 4;
/// How many transactions may wait before callers do.
const QUEUE: usize = 4096;

/// An open database.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Box<dyn Job>>,
    readers: mpsc::Sender<Box<dyn Job>>,
    exclusive: bool,
    // Held for as long as the store lives: two processes on one SQLite file would each believe that every lease is theirs.
    _lock: Option<Arc<File>>,
}

impl Store {
    /// Opens the database, brings its schema up to date and starts the threads.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::UnknownSchema`], [`StoreError::Unavailable`] or [`StoreError::Full`].
    pub fn open(database: &Database) -> Result<Self, StoreError> {
        let lock = lock_file(database)?;
        migrate_aside(database)?;
        let (writer, jobs) = mpsc::channel(QUEUE);
        let for_writer = database.clone();
        spawn("store-writer", move || write_loop(Box::new(move || open_writer(&for_writer)), jobs))?;
        let (readers, jobs) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..reader_count(database) {
            let (jobs, database) = (jobs.clone(), database.clone());
            let open: Open = Box::new(move || open_reader(&database));
            spawn("store-reader", move || read_loop(&open, &jobs))?;
        }
        Ok(Self { writer, readers, exclusive: lock.is_some(), _lock: lock.map(Arc::new) })
    }

    /// Whether this process is the only one on the database, so that every lease in it is from an earlier life.
    pub fn is_exclusive(&self) -> bool {
        self.exclusive
    }

    /// Runs a named transaction and answers after its commit. The function may run several times; what it does outside of [`Tx`] must not matter.
    ///
    /// # Errors
    /// The function's own, or a [`StoreError`] inside it. Nothing has been kept then, but for [`StoreError::OutcomeUnknown`]: all of it, or nothing.
    pub async fn write<T, E, F>(&self, name: &'static str, function: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: CarriesStoreError + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        send(&self.writer, name, function).await
    }

    /// Runs a function that only reads, on one snapshot.
    ///
    /// # Errors
    /// The function's own, or a [`StoreError`] inside it.
    pub async fn read<T, E, F>(&self, name: &'static str, function: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: CarriesStoreError + Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        send(&self.readers, name, function).await
    }
}

async fn send<T, E, F>(queue: &mpsc::Sender<Box<dyn Job>>, name: &'static str, function: F) -> Result<T, E>
where
    T: Send + 'static,
    E: CarriesStoreError + Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
{
    let (job, answer) = Call::new(function);
    queue.send(job).await.map_err(|_| E::from(StoreError::Closed))?;
    let answer = answer.await.unwrap_or_else(|_| Err(E::from(StoreError::Closed)));
    if let Err(Some(error)) = answer.as_ref().map_err(CarriesStoreError::store_error) {
        tracing::debug!(transaction = name, %error, "transaction not kept");
    }
    answer
}

fn open_writer(database: &Database) -> Result<Box<dyn Connection>, StoreError> {
    Ok(match database {
        Database::Sqlite(path) => Box::new(Sqlite::open_writer(path)?),
        Database::Postgres(url) => Box::new(Postgres::connect(url)?),
    })
}

fn open_reader(database: &Database) -> Result<Box<dyn Connection>, StoreError> {
    Ok(match database {
        Database::Sqlite(path) => Box::new(Sqlite::open_reader(path)?),
        Database::Postgres(url) => Box::new(Postgres::connect(url)?),
    })
}

/// Brings the schema up to date on a thread of its own: the client of PostgreSQL waits by itself, which a thread of an async runtime may not.
fn migrate_aside(database: &Database) -> Result<(), StoreError> {
    let migrating = || migrate::apply(open_writer(database)?.as_mut());
    let ended = std::thread::scope(|scope| scope.spawn(migrating).join());
    ended.unwrap_or_else(|_| Err(StoreError::Database("the migration panicked".to_owned())))
}

fn reader_count(database: &Database) -> usize {
    match database {
        Database::Sqlite(_) => SQLITE_READERS,
        Database::Postgres(_) => POSTGRES_READERS,
    }
}

/// Takes the lock beside a SQLite file; it falls with the process, however that ends.
fn lock_file(database: &Database) -> Result<Option<File>, StoreError> {
    let Database::Sqlite(path) = database else { return Ok(None) };
    let lock = path.with_extension("lock");
    let file = File::create(&lock).map_err(|error| StoreError::Unavailable(format!("{}: {error}", lock.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(StoreError::InUse(path.display().to_string())),
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map(drop).map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))
}
