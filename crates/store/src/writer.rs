//! The one thread that writes, and the threads that read. The writer groups what waits: one savepoint a transaction, one commit a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use keystead_audit::Entry;
use tokio::sync::{mpsc, oneshot};

use crate::{
    StoreError, Tx,
    engine::{Connection, Dialect},
    noun::audit::LogTail,
};

/// How many transactions share a commit at most; more would make the first wait long for the last.
const BATCH_MAX: usize = 256;
/// How often a transaction that met another one is run again.
const COLLISIONS_MAX: usize = 20;

/// A transaction on its way to a thread.
pub(crate) trait Job: Send {
    /// Runs the function; answers the audit entries, or the error for which everything it wrote is taken back.
    fn run(&mut self, connection: &mut dyn Connection) -> Result<Vec<Entry>, Option<StoreError>>;
    /// Gives the answer to who waits for it, after the commit.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A function, its answer so far, and who waits for it.
pub(crate) struct Call<F, T, E> {
    function: F,
    answer: Option<Result<T, E>>,
    /// Whether a value was taken: by a neighbour in the batch, it may be.
    met_taken: bool,
    waiting: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Call<F, T, E> {
    pub(crate) fn new(function: F) -> (Box<Self>, oneshot::Receiver<Result<T, E>>) {
        let (waiting, receiver) = oneshot::channel();
        (Box::new(Self { function, answer: None, met_taken: false, waiting }), receiver)
    }
}

/// An error of a transaction's own may carry a store error inside; the writer must see it to know a collision.
pub trait CarriesStoreError: From<StoreError> {
    /// The store error, when it is one.
    fn store_error(&self) -> Option<&StoreError>;
}

impl CarriesStoreError for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

impl<F, T, E> Job for Call<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: CarriesStoreError + Send,
{
    fn run(&mut self, connection: &mut dyn Connection) -> Result<Vec<Entry>, Option<StoreError>> {
        let mut tx = Tx::new(connection);
        // A fault in one function must not end the thread that serves all.
        let ran = catch_unwind(AssertUnwindSafe(|| (self.function)(&mut tx)));
        let (entries, swallowed) = tx.into_parts();
        self.met_taken = matches!(swallowed, Some(StoreError::Unique { .. }));
        let answer = match (ran, swallowed) {
            (Err(_), _) => Err(E::from(StoreError::Database("the transaction panicked".to_owned()))),
            // PostgreSQL runs nothing more in a transaction one of whose statements failed; SQLite is held to the same.
            (Ok(Ok(_)), Some(error)) => Err(E::from(error)),
            (Ok(answer), _) => answer,
        };
        let failed = answer.as_ref().err().map(|error| error.store_error().cloned());
        self.answer = Some(answer);
        failed.map_or(Ok(entries), Err)
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.answer) {
            // A refusal of the function's own stands even if the commit of the others failed: it wrote nothing. But one that says that a name is taken may
            // speak of a neighbour whose end nobody knows, in the function's own words.
            (Err(StoreError::OutcomeUnknown(why)), Some(Err(_))) if self.met_taken => Err(E::from(StoreError::Unavailable(why))),
            (Ok(()) | Err(_), Some(Err(error))) if error.store_error().is_none() => Err(error),
            // What the database refused was taken back before the commit, so nothing of it is kept. Why it was refused may hang on a neighbour whose end nobody
            // knows (a name that is taken): that is not told.
            (Err(StoreError::OutcomeUnknown(why)), Some(Err(_))) => Err(E::from(StoreError::Unavailable(why))),
            (Err(error), _) => Err(E::from(error)),
            (Ok(()), Some(answer)) => answer,
            (Ok(()), None) => Err(E::from(StoreError::Closed)),
        };
        // Who no longer waits needs no answer; the transaction stands.
        let _ = self.waiting.send(answer);
    }
}

/// Opens a connection; called again when one was lost.
pub(crate) type Open = Box<dyn Fn() -> Result<Box<dyn Connection>, StoreError> + Send>;

/// Runs the writer until the store is dropped.
pub(crate) fn write_loop(open: Open, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
    let mut writer = Writer { open, connection: None, log: LogTail::default() };
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        writer.serve(batch);
    }
}

struct Writer {
    open: Open,
    connection: Option<Box<dyn Connection>>,
    log: LogTail,
}

impl Writer {
    fn serve(&mut self, mut batch: Vec<Box<dyn Job>>) {
        match self.attempt(&mut batch) {
            Err(StoreError::Collided(_)) => batch.into_iter().for_each(|job| self.serve_alone(job)),
            outcome => batch.into_iter().for_each(|job| job.finish(outcome.clone())),
        }
    }

    /// After a collision each transaction runs on its own, so that one unlucky neighbour does not hold up the others.
    fn serve_alone(&mut self, job: Box<dyn Job>) {
        let mut alone = vec![job];
        let mut outcome = self.attempt(&mut alone);
        for attempt in 1..COLLISIONS_MAX as u64 {
            if !matches!(outcome, Err(StoreError::Collided(_))) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(attempt.min(10)));
            outcome = self.attempt(&mut alone);
        }
        alone.into_iter().for_each(|job| job.finish(outcome.clone()));
    }

    /// Runs the batch in one database transaction. After an error nothing of it has been kept, but for a commit whose answer was lost: that is not tried again.
    fn attempt(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let mut connection = begin(&self.open, self.connection.take(), |_| "BEGIN")?;
        let outcome = commit_batch(connection.as_mut(), batch, &mut self.log);
        if outcome.is_err() {
            self.log = LogTail::default();
            // SQLite may have taken everything back already and then says that no transaction runs.
            let _ = connection.batch("ROLLBACK");
        }
        self.connection = Some(connection).filter(|connection| !connection.is_broken());
        outcome
    }
}

/// Begins a database transaction. A connection that was lost while nothing ran on it is opened again: nothing was asked of it yet.
fn begin(open: &Open, kept: Option<Box<dyn Connection>>, how: fn(Dialect) -> &'static str) -> Result<Box<dyn Connection>, StoreError> {
    if let Some(mut connection) = kept
        && connection.batch(how(connection.dialect())).is_ok()
    {
        return Ok(connection);
    }
    let mut fresh = open()?;
    fresh.batch(how(fresh.dialect()))?;
    Ok(fresh)
}

fn commit_batch(connection: &mut dyn Connection, batch: &mut [Box<dyn Job>], log: &mut LogTail) -> Result<(), StoreError> {
    let mut entries = Vec::new();
    for job in batch {
        entries.extend(run_in_savepoint(connection, job.as_mut())?);
    }
    if !entries.is_empty() {
        log.append(&mut Tx::new(connection), &entries)?;
    }
    connection.commit()
}

fn run_in_savepoint(connection: &mut dyn Connection, job: &mut dyn Job) -> Result<Vec<Entry>, StoreError> {
    connection.batch("SAVEPOINT job")?;
    match job.run(connection) {
        Ok(entries) => connection.batch("RELEASE SAVEPOINT job").map(|()| entries),
        // These concern the whole database transaction, not this function alone.
        Err(Some(error @ (StoreError::Collided(_) | StoreError::Full | StoreError::Unavailable(_)))) => Err(error),
        Err(_) => connection.batch("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job").map(|()| Vec::new()),
    }
}

/// Runs one reader until the store is dropped; all readers share the queue.
pub(crate) fn read_loop(open: &Open, jobs: &std::sync::Mutex<mpsc::Receiver<Box<dyn Job>>>) {
    let mut connection: Option<Box<dyn Connection>> = None;
    loop {
        let next = jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).blocking_recv();
        let Some(mut job) = next else { return };
        let outcome = begin(open, connection.take(), snapshot).and_then(|mut begun| {
            let outcome = read(begun.as_mut(), job.as_mut());
            connection = Some(begun).filter(|connection| !connection.is_broken());
            outcome
        });
        job.finish(outcome);
    }
}

/// One snapshot for all the statements of a reading function.
fn snapshot(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "BEGIN",
        Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    }
}

fn read(connection: &mut dyn Connection, job: &mut dyn Job) -> Result<(), StoreError> {
    let outcome = job.run(connection);
    let ended = connection.batch("ROLLBACK");
    match outcome {
        Err(Some(error)) => Err(error),
        Ok(entries) if !entries.is_empty() => Err(StoreError::Database("a function that only reads cannot write to the audit log".to_owned())),
        _ => ended,
    }
}
