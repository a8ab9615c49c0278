//! Creates, 64 at once, against a simulated cloud without latency and without quotas, in a process of its own.
//!
//! Three limits: wrapping alone on every core; the journal's rows alone, in as many commits one after the other as a create makes; and the same calls to the
//! same cloud by the connector alone. The first two know no cloud at all; the third shares the machine with it as the creates do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use keystead_cloud::{Capabilities, CloudKeyId, Import, NewCloudKey, OwnTags, Which, WrappingKey};
use keystead_domain::{Alias, KeySpec, KeyUsage, OperationId, WrapMethod};
use keystead_operations::engine::{Settings, material::Sealed};
use keystead_store::{
    Database,
    journal::{self, JournalRow},
    keys::{self, KeyRow},
    operations,
};
use rusqlite::types::Value;

use crate::{
    AT_ONCE,
    bare::BareTable,
    children::Cloud,
    measure::{Burst, at_once, cores, on_every_core, percentile, scratch, short},
    report::{Figure, Goal, Report},
    world::World,
};

const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_secs(3);
const LIMIT_SPAN: Duration = Duration::from_millis(1500);
const SPAN: Duration = Duration::from_secs(5);

/// What the journal's rows look like in a table of nothing else.
const JOURNAL: &str = "CREATE TABLE journal (operation_id TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, step BIGINT NOT NULL, name TEXT NOT NULL,
  phase TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (operation_id, seq));";
const INSERT: &str = "INSERT INTO journal (operation_id, seq, at, step, name, phase, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// One create that was made, taken apart.
struct Sample {
    key: KeyRow,
    sealed: Sealed,
    offered: WrappingKey,
    /// The journal's rows, one list a commit.
    commits: Vec<Vec<JournalRow>>,
}

pub async fn run(report: &mut Report) {
    let (cloud, directory) = (Cloud::start(), scratch());
    let settings = Settings { quotas: false, ..Settings::default() };
    let world = World::new(&Database::Sqlite(directory.path().join("keystead.db")), &cloud.endpoint, settings).await;
    let pids = [std::process::id(), cloud.pid()];
    creates(&world, WARM_UP, &pids).await;
    let sample = Arc::new(take_apart(&world).await);
    let table = BareTable::open(&directory.path().join("bare.db"), JOURNAL, INSERT);
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        rounds.wraps.push(wraps(&world, sample.clone()).await);
        rounds.commits.push(commits(&table, sample.clone()).await);
        rounds.calls.push(calls(&world, sample.clone()).await.per_second());
        rounds.bursts.push(creates(&world, SPAN, &pids).await);
    }
    rounds.tell(report, &sample);
}

async fn creates(world: &Arc<World>, span: Duration, pids: &[u32]) -> Burst {
    let world = world.clone();
    let one = move || {
        let world = world.clone();
        async move { drop(world.create().await) }
    };
    at_once(AT_ONCE, span, pids, one).await
}

/// Makes one key and takes apart what it left.
async fn take_apart(world: &World) -> Sample {
    let id = world.create().await;
    let (key, lines) = read_back(world, id).await;
    let sealed = world.house.engine.sealed(&key).await.expect("its version");
    let cloud = world.house.engine.parts().clouds.connect(&world.keystore().await).await.expect("a connection");
    let capabilities = cloud.capabilities();
    let cloud_key = CloudKeyId(key.cloud_key_id.clone().expect("a cloud key"));
    let offered = cloud.wrapping_key(&cloud_key, wrap(capabilities), capabilities.wrapping_key).await.expect("a wrapping key").value;
    Sample { key, sealed, offered, commits: by_commit(lines) }
}

fn wrap(capabilities: &Capabilities) -> WrapMethod {
    capabilities.wrap_for(KeySpec::Aes256).expect("AWS takes AES keys here")
}

async fn read_back(world: &World, id: OperationId) -> (KeyRow, Vec<JournalRow>) {
    let read = world.store().read("bench.read_back", move |tx| {
        let operation = operations::by_id(tx, &id)?.expect("the operation");
        let key = keys::by_id(tx, &operation.key_id.expect("a key"))?.expect("the key");
        Ok::<_, keystead_store::StoreError>((key, journal::of_operation(tx, &id)?))
    });
    read.await.expect("a store")
}

/// The outcome of a step and the *about to* of the next share a commit: each commit but the first begins with an outcome.
fn by_commit(lines: Vec<JournalRow>) -> Vec<Vec<JournalRow>> {
    let mut commits: Vec<Vec<JournalRow>> = Vec::new();
    for line in lines {
        match commits.last_mut() {
            Some(commit) if line.phase == "about" => commit.push(line),
            _ => commits.push(vec![line]),
        }
    }
    commits
}

/// Wrapping for the cloud, on every core.
async fn wraps(world: &World, sample: Arc<Sample>) -> f64 {
    let vault = world.house.engine.parts().vault.clone();
    let asked_for = world.house.engine.parts().clouds.connect(&world.keystore().await).await.expect("a connection").capabilities().wrapping_key;
    on_every_core(LIMIT_SPAN, move || {
        let held = sample.sealed.held().expect("its material");
        vault.wrap_for_cloud(&held, &sample.offered.public_key, sample.offered.method, asked_for).expect("a blob");
    })
    .await
}

/// The journal's rows of a create, in as many commits, one after the other, by as many as create at once.
async fn commits(table: &BareTable, sample: Arc<Sample>) -> f64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let table = table.clone();
    let one = move || {
        let (table, sample) = (table.clone(), sample.clone());
        async move {
            let id = format!("op_{:032x}", NUMBER.fetch_add(1, Ordering::Relaxed));
            for commit in &sample.commits {
                table.commit(commit.iter().map(|line| values(&id, line)).collect()).await;
            }
        }
    };
    at_once(AT_ONCE, LIMIT_SPAN, &[], one).await.per_second()
}

fn values(operation: &str, line: &JournalRow) -> Vec<Value> {
    vec![
        Value::Text(operation.to_owned()),
        Value::Integer(line.seq),
        Value::Integer(line.at.as_micros()),
        Value::Integer(i64::from(line.step)),
        Value::Text(line.name.clone()),
        Value::Text(line.phase.clone()),
        Value::Text(line.record.clone()),
    ]
}

/// The calls of a create by the connector alone, with the wrapping between them: no intent, no journal, no audit log, no new material.
async fn calls(world: &Arc<World>, sample: Arc<Sample>) -> Burst {
    let cloud = world.house.engine.parts().clouds.connect(&world.keystore().await).await.expect("a connection");
    let world = world.clone();
    let one = move || {
        let (world, sample, cloud) = (world.clone(), sample.clone(), cloud.clone());
        async move { drop(call_all(&world, &sample, cloud.as_ref()).await) }
    };
    at_once(AT_ONCE, SPAN / 2, &[], one).await
}

async fn call_all(world: &World, sample: &Sample, cloud: &dyn keystead_cloud::Cloud) -> CloudKeyId {
    let name = world.fresh_name();
    let own = OwnTags { key: sample.key.id.to_string(), operation: name.clone(), installation: sample.key.account_id.to_string() };
    let tags = vec![("team".to_owned(), "pay".to_owned())];
    let new = NewCloudKey { spec: KeySpec::Aes256, usage: KeyUsage::Encrypt, description: sample.key.description.clone(), tags, own, multi_region: false };
    let made = cloud.create_key(&new).await.expect("a cloud key").value.id;
    let capabilities = cloud.capabilities();
    let offered = cloud.wrapping_key(&made, wrap(capabilities), capabilities.wrapping_key).await.expect("a wrapping key").value;
    let held = sample.sealed.held().expect("its material");
    let vault = &world.house.engine.parts().vault;
    let wrapped = vault.wrap_for_cloud(&held, &offered.public_key, offered.method, capabilities.wrapping_key).expect("a blob");
    cloud.import(&made, &Import { token: offered.token, wrapped, expires: sample.key.expires_at, which: Which::Only }).await.expect("an import");
    cloud.observe(&made).await.expect("a look").expect("the key");
    cloud.point_alias(&Alias::parse(&name).expect("an alias"), &made, None).await.expect("an alias");
    made
}

#[derive(Default)]
struct Rounds {
    wraps: Vec<f64>,
    commits: Vec<f64>,
    calls: Vec<f64>,
    bursts: Vec<Burst>,
}

impl Rounds {
    fn each(&self, of: impl Fn(&Burst) -> f64) -> Vec<f64> {
        self.bursts.iter().map(of).collect()
    }

    fn tell(&self, report: &mut Report, sample: &Sample) {
        let rows: usize = sample.commits.iter().map(Vec::len).sum();
        report.add(Figure::new("raw wrapping, RSA-4096, all cores", "/s", &self.wraps));
        report.add(Figure::new(
            format!("raw journal: {rows} rows in {} commits one after the other, 64 at once", sample.commits.len()),
            "creates/s",
            &self.commits,
        ));
        let slower: Vec<f64> = self.wraps.iter().zip(&self.commits).map(|(wraps, commits)| wraps.min(*commits)).collect();
        let per_second = self.each(Burst::per_second);
        let shares = self.each(|burst| burst.cpu[1] / (burst.cpu[0] + burst.cpu[1]) * 100.0);
        let busy = self.each(|burst| (burst.cpu[0] + burst.cpu[1]) / (burst.seconds * cores() as f64) * 100.0);
        let note = format!(
            "CPU: {} % of the machine in use, {} % of that by the simulated cloud",
            short(crate::measure::Spread::of(&busy).median),
            short(crate::measure::Spread::of(&shares).median)
        );
        let limit = "slower of raw wrapping and raw journal";
        report
            .add(Figure::new("creates, 64 at once, the cloud on the same cores", "/s", &per_second).beside(limit, &slower).goal(Goal::AtLeast(0.5)).note(note));
        let alone = self.each(|burst| burst.took.len() as f64 / burst.cpu[0] * cores() as f64);
        let estimate = "an estimate: creates by the house's own CPU seconds, as if the cloud were elsewhere and nothing else waited";
        report.add(Figure::new("creates, the house's CPU alone", "/s", &alone).beside(limit, &slower).goal(Goal::AtLeast(0.5)).note(estimate));
        report.add(
            Figure::new("creates beside the connector's calls alone", "/s", &per_second)
                .beside("the same calls to the same cloud, no journal, no audit", &self.calls),
        );
        self.tell_costs(report);
    }

    fn tell_costs(&self, report: &mut Report) {
        report.add(Figure::new("CPU of the house for a create", "ms", &self.each(|burst| burst.cpu_each(0))));
        report.add(Figure::new("CPU of the simulated cloud for a create", "ms", &self.each(|burst| burst.cpu_each(1))));
        report.add(Figure::new("CPU of the house in a round", "s", &self.each(|burst| burst.cpu[0])));
        report.add(Figure::new("CPU of the simulated cloud in a round", "s", &self.each(|burst| burst.cpu[1])));
        report.add(Figure::new("a create, p50", "ms", &self.each(|burst| percentile(&burst.took, 0.5))));
        report.add(Figure::new("a create, p99", "ms", &self.each(|burst| percentile(&burst.took, 0.99))));
    }
}
