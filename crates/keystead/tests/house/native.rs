//! Keys that were made in the cloud: found by a sync, managed, adopted (FT-014, FT-017, FT-018, FT-051 to FT-068, FT-079, FT-080).

use std::collections::BTreeSet;

use keystead_app::{Request, Started};
use keystead_domain::{Custody, KeyState, RegionRole};
use keystead_operations::sync::View;
use keystead_sandbox::{Effect, Fault};
use keystead_store::{
    keys::{KeyFilter, KeyRow},
    syncs::{self, SyncRow},
    views::{self, ViewRow},
};
use serde_json::{Value, json};

use crate::{
    comparison::keys_of,
    world::{CUSTOMER, Engine, World},
};

impl World {
    /// Keys with material of AWS, called STEM-000000 and so on.
    pub async fn seed(&self, stem: &str, count: usize, more: Value) {
        let mut order = json!({"account": CUSTOMER, "region": "eu-west-1", "stem": stem, "count": count});
        for (name, value) in more.as_object().into_iter().flatten() {
            order[name] = value.clone();
        }
        let answer = self.http.post(format!("{}/_sandbox/keys", self.sandbox.endpoint())).json(&order).send().await.expect("the sandbox");
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    }

    pub async fn start_sync(&self, keystore: &str) -> Started {
        self.house.app.sync_keystore(&self.ann, &Request::default(), keystore).await.expect("an intent")
    }

    /// Syncs, and answers what it came to.
    pub async fn sync(&self, keystore: &str) -> SyncRow {
        let started = self.start_sync(keystore).await;
        self.sync_of(&started).await
    }

    pub async fn sync_of(&self, started: &Started) -> SyncRow {
        let ended = self.ended(started).await;
        assert_eq!(ended.state, "SUCCEEDED", "{ended:?}");
        self.store().read("test", move |tx| syncs::of(tx, &ended.id)).await.expect("a store").expect("a sync")
    }

    pub async fn natives(&self) -> Vec<KeyRow> {
        keys_of(&self.house, &self.ann.account, &KeyFilter { custody: Some(Custody::Native), ..KeyFilter::default() }).await
    }

    pub async fn view(&self, key: &KeyRow) -> Option<ViewRow> {
        let id = key.id.clone();
        self.store().read("test", move |tx| views::of(tx, &id)).await.expect("a store")
    }

    async fn sandbox_does(&self, method: reqwest::Method, path: &str, body: Value) {
        let answer = self.http.request(method, format!("{}/_sandbox/{path}", self.sandbox.endpoint())).json(&body).send().await.expect("the sandbox");
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    }

    /// What was told of a key in the audit log, newest first.
    async fn told(&self, key: &KeyRow) -> Vec<Value> {
        let (status, listed) = self.rest(0, "GET", &format!("/v1/keys/{}/history", key.id), None).await;
        assert_eq!(status, 200, "{listed}");
        listed["items"].as_array().cloned().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_finds_every_key_once_and_a_second_one_changes_nothing_ft_051_ft_056() {
    let world = World::new(Engine::Sqlite).await;
    let own = world.create("own").await;
    world.seed("app", 2_300, json!({"tags": {"team": "app", "aws:cloudformation:stack-id": "s"}})).await;
    world.seed("exotic", 3, json!({"shown_spec": "ML_DSA_44"})).await;
    world.seed("service", 2, json!({"aws_managed": true})).await;
    world.seed("wide", 2, json!({"replicas": ["us-east-1", "eu-central-1"]})).await;
    let first = world.sync("payments-eu").await;
    let counts = first.counts;
    assert_eq!((counts.found(), counts.fresh, counts.own, counts.unknown, counts.left_out), (2_306, 2_302, 1, 3, 2), "{first:?}");
    assert!(first.strangers.contains("ML_DSA_44") && first.strangers.contains("arn:aws:kms"), "{}", first.strangers);
    let natives = world.natives().await;
    let names: BTreeSet<&str> = natives.iter().map(|key| key.name.as_str()).collect();
    let ids: BTreeSet<&str> = natives.iter().filter_map(|key| key.cloud_key_id.as_deref()).collect();
    assert_eq!((natives.len(), names.len(), ids.len()), (2_302, 2_302, 2_302));
    let key = natives.iter().find(|key| key.name == "app-000007").expect("by its alias");
    assert_eq!((key.state, key.enabled, key.alias.as_ref().map(|alias| alias.as_str())), (KeyState::Active, true, Some("app-000007")));
    assert_eq!((key.tags.iter().collect::<Vec<_>>(), key.description.as_str()), (vec![("team", "app")], "app-000007"));
    let view = View::read(&world.view(key).await.expect("was seen").facts);
    assert!(view.policy.as_deref().is_some_and(|policy| policy.contains("key-default-1")) && view.grants == Some(0) && view.origin == "AWS_KMS");
    assert_eq!(view.other_tags.get("aws:cloudformation:stack-id").map(String::as_str), Some("s"));
    let wide = natives.iter().find(|key| key.name == "wide-000000").expect("a primary");
    let relatives = View::read(&world.view(wide).await.expect("was seen").facts).replicas;
    assert_eq!((wide.ties.role, relatives.len()), (RegionRole::Primary, 2), "FT-054, FT-060");
    assert!(world.told(wide).await.iter().any(|entry| entry["action"] == "key.found-in-cloud"));
    let again = world.sync("payments-eu").await.counts;
    assert_eq!((again.fresh, again.changed, again.unchanged, again.own, again.different, again.vanished), (0, 0, 2_302, 1, 0, 0));
    assert_eq!(world.key("own").await.revision, own.revision, "Keystead's own key is only looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_in_the_cloud_is_noticed_and_what_vanished_too_cm_018() {
    let world = World::new(Engine::Sqlite).await;
    let own = world.create("own").await;
    world.seed("app", 4, json!({})).await;
    world.sync("payments-eu").await;
    let (off, gone) = (world.key("app-000000").await, world.key("app-000001").await);
    for key in [&off, &own] {
        world.sandbox_does(reqwest::Method::POST, "force-state", json!({"key": key.cloud_key_id, "state": "Disabled"})).await;
    }
    world.sandbox_does(reqwest::Method::DELETE, "keys", json!({"key": gone.cloud_key_id})).await;
    let counts = world.sync("payments-eu").await.counts;
    assert_eq!((counts.fresh, counts.changed, counts.unchanged, counts.different, counts.vanished), (0, 1, 2, 1, 1));
    let off = world.key(off.id.as_str()).await;
    assert_eq!((off.state, off.cloud_state.as_deref()), (KeyState::Inactive, Some("Disabled")));
    let entry = &world.told(&off).await[0];
    assert_eq!((&entry["action"], &entry["detail"]["changed"]), (&json!("key.changed-in-cloud"), &json!("state")), "{entry}");
    assert_eq!(world.key(gone.id.as_str()).await.state, KeyState::Deleted, "there is nothing left to point at");
    assert_eq!(world.told(&gone).await[0]["action"], "key.vanished-from-cloud");
    let own = world.key("own").await;
    assert_eq!((own.state, own.enabled), (KeyState::Active, true), "a key of Keystead's own is noticed, and not touched");
    assert_eq!(world.view(&own).await.expect("was seen").differences, "state");
    let (_, shown) = world.rest(0, "GET", "/v1/keys/own", None).await;
    assert_eq!(shown["view"]["differences"], json!(["state"]));
    let before = world.told(&own).await.len();
    world.sync("payments-eu").await;
    assert_eq!(world.told(&own).await.len(), before, "a difference is told once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_sync_that_dies_anywhere_finds_every_key_once() {
    let world = World::new(Engine::Sqlite).await;
    world.seed("app", 1_150, json!({"aliases": 2})).await;
    world.seed("exotic", 2, json!({"shown_spec": "ML_DSA_44"})).await;
    let throttled = || Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() };
    let faults = ["ListGrants", "DescribeKey", "ListAliases", "ListKeys"].map(|operation| Fault { operation: operation.into(), skip: 1, count: 1, effect: throttled() });
    world.sandbox.add_faults(faults);
    let started = world.start_sync("payments-eu").await;
    let id = started.operation.as_ref().expect("an operation").id.clone();
    for die_at in [5, 40, 900, 2_500, 1_000] {
        world.hooks.arm(Some(die_at));
        for _ in 0..2_000 {
            if world.house.engine.in_hand() == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        world.store().write("test.restart", keystead_store::operations::free_all_leases).await.expect("a store");
        world.house.engine.take_due().await.expect("a store");
    }
    world.hooks.arm(None);
    let row = world.sync_of(&started).await;
    assert_eq!((row.counts.found(), row.counts.fresh, row.counts.unknown), (1_152, 1_150, 2), "{row:?}");
    let natives = world.natives().await;
    let ids: BTreeSet<&str> = natives.iter().filter_map(|key| key.cloud_key_id.as_deref()).collect();
    assert_eq!((natives.len(), ids.len()), (1_150, 1_150));
    assert_eq!(world.view(&natives[0]).await.expect("was seen").aliases.len(), 1, "the second alias");
    let (_, shown) = world.rest(0, "GET", &format!("/v1/operations/{id}"), None).await;
    assert_eq!((&shown["sync"]["found"], &shown["sync"]["new"], &shown["kind"]), (&json!(1_152), &json!(1_150), &json!("sync-keystore")));
}
