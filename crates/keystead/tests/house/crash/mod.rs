//! The crash harness: every saga, dying at every journal write and every cloud call, with replies lost, late, duplicated and refused. Afterwards vault, database
//! and cloud are compared: each operation ends in the state before it or the state after it, never in a third (design, section 4).

mod ceremony;
pub mod subject;

use keystead_app::{Request, keys::lifecycle::Ask};
use keystead_domain::{KeyState, RegionRole, key::deletion::WaitingDays, keystore::KeystoreState, time::DAY, waves::WaveState};
use keystead_operations::Point;
use keystead_sandbox::{Effect, Fault};
use keystead_store::{keys::KeyFilter, keys::KeyRow, operations, restores::Tally};
use serde_json::json;

use self::subject::{FAMILIES, NATIVE, SUBJECTS, Subject, clean_up, expected, replica_of};
use crate::{
    comparison::{Cloud, check_aliases, check_key, check_leftovers, check_rest, keys_of, versions_of},
    drills, families, rehearsals,
    world::{CUSTOMER, Engine, World},
};

/// What goes wrong in one run.
#[derive(Debug, Clone)]
struct Mishap {
    /// The place at which the process dies.
    die_at: Option<usize>,
    /// The request, counted from 0 over the run, whose reply is spoilt.
    fault: Option<(usize, Effect)>,
}

impl Mishap {
    /// Nothing goes wrong: what a run comes to by itself.
    const NONE: Self = Self { die_at: None, fault: None };
}

/// What a run came to.
struct Path {
    /// The places at which it could have died.
    places: Vec<Point>,
    /// How many requests it sent to the cloud.
    requests: usize,
}

/// Does one run and checks the end of it.
async fn run(world: &World, subject: Subject, mishap: &Mishap) -> Path {
    Box::pin(run_and_check(world, subject, mishap)).await
}

async fn run_and_check(world: &World, subject: Subject, mishap: &Mishap) -> Path {
    let name = world.fresh_name("crash");
    Box::pin(subject.set_up(world, &name)).await;
    let before = world.requests().await;
    if let Some((call, effect)) = &mishap.fault {
        world.sandbox.add_faults([Fault { operation: "*".into(), skip: *call as u32, count: 1, effect: effect.clone() }]);
    }
    world.hooks.arm(mishap.die_at);
    let started = subject.start(world, &name).await;
    if mishap.die_at.is_some() {
        restart(world).await;
    }
    let ended = world.ended(&started).await;
    let path = Path { places: world.hooks.seen(), requests: world.requests().await - before };
    world.sandbox.clear_faults();
    world.hooks.arm(None);
    world.settle().await;
    check(world, subject, &name, &ended.state, mishap).await;
    path
}

/// What a start of the only process on a database does: every lease is from an earlier life.
async fn restart(world: &World) {
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    world.store().write("test.restart", operations::free_all_leases).await.expect("a store");
    world.house.engine.take_due().await.expect("a store");
}

/// Compares vault, database and cloud.
async fn check(world: &World, subject: Subject, name: &str, ended: &str, mishap: &Mishap) {
    world.house.engine.sweep_all().await;
    let told = format!("{subject:?} {mishap:?} ended {ended}");
    if subject == Subject::Sync {
        // What may not be looked at is left out and told, what refuses the lists ends the sync; the next one finds the key all the same, and once.
        let was_denied = matches!(&mishap.fault, Some((_, Effect::Error { code, .. })) if code.starts_with("AccessDenied"));
        assert!(ended == "SUCCEEDED" || was_denied, "{told}");
        assert!(was_denied || world.find_key(name).await.is_some(), "{told}: the key is found by this very sync");
        world.sync("payments-eu").await;
    }
    if matches!(subject, Subject::Rehearse | Subject::EndRehearsal) {
        rehearsals::check(world, name, subject == Subject::Rehearse, ended, &told).await;
    }
    if matches!(subject, Subject::Drill | Subject::DrillRestores) {
        drills::check(world, name, &told).await;
    }
    if subject == Subject::Repair {
        check_repaired(world, name, ended, &told).await;
    }
    if subject == Subject::Restore {
        check_restore(world, name, ended, mishap, &told).await;
    }
    let (house, account) = (&world.house, &world.ann.account);
    let mut keys = Vec::new();
    for known_as in [name.to_owned(), format!("{name}-new"), replica_of(name)] {
        keys.extend(keys_of(house, account, &KeyFilter { name: Some(known_as), ..KeyFilter::default() }).await);
    }
    let states: Vec<KeyState> = keys.iter().map(|key| key.state).collect();
    let (before, after) = expected(subject);
    let wanted = if ended == "SUCCEEDED" || subject == Subject::Sync { after } else { before };
    assert_eq!(states, wanted, "{told}");
    let cloud = Cloud::of(world.cloud_keys().await);
    // Of a key that vanished behind our back the row knows nothing yet.
    let is_lost = |key: &KeyRow| subject == Subject::Recreate && ended != "SUCCEEDED" && !cloud.has(key);
    for key in keys.iter().filter(|key| subject != Subject::Forget && !is_lost(key)) {
        check_key(house, key, &cloud, &told).await;
    }
    if matches!(subject, Subject::RotateInPlace | Subject::RotateFamilyInPlace) {
        let versions = versions_of(house, &keys[0]).await.len();
        assert_eq!(versions, if ended == "SUCCEEDED" { 2 } else { 1 }, "{told}: versions");
    }
    match subject {
        Subject::Forget => {}
        _ if subject.is_native() => check_aliases_of_native(&keys, &cloud, &told),
        _ => check_aliases(&keys, &cloud, &told),
    }
    families::check_in_step(&keys, &told);
    let is_promoted = keys.iter().any(|key| key.name == replica_of(name) && key.ties.role == RegionRole::Primary);
    assert_eq!(is_promoted, subject == Subject::Promote && ended == "SUCCEEDED", "{told}");
    check_leftovers(house, account, &cloud, &told).await;
    check_rest(house, &keys, &told).await;
    if subject == Subject::Follow {
        check_wave(world, name, ended, &told).await;
    }
    if subject == Subject::Ceremony {
        ceremony::check(world, name, ended, &told).await;
    }
    // The syncs of the runs to come shall not look at the keys of all before.
    for key in keys.iter().filter(|key| subject.is_native() && cloud.has(key)) {
        world.sandbox_does(reqwest::Method::DELETE, "keys", serde_json::json!({ "key": key.cloud_key_id })).await;
    }
    if matches!(subject, Subject::Repair | Subject::Recreate) {
        end_everything(world).await;
    }
}

/// Ends every key, here and there, as if there had been none: the syncs of the runs to come look at all that there is.
async fn end_everything(world: &World) {
    for there in world.cloud_keys().await {
        world.sandbox_does(reqwest::Method::DELETE, "keys", serde_json::json!({ "key": there["arn"] })).await;
    }
    let keys = keys_of(&world.house, &world.ann.account, &KeyFilter::default()).await;
    let end = move |tx: &mut keystead_store::Tx<'_>| {
        keys.iter().filter(|key| key.state != KeyState::Deleted).try_for_each(|key| {
            keystead_store::keys::transition(tx, &key.id, key.state, KeyState::Deleted, key.updated_at)?;
            keystead_store::lineages::end_if_all_deleted(tx, &key.lineage_id)
        })
    };
    world.store().write("test.end", end).await.expect("a store");
}

/// A repair that succeeded leaves no difference. One that was refused leaves some of those that were there, and no other; and the next one puts them right.
async fn check_repaired(world: &World, name: &str, ended: &str, told: &str) {
    world.sync("payments-eu").await;
    let left = world.open_drift(&format!("&key={name}")).await;
    assert!(ended != "SUCCEEDED" || left.is_empty(), "{told}: {left:?}");
    let known = ["deletion", "state", "alias-moved", "alias-missing", "own-tags", "tags", "description"];
    assert!(left.iter().all(|drift| known.contains(&drift["attribute"].as_str().unwrap_or_default())), "{told}: {left:?}");
    let again = world.house.app.repair_key(&world.ann, &Request::default(), name).await.expect("an intent");
    if again.operation.is_some() {
        world.succeeds(again).await;
    }
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift(&format!("&key={name}")).await.len(), 0, "{told}: put right at the second try");
}

/// What may not be looked at is told, and what refuses the upload fails that; the next restore gives the material back all the same, and none is given back twice.
async fn check_restore(world: &World, name: &str, ended: &str, mishap: &Mishap, told: &str) {
    let was_denied = matches!(&mishap.fault, Some((_, Effect::Error { code, .. })) if code.starts_with("AccessDenied"));
    assert!(ended == "SUCCEEDED" || was_denied, "{told}");
    let began = world.uploads_of(name).await;
    assert!(began == 1 || was_denied, "{told}: {began} uploads");
    let again = world.restore(name).await.tally;
    assert!(again == Tally::default() || was_denied, "{told}: {again:?}");
}

/// The wave says of its copy how that ended, and begins nothing more.
async fn check_wave(world: &World, name: &str, ended: &str, told: &str) {
    assert_eq!(world.house.engine.look_at_waves().await, Ok(0), "{told}");
    let waves = world.house.app.rotation_waves(&world.ann, &format!("{name}-source"), keystead_store::page::Page::first()).await.expect("waves").rows;
    let wanted = if ended == "SUCCEEDED" { WaveState::Done } else { WaveState::Failed };
    assert_eq!(waves.iter().map(|wave| wave.row.state).collect::<Vec<_>>(), [wanted], "{told}");
}

/// Both aliases of a key of the cloud's point at its lineage's current key, and its row knows them.
fn check_aliases_of_native(keys: &[KeyRow], cloud: &Cloud, told: &str) {
    for key in keys.iter().filter(|key| key.state != KeyState::Deleted) {
        let wanted = if key.is_current { 2 } else { 0 };
        assert_eq!(cloud.aliases_of(key), wanted, "{told}: aliases of {}", key.id);
        assert_eq!(key.aliases.len(), wanted, "{told}: known aliases of {}", key.id);
    }
}

/// How much is run: everything in a proof, a sample that covers every place once in the tests.
fn is_proof() -> bool {
    std::env::var("KEYSTEAD_PROOF").is_ok()
}

/// Each kind of spoilt reply; in the tests only the three that differ most for what concerns several Regions or a whole place, which takes many calls.
fn spoilt_replies_for(subject: Subject) -> Vec<Effect> {
    let mut all = spoilt_replies();
    if (FAMILIES.contains(&subject) || subject.is_native() || subject == Subject::Restore) && !is_proof() {
        all.retain(|effect| matches!(effect, Effect::Lost | Effect::Duplicate) || matches!(effect, Effect::Error { code, .. } if code.starts_with("Access")));
    }
    all
}

fn spoilt_replies() -> Vec<Effect> {
    vec![
        Effect::Lost,
        Effect::Late { calls: Some(1), millis: None },
        Effect::Duplicate,
        Effect::Drop,
        Effect::Http500,
        Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() },
        Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized to perform".into() },
    ]
}

fn calls_in(seen: &[Point]) -> usize {
    seen.iter().filter(|point| matches!(point, Point::BeforeCall(_))).count()
}

/// Where runs happen. A run is compared with all that the world holds, so that a world of many runs is a slow one: behind some there is another.
struct Ground {
    engine: Engine,
    world: World,
    runs: usize,
}

/// Runs in one world.
const RUNS_A_WORLD: usize = 64;

impl Ground {
    async fn new(engine: Engine) -> Self {
        let world = World::new(engine).await;
        world.make_vault_keystore("main").await;
        world.make_keystore_in("payments-us", "us-east-1").await;
        for (keystore, region) in [("payments-eu", "eu-west-1"), ("payments-us", "us-east-1")] {
            world.sandbox.put_queue(CUSTOMER, region, "crash", false);
            let queue = json!({"queue": format!("arn:aws:sqs:{region}:{CUSTOMER}:crash")});
            let (status, answer) = world.rest(0, "PUT", &format!("/v1/keystores/{keystore}/event-queue"), Some(queue)).await;
            assert_eq!(status, 200, "{answer}");
        }
        Self { engine, world, runs: 0 }
    }

    async fn run(&mut self, subject: Subject, mishap: &Mishap) -> Path {
        if self.runs == RUNS_A_WORLD {
            *self = Box::pin(Self::new(self.engine)).await;
        }
        self.runs += 1;
        let path = run(&self.world, subject, mishap).await;
        self.check_events(&format!("{subject:?} {mishap:?}")).await;
        path
    }

    /// Whatever went wrong: an operation explains everything that was done in Keystead's own name.
    async fn check_events(&self, told: &str) {
        while self.world.house.engine.listen().await.expect("a store") > 0 {}
        for keystore in ["payments-eu", "payments-us"] {
            let (_, heard) = self.world.rest(0, "GET", &format!("/v1/keystores/{keystore}/event-queue"), None).await;
            assert_eq!((&heard["unexplained"], &heard["problem"]), (&json!([]), &json!(null)), "{told}: {heard}");
        }
    }
}

/// Dies at every place, alone and (in a proof) with each kind of spoilt reply at the call that follows.
async fn dies_everywhere(ground: &mut Ground, subject: Subject) -> usize {
    let places = ground.run(subject, &Mishap::NONE).await.places;
    let mut runs = 1;
    for die_at in 0..places.len() {
        ground.run(subject, &Mishap { die_at: Some(die_at), fault: None }).await;
        runs += 1;
        if is_proof() {
            let next_call = calls_in(&places[..=die_at]);
            for effect in spoilt_replies() {
                ground.run(subject, &Mishap { die_at: Some(die_at), fault: Some((next_call, effect)) }).await;
                runs += 1;
            }
        }
    }
    runs
}

/// Spoils the reply of every request in every way.
async fn replies_spoilt_everywhere(ground: &mut Ground, subject: Subject) -> usize {
    let requests = ground.run(subject, &Mishap::NONE).await.requests;
    let mut runs = 1;
    for call in 0..requests {
        for effect in spoilt_replies_for(subject) {
            ground.run(subject, &Mishap { die_at: None, fault: Some((call, effect)) }).await;
            runs += 1;
        }
    }
    runs
}

async fn prove(engine: Engine, subjects: &[Subject]) {
    let mut ground = Ground::new(engine).await;
    let mut total = 0;
    for subject in subjects {
        let died = Box::pin(dies_everywhere(&mut ground, *subject)).await;
        let spoilt = Box::pin(replies_spoilt_everywhere(&mut ground, *subject)).await;
        println!("crash harness: {subject:?} on {engine:?}: {died} runs with deaths, {spoilt} with spoilt replies, no third state");
        total += died + spoilt;
    }
    println!("crash harness: {total} runs on {engine:?}, no third state");
}

/// The journal on PostgreSQL: all sagas in a proof, four in the tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_on_postgresql_ends_in_a_third_state() {
    let subjects: &[Subject] =
        if is_proof() { &[&SUBJECTS[..], &FAMILIES[..]].concat() } else { &[Subject::Create, Subject::CancelDeletion, Subject::Promote, Subject::Ceremony] };
    prove(Engine::Postgres, subjects).await;
}

/// An attempt fails for certain, the next one has its effect, and the process dies: what a restart finds is an unknown, not the failure before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_in_the_attempt_behind_a_failed_one_is_an_unknown() {
    let world = World::new(Engine::Sqlite).await;
    let throttled = Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() };
    let mut runs = 0;
    for subject in [Subject::Create, Subject::ScheduleDeletion, Subject::Deactivate] {
        let path = run(&world, subject, &Mishap { die_at: None, fault: Some((0, throttled.clone())) }).await;
        for die_at in 0..path.places.len() {
            run(&world, subject, &Mishap { die_at: Some(die_at), fault: Some((0, throttled.clone())) }).await;
            runs += 1;
        }
    }
    println!("crash harness: {runs} runs that die in the attempt behind a throttled one, no third state");
}

/// The one saga without a key: deletion of a keystore (CM-062), dying and refused everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_is_deleted_or_not_and_nothing_between() {
    let world = World::new(Engine::Sqlite).await;
    let (places, requests) = delete_keystore(&world, &Mishap::NONE).await;
    let deaths = (0..places).map(|at| Mishap { die_at: Some(at), fault: None });
    let spoilt = (0..requests).flat_map(|call| spoilt_replies().into_iter().map(move |effect| Mishap { die_at: None, fault: Some((call, effect)) }));
    let mishaps: Vec<Mishap> = deaths.chain(spoilt).collect();
    for mishap in &mishaps {
        delete_keystore(&world, mishap).await;
    }
    println!("crash harness: DeleteKeystore on Sqlite: {} runs, no third state", mishaps.len() + 1);
}

async fn delete_keystore(world: &World, mishap: &Mishap) -> (usize, usize) {
    let name = world.fresh_name("emptied");
    world.make_keystore(&name).await;
    let key = world.fresh_name("ended");
    let created = world.start_create_in(&name, &key).await;
    world.succeeds(created).await;
    world.does(&key, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.sandbox.advance((8 * DAY) as u64);
    world.succeeds(clean_up(world, &key).await).await;
    let before = world.requests().await;
    if let Some((call, effect)) = &mishap.fault {
        world.sandbox.add_faults([Fault { operation: "*".into(), skip: *call as u32, count: 1, effect: effect.clone() }]);
    }
    world.hooks.arm(mishap.die_at);
    let started = world.house.app.delete_keystore(&world.ann, &Request::default(), &name).await.expect("an intent");
    if mishap.die_at.is_some() {
        restart(world).await;
    }
    let ended = world.ended(&started).await;
    let path = (world.hooks.seen().len(), world.requests().await - before);
    world.sandbox.clear_faults();
    world.hooks.arm(None);
    let after = world.house.app.keystore(&world.ann, &name).await.expect("the keystore's record stays");
    assert_eq!(after.state == KeystoreState::Deleted, ended.state == "SUCCEEDED", "{mishap:?}");
    check_rest(&world.house, &[], &format!("{mishap:?}")).await;
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_that_makes_or_moves_keys_ends_in_a_third_state() {
    prove(Engine::Sqlite, &SUBJECTS[..7]).await;
}

/// FT-047: whatever dies or is lost, a family is in one state, in every Region.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_of_a_family_of_regions_ends_in_a_third_state() {
    prove(Engine::Sqlite, &FAMILIES[..6]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_that_renews_a_family_of_regions_ends_in_a_third_state() {
    prove(Engine::Sqlite, &FAMILIES[6..]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_of_a_key_that_rotates_in_place_ends_in_a_third_state() {
    prove(Engine::Sqlite, &SUBJECTS[7..10]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_that_reverts_deletes_or_updates_ends_in_a_third_state() {
    prove(Engine::Sqlite, &SUBJECTS[10..21]).await;
}

/// AW-045: whatever dies or is lost, a key that was disabled for a rehearsal is enabled again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_rehearsal_leaves_a_key_disabled() {
    prove(Engine::Sqlite, &SUBJECTS[21..]).await;
}

/// FT-019: whatever dies or is lost, a canary that a drill killed is in use again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_drill_leaves_a_canary_dead() {
    prove(Engine::Sqlite, &[Subject::Drill, Subject::DrillRestores]).await;
}

/// CM-018: what a repair leaves behind is never worse than what it found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_repair_leaves_a_difference_that_was_not_there() {
    prove(Engine::Sqlite, &[Subject::Repair]).await;
}

/// A key that somebody deleted at the cloud is made anew, with its aliases and its material, or not at all (FX-003).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_that_is_made_anew_ends_in_a_third_state() {
    prove(Engine::Sqlite, &[Subject::Recreate]).await;
}

/// CM-037: whatever dies or is lost, a restore begins each upload once, and its next life goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_restore_of_a_keystore_ends_in_a_third_state() {
    prove(Engine::Sqlite, &[Subject::Restore]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_saga_about_keys_of_the_clouds_own_ends_in_a_third_state() {
    prove(Engine::Sqlite, &NATIVE).await;
}
