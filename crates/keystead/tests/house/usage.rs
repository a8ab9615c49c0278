//! When a key was last used: its cloud is asked, and what nobody knows is told as that (AW-045).

use keystead_app::keys::lifecycle::Ask;
use keystead_sandbox::{Effect, Fault};
use serde_json::{Value, json};

use crate::{
    application::Application,
    families::{add_replica, make_primary},
    world::{CUSTOMER, Engine, World},
};

const APPLICATION: &str = "arn:aws:iam::123456789012:user/application";

async fn blast_radius(world: &World, key: &str) -> Vec<Value> {
    let (status, told) = world.rest(0, "GET", &format!("/v1/keys/{key}/blast-radius"), None).await;
    assert_eq!(status, 200, "{told}");
    told["keys"].as_array().cloned().expect("keys")
}

fn refusal(effect: Effect) -> Fault {
    Fault { operation: "GetKeyLastUsage".into(), skip: 0, count: 99, effect }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_region_is_asked_for_itself_and_an_unseen_key_is_not_called_unused_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore_in("payments-us", "us-east-1").await;
    make_primary(&world, "orders").await;
    add_replica(&world, "orders", "payments-us").await;
    let key = world.key("orders").await;
    Application::new(&world).await.encrypt(key.cloud_arn.as_deref().expect("an ARN"), b"an order").await;
    let told = blast_radius(&world, "orders").await;
    let (here, there) = (&told[0]["last_use"], &told[1]["last_use"]);
    assert_eq!((&here["operation"], &here["not_seen_since"], &here["untold"]), (&json!("Encrypt"), &json!(null), &json!(null)), "{told:?}");
    assert!(here["at"].is_string() && there["at"].is_null() && there["not_seen_since"].is_string(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_may_not_be_asked_or_does_not_answer_is_told_and_fails_nothing_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.make_vault_keystore("main").await;
    world.create("orders").await;
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized to perform: kms:GetKeyLastUsage".into() };
    world.sandbox.add_faults([refusal(denied)]);
    let told = blast_radius(&world, "orders").await;
    let why = told[0]["last_use"]["untold"].as_str().expect("a reason");
    assert!(why.contains("kms:GetKeyLastUsage") && why.contains("keystore policy"), "{why}");
    world.sandbox.clear_faults();
    world.sandbox.add_faults([refusal(Effect::Lost)]);
    assert!(blast_radius(&world, "orders").await[0]["last_use"]["untold"].is_string());
    world.sandbox.clear_faults();

    let made = world.start_create_in_vault("main", "kept").await;
    world.succeeds(made).await;
    let why = blast_radius(&world, "kept").await[0]["last_use"]["untold"].clone();
    assert!(why.as_str().is_some_and(|why| why.contains("in no cloud")), "{why}");
    world.does("orders", Ask::Renew).await;
    assert_eq!(blast_radius(&world, "orders").await.len(), 2, "the predecessor is asked for, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_renewal_it_is_told_whether_the_predecessor_is_still_used_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let here = Application::new(&world).await;
    let oldest = world.key("orders").await.cloud_arn.expect("an ARN");
    here.encrypt(&oldest, b"before").await;
    let adoption = async || {
        let (status, told) = world.rest(0, "GET", "/v1/keys/orders/adoption", None).await;
        assert_eq!(status, 200, "{told}");
        told
    };
    assert_eq!(adoption().await["predecessors"], json!([]), "it was never renewed");
    world.sandbox.advance(60_000_000);
    world.does("orders", Ask::Renew).await;
    let told = adoption().await;
    let first = &told["predecessors"][0];
    assert_eq!((&first["is_still_used"], &first["state"], &first["last_use"]["operation"]), (&json!(false), &json!("REPLACED"), &json!("Encrypt")), "{told}");
    world.sandbox.advance(60_000_000);
    here.encrypt(&oldest, b"behind").await;
    world.does("orders", Ask::Renew).await;
    let told = adoption().await;
    let used: Vec<&Value> = told["predecessors"].as_array().expect("two").iter().map(|one| &one["is_still_used"]).collect();
    assert_eq!(used, [&json!(false), &json!(true)], "the newest first: {told}");
    assert!(told["last_use"]["not_seen_since"].is_string(), "nobody has used the new one yet: {told}");
    world.sandbox.add_faults([refusal(Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "no".into() })]);
    assert_eq!(adoption().await["predecessors"][0]["is_still_used"], json!(null), "not known is not no");
}

async fn uses(world: &World, key: &str) -> Value {
    let (status, told) = world.rest(0, "GET", &format!("/v1/keys/{key}/uses"), None).await;
    assert_eq!(status, 200, "{told}");
    told
}

/// Lets Keystead listen to a queue that hears of uses, too.
async fn listens_to_uses(world: &World) {
    world.sandbox.put_queue(CUSTOMER, "eu-west-1", "keystead-uses", true);
    let queue = json!({"queue": "arn:aws:sqs:eu-west-1:123456789012:keystead-uses"});
    let (status, answer) = world.rest(0, "PUT", "/v1/keystores/payments-eu/event-queue", Some(queue)).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_renewal_it_is_told_who_still_uses_the_predecessor_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    let old = world.create("orders").await;
    assert_eq!(uses(&world, "orders").await["listening_since"], json!(null), "nothing is heard without a queue");
    listens_to_uses(&world).await;
    let here = Application::new(&world).await;
    let arn = old.cloud_arn.clone().expect("an ARN");
    let blob = here.encrypt(&arn, b"an order").await.blob;
    world.sandbox.advance(60_000_000);
    world.does("orders", Ask::Renew).await;
    world.sandbox.advance(60_000_000);
    for _ in 0..3 {
        here.decrypt(&blob).await;
    }
    while world.house.engine.listen().await.expect("a store") > 0 {}
    let (_, told) = world.rest(0, "GET", "/v1/keys/orders/adoption", None).await;
    let users = told["predecessors"][0]["users"].as_array().expect("users").clone();
    let first = &users[0];
    assert_eq!(
        (users.len(), &first["who"], &first["operation"], &first["heard"]),
        (1, &json!(APPLICATION), &json!("Decrypt"), &json!(3)),
        "only behind the renewal: {told}"
    );
    assert!(first["refusal"].is_null() && first["from"] == "127.0.0.1" && first["first_at"].is_string(), "{first}");
    let whole = uses(&world, old.id.as_str()).await;
    let operations: Vec<&Value> = whole["users"].as_array().expect("users").iter().map(|user| &user["operation"]).collect();
    assert_eq!(operations, [&json!("Decrypt"), &json!("Encrypt")], "the last first, and no trial of Keystead's own: {whole}");
    assert_eq!(uses(&world, "orders").await["users"], json!([]), "nobody has used the new one");
    assert_eq!(world.house.engine.look_at_woken().await.expect("a store"), 0, "a use changes no key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_refused_in_a_rehearsal_is_named_at_its_end_aw_045() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    listens_to_uses(&world).await;
    world.rest(0, "POST", "/v1/keys/orders/rehearse-deletion", Some(json!({"for": "15m"}))).await;
    let here = Application::new(&world).await;
    assert_eq!(here.refused(key.cloud_arn.as_deref().expect("an ARN")).await.as_deref(), Some("DisabledException"));
    while world.house.engine.listen().await.expect("a store") > 0 {}
    let told = uses(&world, "orders").await;
    assert_eq!((&told["users"][0]["who"], &told["users"][0]["refusal"]), (&json!(APPLICATION), &json!("DisabledException")), "{told}");
    for minutes in [16, 16, 1] {
        world.sandbox.advance(minutes * 60_000_000);
        world.house.engine.look_at_rehearsals().await.expect("a store");
        while world.house.engine.in_hand() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts", None).await;
    assert!(alerts.to_string().contains(&format!("refused meanwhile, as the queue told: {APPLICATION}")), "{alerts}");
}
