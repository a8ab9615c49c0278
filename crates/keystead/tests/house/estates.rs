//! Estates in files: what exists is exported and its plan is empty; a plan is done and then nothing is left; a plan that is stale or was changed is refused; and an apply goes
//! on behind any crash (FX-010, FX-039).

use std::fs;

use keystead_domain::{KeyState, RegionRole, time::SECOND};
use keystead_operations::{alerts::Alerting, engine::Settings};
use keystead_sandbox::{Effect, Fault};
use keystead_store::keys;
use serde_json::{Value, json};

use crate::{
    desk::{Desk, demo, slug},
    migration::fill,
    world::{Engine, World},
};

async fn plan(world: &World, estate: &Value) -> Value {
    let (status, plan) = world.rest(0, "POST", "/v1/estate/plans", Some(estate.clone())).await;
    assert_eq!(status, 200, "{plan:#}");
    plan
}

/// What a plan does, a word and a name each.
fn changes(plan: &Value) -> Vec<String> {
    let changes = plan["changes"].as_array().expect("changes");
    changes.iter().map(|change| format!("{} {}", change["action"].as_str().unwrap_or_default(), change["name"].as_str().unwrap_or_default())).collect()
}

async fn begin(world: &World, estate: &Value) -> String {
    let planned = plan(world, estate).await;
    let order = json!({ "estate": estate, "digest": planned["digest"], "seen": planned["seen"] });
    let (status, begun) = world.rest(0, "POST", "/v1/estate/applies", Some(order)).await;
    assert_eq!(status, 201, "{begun:#}");
    begun["id"].as_str().expect("an id").to_owned()
}

/// Looks until the apply has ended, and answers it with its changes.
async fn ended(world: &World, id: &str) -> (Value, Vec<(String, String)>) {
    for _ in 0..100 {
        world.house.app.look_at_applies().await.expect("a store");
        world.settle().await;
        let (_, apply) = world.rest(0, "GET", &format!("/v1/estate/applies/{id}"), None).await;
        if apply["finished_at"].is_string() {
            return (apply, standings(world, id).await);
        }
    }
    panic!("{:?}", standings(world, id).await);
}

async fn standings(world: &World, id: &str) -> Vec<(String, String)> {
    let (_, listed) = world.rest(0, "GET", &format!("/v1/estate/applies/{id}/changes?limit=1000"), None).await;
    let told = |change: &Value| {
        let kind = change["problem"]["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default();
        let what = format!("{} {}", change["action"].as_str().unwrap_or_default(), change["name"].as_str().unwrap_or_default());
        (what, format!("{} {kind}", change["state"].as_str().unwrap_or_default()).trim_end().to_owned())
    };
    listed["items"].as_array().expect("changes").iter().map(told).collect()
}

/// A world with `a` (alias x), `b` (alias y, out of use) and `c`, and a keystore in another Region.
async fn world_of(engine: Engine) -> World {
    let alerts = Alerting { channels: vec!["mail:ops@example.com".to_owned(), "pager".to_owned()], ..Alerting::default() };
    let world = World::with(engine, Settings { quotas: false, patience_micros: SECOND, alerts, ..Settings::default() }).await;
    world.make_keystore_in("payments-us", "us-east-1").await;
    let estate = json!({ "keys": [
        { "name": "a", "keystore": "payments-eu", "aliases": ["x"], "tags": { "team": "pay" } },
        { "name": "b", "keystore": "payments-eu", "aliases": ["y"], "state": "INACTIVE" },
        { "name": "c", "keystore": "payments-eu" }
    ] });
    let id = begin(&world, &estate).await;
    let (apply, standings) = ended(&world, &id).await;
    assert_eq!(apply["counts"]["done"], 4, "{standings:?}");
    world
}

/// An estate that wants something of every kind.
fn everything() -> Value {
    json!({
        "rotation": { "every": "365d" },
        "keystores": [
            { "name": "payments-eu", "warm": true, "drift": { "every": "6h", "auto_repair": "safe" }, "alerts": ["pager"], "rotation": { "every": "90d", "grace": "30d" } },
            { "name": "safe", "cloud": "vault", "alerts": ["mail:ops@example.com", "pager"] }
        ],
        "keys": [
            { "name": "a", "aliases": ["y"], "tags": { "team": "ops" }, "expires": "90d", "expiry_policy": "extend" },
            { "name": "b", "aliases": ["x"], "state": "ACTIVE" },
            { "name": "c", "deleted": true, "waiting_days": 7 },
            { "name": "d", "keystore": "payments-eu", "aliases": ["d"], "rotation": { "strategy": "none" }, "replicas": [{ "keystore": "payments-us" }] },
            { "name": "e", "keystore": "safe", "state": "INACTIVE" }
        ]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_done_whole_and_then_nothing_is_left_to_do() {
    let world = world_of(Engine::Sqlite).await;
    let planned = plan(&world, &everything()).await;
    let dangers: Vec<&str> = planned["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .flat_map(|change| change["dangers"].as_array().expect("dangers"))
        .filter_map(|one| one["kind"].as_str())
        .collect();
    let begins = ["tells-fewer", "rotates-keys", "retires-predecessors", "rotates-keys"];
    let others = ["removes-alias", "removes-alias", "ends-sooner", "brings-back", "stops-rotation", "takes-out-of-use", "deletes"];
    assert_eq!(dangers, [begins.as_slice(), others.as_slice()].concat(), "{planned:#}");
    assert_eq!(planned["cost_cents_month"], 100, "two keys more, and one that counts down: {planned:#}");
    let id = begin(&world, &everything()).await;
    let (apply, standings) = ended(&world, &id).await;
    assert_eq!((&apply["state"], apply["counts"]["done"].as_u64()), (&json!("DONE"), apply["changes"].as_u64()), "{standings:?}");
    let again = plan(&world, &everything()).await;
    assert_eq!(changes(&again), [""; 0], "{again:#}");

    let heard = async |name: &str| world.rest(0, "GET", &format!("/v1/keystores/{name}"), None).await.1["alert_channels"].clone();
    assert_eq!((heard("payments-eu").await, heard("safe").await), (json!(["pager"]), json!(["mail:ops@example.com", "pager"])));
    let key = async |name: &str| world.key(name).await;
    assert_eq!((key("a").await.aliases.to_strings(), key("b").await.aliases.to_strings()), (vec!["y".to_owned()], vec!["x".to_owned()]));
    assert_eq!((key("b").await.state, key("c").await.state, key("e").await.state), (KeyState::Active, KeyState::PendingDeletion, KeyState::Inactive));
    let replica = key("d_us-east-1").await;
    assert_eq!((replica.ties.role, replica.aliases.to_strings()), (RegionRole::Replica, vec!["d".to_owned()]));
    let cloud = world.cloud_key(&key("a").await).await.expect("is in the cloud");
    assert!(cloud.to_string().contains("\"ops\""), "the cloud has the tag: {cloud}");

    // Who asked, and for which apply, stands in the audit log.
    let (_, history) = world.rest(0, "GET", "/v1/keys/d/history?limit=100", None).await;
    assert!(history["items"].as_array().expect("entries").iter().any(|item| item["entry"]["detail"]["apply"] == id.as_str()), "{history}");
    let (_, exported) = world.rest(0, "GET", "/v1/estate", None).await;
    let planned = plan(&world, &exported).await;
    assert_eq!(changes(&planned), [""; 0], "what exists is as it is: {exported:#}");
    assert_eq!(exported["keys"].as_array().map(Vec::len), Some(4), "the one that counts down is not in it: {exported:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_holds_up_only_what_waits_for_it_and_a_new_plan_does_the_rest() {
    let world = world_of(Engine::Sqlite).await;
    let estate = json!({ "keys": [
        { "name": "d", "keystore": "payments-eu", "rotation": { "every": "30d" }, "replicas": [{ "keystore": "payments-us" }] },
        { "name": "a", "description": "changed" }
    ] });
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized to perform".into() };
    world.sandbox.add_faults([Fault { operation: "CreateKey".into(), skip: 0, count: 1, effect: denied }]);
    let id = begin(&world, &estate).await;
    let (apply, told) = ended(&world, &id).await;
    assert_eq!((&apply["counts"]["failed"], &apply["counts"]["skipped"], &apply["counts"]["done"]), (&json!(1), &json!(2), &json!(1)), "{told:?}");
    let told = |name: &str, standing: &str| (name.to_owned(), standing.to_owned());
    let expected = [
        told("create-key d", "FAILED cloud-access-denied"),
        told("set-rotation d", "SKIPPED not-reached"),
        told("add-replica d", "SKIPPED not-reached"),
        told("update-key a", "DONE"),
    ];
    assert_eq!(standings(&world, &id).await, expected);
    assert_eq!(changes(&plan(&world, &estate).await), ["create-key d", "set-rotation d", "add-replica d"]);
    let (apply, told) = ended(&world, &begin(&world, &estate).await).await;
    assert_eq!(apply["counts"]["done"], 3, "{told:?}");
    assert_eq!(changes(&plan(&world, &estate).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_goes_on_in_nobodys_name_and_brings_back_nothing_that_was_taken_out_meanwhile() {
    let world = world_of(Engine::Sqlite).await;
    let estate = json!({ "keys": [{ "name": "b", "state": "ACTIVE" }] });
    let id = begin(&world, &estate).await;
    world.sandbox.advance(1);
    let changed = world.rest(0, "PATCH", "/v1/keys/b", Some(json!({ "description": "an incident" }))).await;
    assert_eq!(changed.0, 200, "{changed:?}");
    world.settle().await;
    let (_, told) = ended(&world, &id).await;
    assert_eq!(told, [("activate-key b".to_owned(), "FAILED taken-out".to_owned())]);
    assert_eq!(world.key("b").await.state, KeyState::Inactive);

    let planned = plan(&world, &estate).await;
    let order = json!({ "estate": estate, "digest": planned["digest"] });
    let (status, begun) = world.rest(1, "POST", "/v1/estate/applies", Some(order)).await;
    assert_eq!(status, 201, "{begun}");
    assert_eq!(world.rest(0, "POST", "/v1/users/bob/disable", None).await.0, 200);
    let (apply, told) = ended(&world, begun["id"].as_str().expect("an id")).await;
    assert_eq!((&apply["state"], told[0].1.as_str()), (&json!("STOPPED"), "SKIPPED asker-inactive"));
}

/// A kill of what is out of use already takes nothing, and yet nothing that has begun brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_apply_does_not_bring_back_a_key_of_which_a_kill_was_asked() {
    let world = world_of(Engine::Sqlite).await;
    let id = begin(&world, &json!({ "keys": [{ "name": "b", "state": "ACTIVE" }, { "name": "a", "description": "changed" }] })).await;
    let batch = json!({ "action": "activate", "selector": { "keys": ["b"] } });
    let (status, batch) = world.rest(0, "POST", "/v1/batches", Some(batch)).await;
    assert_eq!(status, 201, "{batch}");
    let before = world.key("b").await;
    let (_, killed) = world.rest(0, "POST", "/v1/keys/b/kill", None).await;
    assert_eq!((&killed["no_op"], world.key("b").await), (&json!(true), before), "the key itself is not touched");
    world.house.app.look_at_batches().await.expect("a store");
    let (_, told) = ended(&world, &id).await;
    let expected = [("update-key a".to_owned(), "DONE".to_owned()), ("activate-key b".to_owned(), "FAILED taken-out".to_owned())];
    assert!(expected.iter().all(|one| told.contains(one)), "{told:?}");
    assert_eq!(world.key("b").await.state, KeyState::Inactive);
}

/// The same of a kill of a whole keystore: of what is in use, and of what is out of use already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_waits_brings_back_a_key_of_a_keystore_that_was_killed_ft_019() {
    let world = world_of(Engine::Sqlite).await;
    let id = begin(&world, &json!({ "keys": [{ "name": "b", "state": "ACTIVE" }] })).await;
    let batch = json!({ "action": "activate", "selector": { "keys": ["b"] } });
    let (status, batch) = world.rest(0, "POST", "/v1/batches", Some(batch)).await;
    assert_eq!(status, 201, "{batch}");
    let (status, other) = world.rest(0, "POST", "/v1/keystores/payments-eu/kill", Some(json!({ "tags": { "team": "pay" } }))).await;
    assert!(status < 300, "{other}");
    world.settle().await;
    assert_eq!(standings(&world, &id).await, [("activate-key b".to_owned(), "WAITING".to_owned())], "a selection in which it is not leaves it");
    let (status, killed) = world.rest(0, "POST", "/v1/keystores/payments-eu/kill", Some(json!({ "all": true }))).await;
    assert!(status < 300, "{killed}");
    world.settle().await;
    world.house.app.look_at_batches().await.expect("a store");
    let (_, told) = ended(&world, &id).await;
    assert_eq!(told, [("activate-key b".to_owned(), "FAILED taken-out".to_owned())]);
    let path = format!("/v1/batches/{}", batch["id"].as_str().expect("an id"));
    assert_eq!(world.rest(0, "GET", &path, None).await.1["counts"]["failed"], 1);
    for name in ["a", "b", "c"] {
        assert_eq!(world.key(name).await.state, KeyState::Inactive, "{name}");
    }
}

/// What somebody changed since the plan is not touched; what the apply itself changed is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_moved_since_the_plan_is_not_touched_and_one_that_the_apply_moved_is() {
    let world = world_of(Engine::Sqlite).await;
    let estate = json!({ "keys": [
        { "name": "c", "deleted": true, "waiting_days": 7 },
        { "name": "a", "description": "changed", "state": "INACTIVE" },
        { "name": "d", "keystore": "payments-eu", "replicas": [{ "keystore": "payments-us" }] }
    ] });
    let id = begin(&world, &estate).await;
    world.sandbox.advance(1);
    let changed = world.rest(0, "PATCH", "/v1/keys/c", Some(json!({ "tags": { "hold": "lawsuit" } }))).await;
    assert_eq!(changed.0, 200, "{changed:?}");
    world.settle().await;
    let (_, told) = ended(&world, &id).await;
    let of = |what: &str| told.iter().find(|(change, _)| change == what).map(|(_, standing)| standing.clone()).unwrap_or_default();
    assert_eq!((of("schedule-deletion c"), of("update-key a"), of("deactivate-key a")), ("FAILED key-moved".into(), "DONE".into(), "DONE".into()), "{told:?}");
    assert_eq!(world.key("c").await.state, KeyState::Active);

    // A family goes along with its primary, while a replica has a change of its own.
    for (state, text) in [("INACTIVE", "one"), ("ACTIVE", "two")] {
        let family = json!({ "keys": [{ "name": "d", "state": state, "replicas": [{ "keystore": "payments-us", "description": text }] }] });
        let id = begin(&world, &family).await;
        world.house.app.look_at_applies().await.expect("a store");
        world.settle().await;
        // What found its key busy rests.
        world.sandbox.advance(11 * SECOND as u64);
        let (apply, told) = ended(&world, &id).await;
        assert_eq!(apply["counts"]["done"].as_u64(), apply["changes"].as_u64(), "{told:?}");
    }
}

/// Nobody else's change comes between the look and the rows of an apply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_applies_at_once_one_begins() {
    let world = world_of(Engine::Postgres).await;
    let estate = json!({ "keys": [{ "name": "a", "description": "changed" }] });
    let planned = plan(&world, &estate).await;
    let order = json!({ "estate": estate, "digest": planned["digest"] });
    let both = tokio::join!(world.rest(0, "POST", "/v1/estate/applies", Some(order.clone())), world.rest(1, "POST", "/v1/estate/applies", Some(order.clone())));
    let mut statuses = [both.0.0, both.1.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{both:?}");
    let id = if both.0.0 == 201 { &both.0.1["id"] } else { &both.1.1["id"] };
    let (one, other) = tokio::join!(world.house.app.look_at_applies(), world.house.app.look_at_applies());
    assert_eq!(one.expect("a store") + other.expect("a store"), 1, "two looks begin it once");
    world.settle().await;
    assert_eq!(ended(&world, id.as_str().expect("an id")).await.0["counts"]["done"], 1);
}

/// Two nodes look at the same moment, again and again: what one does the other does not do again, and what needs no operation is as done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_do_an_apply_together() {
    let world = world_of(Engine::Postgres).await;
    let id = begin(&world, &everything()).await;
    for _ in 0..12 {
        let (one, other) = tokio::join!(world.house.app.look_at_applies(), world.house.app.look_at_applies());
        one.and(other).expect("a store");
        world.settle().await;
    }
    let (apply, told) = ended(&world, &id).await;
    assert_eq!(apply["counts"]["done"].as_u64(), apply["changes"].as_u64(), "{told:?}");
    assert_eq!(changes(&plan(&world, &everything()).await), [""; 0]);
    let living: Vec<Value> = world.cloud_keys().await.into_iter().filter(|key| key["state"] != "PendingDeletion").collect();
    assert_eq!(living.len(), 4, "a, b, d and its replica, and nothing twice");
    let (_, keystores) = world.rest(0, "GET", "/v1/keystores?limit=1000", None).await;
    assert_eq!(keystores["items"].as_array().expect("a list").iter().filter(|keystore| keystore["name"] == "safe").count(), 1);
}

fn is_proof() -> bool {
    std::env::var("KEYSTEAD_PROOF").is_ok()
}

async fn death(world: &World) {
    while !world.hooks.has_died() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// A process dies in the middle, wherever: the next life does the rest, nothing twice, and then nothing is left to do.
async fn dies_in_the_middle(engine: Engine, every: usize) {
    let mut die_at = 0;
    loop {
        let world = world_of(engine).await;
        let id = begin(&world, &everything()).await;
        world.hooks.arm(Some(die_at));
        for _ in 0..12 {
            let _the_process_may_be_dead = world.house.app.look_at_applies().await;
            tokio::select! {
                () = world.settle() => {}
                () = death(&world) => break,
            }
        }
        let came_to = world.hooks.seen().len();
        let world = world.end().await.start().await;
        world.hooks.arm(None);
        // A node that died keeps its leases on PostgreSQL until they run out.
        world.sandbox.advance(61 * SECOND as u64);
        let (apply, told) = ended(&world, &id).await;
        assert_eq!(apply["counts"]["done"].as_u64(), apply["changes"].as_u64(), "{die_at}: {told:?}");
        let again = plan(&world, &everything()).await;
        assert_eq!(changes(&again), [""; 0], "{die_at}: {again:#}");
        let living: Vec<Value> = world.cloud_keys().await.into_iter().filter(|key| key["state"] != "PendingDeletion").collect();
        assert_eq!(living.len(), 4, "{die_at}: a, b, d and its replica, and nothing twice");
        if die_at >= came_to {
            return;
        }
        die_at += every;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_goes_on_behind_a_crash_and_does_nothing_twice() {
    Box::pin(dies_in_the_middle(Engine::Sqlite, if is_proof() { 1 } else { 17 })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_goes_on_behind_a_crash_on_postgresql() {
    Box::pin(dies_in_the_middle(Engine::Postgres, if is_proof() { 3 } else { 40 })).await;
}

/// 10,000 keys in the proof, fewer every day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_of_a_large_estate_that_did_not_change_is_empty_and_finds_the_one_that_did() {
    let count: u64 = if is_proof() { 10_000 } else { 1_500 };
    let world = World::new(Engine::Sqlite).await;
    let keystore = world.house.app.keystore(&world.ann, "payments-eu").await.expect("a keystore");
    let owner = fill::Owner { account: world.ann.account.clone(), keystore: keystore.id, cloud: "aws", now: world.now(), cloud_keys: std::sync::Arc::new([]) };
    fill::fill(world.store(), &owner, count, None).await;
    let (_, exported) = world.rest(0, "GET", "/v1/estate", None).await;
    assert_eq!(exported["keys"].as_array().map(Vec::len), Some(count as usize));
    let start = std::time::Instant::now();
    let planned = plan(&world, &exported).await;
    println!("a plan of {count} keys takes {:?}", start.elapsed());
    assert_eq!((changes(&planned), &planned["unchanged"]), (Vec::new(), &json!(count + 1)));
    let mut other = exported;
    other["keys"][700]["tags"] = json!({ "team": "other" });
    let planned = plan(&world, &other).await;
    let name = other["keys"][700]["name"].as_str().expect("a name");
    assert_eq!((changes(&planned), &planned["unchanged"]), (vec![format!("update-key {name}")], &json!(count)));
    let found = world.key(name).await;
    assert_eq!(planned["seen"], json!([{ "key": found.id.to_string(), "name": name, "revision": found.revision }]));
    let id = found.id.clone();
    let row = world.store().read("test", move |tx| keys::by_id(tx, &id)).await.expect("a store").expect("a row");
    assert_eq!(row.revision, found.revision, "a plan changes nothing");
}

fn mistakes(desk: &Desk, args: &[&str]) -> Vec<String> {
    let problem = desk.fails(2, args);
    assert_eq!(slug(&problem), "estate-mistakes", "{problem:#}");
    problem["detail"].as_str().expect("lines").lines().map(str::to_owned).collect()
}

/// A plan's file changed by somebody who makes its hash fit.
fn forged(desk: &Desk, name: &str, change: impl Fn(&mut Value)) -> String {
    let mut file: Value = serde_json::from_str(&fs::read_to_string(desk.path(name)).expect("a plan")).expect("JSON");
    change(&mut file);
    let hashed = json!({ "format": file["format"], "estate": file["estate"], "plan": file["plan"], "places": file["places"] });
    file["sha256"] = json!(keystead_operations::sync::sha256(&hashed.to_string()));
    file.to_string()
}

/// The whole flow as somebody types it: export, plan, apply, and every refusal with file and line.
#[test]
fn an_estate_from_the_command_line_fx_010_fx_039() {
    let (desk, _terminal) = demo();
    for format in ["toml", "yaml"] {
        let exported = desk.run(&["export", "estate", "--format", format]);
        assert_eq!(exported.code, 0, "{}", exported.err);
        desk.write(&format!("estate.{format}"), exported.out.as_bytes());
        let planned = desk.json(&["plan", &format!("estate.{format}")]);
        assert_eq!(planned["changes"], json!([]), "{format}: {planned:#}\n{}", exported.out);
    }
    desk.table(&["plan", "estate.toml"], &["none: everything is as the files say"]);
    desk.write(
        "more.yaml",
        b"keys:\n  - name: books\n    keystore: demo-eu\n    aliases: [books]\n    tags: { team: pay }\n    replicas:\n      - keystore: demo-us\n",
    );
    desk.table(&["plan", "estate.toml", "more.yaml", "--out", "plan.json"], &["create-key", "books", "add-replica", "demo-us", "a month"]);
    let applied = desk.json(&["apply", "plan.json"]);
    assert_eq!((&applied["state"], &applied["counts"]["done"]), (&json!("DONE"), &json!(2)), "{applied:#}");
    assert_eq!(desk.json(&["key", "show", "books_us-east-1"])["region_role"], "replica");
    assert_eq!(desk.json(&["plan", "estate.toml", "more.yaml"])["changes"], json!([]));
    let id = applied["id"].as_str().expect("an id");
    desk.table(&["estate", "changes", id], &["create-key", "add-replica", "DONE"]);
    desk.table(&["estate", "list"], &[id, "DONE"]);
    assert_eq!(desk.json(&["estate", "wait", id])["id"], id);

    // The same plan again: what it was made for is not so any more.
    assert_eq!(slug(&desk.fails(4, &["apply", "plan.json"])), "plan-stale");
    let text = fs::read_to_string(desk.path("plan.json")).expect("a plan");
    desk.write("changed.json", text.replace("\"books\"", "\"boots\"").as_bytes());
    assert!(desk.fails(2, &["apply", "changed.json"])["title"].as_str().is_some_and(|title| title.contains("hash that does not fit")));

    // What is dangerous is asked for.
    desk.write("gone.toml", b"[[keys]]\nname = \"books\"\ndeleted = true\nwaiting_days = 7\n\n[[keys.replicas]]\nkeystore = \"demo-us\"\ndeleted = true\n");
    desk.table(&["plan", "gone.toml", "--out", "gone.json"], &["schedule-deletion", "gone for ever", "this Region decrypts"]);
    assert!(desk.fails(2, &["apply", "gone.json"])["title"].as_str().is_some_and(|title| title.starts_with("yes is needed")));
    assert_eq!(desk.json(&["key", "show", "books"])["state"], "ACTIVE", "nothing was begun");

    // A file that hides them, with a hash that fits: what the server says is asked about.
    let hidden = forged(&desk, "gone.json", |file| {
        file["plan"]["dangerous"] = json!(0);
        file["plan"]["changes"] = json!([]);
    });
    desk.write("hidden.json", hidden.as_bytes());
    assert!(desk.fails(2, &["apply", "hidden.json"])["title"].as_str().is_some_and(|title| title.starts_with("yes is needed")));
    // A file that shows one plan and holds the estate of another.
    let swapped = forged(&desk, "gone.json", |file| file["estate"] = json!({ "keys": [{ "name": "books", "description": "harmless" }] }));
    desk.write("swapped.json", swapped.as_bytes());
    assert_eq!(slug(&desk.fails(4, &["apply", "swapped.json", "--yes"])), "plan-stale");
    assert_eq!(desk.json(&["key", "show", "books"])["state"], "ACTIVE", "nothing was begun");
    assert_eq!(desk.json(&["apply", "gone.json", "--yes"])["counts"]["done"], 2);
    assert_eq!(desk.json(&["key", "show", "books"])["state"], "PENDING_DELETION");

    let schema: Value = serde_json::from_str(&desk.run(&["estate", "schema"]).out).expect("a schema");
    assert_eq!(schema["$defs"]["EstateKey"]["properties"]["deleted"]["type"], "boolean");
}

/// Every kind of mistake is told by file and line with its mend, and nothing is touched.
#[test]
fn files_with_mistakes_are_refused_by_line_and_nothing_is_touched() {
    let (desk, _terminal) = demo();
    desk.json(&["key", "create", "orders", "--keystore", "demo-eu", "--alias", "orders-live"]);
    let before = desk.run(&["export", "estate"]).out;
    let head = "[[keys]]\nname = \"new-1\"\nkeystore = \"demo-eu\"\n";
    for (file, expected) in [
        // Two keys of one name.
        (
            format!("{head}\n{head}"),
            "bad.toml:6: keys[1].name: is new-1, as is bad.toml:2. A name is unique: choose another one, or write all of a key in one place.",
        ),
        // Two keys with one alias.
        (
            format!("{head}aliases = [\"x\"]\n\n[[keys]]\nname = \"orders\"\naliases = [\n  \"orders-live\",\n  \"x\",\n]\n"),
            "bad.toml:10: keys[1].aliases[1]: is x, as is bad.toml:4. An alias means one key of a keystore: leave it at one of them.",
        ),
        // An alias that somebody else has.
        (
            format!("{head}aliases = [\"orders-live\"]\n"),
            "bad.toml:4: keys[0].aliases[0]: is orders-live, an alias of orders, which no file names. Name orders with the aliases that it shall have, or choose another one.",
        ),
        // An unknown field.
        (format!("{head}colour = \"red\"\n"), "bad.toml:4: keys[0].colour: is not known here. Leave it out, or give one of: name, keystore, spec, usage, "),
        // A value of the wrong kind.
        (format!("{head}aliases = \"x\"\n"), "bad.toml:4: keys[0].aliases: is of the wrong kind. Give a sequence."),
        // A value that cannot be.
        (
            format!("{head}expires = \"soon\"\n"),
            "bad.toml:4: keys[0].expires: is neither a time nor a span. Give a time such as 2026-12-31T00:00:00Z, a span such as 90d, or never.",
        ),
        (format!("{head}spec = \"AES_128\"\n"), "bad.toml:4: keys[0].spec: is not a kind of key that Keystead makes. Give one of "),
        // A change that cannot be.
        (
            "[[keys]]\nname = \"orders\"\nspec = \"HMAC_256\"\n".to_owned(),
            "bad.toml:3: keys[0].spec: is HMAC_256, and of orders it is AES_256, which cannot change. ",
        ),
        (
            "[[keys]]\nname = \"orders\"\n\n[[keys.replicas]]\nkeystore = \"demo-us\"\n".to_owned(),
            "bad.toml:4: keys[0].replicas[0]: cannot be: orders is a single-Region key",
        ),
        ("[[keys]]\nname = \"orders\"\nexpires = \"400d\"\n".to_owned(), "bad.toml:3: keys[0].expires: is more than 365 days ahead. "),
        // Something that is not there, and something that is missing.
        ("[[keys]]\nname = \"new-1\"\nkeystore = \"mars\"\n".to_owned(), "bad.toml:3: keys[0].keystore: is mars, and there is no such keystore. "),
        (
            "[[keys]]\nname = \"new-1\"\n".to_owned(),
            "bad.toml:1: keys[0].keystore: is missing: there is no key new-1 yet. Name the keystore in which it shall be made.",
        ),
        ("[[keystores]]\nname = \"new-2\"\n".to_owned(), "bad.toml:1: keystores[0].cloud: is missing: there is no keystore new-2 yet. "),
        (
            "[[keystores]]\nname = \"demo-eu\"\nregion = \"us-east-1\"\n".to_owned(),
            "bad.toml:3: keystores[0].region: is us-east-1, and of demo-eu it is eu-west-1, which cannot change. ",
        ),
        (
            "[[keystores]]\nname = \"demo-eu\"\n\n[keystores.drift]\nevery = \"1m\"\n".to_owned(),
            "bad.toml:5: keystores[0].drift.every: is shorter than a sweep may be. ",
        ),
        // Who shall hear of a keystore is no channel, or nobody.
        (
            "[[keystores]]\nname = \"demo-eu\"\nalerts = [\"pager\"]\n".to_owned(),
            "bad.toml:3: keystores[0].alerts: names what is no channel of the server's configuration: pager. The server has none: name one in keystead.toml, ",
        ),
        (
            "[[keystores]]\nname = \"demo-eu\"\nalerts = []\n".to_owned(),
            "bad.toml:3: keystores[0].alerts: is empty: nobody would hear of the keystore. Name one channel at least; [\"*\"] means every channel.",
        ),
        (
            "[[keystores]]\nname = \"demo-eu\"\nalerts = [\n  \"pager\",\n  \"pager\",\n]\n".to_owned(),
            "bad.toml:5: keystores[0].alerts[1]: is given before. Give each channel once.",
        ),
        ("[rotation]\nevery = \"90d\"\ncron = \"@monthly\"\n".to_owned(), "bad.toml:3: rotation.cron: is given beside every. Give one of the two."),
        ("version = 2\n".to_owned(), "bad.toml:1: version: is 2, which this Keystead does not read. Give 1, or leave it out."),
        // No TOML at all.
        ("[[keys]]\nname =\n".to_owned(), "bad.toml:2: "),
    ] {
        desk.write("bad.toml", file.as_bytes());
        let told = mistakes(&desk, &["plan", "bad.toml", "--out", "bad.json"]);
        assert!(told[0].starts_with(expected), "{file}\n{expected}\n{told:#?}");
        assert!(!desk.path("bad.json").exists(), "no plan is kept");
    }
    // All at once.
    desk.write("bad.yaml", b"keys:\n  - name: a b\n  - name: orders\n    state: GONE\n    usage: wrap\n");
    let told = mistakes(&desk, &["plan", "bad.yaml"]);
    let lines: Vec<&str> = told.iter().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(lines, ["bad.yaml:2", "bad.yaml:5", "bad.yaml:4"], "{told:#?}");
    assert_eq!(desk.run(&["export", "estate"]).out, before, "nothing is touched");
}
