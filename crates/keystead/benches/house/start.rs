//! The real server: from its start to ready, and its memory idle and after many creates over REST.

use std::{sync::Arc, time::Duration};

use crate::{
    AT_ONCE,
    children::Cloud,
    measure::{at_once, memory, percentile},
    report::{Figure, Report},
    rest::Client,
    server::Installation,
};

const ROUNDS: usize = 7;
const KEYS: u64 = 100_000;
/// How long it is left alone before it counts as idle.
const IDLE: Duration = Duration::from_secs(2);
/// How long keys are created.
const LOAD: Duration = Duration::from_secs(15);

pub async fn run(report: &mut Report) {
    let cloud = Cloud::start();
    let (full, empty) = (Installation::new(&cloud.endpoint, KEYS).await, Installation::new(&cloud.endpoint, 0).await);
    let (mut ready, mut ready_empty) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ready_empty.push(start_and_stop(&empty).await);
        ready.push(start_and_stop(&full).await);
    }
    report.add(Figure::new(format!("start to ready with {KEYS} keys"), "ms", &ready).beside("the same with none", &ready_empty));
    load(report, &cloud, &full, &empty).await;
}

async fn start_and_stop(installation: &Installation) -> f64 {
    let server = installation.start().await;
    let millis = server.ready_millis;
    server.stop();
    millis
}

async fn load(report: &mut Report, cloud: &Cloud, full: &Installation, empty: &Installation) {
    let (with_keys, without) = (full.start().await, empty.start().await);
    tokio::time::sleep(IDLE).await;
    let (idle, idle_empty) = (memory(with_keys.pid()).resident, memory(without.pid()).resident);
    without.stop();
    report.add(Figure::new(format!("resident memory, idle, {KEYS} keys"), "MiB", &[idle]).beside("the same with none", &[idle_empty]));
    let client = Client::new(full);
    let one = move || {
        let client = Arc::clone(&client);
        async move { client.create().await }
    };
    let pids = [with_keys.pid(), cloud.pid(), std::process::id()];
    let burst = at_once(AT_ONCE, LOAD, &pids, one).await;
    let note = format!("CPU seconds: server {:.1}, simulated cloud {:.1}, client {:.1}", burst.cpu[0], burst.cpu[1], burst.cpu[2]);
    report.add(Figure::new(format!("creates over REST, 64 at once, {KEYS} keys"), "/s", &[burst.per_second()]).note(note));
    report.add(Figure::new("a create over REST, p50", "ms", &[percentile(&burst.took, 0.5)]));
    report.add(Figure::new("a create over REST, p99", "ms", &[percentile(&burst.took, 0.99)]));
    tokio::time::sleep(IDLE).await;
    let after = memory(with_keys.pid());
    report.add(Figure::new(format!("resident memory after {} creates", burst.took.len()), "MiB", &[after.resident]).beside("idle before", &[idle]));
    report.add(Figure::new("resident memory, greatest during the creates", "MiB", &[after.peak]).beside("idle before", &[idle]));
    with_keys.stop();
}
