//! Creates under AWS's real quotas on both sides, with 50 ms to the cloud and back: how near to what the quota allows, and never over it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keystead_cloud::Call;
use keystead_operations::engine::Settings;
use keystead_store::Database;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    children::Cloud,
    measure::scratch,
    report::{Figure, Goal, Report},
    world::World,
};

/// About so many seconds, at one GetParametersForImport a second. All are asked for at once.
const CREATES: usize = 46;
/// What is left out at the beginning.
const WARM_UP: Duration = Duration::from_secs(2);
/// The rest is told in so many stretches.
const STRETCHES: usize = 4;

pub async fn run(report: &mut Report) {
    let (cloud, directory) = (Cloud::start(), scratch());
    cloud.configure(&json!({ "quotas": true, "latency_ms": 50 })).await;
    let world = World::new(&Database::Sqlite(directory.path().join("keystead.db")), &cloud.endpoint, Settings::default()).await;
    let allowed = allowed(&world).await;
    let ends = ends(&world).await;
    let rates = rates(&ends);
    let throttled = cloud.count_errors("ThrottlingException").await;
    let limits = vec![allowed; rates.len()];
    let note = format!("{CREATES} creates in {:.1} s; the first {} s left out, the rest in {STRETCHES} stretches", ends[CREATES - 1], WARM_UP.as_secs());
    let figure = Figure::new("creates, 50 ms to the cloud, AWS's quotas", "/s", &rates);
    report.add(figure.beside("GetParametersForImport, what the quota allows", &limits).goal(Goal::AtLeast(0.95)).note(note));
    report.add(Figure::new("calls that the cloud throttled", "calls", &[throttled as f64]).goal(Goal::AtMost(0.0)));
}

/// The rate of the call that bounds an import.
async fn allowed(world: &World) -> f64 {
    let cloud = world.house.engine.parts().clouds.connect(&world.keystore().await).await.expect("a connection");
    let quotas = &cloud.capabilities().quotas;
    quotas.iter().find(|quota| quota.call == Call::WrappingKey).expect("a quota").per_second
}

/// When each create ended, in seconds since the first was asked for, in order.
async fn ends(world: &Arc<World>) -> Vec<f64> {
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..CREATES {
        let world = world.clone();
        running.spawn(async move {
            world.create().await;
            begun.elapsed().as_secs_f64()
        });
    }
    let mut ends = running.join_all().await;
    ends.sort_by(f64::total_cmp);
    ends
}

/// Ends a second in each stretch, from its first end to the first of the next.
fn rates(ends: &[f64]) -> Vec<f64> {
    let steady: Vec<f64> = ends.iter().copied().filter(|end| *end > WARM_UP.as_secs_f64()).collect();
    let length = (steady.len() - 1) / STRETCHES;
    (0..STRETCHES).map(|stretch| length as f64 / (steady[(stretch + 1) * length] - steady[stretch * length])).collect()
}
