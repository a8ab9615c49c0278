//! Health: checks on a schedule, what somebody is told of them, and how keys and keystores are (FX-042).

use keystead_domain::time::SECOND;
use keystead_operations::engine::Settings;
use keystead_sandbox::{Effect, Fault, RoleSeed, Statement};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    drift::{Deed, Meddler},
    world::{Engine, IDENTITY, ROLE, World},
};

const HOUR: i64 = 3600 * SECOND;

async fn world() -> World {
    World::with(Engine::Sqlite, Settings { quotas: false, check_micros: Some(HOUR), ..Settings::default() }).await
}

impl World {
    /// A look of the schedule behind so many hours: how many keystores were checked.
    async fn checks_behind(&self, hours: u64) -> usize {
        self.sandbox.advance(hours * HOUR as u64);
        self.house.engine.check_keystores().await.expect("a store")
    }

    async fn health_of(&self, keystore: &str) -> Value {
        let (status, found) = self.rest(0, "GET", &format!("/v1/keystores/{keystore}"), None).await;
        assert_eq!(status, 200, "{found}");
        found["health"].clone()
    }

    /// The kinds of what somebody was told of keystores, the oldest first.
    async fn told_of_checks(&self) -> Vec<String> {
        let (_, alerts) = self.rest(0, "GET", "/v1/alerts", None).await;
        let kinds = alerts["items"].as_array().into_iter().flatten().filter_map(|alert| alert["kind"].as_str());
        let mut kinds: Vec<String> = kinds.filter(|kind| kind.starts_with("keystore-")).map(str::to_owned).collect();
        kinds.reverse();
        kinds
    }

    async fn entries_of_checks(&self) -> usize {
        let (_, entries) = self.rest(0, "GET", "/v1/audit?limit=1000", None).await;
        entries["items"].as_array().into_iter().flatten().filter(|entry| entry["entry"]["action"] == "keystore.check").count()
    }
}

fn reasons(health: &Value) -> Vec<&str> {
    health["reasons"].as_array().into_iter().flatten().filter_map(|one| one["reason"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keystores_are_checked_every_hour_and_a_change_is_told_once_fx_042() {
    let world = world().await;
    world.make_vault_keystore("safe").await;
    let health = world.health_of("payments-eu").await;
    assert_eq!((&health["status"], reasons(&health), &health["reachable"]), (&json!("unknown"), vec!["unchecked"], &json!(null)));
    let two = tokio::join!(world.house.engine.check_keystores(), world.house.engine.check_keystores());
    assert_eq!(two.0.expect("a store") + two.1.expect("a store"), 1, "two nodes check it once; the vault needs no check");
    let health = world.health_of("payments-eu").await;
    assert_eq!((&health["status"], &health["reachable"], &health["permitted"]), (&json!("ok"), &json!(true), &json!(true)), "{health}");
    assert_eq!(world.health_of("safe").await["status"], json!("ok"));
    assert_eq!((world.house.engine.check_keystores().await, world.entries_of_checks().await), (Ok(0), 1), "not before an hour has gone");
    assert_eq!((world.checks_behind(2).await, world.entries_of_checks().await), (1, 1), "what is as it was is no news for the audit log");
    // Somebody changes the role's trust policy.
    let refused = Effect::Error { code: "AccessDenied".into(), status: 403, message: "no".into() };
    world.sandbox.add_faults([Fault { operation: "*".into(), skip: 0, count: 1_000, effect: refused }]);
    assert_eq!(world.checks_behind(2).await, 1);
    let health = world.health_of("payments-eu").await;
    assert_eq!((&health["status"], &health["permitted"]), (&json!("failing"), &json!(false)), "{health}");
    assert!(health["reasons"][0]["mend"].as_str().is_some_and(|mend| mend.contains("keystore policy payments-eu")) && health["why"].is_string(), "{health}");
    assert_eq!(world.checks_behind(2).await, 1);
    assert_eq!((world.told_of_checks().await, world.entries_of_checks().await), (vec!["keystore-unhealthy".to_owned()], 2), "told once, however long it lasts");
    world.sandbox.clear_faults();
    assert_eq!((world.checks_behind(2).await, world.checks_behind(2).await), (1, 1));
    assert_eq!(world.told_of_checks().await, ["keystore-unhealthy", "keystore-recovered"]);
    assert_eq!(world.health_of("payments-eu").await["status"], json!("ok"));
    // A permission is taken away.
    let deny = vec![Statement { actions: vec!["kms:ImportKeyMaterial".into()], resources: vec!["*".into()] }];
    world.sandbox.put_role(RoleSeed { deny, ..RoleSeed::new(ROLE, &[IDENTITY], Some("test-id")) }).expect("a role");
    assert_eq!(world.checks_behind(2).await, 1);
    let health = world.health_of("payments-eu").await;
    assert_eq!((&health["status"], reasons(&health), &health["missing"]), (&json!("degraded"), vec!["permissions-missing"], &json!(["kms:ImportKeyMaterial"])));
    world.sandbox.put_role(RoleSeed::new(ROLE, &[IDENTITY], Some("test-id"))).expect("a role");
    assert_eq!(world.checks_behind(2).await, 1);
    // Nobody looks any more.
    world.sandbox.advance(4 * HOUR as u64);
    assert_eq!(reasons(&world.health_of("payments-eu").await), ["check-late"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_does_not_answer_once_is_asked_again_before_somebody_is_told() {
    let world = world().await;
    world.create("orders").await;
    assert_eq!(world.checks_behind(0).await, 1);
    let silent = |count| Fault { operation: "*".into(), skip: 0, count, effect: Effect::Drop };
    world.sandbox.add_faults([silent(10_000)]);
    assert_eq!(world.checks_behind(2).await, 1);
    let health = world.health_of("payments-eu").await;
    assert_eq!((&health["status"], reasons(&health), &health["reachable"]), (&json!("failing"), vec!["unreachable"], &json!(false)), "{health}");
    assert_eq!(world.told_of_checks().await, [""; 0], "it may be the weather of a moment");
    let (_, listed) = world.rest(0, "GET", "/v1/keys?health=unknown", None).await;
    assert_eq!((listed["items"].as_array().map(Vec::len), reasons(&listed["items"][0]["health"])), (Some(1), vec!["keystore-out-of-reach"]), "{listed}");
    world.sandbox.advance(300 * SECOND as u64);
    assert_eq!(world.checks_behind(0).await, 1, "five minutes later and not an hour");
    assert_eq!(world.told_of_checks().await, ["keystore-unhealthy"]);
    world.sandbox.clear_faults();
    // A check that somebody asks for counts like one of the schedule.
    assert_eq!(world.rest(0, "POST", "/v1/keystores/payments-eu/check", None).await.0, 200);
    assert_eq!(world.told_of_checks().await, ["keystore-unhealthy", "keystore-recovered"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_listed_by_their_health_with_what_mends_them_fx_042() {
    let world = world().await;
    let (gone, off, fine) = (world.create("gone").await, world.create("off").await, world.create("fine").await);
    world.create("deleted").await;
    let old = world.house.app.list_keys(&world.ann, None, Default::default(), keystead_store::page::Page { after: None, limit: 1 }).await.expect("a page");
    assert!(old.rows[0].1.as_ref().is_some_and(|health| health.is_in_step.is_none()), "no sync has seen it yet");
    assert_eq!(world.checks_behind(0).await, 1);
    world.sync("payments-eu").await;
    world.sandbox_does(Method::DELETE, "keys", json!({"key": gone.cloud_key_id})).await;
    Meddler::new(&world).does(Deed::Disable, &off).await;
    world.sync("payments-eu").await;
    let listed = async |health: &str| {
        let (status, found) = world.rest(0, "GET", &format!("/v1/keys?health={health}"), None).await;
        assert_eq!(status, 200, "{found}");
        let told = |key: &Value| (key["name"].as_str().unwrap_or_default().to_owned(), reasons(&key["health"]).join(" "), key["health"]["in_step"].clone());
        found["items"].as_array().into_iter().flatten().map(told).collect::<Vec<_>>()
    };
    assert_eq!(listed("failing").await, [("gone".to_owned(), "cloud-key-gone".to_owned(), json!(false))]);
    assert_eq!(listed("degraded").await, [("off".to_owned(), "drift-open".to_owned(), json!(false))]);
    let well = [("fine".to_owned(), String::new(), json!(true)), ("deleted".to_owned(), String::new(), json!(true))];
    assert_eq!(listed("ok").await, well);
    let (status, refused) = world.rest(0, "GET", "/v1/keys?health=fine", None).await;
    assert!(status == 422 && refused["field"] == "health" && refused.to_string().contains("degraded"), "{refused}");
    let (_, shown) = world.rest(0, "GET", "/v1/keys/fine", None).await;
    assert_eq!((&shown["health"]["status"], &shown["health"]["protected_until"]), (&json!("ok"), &shown["expires"]), "nobody moves its end: {shown}");
    assert_eq!(shown["id"], fine.id.as_str());
    let health = world.health_of("payments-eu").await;
    assert_eq!((reasons(&health), &health["in_step"], &health["open_drifts"]), (vec!["drift-hostile", "drift-open"], &json!(false), &json!(2)), "{health}");
    // A week before its end nobody has moved it.
    world.sandbox.advance(84 * 24 * HOUR as u64);
    assert_eq!(reasons(&world.rest(0, "GET", "/v1/keys/fine", None).await.1["health"]), ["end-near"]);
    world.sandbox.advance(7 * 24 * HOUR as u64);
    let (_, shown) = world.rest(0, "GET", "/v1/keys/fine", None).await;
    assert_eq!((reasons(&shown["health"]), &shown["health"]["status"]), (vec!["expired"], &json!("failing")), "{shown}");
    let (_, metrics) = world.rest(0, "GET", "/metrics", None).await;
    let metrics = metrics.as_str().unwrap_or_default();
    for line in
        ["keystead_keystores_by_health{health=\"failing\"} 1", "keystead_keys_by_health{health=\"failing\"} 4", "keystead_keys_by_health{health=\"ok\"} 0"]
    {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    assert!(!metrics.contains("payments-eu") && !metrics.contains("fine"), "names are nobody's business there");
}
