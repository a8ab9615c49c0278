//! A sync of a full account by the real server, under AWS's quotas on both sides, of virtual keys and of own ones that all differ: how near to what the tightest quota allows, and whether its memory stays flat.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use keystead_cloud::Call;
use keystead_cloud_aws::quotas::TABLE;
use serde_json::{Value, json};

use crate::{
    children::Cloud,
    is_full,
    measure::memory,
    report::{Figure, Goal, Report},
    server::{Installation, Server},
    world::{CUSTOMER, KEYSTORE},
};

/// To the cloud and back.
const LATENCY_MS: u64 = 20;
/// What SQLite may keep of its file in memory: 16 MiB for each of three connections.
const CACHES_MIB: f64 = 48.0;
/// How often the sync is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// KEYSTEAD_BENCH_SYNC=N takes another number.
fn keys() -> u64 {
    let asked = std::env::var("KEYSTEAD_BENCH_SYNC").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if is_full() { 100_000 } else { 5_000 })
}

/// Whose keys are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Made at AWS: each becomes a virtual key.
    Native,
    /// Keystead's own, each of which differs from what is wanted in one thing: drift, a row for each.
    Drifted,
}

pub async fn run(report: &mut Report) {
    looked_through(report, Whose::Native).await;
}

/// The same of own keys.
pub async fn sweep(report: &mut Report) {
    looked_through(report, Whose::Drifted).await;
}

async fn looked_through(report: &mut Report, whose: Whose) {
    let keys = keys();
    let cloud = Cloud::start();
    cloud.seed(&json!({ "account": CUSTOMER, "region": "eu-west-1", "stem": "app", "count": keys, "tags": { "team": "pay" } })).await;
    let installation = match whose {
        Whose::Native => Installation::with_quotas(&cloud.endpoint).await,
        Whose::Drifted => Installation::with_own_keys(&cloud.endpoint, cloud.keys().await).await,
    };
    cloud.configure(&json!({ "quotas": true, "latency_ms": LATENCY_MS })).await;
    let server = installation.start().await;
    let run = sync(&installation, &server, keys).await;
    match whose {
        Whose::Native => assert_eq!(run.found, keys, "every key is found"),
        Whose::Drifted => assert_eq!((run.own, run.different), (keys, keys), "every key is looked at, and differs"),
    }
    let what = if whose == Whose::Native { format!("sync of {keys} keys") } else { format!("sweep of {keys} own keys, each of which differs") };
    let calls = cloud.calls().await;
    let (bound, tightest) = bound(&calls);
    let told: Vec<String> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let (rate, allowed) = (keys as f64 / run.seconds, keys as f64 / bound);
    let note = format!("{keys} keys in {:.1} s; calls: {}", run.seconds, told.join(", "));
    let figure = Figure::new(format!("{what}, {LATENCY_MS} ms to the cloud, AWS's quotas"), "/s", &[rate]);
    report.add(figure.beside(format!("{tightest}, what the quota allows"), &[allowed]).goal(Goal::AtLeast(0.9)).note(note));
    let throttled = cloud.count_errors("ThrottlingException").await;
    report.add(Figure::new("calls of it that the cloud throttled", "calls", &[throttled as f64]).goal(Goal::AtMost(0.0)));
    let figure = Figure::new("resident memory at the end of it", "MiB", &[run.memory_late]);
    report.add(figure.beside("at a tenth of it", &[run.memory_early]));
    let growth = Figure::new("growth of resident memory between the two", "MiB", &[run.memory_late - run.memory_early]);
    report.add(growth.goal(Goal::AtMost(CACHES_MIB)).note("the database's page caches fill meanwhile; nothing else may grow with the keys"));
    server.stop();
}

/// What a sync came to.
struct Run {
    seconds: f64,
    found: u64,
    own: u64,
    different: u64,
    memory_early: f64,
    memory_late: f64,
}

async fn sync(installation: &Installation, server: &Server, keys: u64) -> Run {
    let http = reqwest::Client::new();
    let begun = Instant::now();
    let asked = http.post(format!("{}/v1/keystores/{KEYSTORE}/sync", installation.url())).bearer_auth(&installation.token).send().await;
    let answer: Value = asked.and_then(reqwest::Response::error_for_status).expect("an operation").json().await.expect("JSON");
    let url = format!("{}/v1/operations/{}", installation.url(), answer["operation"]["id"].as_str().expect("an id"));
    let mut memory_early = f64::NAN;
    loop {
        let seen: Value = http.get(&url).bearer_auth(&installation.token).send().await.expect("the server answers").json().await.expect("JSON");
        let count = |name: &str| seen["sync"][name].as_u64().unwrap_or_default();
        let (found, own, different) = (count("found"), count("own"), count("different"));
        if memory_early.is_nan() && found.max(own) >= keys / 10 {
            memory_early = memory(server.pid()).resident;
        }
        if seen["state"] != "RUNNING" {
            assert_eq!(seen["state"], "SUCCEEDED", "{seen}");
            return Run { seconds: begun.elapsed().as_secs_f64(), found, own, different, memory_early, memory_late: memory(server.pid()).resident };
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How long the calls that were made take at least, by the tightest of their quotas, and which that is.
fn bound(calls: &BTreeMap<String, u64>) -> (f64, String) {
    let quota = |name: &str| {
        let call = match name {
            "ListKeys" => Call::List,
            "ListAliases" => Call::ListAliases,
            "DescribeKey" => Call::Observe,
            "ListResourceTags" => Call::ListTags,
            "GetKeyPolicy" => Call::GetPolicy,
            "ListGrants" => Call::ListGrants,
            _ => return None,
        };
        TABLE.iter().find(|quota| quota.call == call).map(|quota| quota.per_second)
    };
    let spans = calls.iter().filter_map(|(name, count)| Some((*count as f64 / quota(name)?, name.clone())));
    spans.max_by(|a, b| a.0.total_cmp(&b.0)).expect("calls were made")
}
