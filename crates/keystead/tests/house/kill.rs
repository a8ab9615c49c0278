//! The SIGKILL run: the real process under a load of many clients, killed at random moments and restarted at once. Whatever was acknowledged must be there and
//! have ended; nothing is lost, nothing is doubled, and after the sweep no orphan is left in the cloud (design, section 4).

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use keystead_domain::KeyState;
use keystead_server::House;
use keystead_store::{keys::KeyFilter, keys::KeyRow};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::{
    comparison::{Cloud, check_aliases, check_key, check_leftovers, check_rest, keys_of},
    process::{Installation, Server, is_proof, read},
    world::Engine,
};

/// How much is run.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    kills: usize,
    operations: usize,
    clients: usize,
}

impl Plan {
    /// At least 200 kills over 2,000 operations in a proof. `KEYSTEAD_SEED` repeats the draws of an earlier run.
    fn new(engine: Engine) -> Self {
        let seed = std::env::var("KEYSTEAD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| rand::rng().random());
        let (kills, operations, clients) = match (engine, is_proof()) {
            (Engine::Sqlite, true) => (220, 2200, 16),
            (Engine::Sqlite, false) => (12, 150, 8),
            // Other nodes may live: what a dead one had in hand waits until its lease has ended, a minute a kill.
            (Engine::Postgres, _) => (8, 400, 16),
        };
        Self { seed, kills, operations, clients }
    }

    fn random(self, stream: usize) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_add(stream as u64))
    }
}

/// How long one request may be repeated, and one operation may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// An operation that the server has acknowledged.
#[derive(Debug, Clone)]
struct Acknowledged {
    idempotency_key: String,
    kind: String,
}

/// What the clients and the killer know of each other.
#[derive(Default)]
struct Load {
    /// By the operation's id.
    acknowledged: Mutex<HashMap<String, Acknowledged>>,
    /// What each lineage must be at the end, by name.
    expected: Mutex<BTreeMap<String, &'static str>>,
    /// Requests whose answer a kill took away, and which were sent again.
    lost: AtomicUsize,
    /// Requests that were sent again although they had been answered.
    repeated: AtomicUsize,
    /// Operations that were begun and have not ended.
    running: AtomicUsize,
    /// Running operations that kills hit.
    hit: AtomicUsize,
    enough: AtomicBool,
}

impl Load {
    fn count(&self) -> usize {
        self.acknowledged.lock().expect("no panic inside").len()
    }

    fn acknowledge(&self, operation: &Value, idempotency_key: &str) {
        let id = operation["id"].as_str().expect("an operation").to_owned();
        let new = Acknowledged { idempotency_key: idempotency_key.to_owned(), kind: operation["kind"].as_str().expect("a kind").to_owned() };
        let mut all = self.acknowledged.lock().expect("no panic inside");
        let earlier = all.insert(id, new);
        assert!(earlier.is_none_or(|earlier| earlier.idempotency_key == idempotency_key), "one operation for two idempotency keys: {operation}");
    }
}

/// Somebody who does one thing after another to lineages of their own.
struct Client {
    installation: Arc<Installation>,
    load: Arc<Load>,
    http: reqwest::Client,
    random: StdRng,
    number: usize,
    /// Names made so far, and requests sent.
    count: usize,
    lineages: Vec<String>,
}

/// A change to ask for: method, path, body, and the state in which the current key of the lineage then is.
struct Ask {
    method: &'static str,
    path: String,
    body: Option<Value>,
    lineage: String,
    then: &'static str,
}

impl Client {
    fn new(installation: &Arc<Installation>, load: &Arc<Load>, plan: Plan, number: usize) -> Self {
        let (installation, load) = (installation.clone(), load.clone());
        Self { installation, load, http: reqwest::Client::new(), random: plan.random(number), number, count: 0, lineages: Vec::new() }
    }

    async fn work(mut self) {
        while !self.load.enough.load(SeqCst) {
            let ask = self.draw().await;
            self.does(ask).await;
        }
    }

    fn fresh(&mut self, stem: &str) -> String {
        self.count += 1;
        format!("{stem}-{}-{}", self.number, self.count)
    }

    /// What shall be done next: anything that the lifecycle table allows.
    async fn draw(&mut self) -> Ask {
        if self.lineages.len() < 3 || self.random.random_bool(0.1) {
            let name = self.fresh("key");
            self.lineages.push(name.clone());
            let body = json!({"name": name, "keystore": "payments-eu", "aliases": [name, format!("{name}/more")], "tags": {"team": "load"}, "expires": "90d"});
            return Ask { method: "POST", path: "/v1/keys".to_owned(), body: Some(body), lineage: name, then: "ACTIVE" };
        }
        let name = self.lineages.choose(&mut self.random).expect("a lineage").clone();
        let key = self.look(&format!("/v1/keys/{name}")).await;
        let state = key["state"].as_str().expect("a state").to_owned();
        let mut choices = match state.as_str() {
            "ACTIVE" => vec!["renew", "renew", "deactivate", "upload", "update", "schedule-deletion"],
            "INACTIVE" => vec!["activate", "activate", "update", "schedule-deletion"],
            "PENDING_DELETION" => vec!["cancel-deletion"],
            other => panic!("{name} is {other}"),
        };
        if state == "ACTIVE" && self.can_go_back(&key).await {
            choices.push("revert");
        }
        let what = *choices.choose(&mut self.random).expect("a choice");
        self.ask(name, &state, what)
    }

    async fn can_go_back(&self, key: &Value) -> bool {
        let Some(predecessor) = key["predecessor"].as_str() else { return false };
        let old = self.look(&format!("/v1/keys/{predecessor}")).await;
        old["state"] == "REPLACED" && old["enabled"] == true
    }

    fn ask(&mut self, name: String, state: &str, what: &str) -> Ask {
        let path = format!("/v1/keys/{name}");
        let post = |body, then| Ask { method: "POST", path: format!("{path}/{what}"), body, lineage: name.clone(), then };
        match what {
            "schedule-deletion" => post(Some(json!({"days": 7})), "PENDING_DELETION"),
            "deactivate" | "cancel-deletion" => post(None, "INACTIVE"),
            "update" => self.update(name, if state == "ACTIVE" { "ACTIVE" } else { "INACTIVE" }),
            _ => post(None, "ACTIVE"),
        }
    }

    /// Other tags, and now and then another name and alias for the whole lineage.
    fn update(&mut self, name: String, then: &'static str) -> Ask {
        let path = format!("/v1/keys/{name}");
        let round = self.fresh("round");
        if self.random.random_bool(0.7) {
            let body = json!({"description": round, "tags": {"team": "load", "round": round}});
            return Ask { method: "PATCH", path, body: Some(body), lineage: name, then };
        }
        let renamed = self.fresh("key");
        self.lineages.retain(|known| *known != name);
        self.lineages.push(renamed.clone());
        self.load.expected.lock().expect("no panic inside").remove(&name);
        Ask { method: "PATCH", path, body: Some(json!({"name": renamed, "add_aliases": [renamed]})), lineage: renamed, then }
    }

    /// Asks until it is acknowledged, and waits until it has ended, whatever happens to the server meanwhile.
    async fn does(&mut self, ask: Ask) {
        let key = self.fresh("request");
        let waits = self.random.random_bool(0.5);
        self.load.running.fetch_add(1, SeqCst);
        let operation = self.acknowledged(&ask, &key, waits).await;
        if self.random.random_bool(0.1) {
            let again = self.acknowledged(&ask, &key, false).await;
            assert_eq!(again["id"], operation["id"], "the same idempotency key gives the same operation");
            self.load.repeated.fetch_add(1, SeqCst);
        }
        let ended = self.ended(operation).await;
        self.load.running.fetch_sub(1, SeqCst);
        assert_eq!(ended["state"], "SUCCEEDED", "{} {}: {ended:#}", ask.method, ask.path);
        let now = self.look(&format!("/v1/keys/{}", ask.lineage)).await;
        assert_eq!(now["state"], ask.then, "{} {}", ask.method, ask.path);
        self.load.expected.lock().expect("no panic inside").insert(ask.lineage, ask.then);
    }

    async fn acknowledged(&self, ask: &Ask, key: &str, waits: bool) -> Value {
        let headers: &[(&str, &str)] = if waits { &[("Idempotency-Key", key), ("Prefer", "wait=20")] } else { &[("Idempotency-Key", key)] };
        let (status, body) = self.send(ask.method, &ask.path, ask.body.clone(), headers).await;
        assert!(matches!(status, 200 | 202), "{} {} {key}: {status} {body}", ask.method, ask.path);
        let operation = read(&body)["operation"].clone();
        self.load.acknowledge(&operation, key);
        operation
    }

    async fn ended(&self, mut operation: Value) -> Value {
        let path = format!("/v1/operations/{}", operation["id"].as_str().expect("an id"));
        let patience = Instant::now() + PATIENCE;
        while operation["state"] == "RUNNING" {
            assert!(Instant::now() < patience, "it does not end: {operation:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            operation = self.look(&path).await;
        }
        operation
    }

    async fn look(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, None, &[]).await;
        assert_eq!(status, 200, "{path}: {body}");
        read(&body)
    }

    /// Sends the same request until it is answered: a lost connection, and a server that is not up yet, say nothing of what became of it.
    async fn send(&self, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> (u16, String) {
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.installation.call_with(&self.http, 0, method, path, body.clone(), headers).await {
                Ok((503, _)) if Instant::now() < patience => {}
                // Nobody listened: this one was never sent.
                Err(error) if error.is_connect() && Instant::now() < patience => {}
                Err(_) if Instant::now() < patience => drop(self.load.lost.fetch_add(1, SeqCst)),
                Ok(answer) => return answer,
                Err(error) => panic!("{method} {path}: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Kills and restarts, spread over the load; one time in six it strikes again while the server is still starting.
async fn kill_at_random(installation: &Installation, mut server: Server, load: &Load, plan: Plan) -> Server {
    let mut random = plan.random(plan.clients);
    for kill in 0..plan.kills {
        let mark = (kill * plan.operations + random.random_range(0..plan.operations)) / plan.kills;
        if !random.random_bool(1.0 / 6.0) {
            while load.count() < mark {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(0..80_000))).await;
        load.hit.fetch_add(load.running.load(SeqCst), SeqCst);
        server.kill();
        server = installation.start();
    }
    server
}

/// Runs the load. A client that panics ends the run at once: its message is the finding.
async fn run(installation: &Arc<Installation>, server: Server, load: &Arc<Load>, plan: Plan) -> Server {
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..plan.clients {
        clients.spawn(Client::new(installation, load, plan, number).work());
    }
    let killing = async {
        let server = kill_at_random(installation, server, load, plan).await;
        while load.count() < plan.operations {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        load.enough.store(true, SeqCst);
        server
    };
    let working = async {
        while let Some(ended) = clients.join_next().await {
            ended.expect("a client sees nothing that must not be");
        }
    };
    let working = async {
        working.await;
        assert!(load.enough.load(SeqCst), "the clients end when it is enough");
    };
    tokio::join!(killing, working).0
}

/// Every page of a list, over REST.
async fn everything(client: &Client, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.look(&format!("{path}?limit=1000{cursor}")).await;
        all.extend(page["items"].as_array().expect("a list").clone());
        let Some(next) = page["next_cursor"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// Brings every key's material to the cloud once more: AWS takes only the same, so that it proves that vault and cloud hold the same.
async fn upload_everything(client: &mut Client) -> usize {
    let keys = everything(client, "/v1/keys").await;
    let usable: Vec<&str> = keys.iter().filter(|key| key["enabled"] == true).filter_map(|key| key["id"].as_str()).collect();
    for id in &usable {
        let key = client.fresh("upload");
        let path = format!("/v1/keys/{id}/upload");
        let ask = Ask { method: "POST", path, body: None, lineage: String::new(), then: "" };
        let ended = client.ended(client.acknowledged(&ask, &key, true).await).await;
        assert_eq!(ended["state"], "SUCCEEDED", "vault and cloud hold the same material: {ended:#}");
    }
    usable.len()
}

/// Each idempotency key has its one operation, and there is no other.
async fn check_operations(client: &Client, load: &Load) {
    let told = everything(client, "/v1/operations").await;
    let acknowledged = load.acknowledged.lock().expect("no panic inside").clone();
    let mut by_key: HashMap<&str, &str> = HashMap::new();
    for (id, known) in &acknowledged {
        assert_eq!(by_key.insert(&known.idempotency_key, id), None, "two operations for one idempotency key");
    }
    for operation in &told {
        assert_eq!(operation["state"], "SUCCEEDED", "{operation:#}");
        assert!(acknowledged.contains_key(operation["id"].as_str().expect("an id")), "nobody was told of it: {operation:#}");
    }
    assert_eq!(told.len(), acknowledged.len(), "an acknowledged operation is lost");
}

/// Compares vault, database and cloud after the sweep. Answers keys, cloud keys and swept leftovers.
async fn check_places(installation: &Installation, load: &Load) -> (usize, usize, usize) {
    let house = installation.open().await;
    let ann = house.app.authenticate(&installation.tokens[0]).await.expect("a store").expect("ann");
    assert_eq!(house.engine.sweep_all().await, 1, "the keystore is swept");
    let keys = keys_of(&house, &ann.account, &KeyFilter::default()).await;
    let cloud = Cloud::of(installation.cloud_keys().await);
    for key in &keys {
        check_key(&house, key, &cloud, &format!("{} {}", key.name, key.id)).await;
    }
    check_aliases(&keys, &cloud, "after the kills");
    check_rest(&house, &keys, "after the kills").await;
    check_lineages(&house, &keys, load);
    let leftovers = check_leftovers(&house, &ann.account, &cloud, "after the kills").await;
    let mut places: Vec<_> = keys.iter().map(|key| key.cloud_key_id.clone().expect("a cloud key")).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), keys.len(), "two keys share a cloud key");
    assert_eq!(cloud.len(), keys.len() + leftovers, "one cloud key a key, and the leftovers");
    (keys.len(), cloud.len(), leftovers)
}

/// Each lineage is there once, in the state that its last acknowledged operation gave it.
fn check_lineages(house: &House, keys: &[KeyRow], load: &Load) {
    let current: BTreeMap<String, &str> = keys.iter().filter(|key| key.is_current).map(|key| (key.name.clone(), key.state.as_str())).collect();
    assert_eq!(current, *load.expected.lock().expect("no panic inside"), "what was acknowledged is so");
    assert!(keys.iter().all(|key| key.state != KeyState::Creating), "a key is half made");
    assert!(!house.engine.parts().vault.is_sealed());
}

/// The audit log verifies, goes on from the checkpoint that was kept at the beginning, and tells of each operation its decision and its end.
async fn check_audit(client: &Client, load: &Load, kept: &(String, String)) -> u64 {
    let (status, export) = client.send("GET", "/v1/audit/export", None, &[]).await;
    assert_eq!(status, 200, "{export}");
    let report = keystead_audit::verify_export(export.as_bytes(), Some(&kept.0), Some(&kept.1)).expect("the log verifies");
    let mut told: HashMap<String, (usize, usize)> = HashMap::new();
    for line in export.lines().map(read) {
        let entry = &line["entry"];
        let Some(operation) = entry["operation"].as_str() else { continue };
        let (decisions, endings) = told.entry(operation.to_owned()).or_default();
        *decisions += usize::from(entry["outcome"] == "allowed");
        *endings += usize::from(entry["rule"] == "operation-ended" && entry["outcome"] == "succeeded");
    }
    for (id, known) in load.acknowledged.lock().expect("no panic inside").iter() {
        // An operation on two keys ends in the history of both.
        let endings = if matches!(known.kind.as_str(), "renew-key" | "revert-key") { 2 } else { 1 };
        assert_eq!(told.get(id), Some(&(1, endings)), "decision and endings of {} {id}", known.kind);
    }
    report.entries
}

async fn prove(engine: Engine) {
    let plan = Plan::new(engine);
    println!("kill run begins: {plan:?}; KEYSTEAD_SEED={} repeats its draws", plan.seed);
    let began = Instant::now();
    let (installation, server) = Installation::new(engine, "info").await;
    let (installation, load) = (Arc::new(installation), Arc::new(Load::default()));
    let mut client = Client::new(&installation, &load, plan, plan.clients + 1);
    let vkey = client.look("/v1/audit/key").await["vkey"].as_str().expect("a key").to_owned();
    let kept = (vkey, client.send("GET", "/v1/audit/checkpoint", None, &[]).await.1);

    let mut server = run(&installation, server, &load, plan).await;
    let under_load = load.count();
    server.ready(&installation).await;
    let uploaded = upload_everything(&mut client).await;
    check_operations(&client, &load).await;
    server.stop();
    let (keys, cloud_keys, leftovers) = check_places(&installation, &load).await;
    let mut server = installation.start();
    server.ready(&installation).await;
    let entries = check_audit(&client, &load, &kept).await;
    server.stop();

    let (lost, repeated, hit) = (load.lost.load(SeqCst), load.repeated.load(SeqCst), load.hit.load(SeqCst));
    println!(
        "kill run: {} kills over {under_load} operations of {} clients on {engine:?}, {hit} running operations hit, {lost} answers lost and asked for again, {repeated} requests repeated; \
         {keys} keys, {uploaded} proved by upload, {cloud_keys} cloud keys, {leftovers} leftovers swept; nothing lost, nothing doubled, no orphan; \
         {entries} audit entries verified; seed {}; {:.0} s",
        plan.kills,
        plan.clients,
        plan.seed,
        began.elapsed().as_secs_f64()
    );
    assert!(hit > 0, "the kills hit nothing: the run proves nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_or_doubles_anything() {
    prove(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_kill_loses_or_doubles_anything_where_leases_must_end_first() {
    if is_proof() {
        prove(Engine::Postgres).await;
    } else {
        println!("the SIGKILL run on PostgreSQL takes minutes: only with KEYSTEAD_PROOF=1");
    }
}
