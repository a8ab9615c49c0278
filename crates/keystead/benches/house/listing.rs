//! A page of keys, and a key by its name, in small and in large databases: an index must make no difference.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keystead_operations::engine::Settings;
use keystead_store::{Database, keys::KeyFilter, page::Page};

use crate::{
    fill::{self, Owner, fill},
    is_full,
    measure::{Spread, scratch},
    report::{Figure, Goal, Report},
    world::{NOWHERE, World},
};

const ROUNDS: usize = 7;
/// How often each is done in a round; the round is the median of these.
const TIMES: u64 = 300;
const PAGE: u32 = 100;

/// One filled database.
struct Filled {
    world: Arc<World>,
    owner: Owner,
    count: u64,
}

/// What was measured of one database: microseconds, one a round.
#[derive(Default)]
struct Measured {
    page: Vec<f64>,
    find: Vec<f64>,
}

pub async fn run(report: &mut Report) {
    let directory = scratch();
    let files: Vec<Database> = counts().iter().map(|count| Database::Sqlite(directory.path().join(format!("{count}.db")))).collect();
    compare(report, "SQLite", &files).await;
    let mut urls = Vec::new();
    for _ in counts() {
        // It panics where PostgreSQL is not installed, and says so.
        let Ok(url) = tokio::task::spawn_blocking(keystead_testkit::postgres::fresh_database).await else {
            return report.left_out("PostgreSQL", "it is not installed here");
        };
        urls.push(url);
    }
    let databases: Vec<Database> = urls.iter().cloned().map(Database::Postgres).collect();
    compare(report, "PostgreSQL", &databases).await;
}

fn counts() -> Vec<u64> {
    if is_full() { vec![1_000, 100_000, 1_000_000] } else { vec![1_000, 100_000] }
}

async fn compare(report: &mut Report, engine: &str, databases: &[Database]) {
    let mut filled = Vec::new();
    for (database, count) in databases.iter().zip(counts()) {
        filled.push(fill_one(database, count).await);
    }
    let mut measured: Vec<Measured> = filled.iter().map(|_| Measured::default()).collect();
    // The sizes take turns, so that what disturbs a round disturbs all of them. The first round warms the caches.
    for round in 0..=ROUNDS {
        for (filled, measured) in filled.iter().zip(&mut measured) {
            let (page, find) = (pages(filled).await, finds(filled).await);
            if round > 0 {
                measured.page.push(page);
                measured.find.push(find);
            }
        }
    }
    let small = &measured[0];
    for (filled, large) in filled.iter().zip(&measured).skip(1) {
        let (count, limit) = (filled.count, "the same with 1000 keys");
        report.add(Figure::new(format!("{engine}: a page of {PAGE} of {count} keys"), "us", &large.page).beside(limit, &small.page).goal(Goal::AtMost(1.5)));
        report.add(Figure::new(format!("{engine}: a key by name of {count} keys"), "us", &large.find).beside(limit, &small.find).goal(Goal::AtMost(1.5)));
    }
}

async fn fill_one(database: &Database, count: u64) -> Filled {
    let world = World::new(database, NOWHERE, Settings::default()).await;
    let keystore = world.keystore().await;
    let owner = Owner { account: keystore.account_id, keystore: keystore.id, cloud: "aws", now: world.house.engine.now(), cloud_keys: std::sync::Arc::new([]) };
    fill(world.store(), &owner, count, None).await;
    if let Database::Postgres(url) = database {
        settle(url.clone()).await;
    }
    Filled { world, owner, count }
}

/// What PostgreSQL does by itself within minutes of so many inserts: statistics, pages marked as visible to all, and dirty pages on disk. Without it the first
/// readers pay for the writers.
async fn settle(url: String) {
    let work = move || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls)?;
        client.batch_execute("VACUUM ANALYZE")?;
        client.batch_execute("CHECKPOINT")
    };
    tokio::task::spawn_blocking(work).await.expect("no panic").expect("statistics");
}

/// The median time of a page from somewhere.
async fn pages(filled: &Filled) -> f64 {
    let mut took = Vec::new();
    for time in 0..TIMES {
        let after = fill::id(&filled.owner, somewhere(time, filled.count - u64::from(PAGE) - 1), filled.count);
        let page = Page { after: Some(after.to_string()), limit: PAGE };
        let begun = Instant::now();
        let listed = filled.world.house.app.list_keys(&filled.world.ann, None, KeyFilter::default(), page).await.expect("a page");
        took.push(begun.elapsed());
        assert_eq!(listed.rows.len(), PAGE as usize, "a whole page");
    }
    median_micros(&took)
}

/// The median time of a key by its name, with its versions, as `key show` asks for it.
async fn finds(filled: &Filled) -> f64 {
    let mut took = Vec::new();
    for time in 0..TIMES {
        let name = fill::name(somewhere(time, filled.count));
        let begun = Instant::now();
        let (key, _) = filled.world.house.app.show_key(&filled.world.ann, &name).await.expect("the key");
        took.push(begun.elapsed());
        assert_eq!(key.name, name, "the key that was asked for");
    }
    median_micros(&took)
}

/// A place below `count`, all over it.
fn somewhere(time: u64, count: u64) -> u64 {
    time.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count
}

fn median_micros(took: &[Duration]) -> f64 {
    let micros: Vec<f64> = took.iter().map(|took| took.as_secs_f64() * 1e6).collect();
    Spread::of(&micros).median
}
