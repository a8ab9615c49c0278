//! A restore keeps to its forecast: every quota is waited for, on a clock that goes many times as fast as the machine's (FX-029, FX-030, FT-019). What the machine itself takes for
//! an upload counts that many times, so that a slow machine makes the figures worse and never better.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use keystead_app::{Request, Started, keys::create::NewKey};
use keystead_domain::{Aliases, time::DAY};
use keystead_operations::engine::Settings;
use keystead_store::{operations::OperationRow, page::Page};

use crate::world::{Engine, World};

/// How many keys, and how fast the clock goes in each of the two restores.
struct Scale {
    keys: usize,
    cold_pace: u32,
    warm_pace: u32,
    /// What a start and an end may take beside the forecast, in simulated seconds: with few keys it is not little.
    slack: f64,
}

fn scale() -> Scale {
    match std::env::var("KEYSTEAD_PROOF") {
        // Three quarters of an hour; another number of keys by `KEYSTEAD_RESTORE_KEYS`.
        Ok(_) => Scale {
            keys: std::env::var("KEYSTEAD_RESTORE_KEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000),
            cold_pace: 6,
            warm_pace: 1,
            slack: 4.0,
        },
        Err(_) => Scale { keys: 80, cold_pace: 10, warm_pace: 1, slack: 8.0 },
    }
}

/// The pace at which things are made ready.
const MAKING: u32 = 300;
/// The pace at which parameters are fetched: slower, so that on a busy machine the first do not end (24 h) before the last are there.
const WARMING: u32 = 60;

/// Whether a restore of keys that are cold, or warm, was asked for: `KEYSTEAD_RESTORE_ONLY` names one of the two.
fn is_wanted(what: &str) -> bool {
    std::env::var("KEYSTEAD_RESTORE_ONLY").map_or(true, |only| only == what)
}

impl World {
    /// Keys without aliases, many at once.
    async fn make_many(&self, count: usize) {
        let make = |number: usize| async move {
            let new = NewKey { aliases: Aliases::default(), ..self.new_key("payments-eu", &format!("key-{number:05}")) };
            let started = self.house.app.create_key(&self.ann, &Request::default(), new).await.map_err(|error| format!("{error:?}"))?;
            let ended = self.follows(&started).await;
            if ended.state == "SUCCEEDED" { Ok(()) } else { Err(format!("{ended:?}")) }
        };
        stream::iter(0..count).map(make).buffer_unordered(64).try_collect::<Vec<()>>().await.expect("keys are made");
    }

    /// The operation when it has ended, however long that takes.
    async fn follows(&self, started: &Started) -> OperationRow {
        let id = started.operation.as_ref().expect("an operation").id.clone();
        loop {
            let seen = self.house.engine.wait(&id, Duration::from_secs(5)).await.expect("a store").expect("an operation");
            if seen.state != "RUNNING" {
                return seen;
            }
            self.house.engine.take_due().await.expect("a store");
        }
    }

    async fn lose_everything(&self) {
        let (mut after, account) = (None, self.ann.account.clone());
        loop {
            let (page, of) = (Page { after, limit: 200 }, account.clone());
            let listed = self.store().read("test", move |tx| keystead_store::keys::list(tx, &of, &Default::default(), &page)).await.expect("a store");
            stream::iter(&listed.rows).for_each_concurrent(16, |key| self.lose(key)).await;
            match listed.next {
                Some(next) => after = Some(next),
                None => return,
            }
        }
    }

    /// Loses everything and gives it back: the forecast and what it took, in simulated seconds.
    async fn falls_and_rises(&self, pace: u32, keys: usize) -> (f64, f64) {
        self.lose_everything().await;
        let (_, told) = self.rest(0, "GET", "/v1/keystores/payments-eu/restore", None).await;
        let forecast = told["all"]["seconds"].as_f64().unwrap_or_else(|| panic!("{told}"));
        self.sandbox.clock().set_pace(pace);
        let ended = {
            let started = self.start_restore("payments-eu").await;
            self.follows(&started).await
        };
        self.sandbox.clock().set_pace(MAKING);
        let restored = self.house.app.restore_of(&ended.id).await.expect("a store").expect("a restore");
        assert_eq!((ended.state.as_str(), restored.tally.restored, restored.tally.failed), ("SUCCEEDED", keys as i64, 0), "{ended:?} {restored:?}");
        let took = ended.finished_at.expect("has ended").as_micros() - ended.created_at.as_micros();
        (forecast, took as f64 / 1e6)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_keeps_to_its_forecast_cold_and_warm_fx_029_fx_030() {
    let Scale { keys, cold_pace, warm_pace, slack } = scale();
    // A lease is prolonged by the machine's time, and would end by the fast clock.
    let world = World::with(Engine::Sqlite, Settings { lease_micros: 1_000 * DAY, ..Settings::default() }).await;
    world.sandbox.clock().set_pace(MAKING);
    world.make_many(keys).await;
    let began = Instant::now();
    let cold = if is_wanted("cold") { Some(world.falls_and_rises(cold_pace, keys).await) } else { None };
    if let Some(cold) = cold {
        told("cold", keys, cold_pace, cold, began);
        keeps_to_it("cold", cold, slack);
    }
    if !is_wanted("warm") {
        return;
    }

    world.sandbox.clock().set_pace(WARMING);
    world.house.app.set_warm(&world.ann, "payments-eu", true).await.expect("is on");
    let (from, mut warm) = (world.now(), 0);
    while warm < keys {
        let fetched = world.house.engine.look_at_warm().await.expect("a look");
        warm += fetched;
        assert!(fetched > 0, "{warm} of {keys} are warm, and no more become so");
    }
    let hours = (world.now().as_micros() - from.as_micros()) as f64 / 3.6e9;
    println!("restore: {keys} keys are warm after {hours:.2} h of simulated time at a pace of {WARMING}");
    assert!(hours < 20.0, "the machine is too slow for this pace: the first parameters end before the last are there");
    let began = Instant::now();
    let hot = world.falls_and_rises(warm_pace, keys).await;
    told("warm", keys, warm_pace, hot, began);
    keeps_to_it("warm", hot, slack);
    if keys == 10_000 {
        assert!(hot.1 <= 720.0, "warm: {} s", hot.1);
    }
    assert!(cold.is_none_or(|cold| hot.1 * 5.0 < cold.1), "warm keys do not wait for parameters");
}

fn keeps_to_it(what: &str, (forecast, took): (f64, f64), slack: f64) {
    assert!((took - forecast).abs() <= forecast * 0.05 + slack, "{what}: foretold {forecast} s, took {took} s");
}

fn told(what: &str, keys: usize, pace: u32, (forecast, took): (f64, f64), began: Instant) {
    let (off, real) = ((took / forecast - 1.0) * 100.0, began.elapsed().as_secs());
    println!(
        "restore: {keys} {what} keys: foretold {forecast:.0} s, took {took:.0} s of simulated time ({off:+.1} %), at a pace of {pace}, {real} s of the machine's"
    );
}
