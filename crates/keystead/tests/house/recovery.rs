//! Bad luck over REST: a sealed vault, a dead cloud, refusals of the cloud, other people's hands in the cloud. Each is told by a stable type; what
//! was not begun leaves no trace, and what was begun is finished or taken back.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use keystead_domain::time::{DAY, SECOND};
use keystead_operations::{NoHooks, engine::Settings};
use keystead_sandbox::{Effect, Fault, RoleSeed, Statement, UserSeed};
use keystead_server::{House, SandboxClock, Wiring, assemble};
use keystead_vault::{SecretBytes, UnlockSecret};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    matrix::public_key,
    refusals::{answer, everything, refused, told},
    world::{CUSTOMER, Engine, ROLE, World, clouds},
};

const IDENTITY: &str = "arn:aws:iam::111122223333:user/keystead";

/// The schedule, as in a server; it ends with the test.
pub fn schedule(house: &House) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(house.engine.clone().run_schedule());
    tasks
}

pub fn fault(operation: &str, count: u32, effect: Effect) -> Fault {
    Fault { operation: operation.into(), skip: 0, count, effect }
}

fn error(code: &str) -> Effect {
    Effect::Error { code: code.into(), status: 400, message: "as the test wants it".into() }
}

pub fn new_key(name: &str) -> Value {
    json!({"name": name, "keystore": "payments-eu", "aliases": [name]})
}

/// The stable end of an operation's problem.
fn problem_of(operation: &Value) -> &str {
    operation["problem"]["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default()
}

/// Creates a key and answers its operation, ended.
pub async fn create(world: &World, name: &str) -> Value {
    let (status, body) = world.rest(0, "POST", "/v1/keys", Some(new_key(name))).await;
    assert_eq!(status, 200, "{body}");
    body["operation"].clone()
}

/// An operation that failed for this reason.
fn failed(operation: &Value, slug: &str) {
    assert_eq!((operation["state"].as_str(), problem_of(operation)), (Some("FAILED"), slug), "{operation}");
    for member in ["detail", "mend"] {
        assert!(operation["problem"][member].as_str().is_some_and(|text| text.len() > 10), "{operation}");
    }
}

/// What AWS was called, in order.
async fn calls(world: &World) -> Vec<String> {
    let events: Value = world.http.get(format!("{}/_sandbox/events", world.sandbox.endpoint())).send().await.expect("the sandbox").json().await.expect("JSON");
    events["events"].as_array().expect("events").iter().map(|event| event["eventName"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn count_calls(world: &World, name: &str) -> usize {
    calls(world).await.iter().filter(|call| *call == name).count()
}

/// Keys of ours, and the cloud keys that are not counted down to deletion.
async fn standing(world: &World) -> (Value, Vec<Value>) {
    let (_, mut page) = world.rest(0, "GET", "/v1/keys?limit=1000", None).await;
    // Of a cloud that cannot be reached the health of its keys tells; they themselves are as they were.
    for key in page["items"].as_array_mut().expect("keys") {
        key["health"] = Value::Null;
    }
    let there = world.cloud_keys().await.into_iter().filter(|key| key["state"] != "PendingDeletion" || key["has_material"] == true);
    (page["items"].clone(), there.collect())
}

/// Somebody else with hands in the customer's account.
fn somebody(world: &World) -> aws_sdk_kms::Client {
    world.sandbox.put_user(UserSeed::new("somebody", CUSTOMER, "AKIASOMEBODY00000001", "their-secret")).expect("a user");
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(world.sandbox.endpoint())
        .credentials_provider(Credentials::new("AKIASOMEBODY00000001", "their-secret", None, None, "tests"))
        .build();
    aws_sdk_kms::Client::from_conf(config)
}

async fn a_sealed_vault(engine: Engine) {
    let world = World::new(engine).await;
    let _schedule = schedule(&world.house);
    world.create("orders").await;
    world.rest(0, "POST", "/v1/keys/orders/export/prepare", Some(json!({"public_key": public_key()}))).await;
    let (status, vault) = world.rest(0, "POST", "/v1/vault/seal", None).await;
    assert_eq!((status, &vault["sealed"]), (200, &json!(true)));
    let before = everything(&world).await;
    for (path, body) in [("/v1/keys", Some(new_key("fresh"))), ("/v1/keys/orders/renew", None), ("/v1/vault/rotate", Some(json!({"what": "account-key"})))] {
        let problem = refused(&world, "POST", path, body).await;
        assert_eq!((problem.status, problem.slug.as_str()), (503, "vault-sealed"), "{path}");
    }
    let download = told(answer(&world, &world.tokens[1], "POST", "/v1/keys/orders/export/download", None, &[]).await);
    assert_eq!(download.slug, "vault-sealed");
    assert_eq!(told(answer(&world, "", "GET", "/readyz", None, &[]).await).slug, "vault-sealed");
    assert_eq!(world.rest(0, "GET", "/v1/keys/orders", None).await.0, 200, "reading goes on");
    let wrong = refused(&world, "POST", "/v1/vault/unseal", Some(json!({"key_file": base64(&[7; 32])}))).await;
    assert_eq!((wrong.status, wrong.slug.as_str()), (422, "invalid-input"));
    assert_eq!(everything(&world).await, before, "nothing has changed");
    unseal(&world).await;
    assert_eq!(create(&world, "fresh").await["state"], "SUCCEEDED");
    let (status, ..) = answer(&world, &world.tokens[1], "POST", "/v1/keys/orders/export/download", None, &[]).await;
    assert_eq!(status, 200, "the refused download did not use the preparation up");
}

fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

async fn unseal(world: &World) {
    let key: Vec<u8> = (1..=32).collect();
    let (status, vault) = world.rest(0, "POST", "/v1/vault/unseal", Some(json!({"key_file": base64(&key)}))).await;
    assert_eq!((status, &vault["sealed"]), (200, &json!(false)), "{vault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_vault_is_told_and_changes_nothing_on_sqlite() {
    a_sealed_vault(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_vault_is_told_and_changes_nothing_on_postgresql() {
    a_sealed_vault(Engine::Postgres).await;
}

/// Starts a creation without waiting; answers the operation's id.
pub async fn begin(world: &World, url: &str, name: &str) -> String {
    let request = world.http.post(format!("{url}/v1/keys")).bearer_auth(&world.tokens[0]).json(&new_key(name));
    let body: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    body["operation"]["id"].as_str().unwrap_or_else(|| panic!("no operation: {body}")).to_owned()
}

/// The operation when it shows what is waited for, at most half a minute.
pub async fn until(world: &World, id: &str, shows: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let (_, operation) = world.rest(0, "GET", &format!("/v1/operations/{id}"), None).await;
        if shows(&operation) {
            return operation;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it does not come to it: {operation}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_runs_waits_for_a_sealed_vault_and_goes_on() {
    let world = World::new(Engine::Sqlite).await;
    let _schedule = schedule(&world.house);
    world.sandbox.add_faults([fault("CreateKey", 1, Effect::Delay { millis: 700 })]);
    let id = begin(&world, &world.url, "orders").await;
    world.rest(0, "POST", "/v1/vault/seal", None).await;
    let waiting = until(&world, &id, |operation| problem_of(operation) == "vault-sealed").await;
    assert_eq!(waiting["state"], "RUNNING");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(until(&world, &id, |_| true).await["state"], "RUNNING", "it never gives up for a sealed vault");
    unseal(&world).await;
    assert_eq!(until(&world, &id, |operation| operation["state"] != "RUNNING").await["state"], "SUCCEEDED");
    assert_eq!(world.cloud_keys().await.len(), 1, "nothing was made twice");
}

/// A door between Keystead and the cloud. While it is shut, connections are refused, and those that were open are cut.
struct Door {
    address: SocketAddr,
    to: SocketAddr,
    traffic: JoinSet<()>,
}

impl Door {
    async fn open_to(to: &str) -> Self {
        let to = to.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut door = Self { address: listener.local_addr().expect("an address"), to, traffic: JoinSet::new() };
        door.pass(listener);
        door
    }

    fn pass(&mut self, listener: TcpListener) {
        let to = self.to;
        self.traffic.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut inside, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut outside = tokio::net::TcpStream::connect(to).await.expect("the sandbox");
                    let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                });
            }
        });
    }

    async fn shut(&mut self) {
        self.traffic.shutdown().await;
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port");
        self.pass(listener);
    }
}

/// The same house once more, on the same database, whose way to the cloud leads through a door.
async fn behind(world: &World, door: &Door) -> (House, String, JoinSet<()>) {
    let secret = UnlockSecret::KeyFile(SecretBytes::from((1u8..=32).collect::<Vec<u8>>()));
    let house = assemble(Wiring {
        store: world.store().clone(),
        secret: Some(secret),
        modules: Vec::new(),
        clouds: Arc::new(clouds(&format!("http://{}", door.address))),
        clock: Arc::new(SandboxClock(world.sandbox.clock())),
        hooks: Arc::new(NoHooks),
        settings: Settings { quotas: false, patience_micros: SECOND, ..Settings::default() },
    })
    .await
    .expect("a house");
    let mut tasks = schedule(&house);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = keystead_api::router(house.app.clone(), keystead_api::Settings::default());
    tasks.spawn(async move { axum::serve(listener, router).await.expect("serves") });
    (house, url, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_cloud_is_told_within_patience_and_nothing_has_changed() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let mut door = Door::open_to(&world.sandbox.endpoint()).await;
    let (_house, url, _tasks) = behind(&world, &door).await;
    door.shut().await;
    let before = standing(&world).await;
    let start = Instant::now();
    let id = begin(&world, &url, "fresh").await;
    let ended = until(&world, &id, |operation| operation["state"] != "RUNNING").await;
    failed(&ended, "cloud-unreachable");
    assert!(start.elapsed() < Duration::from_secs(10), "the patience here is a second: {:?}", start.elapsed());
    let check = world.http.post(format!("{url}/v1/keystores/payments-eu/check")).bearer_auth(&world.tokens[0]).send().await.expect("an answer");
    assert_eq!(check.status(), 502);
    assert!(check.text().await.expect("a body").contains("cloud-unreachable"));
    assert_eq!(standing(&world).await, before, "nothing has changed");
    door.open().await;
    let id = begin(&world, &url, "fresh").await;
    assert_eq!(until(&world, &id, |operation| operation["state"] != "RUNNING").await["state"], "SUCCEEDED", "name and alias are free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_has_begun_waits_for_a_dead_cloud_and_finishes() {
    let world = World::new(Engine::Sqlite).await;
    let mut door = Door::open_to(&world.sandbox.endpoint()).await;
    let (_house, url, _tasks) = behind(&world, &door).await;
    world.sandbox.add_faults([fault("GetParametersForImport", 1, Effect::Delay { millis: 1500 })]);
    let id = begin(&world, &url, "orders").await;
    until(&world, &id, |operation| operation["step_name"] == "import-material").await;
    door.shut().await;
    // Three times its patience: what has touched the cloud is not given up for bad weather.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = until(&world, &id, |operation| problem_of(operation).starts_with("cloud-")).await;
    assert_eq!(waiting["state"], "RUNNING", "{waiting}");
    door.open().await;
    assert_eq!(until(&world, &id, |operation| operation["state"] != "RUNNING").await["state"], "SUCCEEDED");
    let there = world.cloud_keys().await;
    assert_eq!((there.len(), &there[0]["state"]), (1, &json!("Enabled")), "nothing was made twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_cannot_be_assumed_is_told_and_changes_nothing() {
    let world = World::new(Engine::Sqlite).await;
    world.sandbox.put_role(RoleSeed::new(ROLE, &[IDENTITY], Some("another-id"))).expect("a role");
    let before = standing(&world).await;
    let operation = create(&world, "orders").await;
    failed(&operation, "role-not-assumable");
    assert!(operation["problem"]["cloud_code"].is_string(), "{operation}");
    let check = refused(&world, "POST", "/v1/keystores/payments-eu/check", None).await;
    assert_eq!((check.status, check.slug.as_str()), (502, "role-not-assumable"));
    assert_eq!(standing(&world).await, before);
    assert_eq!(count_calls(&world, "CreateKey").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_permission_is_told_and_taken_back() {
    let world = World::new(Engine::Sqlite).await;
    let deny = vec![Statement { actions: vec!["kms:ImportKeyMaterial".into()], resources: vec!["*".into()] }];
    world.sandbox.put_role(RoleSeed { deny, ..RoleSeed::new(ROLE, &[IDENTITY], Some("test-id")) }).expect("a role");
    let operation = create(&world, "orders").await;
    failed(&operation, "cloud-access-denied");
    assert!(operation["problem"]["detail"].as_str().is_some_and(|text| text.contains("ImportKeyMaterial")), "{operation}");
    assert_eq!(standing(&world).await, (json!([]), vec![]), "the half-made cloud key counts down, without material");
    world.sandbox.put_role(RoleSeed::new(ROLE, &[IDENTITY], Some("test-id"))).expect("a role");
    assert_eq!(create(&world, "orders").await["state"], "SUCCEEDED", "name and alias are free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_never_retried_and_throttling_never_fails() {
    let world = World::new(Engine::Sqlite).await;
    world.sandbox.add_faults([fault("CreateKey", 0, error("LimitExceededException"))]);
    failed(&create(&world, "orders").await, "cloud-limit");
    assert_eq!(count_calls(&world, "CreateKey").await, 1, "a quota that is a limit is not asked twice");
    assert_eq!(standing(&world).await, (json!([]), vec![]));
    world.sandbox.clear_faults();
    world.sandbox.add_faults([fault("CreateKey", 4, error("ThrottlingException")), fault("ImportKeyMaterial", 3, error("ThrottlingException"))]);
    assert_eq!(create(&world, "orders").await["state"], "SUCCEEDED");
    assert_eq!(count_calls(&world, "CreateKey").await, 1 + 5);
    assert_eq!(world.cloud_keys().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_aws_refuses_is_replaced_by_a_fresh_one() {
    let world = World::new(Engine::Sqlite).await;
    for (number, code) in ["InvalidImportTokenException", "ExpiredImportTokenException", "InvalidCiphertextException"].into_iter().enumerate() {
        let before = count_calls(&world, "GetParametersForImport").await;
        world.sandbox.add_faults([fault("ImportKeyMaterial", 1, error(code))]);
        assert_eq!(create(&world, &format!("orders-{number}")).await["state"], "SUCCEEDED", "{code}");
        assert_eq!(count_calls(&world, "GetParametersForImport").await, before + 2, "{code}: with fresh parameters");
    }
    let before = standing(&world).await;
    world.sandbox.add_faults([fault("ImportKeyMaterial", 0, error("InvalidImportTokenException"))]);
    failed(&create(&world, "never").await, "cloud-import-token");
    assert_eq!(standing(&world).await, before, "what never succeeds is taken back");
}

/// The cloud binds the key to other material: told, and nothing is made anew to please it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_material_in_the_cloud_is_told_and_nothing_is_regenerated() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let (_, before) = world.rest(0, "GET", "/v1/keys/orders", None).await;
    let cloud = world.cloud_keys().await;
    world.sandbox.add_faults([fault("ImportKeyMaterial", 0, error("IncorrectKeyMaterialException"))]);
    let (status, body) = world.rest(0, "POST", "/v1/keys/orders/upload", None).await;
    assert_eq!(status, 200, "{body}");
    failed(&body["operation"], "wrong-material");
    let (_, after) = world.rest(0, "GET", "/v1/keys/orders", None).await;
    assert_eq!((&after["versions"], &after["state"]), (&before["versions"], &json!("ACTIVE")));
    assert_eq!(world.cloud_keys().await, cloud);
    assert_eq!(count_calls(&world, "ImportKeyMaterial").await, 2, "one at the creation, one refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_of_somebody_elses_key_is_not_taken_and_the_half_made_key_is_swept() {
    let world = World::new(Engine::Sqlite).await;
    let somebody = somebody(&world);
    let theirs = somebody.create_key().send().await.expect("a key").key_metadata.expect("metadata").key_id;
    somebody.create_alias().alias_name("alias/orders").target_key_id(&theirs).send().await.expect("an alias");
    let before = standing(&world).await;
    failed(&create(&world, "orders").await, "alias-taken");
    assert_eq!(standing(&world).await, before, "the alias points where it did; what was made counts down, without material");
    let left: Vec<Value> = world.cloud_keys().await.into_iter().filter(|key| key["id"] != theirs.as_str()).collect();
    assert_eq!((left.len(), &left[0]["state"]), (1, &json!("PendingDeletion")), "{left:?}");
    // The same by an update of a key that lives: nothing of it stays.
    world.create("bills").await;
    let before = standing(&world).await;
    let change = json!({"aliases": ["orders"], "description": "moved", "name": "moved", "tags": {"moved": "yes"}});
    let (status, body) = world.rest(0, "PATCH", "/v1/keys/bills", Some(change)).await;
    assert_eq!(status, 200, "{body}");
    failed(&body["operation"], "alias-taken");
    let unrevised = |(keys, cloud): (Value, Vec<Value>)| {
        let mut keys = keys;
        keys.as_array_mut().expect("keys").iter_mut().for_each(|key| ["revision", "updated_at"].into_iter().for_each(|name| key[name] = Value::Null));
        (keys, cloud)
    };
    assert_eq!(unrevised(standing(&world).await), unrevised(before));
}

/// Somebody deletes the key in AWS: every wish is answered by what happened, and the key can be renewed or let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_key_that_vanished_is_told_and_can_be_renewed_or_let_go() {
    let world = World::new(Engine::Sqlite).await;
    let somebody = somebody(&world);
    for name in ["orders", "bills"] {
        let key = world.create(name).await;
        somebody.schedule_key_deletion().key_id(key.cloud_key_id.expect("an id")).pending_window_in_days(7).send().await.expect("scheduled");
    }
    world.sandbox.advance((8 * DAY) as u64);
    assert_eq!(world.cloud_keys().await.len(), 0);
    let before = standing(&world).await;
    for (method, path, body) in [
        ("PATCH", "/v1/keys/orders", Some(json!({"description": "x"}))),
        ("POST", "/v1/keys/orders/upload", None),
        ("POST", "/v1/keys/orders/deactivate", None),
    ] {
        let (status, body) = world.rest(0, method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {body}");
        failed(&body["operation"], "cloud-key-gone");
    }
    let (keys, cloud) = standing(&world).await;
    assert_eq!((&keys[0]["state"], &keys[1]["state"], cloud), (&json!("ACTIVE"), &json!("ACTIVE"), before.1));
    let (_, renewed) = world.rest(0, "POST", "/v1/keys/orders/renew", None).await;
    assert_eq!((&renewed["operation"]["state"], &renewed["key"]["state"]), (&json!("SUCCEEDED"), &json!("ACTIVE")), "{renewed}");
    let (_, gone) = world.rest(0, "POST", "/v1/keys/bills/schedule-deletion", Some(json!({"days": 7}))).await;
    assert_eq!(
        (&gone["operation"]["state"], &gone["key"]["state"]),
        (&json!("SUCCEEDED"), &json!("PENDING_DELETION")),
        "the mend says: delete it here. {gone}"
    );
    world.sandbox.advance((8 * DAY) as u64);
    world.house.engine.clean_up().await.expect("a store");
    let bills = gone["key"]["id"].as_str().expect("an id");
    let (_, operations) = world.rest(0, "GET", &format!("/v1/operations?key={bills}&limit=1"), None).await;
    until(&world, operations["items"][0]["id"].as_str().expect("an id"), |operation| operation["state"] == "SUCCEEDED").await;
    assert_eq!(world.key(bills).await.state.as_str(), "DELETED", "its keystore can be deleted one day (CM-038)");
}
