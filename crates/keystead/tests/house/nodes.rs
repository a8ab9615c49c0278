//! The root rotates under several nodes: one makes it new, the others seal themselves, and nothing is lost. Also: a rotation that was interrupted is counted, and
//! finished by whoever can.

use std::{collections::BTreeMap, sync::Arc};

use keystead_app::{Error, Request, Started, keys::lifecycle::Ask, rotation::NewRoot, vault::Offer};
use keystead_domain::KeyState;
use keystead_operations::{NoHooks, engine::Settings};
use keystead_server::{House, SandboxClock, Wiring, assemble};
use keystead_store::{
    Store,
    keys::{self, KeyRow},
    vault, versions,
};
use keystead_vault::{Adopted, NewUnlock, SecretBytes, UnlockSecret};
use serde_json::{Value, json};

use crate::world::{Engine, World, clouds};

/// The key file of the first root, as the world makes it, and that of the second.
fn key_file(root: u8) -> SecretBytes {
    SecretBytes::from((root..=root + 31).collect::<Vec<u8>>())
}

fn secret(root: u8) -> UnlockSecret {
    UnlockSecret::KeyFile(key_file(root))
}

/// A second node on the world's database, open under the first root. No schedule runs on it: a test moves things itself.
async fn second_node(world: &World) -> House {
    let store = Store::open(&world.database).expect("a second node");
    let clock = Arc::new(SandboxClock(world.sandbox.clock()));
    let settings = Settings { quotas: false, ..Settings::default() };
    let clouds = Arc::new(clouds(&world.sandbox.endpoint()));
    assemble(Wiring { store, secret: Some(secret(1)), modules: Vec::new(), clouds, clock, hooks: Arc::new(NoHooks), settings }).await.expect("a second house")
}

async fn rotate(world: &World, house: &House) -> Result<u64, Error> {
    house.app.rotate_root(&world.ann, &Request::default(), NewRoot::Secret(NewUnlock::KeyFile(key_file(2)))).await?;
    house.app.finish_root_rotation().await
}

/// The fingerprint of every key's material, opened and made anew by this node. It fails for a key that does not open.
async fn fingerprints(world: &World, house: &House, keys: &[KeyRow]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for key in keys {
        let sealed = house.engine.sealed(key).await.expect("a version and its account key");
        let found = house.engine.parts().vault.fingerprint(&sealed.held().expect("material")).expect("it opens");
        assert_eq!(found.to_string(), sealed.version.fingerprint, "{}", key.name);
        all.insert(key.name.clone(), found.to_string());
    }
    assert_eq!(all.len() as u64, world.store().read("test", versions::progress).await.expect("a store").1, "every version was looked at");
    all
}

async fn create_on(world: &World, house: &House, name: &str) -> Result<Started, Error> {
    house.app.create_key(&world.ann, &Request::default(), world.new_key("payments-eu", name)).await
}

/// Another face over a house: its answers to the world's first person.
async fn ask(world: &World, house: &House, path: &str) -> (u16, Value) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}{path}", listener.local_addr().expect("an address"));
    let router = keystead_api::router(house.app.clone(), keystead_api::Settings::default());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("serves") });
    let answer = world.http.get(url).bearer_auth(&world.tokens[0]).send().await.expect("an answer");
    let told = (answer.status().as_u16(), answer.json().await.expect("JSON"));
    server.abort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_one_node_makes_new_seals_the_other_and_loses_nothing() {
    let world = World::new(Engine::Postgres).await;
    let other = second_node(&world).await;
    let keys = [world.create("orders").await, world.create("bills").await];
    let before = fingerprints(&world, &world.house, &keys).await;
    assert_eq!(fingerprints(&world, &other, &keys).await, before);

    rotate(&world, &world.house).await.expect("a rotation");
    let status = world.house.app.vault_status().await;
    assert_eq!((status.sealed, status.root_generation, status.rotation), (false, 2, None));
    assert_eq!(fingerprints(&world, &world.house, &keys).await, before);

    assert!(!other.app.is_sealed(), "it has not looked yet");
    assert_eq!(create_on(&world, &other, "late").await.err(), Some(Error::RootChanged));
    assert!(other.app.is_sealed() && other.app.is_root_changed(), "from the first refusal on");
    let refused = other.app.ask(&world.ann, &Request::default(), "orders", Ask::Renew).await;
    assert_eq!(refused.err(), Some(Error::RootChanged));
    assert_eq!(rotate(&world, &other).await, Err(Error::RootChanged));
    assert_eq!(other.app.rotate_account_key(&world.ann, &Request::default()).await.err(), Some(Error::RootChanged));
    let (_, status) = ask(&world, &other, "/v1/status").await;
    assert_eq!((&status["sealed"], &status["root_changed"]), (&json!(true), &json!(true)), "{status}");
    let (code, problem) = ask(&world, &other, "/readyz").await;
    assert_eq!((code, problem["type"].as_str().and_then(|kind| kind.rsplit('/').next())), (503, Some("vault-sealed")), "{problem}");
    assert!(problem["mend"].as_str().is_some_and(|mend| mend.contains("with the new secret")), "{problem}");
    assert_eq!(world.find_key("late").await, None, "nothing was written");

    assert!(other.app.unseal(Offer::Secret(secret(1)), None).await.is_err(), "the old secret");
    let status = other.app.unseal(Offer::Secret(secret(2)), None).await.expect("the new secret");
    assert_eq!((status.sealed, status.root_changed, status.root_generation), (false, false, 2));
    assert_eq!(fingerprints(&world, &other, &keys).await, before);
    let late = create_on(&world, &other, "late").await.expect("an intent");
    world.succeeds(late).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_two_nodes_make_during_a_rotation_are_refused_or_kept_and_never_lost() {
    let world = World::new(Engine::Postgres).await;
    let other = second_node(&world).await;
    world.create("orders").await;
    let (mut kept, mut refused) = (vec!["orders".to_owned()], 0);
    let make = async |house: &House, node: &str| {
        let mut answers = Vec::new();
        for n in 0..12 {
            let name = format!("{node}-{n}");
            answers.push((create_on(&world, house, &name).await.map(drop), name));
        }
        answers
    };
    let (here, there, rotated) = tokio::join!(make(&world.house, "here"), make(&other, "there"), async {
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        rotate(&world, &world.house).await
    });
    for (answer, name) in here.into_iter().chain(there) {
        match answer {
            Ok(()) => kept.push(name),
            Err(Error::MovedOn | Error::RootChanged) => {
                refused += 1;
                assert_eq!(world.find_key(&name).await, None, "what is refused leaves nothing");
            }
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
    println!("a rotation under {} keys, {refused} refused", kept.len());
    rotated.expect("a rotation is not held up");
    world.house.app.finish_root_rotation().await.expect("nothing is left to do");
    assert_eq!(create_on(&world, &other, "late").await.err(), Some(Error::RootChanged));
    other.app.unseal(Offer::Secret(secret(2)), None).await.expect("the new secret");
    world.settle().await;
    let (_, operations) = world.rest(0, "GET", "/v1/operations?limit=1000", None).await;
    for operation in operations["items"].as_array().expect("operations") {
        assert_eq!(operation["state"], "SUCCEEDED", "every operation that was begun ends well: {operation}");
    }
    let mut keys = Vec::new();
    for name in &kept {
        keys.push(world.key(name).await);
    }
    assert!(keys.iter().all(|key| key.state.as_str() == "ACTIVE"), "every operation that was begun ends well");
    assert_eq!(fingerprints(&world, &other, &keys).await, fingerprints(&world, &world.house, &keys).await);
}

/// Stores the record of a new root as a rotation begins, and dies there.
async fn begin_and_die(world: &World) {
    let vault = &world.house.engine.parts().vault;
    let created = vault.begin_root_rotation(&NewUnlock::KeyFile(key_file(2)), &[]).expect("no rotation runs");
    let (old, new, now) = (vault.record().to_bytes(), created.record.to_bytes(), world.now());
    let kept = world.store().write("test", move |tx| vault::replace_root(tx, &old, &new, 2, now));
    kept.await.expect("a store");
    vault.seal();
}

/// A rotation that died after its first write: told with its true figures, and finished by this node.
async fn an_interrupted_rotation(world: &World, node: &House) {
    let keys = [world.create("orders").await, world.create("bills").await];
    let before = fingerprints(world, &world.house, &keys).await;
    begin_and_die(world).await;
    node.app.unseal(Offer::Secret(secret(2)), None).await.expect("the new secret");
    let (_, status) = ask(world, node, "/v1/vault").await;
    assert_eq!(status["rotation"], json!({"done": 0, "total": 2}), "{status}");
    assert_eq!(fingerprints(world, node, &keys).await, before, "both roots are there");
    assert_eq!(node.app.finish_root_rotation().await, Ok(2));
    let (_, status) = ask(world, node, "/v1/vault").await;
    assert_eq!((&status["rotation"], &status["root_generation"]), (&Value::Null, &json!(2)), "{status}");
    assert_eq!(fingerprints(world, node, &keys).await, before);
    assert_eq!(node.app.finish_root_rotation().await, Ok(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_rotation_is_counted_and_finished_on_sqlite() {
    let world = World::new(Engine::Sqlite).await;
    let node = world.house.clone();
    an_interrupted_rotation(&world, &node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_rotation_is_counted_and_finished_by_another_node_on_postgresql() {
    let world = World::new(Engine::Postgres).await;
    let node = second_node(&world).await;
    an_interrupted_rotation(&world, &node).await;
    assert_eq!(world.house.app.follow_root().await, Ok(()));
    assert_eq!(world.house.engine.parts().vault.adopt(node.engine.parts().vault.record()), Adopted::Sealed, "the node that died waits for the new secret");
}

/// Damages a row: its material names another root.
async fn name_root(world: &World, name: &str, generation: u32) {
    let key = world.key(name).await;
    let id = key.id.clone();
    let version = world.store().read("test", move |tx| versions::current(tx, &id)).await.expect("a store").expect("a version");
    let mut sealed = version.sealed.clone().expect("material");
    sealed[1..5].copy_from_slice(&generation.to_be_bytes());
    let changed = versions::VersionRow { sealed: Some(sealed), generation: version.generation, ..version.clone() };
    world.store().write("test", move |tx| versions::reseal(tx, &version.id, version.generation, &changed)).await.expect("a row");
}

/// A row that does not open: every other is sealed anew, the old root stays, and goes when the row does.
async fn a_row_that_does_not_open(engine: Engine) {
    let world = World::new(engine).await;
    for name in ["orders", "bills", "letters"] {
        world.create(name).await;
    }
    name_root(&world, "bills", 7).await;
    let refused = world.house.app.rotate_account_key(&world.ann, &Request::default()).await;
    let told = |refused: &Result<u64, Error>| matches!(refused, Err(Error::Problem(problem)) if problem.detail.starts_with("1 key versions do not open"));
    assert!(told(&refused), "{refused:?}");
    assert!(told(&rotate(&world, &world.house).await));
    let (_, status) = ask(&world, &world.house, "/v1/vault").await;
    assert_eq!((&status["root_generation"], &status["rotation"]), (&json!(2), &json!({"done": 2, "total": 3})), "all but one");
    let (id, now) = (world.key("bills").await.id, world.now());
    let end = move |tx: &mut keystead_store::Tx<'_>| {
        keys::transition(tx, &id, KeyState::Active, KeyState::Deleted, now)?;
        versions::destroy(tx, &id, now)
    };
    world.store().write("test", end).await.expect("a store");
    assert_eq!(world.house.app.finish_root_rotation().await, Ok(0), "when it is gone nothing holds the old root any more");
    let keys = [world.key("orders").await, world.key("letters").await];
    fingerprints(&world, &world.house, &keys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_does_not_open_holds_up_no_other_on_sqlite() {
    a_row_that_does_not_open(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_does_not_open_holds_up_no_other_on_postgresql() {
    a_row_that_does_not_open(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_a_root_that_nobody_stored_is_told_as_damaged_and_does_not_seal_the_node() {
    let world = World::new(Engine::Postgres).await;
    world.create("orders").await;
    let (status, prepared) = world.rest(0, "POST", "/v1/keys/orders/export/prepare", Some(json!({"public_key": include_str!("person.pem")}))).await;
    assert_eq!(status, 200, "{prepared}");
    name_root(&world, "orders", 7).await;
    let (status, body) = world.rest(1, "POST", "/v1/keys/orders/export/download", None).await;
    assert_eq!((status, body["type"].as_str().and_then(|kind| kind.rsplit('/').next())), (500, Some("vault-failure")), "{body}");
    assert!(body["detail"].as_str().is_some_and(|text| text.contains("root generation 7")), "{body}");
    assert!(!world.house.app.is_sealed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_at_a_rotation_again_and_again_is_told_the_same_count_for_a_while() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    begin_and_die(&world).await;
    world.house.app.unseal(Offer::Secret(secret(2)), None).await.expect("the new secret");
    let start = std::time::Instant::now();
    let counted = ask(&world, &world.house, "/v1/vault").await.1;
    assert_eq!(counted["rotation"], json!({"done": 0, "total": 1}), "{counted}");
    let now = world.now();
    world.store().write("test", move |tx| versions::destroy(tx, &key.id, now)).await.expect("a store");
    let again = ask(&world, &world.house, "/v1/vault").await.1;
    assert!(again == counted || start.elapsed().as_secs() >= 5, "{again}");
}
