//! An apply of the real process, killed with SIGKILL again and again: each next life goes on with it, what was asked for is done once, and behind it nothing is left to
//! do (FX-010, FX-039).

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

use std::time::{Duration, Instant};

use keystead_store::keys::KeyFilter;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    comparison::{Cloud, check_aliases, check_key, check_leftovers, check_rest, keys_of},
    process::{Installation, Server, is_proof, read},
    world::Engine,
};

/// How long one request may be repeated, and one apply may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// The installation, its server, and who kills it.
struct Ground {
    installation: Installation,
    server: Option<Server>,
    http: reqwest::Client,
    random: StdRng,
    /// Kills while an apply was running, and those that are still to come.
    kills: usize,
    left: usize,
}

impl Ground {
    /// Asks the same until it is answered: a lost connection, and a server that is not up yet, say nothing of what became of it.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>, key: &str) -> (u16, Value) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let headers: &[(&str, &str)] = if key.is_empty() { &[] } else { &[("Idempotency-Key", key)] };
            match self.installation.call_with(&self.http, 0, method, path, body.clone(), headers).await {
                Ok((status, body)) if status != 503 => return (status, read(&body)),
                answer => assert!(Instant::now() < patience, "{method} {path}: {answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn plan(&self, estate: &Value) -> Value {
        let (status, plan) = self.ask("POST", "/v1/estate/plans", Some(estate.clone()), "").await;
        assert_eq!(status, 200, "{plan:#}");
        plan
    }

    fn strike(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
        self.server = Some(self.installation.start());
        self.kills += 1;
        self.left -= 1;
    }

    /// Applies an estate while it is killed at random moments; answers how many changes there were.
    async fn applies(&mut self, estate: &Value, name: &str, kills: usize) -> u64 {
        let planned = self.plan(estate).await;
        let order = json!({ "estate": estate, "digest": planned["digest"], "seen": planned["seen"] });
        let (status, begun) = self.ask("POST", "/v1/estate/applies", Some(order), name).await;
        assert!(matches!(status, 200 | 201), "{status} {begun:#}");
        let path = format!("/v1/estate/applies/{}", begun["id"].as_str().expect("an id"));
        self.left = kills;
        let patience = Instant::now() + PATIENCE;
        let apply = loop {
            let (_, apply) = self.ask("GET", &path, None, "").await;
            if apply["finished_at"].is_string() {
                break apply;
            }
            assert!(Instant::now() < patience, "it does not end: {apply:#}");
            let pause = self.random.random_range(0..400);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if self.left > 0 {
                self.strike();
            }
        };
        let (_, changes) = self.ask("GET", &format!("{path}/changes?limit=1000"), None, "").await;
        assert_eq!((&apply["state"], &apply["counts"]["done"]), (&json!("DONE"), &apply["changes"]), "{changes:#}");
        let again = self.plan(estate).await;
        assert_eq!(again["changes"], json!([]), "{name}: nothing is left to do");
        apply["changes"].as_u64().expect("a number")
    }

    /// Every key was made once, and vault, database and cloud hold the same.
    async fn check(&mut self, wanted: usize) {
        let (_, listed) = self.ask("GET", "/v1/operations?limit=1000", None, "").await;
        assert_eq!(listed["next_cursor"], json!(null), "this is all of them");
        let made: Vec<&Value> = listed["items"].as_array().expect("operations").iter().filter(|operation| operation["kind"] == "create-key").collect();
        let succeeded = made.iter().filter(|operation| operation["state"] == "SUCCEEDED").count();
        assert_eq!((made.len(), succeeded), (wanted, wanted), "each key is made by one operation");
        if let Some(server) = self.server.take() {
            server.stop();
        }
        let house = self.installation.open().await;
        let ann = house.app.authenticate(&self.installation.tokens[0]).await.expect("a store").expect("ann");
        assert_eq!(house.engine.sweep_all().await, 1, "the keystore is swept");
        let keys = keys_of(&house, &ann.account, &KeyFilter::default()).await;
        let cloud = Cloud::of(self.installation.cloud_keys().await);
        for key in &keys {
            check_key(&house, key, &cloud, &format!("{} {}", key.name, key.id)).await;
        }
        check_aliases(&keys, &cloud, "after the kills");
        check_rest(&house, &keys, "after the kills").await;
        let leftovers = check_leftovers(&house, &ann.account, &cloud, "after the kills").await;
        assert_eq!((keys.len(), cloud.len()), (wanted, wanted + leftovers), "one cloud key a key, and the leftovers");
    }
}

/// Keys whose states, tags and descriptions differ from round to round.
fn estate(count: usize, round: usize) -> Value {
    let key = |number: usize| {
        let name = format!("key-{number:03}");
        if round == 2 && number.is_multiple_of(4) {
            return json!({ "name": name, "deleted": true, "waiting_days": 7 });
        }
        let state = if round == 1 && number.is_multiple_of(3) { "INACTIVE" } else { "ACTIVE" };
        json!({ "name": name, "keystore": "payments-eu", "aliases": [name], "tags": { "round": round.to_string() }, "state": state })
    };
    json!({ "keys": (0..count).map(key).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_that_is_killed_again_and_again_is_done_once_and_whole() {
    let (count, kills) = if is_proof() { (150, 25) } else { (12, 3) };
    let seed = std::env::var("KEYSTEAD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("killed applies begin: KEYSTEAD_SEED={seed} repeats the draws");
    let began = Instant::now();
    let (installation, server) = Installation::new(Engine::Sqlite, "info").await;
    let mut ground = Ground { installation, server: Some(server), http: reqwest::Client::new(), random: StdRng::seed_from_u64(seed), kills: 0, left: 0 };
    let mut changes = 0;
    for round in 0..3 {
        changes += ground.applies(&estate(count, round), &format!("round-{round}"), kills).await;
    }
    ground.check(count).await;
    let kills = ground.kills;
    println!(
        "killed applies: {kills} kills over 3 applies of {changes} changes to {count} keys, each change done once, nothing left to do; seed {seed}; {:.0} s",
        began.elapsed().as_secs_f64()
    );
    assert!(kills >= 3, "{kills}: the kills hit nothing: the run proves nothing");
}
