//! Appends to the audit log, 64 at once, against bare inserts of the same bytes in the same grouping.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use keystead_audit::{Entry, Outcome};
use keystead_domain::{AccountId, Clock as _, KeyId, OperationId};
use keystead_operations::words::{self, Who};
use keystead_server::SystemClock;
use keystead_store::{Database, Store, StoreError};
use keystead_vault::SystemRandom;
use rusqlite::types::Value;

use crate::{
    AT_ONCE,
    bare::BareTable,
    measure::{Burst, at_once, percentile, scratch},
    report::{Figure, Goal, Report},
};

const ROUNDS: usize = 7;
const SPAN: Duration = Duration::from_secs(2);

pub async fn run(report: &mut Report) {
    let directory = scratch();
    let store = Store::open(&Database::Sqlite(directory.path().join("keystead.db"))).expect("a store");
    let create = "CREATE TABLE bare (idx INTEGER NOT NULL PRIMARY KEY, body TEXT NOT NULL);";
    let table = BareTable::open(&directory.path().join("bare.db"), create, "INSERT INTO bare (idx, body) VALUES (?1, ?2)");
    let entry = Arc::new(sample());
    let (mut appends, mut inserts, mut latency) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (append, insert) = (append(&store, entry.clone()).await, insert(&table, &entry).await);
        if round > 0 {
            latency.push(percentile(&append.took, 0.99));
            appends.push(append.per_second());
            inserts.push(insert.per_second());
        }
    }
    let name = format!("audit appends of {} bytes, one a transaction, 64 at once", entry.to_bytes().len());
    let limit = "bare inserts of the same bytes, same grouping";
    report.add(Figure::new(name, "/s", &appends).beside(limit, &inserts).goal(Goal::AtLeast(0.5)));
    report.add(Figure::new("an append, p99", "ms", &latency));
}

/// An entry as a step of a create leaves it.
pub fn sample() -> Entry {
    let now = SystemClock.now();
    let who = Who { id: "user_0193c0de0193c0de0193c0de0193c0de".to_owned(), name: "ann".to_owned() };
    words::entry(&SystemRandom, now, &AccountId::new(now, [1; 10]), &who, "cloud.import-material", "create-key")
        .subject("key", KeyId::new(now, [2; 10]).as_str(), "orders")
        .operation(&OperationId::new(now, [3; 10]))
        .outcome(Outcome::Succeeded)
        .cloud_request(Some("7d9e4a3c-0f7b-4f3e-9a55-2f1d0c8f6b11"))
        .detail("wrapping_key_request", "0a1b2c3d-0f7b-4f3e-9a55-2f1d0c8f6b12")
        .done()
}

async fn append(store: &Store, entry: Arc<Entry>) -> Burst {
    let store = store.clone();
    let one = move || {
        let (store, entry) = (store.clone(), entry.clone());
        async move {
            let written = store.write("bench.append", move |tx| {
                tx.audit(Entry::clone(&entry));
                Ok::<_, StoreError>(())
            });
            written.await.expect("an append");
        }
    };
    at_once(AT_ONCE, SPAN, &[], one).await
}

async fn insert(table: &BareTable, entry: &Entry) -> Burst {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let (table, body) = (table.clone(), String::from_utf8(entry.to_bytes()).expect("text"));
    let one = move || {
        let (table, body) = (table.clone(), body.clone());
        async move { table.commit(vec![vec![Value::Integer(NEXT.fetch_add(1, Ordering::Relaxed)), Value::Text(body)]]).await }
    };
    at_once(AT_ONCE, SPAN, &[], one).await
}
