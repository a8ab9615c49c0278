//! Time to dark of many keys in four Regions, under the quotas of the simulated AWS: each is tried until its Region refuses it, and the times stand beside what the
//! quota of DisableKey allows (FT-019).

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use keystead_app::{Request, keystores::kill::Selection};
use keystead_domain::Tags;
use keystead_operations::engine::Settings;

use crate::{
    families::{add_replica, make_primary},
    process::is_proof,
    world::{Engine, World},
};

const REGIONS: [(&str, &str); 3] = [("payments-us", "us-east-1"), ("payments-de", "eu-central-1"), ("payments-jp", "ap-northeast-1")];
/// DisableKey, a second, in an account and Region (AWS KMS Developer Guide, "Request quotas").
const DISABLE: f64 = 5.0;
/// For how long the simulated AWS lets a disabled key be used on, in milliseconds.
const LAG: u64 = 400;
/// What may lie beside the quota: the lag, the calls themselves, and two busy cores.
const BESIDE: Duration = Duration::from_secs(8);

fn keys() -> usize {
    if is_proof() { 1_000 } else { 12 }
}

/// Keys in four Regions, made without quotas; they count from the kill on.
async fn many() -> World {
    let world = World::new(Engine::Sqlite).await;
    for (keystore, region) in REGIONS {
        world.make_keystore_in(keystore, region).await;
    }
    for number in 0..keys() {
        let name = format!("orders-{number}");
        make_primary(&world, &name).await;
        for (keystore, _) in REGIONS {
            add_replica(&world, &name, keystore).await;
        }
    }
    let mut ended = world.end().await;
    ended.settings = Settings { quotas: true, ..ended.settings };
    let world = ended.start().await;
    world.sandbox.set_settings(keystead_sandbox::Settings { quotas: true, disable_lag_ms: LAG, ..world.sandbox.settings() });
    world
}

fn told(region: &str, times: &[Duration]) {
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64();
    println!("time to dark, {region}: {} keys, min {:.3} s, median {:.3} s, p99 {:.3} s, max {:.3} s", times.len(), at(0), at(50), at(99), at(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_keys_in_four_regions_are_dark_as_fast_as_the_quotas_allow_ft_019() {
    let world = many().await;
    let selection = Selection { tags: Tags::default(), lineage: true };
    let began = Instant::now();
    let (started, left) = world.house.app.kill_keystore(&world.ann, &Request::default(), "payments-eu", &selection).await.expect("intents");
    println!("{} intents written in {:.3} s, before the first call", started.len(), began.elapsed().as_secs_f64());
    assert_eq!((started.len(), left.len()), (keys(), 0));
    let mut times: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for one in &started {
        let id = one.operation.as_ref().expect("an operation").id.clone();
        let ended = world.house.engine.wait(&id, Duration::from_secs(600)).await.expect("a store").expect("an operation");
        assert_eq!(ended.state, "SUCCEEDED", "{ended:?}");
        for killed in world.house.app.killed_by(&ended).await.expect("a store").expect("a kill") {
            let dark = killed.dark.expect("was tried");
            assert_eq!(dark.proof, "refused", "{dark:?}");
            times.entry(killed.key.region).or_default().push(Duration::from_micros(dark.micros.expect("a time") as u64));
        }
    }
    let bound = Duration::from_secs_f64((keys() - 1) as f64 / DISABLE);
    println!("the quota of DisableKey allows {:.3} s from the first to the last key of a Region; AWS's own lag is {LAG} ms", bound.as_secs_f64());
    assert_eq!(times.len(), 4);
    for (region, times) in &mut times {
        times.sort_unstable();
        told(region, times);
        assert_eq!(times.len(), keys(), "{region}");
        assert!(times[0] >= Duration::from_millis(LAG), "{region}: before AWS refused it, it was not dark");
        assert!(times[times.len() - 1] <= bound + bound / 10 + BESIDE, "{region}: {:?} against {bound:?}", times[times.len() - 1]);
    }
}
