//! The limit of durable writing: rows in one plain SQLite table, written by one thread that groups what waits into one commit, as the store's writer does, with
//! nothing of what the store does besides.

use std::path::Path;

use rusqlite::types::Value;
use tokio::sync::{mpsc, oneshot};

/// As many as share a commit in the store.
const BATCH_MAX: usize = 256;

struct Job {
    rows: Vec<Vec<Value>>,
    done: oneshot::Sender<()>,
}

/// A plain table and the thread that writes it.
#[derive(Clone)]
pub struct BareTable {
    jobs: mpsc::Sender<Job>,
}

impl BareTable {
    /// Makes the table in a new file. `insert` takes one row.
    pub fn open(file: &Path, create: &str, insert: &'static str) -> Self {
        let connection = rusqlite::Connection::open(file).expect("a database");
        let pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384;";
        connection.execute_batch(&format!("{pragmas} {create}")).expect("a table");
        let (jobs, waiting) = mpsc::channel(4096);
        std::thread::spawn(move || write(&connection, insert, waiting));
        Self { jobs }
    }

    /// Writes these rows; they are on disk when it answers.
    pub async fn commit(&self, rows: Vec<Vec<Value>>) {
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job { rows, done }).await.expect("the thread lives");
        answer.await.expect("the rows are written");
    }
}

fn write(connection: &rusqlite::Connection, insert: &str, mut waiting: mpsc::Receiver<Job>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(job) = waiting.try_recv() else { break };
            batch.push(job);
        }
        write_batch(connection, insert, &batch).expect("a plain insert");
        for job in batch {
            let _ = job.done.send(());
        }
    }
}

fn write_batch(connection: &rusqlite::Connection, insert: &str, batch: &[Job]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    let mut statement = connection.prepare_cached(insert)?;
    for row in batch.iter().flat_map(|job| &job.rows) {
        statement.execute(rusqlite::params_from_iter(row))?;
    }
    connection.execute_batch("COMMIT")
}
