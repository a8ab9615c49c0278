//! A wire to PostgreSQL that breaks at a COMMIT: just before the server hears of it, or just before the client hears the answer. From the client's end the two
//! look the same.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// Where the wire breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The server never hears of the COMMIT.
    BeforeCommit,
    /// The server has committed; its answer is lost.
    BehindCommit,
}

/// COMMIT as a simple query, behind its length.
const COMMIT: &[u8] = b"COMMIT\0";

/// A wire. It stands until the process ends, and carries any number of connections.
pub struct Wire {
    url: String,
    plan: Arc<Mutex<Option<Plan>>>,
}

/// Which COMMIT is the last.
struct Plan {
    at: Break,
    skip: u32,
}

impl Wire {
    /// A wire to the server of this URL, as [`fresh_database`](crate::postgres::fresh_database) gives it.
    ///
    /// # Panics
    /// When the URL names no host and port, or no port is free.
    pub fn to(url: &str) -> Self {
        let (server, database) = url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("a URL with a host, a port and a database");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let plan = Arc::<Mutex<Option<Plan>>>::default();
        let (server, shared) = (server.to_owned(), plan.clone());
        thread::spawn(move || listener.incoming().flatten().try_for_each(|client| carry(client, &server, &shared)));
        Self { url: format!("postgres://app@127.0.0.1:{port}/{database}"), plan }
    }

    /// The database's URL over this wire.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Breaks the connection that sends the next COMMIT, or a later one. Connections made afterwards are carried as before.
    pub fn break_at(&self, at: Break, skip: u32) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(Plan { at, skip });
    }

    /// Whether it has not broken yet since it was told to.
    pub fn is_armed(&self) -> bool {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Carries one connection, on two threads that end with it.
fn carry(client: TcpStream, server: &str, plan: &Arc<Mutex<Option<Plan>>>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    // Messages are small and waited for, one by one.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let deaf = Arc::new(AtomicBool::new(false));
    let (questions, answers) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let (plan, heard) = (plan.clone(), deaf.clone());
    thread::spawn(move || {
        pump(questions, |words| match words.windows(COMMIT.len()).any(|word| word == COMMIT).then(|| due(&plan)).flatten() {
            Some(Break::BeforeCommit) => false,
            Some(Break::BehindCommit) => {
                deaf.store(true, Ordering::SeqCst);
                true
            }
            None => true,
        })
    });
    thread::spawn(move || pump(answers, |_| !heard.load(Ordering::SeqCst)));
    Ok(())
}

/// Takes the plan when this COMMIT is the one.
fn due(plan: &Mutex<Option<Plan>>) -> Option<Break> {
    let mut plan = plan.lock().unwrap_or_else(PoisonError::into_inner);
    match plan.as_mut() {
        Some(waiting) if waiting.skip > 0 => {
            waiting.skip -= 1;
            None
        }
        _ => plan.take().map(|plan| plan.at),
    }
}

/// Passes on what is read for as long as it may pass; then both ends are closed.
fn pump((mut from, mut to): (TcpStream, TcpStream), may_pass: impl Fn(&[u8]) -> bool) {
    let mut words = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut words) {
        if count == 0 || !may_pass(&words[..count]) || to.write_all(&words[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
