//! Real kills in the year. The house of the test ends, and this very binary is started again as a process of its own: it opens the same database, works against the
//! same simulated cloud at the same virtual time, and gets SIGKILL after some calls of its work. Then the house comes back, as behind a power cut.

use std::{
    collections::VecDeque,
    fmt,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use keystead_domain::Timestamp;
use keystead_operations::NoHooks;
use keystead_sandbox::VirtualClock;
use keystead_store::{Database, StoreError, due, due::Task, operations};
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};

use super::look::look;
use crate::{
    alerts::{courier_to, settings_with_hook},
    world::{Ended, World, house_over, open_when_free},
};

/// Tells a life where it works.
const LIFE: &str = "KEYSTEAD_LIFE_IN_THE_YEAR";
/// What a life says when nothing is left to do.
const IDLE: &str = "nothing is left to do";
/// How many calls of its work a life gets to make, at most.
const CALLS: usize = 24;

/// The kills of the year, and what they hit.
pub struct Kills {
    /// When those are to come that hit something.
    planned: VecDeque<Timestamp>,
    struck: usize,
    /// How many may come in all: one that comes too late comes again.
    most: usize,
    /// Those that came before the life was done, and left operations open.
    at_work: usize,
    /// The operations that were open then.
    open: usize,
}

impl fmt::Display for Kills {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} kills of a process, {} of them at work with {} operations open", self.struck, self.at_work, self.open)
    }
}

impl Kills {
    pub fn in_year(begin: Timestamp, count: usize, random: &mut StdRng) -> Self {
        let mut days: Vec<i64> = (0..count).map(|_| random.random_range(20..360)).collect();
        days.sort_unstable();
        Self { planned: days.into_iter().map(|day| begin.plus_days(day)).collect(), struck: 0, most: 3 * count, at_work: 0, open: 0 }
    }

    /// Whether the time of the next has come, and there is something to interrupt.
    pub async fn is_due(&self, world: &World) -> bool {
        let now = world.now();
        let has_work = move |tx: &mut keystead_store::Tx<'_>| {
            for task in [Task::Expiry, Task::Rotation, Task::Retirement] {
                if !due::keystores(tx, task, now)?.is_empty() {
                    return Ok(true);
                }
            }
            operations::any_due(tx, now)
        };
        let is_time = self.struck < self.most && self.planned.front().is_some_and(|planned| *planned <= now);
        is_time && world.store().read("test", has_work).await.unwrap_or_else(|error: StoreError| panic!("{error}"))
    }

    /// Starts a process on the database, and kills it. Answers whether it was still at work.
    pub async fn strike(&mut self, ended: &Ended, hook: &str, random: &mut StdRng) -> bool {
        self.struck += 1;
        let (before, calls) = (ended.requests().await, random.random_range(1..=CALLS));
        let mut life = Life::start(ended, hook);
        while !life.is_done() && ended.requests().await < before + calls {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(0..4000))).await;
        life.kill()
    }

    /// Counts what was hit, before anybody takes it up.
    pub async fn count(&mut self, world: &World, was_at_work: bool) {
        let counts = world.store().read("test", operations::counts).await.expect("a store");
        let open: i64 = counts.iter().filter(|count| count.state == "RUNNING").map(|count| count.count).sum();
        if was_at_work && open > 0 {
            self.planned.pop_front();
            self.at_work += 1;
            self.open += usize::try_from(open).expect("a count");
        }
    }

    pub fn hit_something(&self) -> bool {
        self.struck == 0 || self.at_work > 0
    }
}

/// A process that looks as the schedule does.
struct Life {
    child: Child,
    is_done: Arc<AtomicBool>,
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

impl Life {
    fn start(ended: &Ended, hook: &str) -> Self {
        let Database::Sqlite(database) = &ended.database else { panic!("the year is on SQLite") };
        let place = json!({ "database": database, "cloud": ended.sandbox.endpoint(), "ahead": ended.sandbox.clock().offset_micros(), "hook": hook });
        // Not by its name: a build that runs beside may have put another binary there.
        let mut child = Command::new(format!("/proc/{}/exe", std::process::id()))
            .args(["--exact", "year::kills::a_life_that_will_be_taken", "--ignored", "--nocapture"])
            .env(LIFE, place.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary starts");
        let is_done = Arc::new(AtomicBool::new(false));
        listen(child.stdout.take().expect("a pipe"), is_done.clone());
        Self { child, is_done }
    }

    fn is_done(&mut self) -> bool {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("the process ended by itself: {status}");
        }
        self.is_done.load(SeqCst)
    }

    /// SIGKILL. Answers whether it had something left to do.
    fn kill(mut self) -> bool {
        self.child.kill().expect("a signal");
        self.child.wait().expect("an end");
        !self.is_done.load(SeqCst)
    }
}

/// Notes when a life says that it is done.
fn listen(said: ChildStdout, is_done: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            is_done.fetch_or(line.contains(IDLE), SeqCst);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is a process of its own, which the year starts and kills"]
async fn a_life_that_will_be_taken() {
    let place: Value = serde_json::from_str(&std::env::var(LIFE).expect("is started by the year")).expect("JSON");
    let told = |what: &str| place[what].as_str().expect("a place").to_owned();
    let clock = VirtualClock::new();
    clock.advance(place["ahead"].as_u64().expect("a clock"));
    let store = open_when_free(&Database::Sqlite(told("database").into())).await;
    let house = house_over(store, &told("cloud"), clock, Arc::new(NoHooks), settings_with_hook()).await;
    look(&house.engine, &courier_to(&house.engine, &told("hook"))).await;
    println!("{IDLE}");
    // It ends by a signal, or with its parent, however that ends.
    let _ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
}
