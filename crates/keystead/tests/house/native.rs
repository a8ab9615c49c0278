//! Keys that were made in the cloud: found by a sync, managed, adopted (FT-014, FT-017, FT-018, FT-051 to FT-068, FT-079, FT-080).

use std::collections::BTreeSet;

use keystead_app::{
    Request, Started,
    keys::{
        lifecycle::Ask,
        update::{AliasChange, KeyChange},
    },
};
use keystead_domain::{Aliases, Custody, KeyState, RegionRole, key::deletion::WaitingDays, time::DAY};
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
        // Thousands of keys, and the machine may be busy.
        let id = started.operation.as_ref().expect("an operation").id.clone();
        self.house.engine.wait(&id, std::time::Duration::from_secs(300)).await.expect("a store");
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

    pub async fn sandbox_does(&self, method: reqwest::Method, path: &str, body: Value) {
        let answer = self.http.request(method, format!("{}/_sandbox/{path}", self.sandbox.endpoint())).json(&body).send().await.expect("the sandbox");
        assert_eq!(answer.status(), 200, "{:?}", answer.text().await);
    }

    /// What was told of a key in the audit log, newest first.
    async fn told(&self, key: &KeyRow) -> Vec<Value> {
        let (status, listed) = self.rest(0, "GET", &format!("/v1/keys/{}/history", key.id), None).await;
        assert_eq!(status, 200, "{listed}");
        listed["items"].as_array().into_iter().flatten().map(|item| item["entry"].clone()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_finds_every_key_once_and_a_second_one_changes_nothing_ft_051_ft_056() {
    let world = World::new(Engine::Sqlite).await;
    let own = world.create("own").await;
    world.seed("app", 2_010, json!({"tags": {"team": "app", "aws:cloudformation:stack-id": "s"}})).await;
    world.seed("exotic", 3, json!({"shown_spec": "ML_DSA_44"})).await;
    world.seed("service", 2, json!({"aws_managed": true})).await;
    world.seed("wide", 2, json!({"replicas": ["us-east-1", "eu-central-1"]})).await;
    let first = world.sync("payments-eu").await;
    let counts = first.counts;
    assert_eq!((counts.found(), counts.fresh, counts.own, counts.unknown, counts.left_out), (2_016, 2_012, 1, 3, 2), "{first:?}");
    assert!(first.strangers.contains("ML_DSA_44") && first.strangers.contains("arn:aws:kms"), "{}", first.strangers);
    let natives = world.natives().await;
    let names: BTreeSet<&str> = natives.iter().map(|key| key.name.as_str()).collect();
    let ids: BTreeSet<&str> = natives.iter().filter_map(|key| key.cloud_key_id.as_deref()).collect();
    assert_eq!((natives.len(), names.len(), ids.len()), (2_012, 2_012, 2_012));
    let key = natives.iter().find(|key| key.name == "app-000007").expect("by its alias");
    assert_eq!((key.state, key.enabled, key.aliases.to_strings()), (KeyState::Active, true, vec!["app-000007".to_owned()]));
    assert_eq!((key.tags.iter().collect::<Vec<_>>(), key.description.as_str()), (vec![("team", "app")], "app-000007"));
    let view = View::read(&world.view(key).await.expect("was seen").facts);
    assert!(view.policy.as_deref().is_some_and(|policy| policy.contains("key-default-1")) && view.grants == Some(0) && view.origin == "AWS_KMS");
    assert_eq!(view.other_tags.get("aws:cloudformation:stack-id").map(String::as_str), Some("s"));
    let wide = natives.iter().find(|key| key.name == "wide-000000").expect("a primary");
    let relatives = View::read(&world.view(wide).await.expect("was seen").facts).replicas;
    assert_eq!((wide.ties.role, relatives.len()), (RegionRole::Primary, 2), "FT-054, FT-060");
    assert!(world.told(wide).await.iter().any(|entry| entry["action"] == "key.found-in-cloud"));
    let again = world.sync("payments-eu").await.counts;
    assert_eq!((again.fresh, again.changed, again.unchanged, again.own, again.different, again.vanished), (0, 0, 2_012, 1, 0, 0));
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

/// A virtual key of this name, found by a sync.
async fn found(world: &World, stem: &str, more: Value) -> KeyRow {
    world.seed(stem, 1, more).await;
    world.sync("payments-eu").await;
    world.key(&format!("{stem}-000000")).await
}

async fn cloud_state(world: &World, key: &KeyRow) -> String {
    world.cloud_key(key).await.map_or("Gone".to_owned(), |there| there["state"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_key_is_disabled_enabled_and_deleted_and_keeps_its_material_ft_017_ft_018_ft_066() {
    let world = World::new(Engine::Sqlite).await;
    let key = found(&world, "app", json!({})).await;
    let name = key.name.clone();
    world.does(&name, Ask::Deactivate).await;
    assert_eq!((world.key(&name).await.state, cloud_state(&world, &key).await.as_str()), (KeyState::Inactive, "Disabled"));
    world.does(&name, Ask::Activate).await;
    assert_eq!((world.key(&name).await.state, cloud_state(&world, &key).await.as_str()), (KeyState::Active, "Enabled"));
    let change = json!({"tags": {"team": "pay"}, "description": "ours now", "aliases": ["app/new"]});
    let (status, changed) = world.rest(0, "PATCH", &format!("/v1/keys/{name}"), Some(change)).await;
    assert_eq!((status, &changed["operation"]["state"]), (200, &json!("SUCCEEDED")), "FT-058: {changed}");
    let there = world.cloud_key(&key).await.expect("is there");
    assert_eq!((&there["tags"], &there["description"], &there["aliases"]), (&json!({"team": "pay"}), &json!("ours now"), &json!(["alias/app/new"])));
    assert_eq!(world.sync("payments-eu").await.counts.changed, 0, "what Keystead did itself is no news");
    world.does(&name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.does(&name, Ask::CancelDeletion).await;
    assert_eq!((world.key(&name).await.state, cloud_state(&world, &key).await.as_str()), (KeyState::Inactive, "Disabled"), "FT-066");
    world.does(&name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    let early = world.rest(0, "POST", &format!("/v1/keys/{name}/forget"), None).await.1;
    assert_eq!(early["operation"]["problem"]["type"].as_str().and_then(|kind| kind.rsplit('/').next()), Some("cloud-key-still-there"), "FT-067: {early}");
    assert_eq!(world.key(&name).await.state, KeyState::PendingDeletion, "nothing was changed");
    world.sandbox.advance((8 * DAY) as u64);
    assert_eq!(world.house.engine.clean_up().await.expect("a store"), 1);
    world.settle().await;
    assert_eq!(world.key(key.id.as_str()).await.state, KeyState::Deleted);
    assert!(world.natives().await.iter().any(|row| row.id == key.id), "its record is listed until it is forgotten");
    let (_, forgotten) = world.rest(0, "POST", &format!("/v1/keys/{}/forget", key.id), None).await;
    assert_eq!(forgotten["operation"]["state"], "SUCCEEDED", "{forgotten}");
    assert!(!world.natives().await.iter().any(|row| row.id == key.id));
    assert!(world.told(&key).await.iter().any(|entry| entry["action"] == "key.forget"), "FT-068: its entries stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_the_material_is_refused_and_says_to_adopt_ft_014() {
    let world = World::new(Engine::Sqlite).await;
    let key = found(&world, "app", json!({})).await;
    let public_key = json!({"public_key": crate::matrix::public_key()});
    for (method, path, body) in [
        ("POST", "/upload", None),
        ("POST", "/renew", None),
        ("POST", "/rotate", None),
        ("POST", "/export/prepare", Some(public_key)),
        ("PATCH", "", Some(json!({"expires": "90d"}))),
        ("PATCH", "", Some(json!({"expiry_policy": "renew"}))),
    ] {
        let (status, refused) = world.rest(0, method, &format!("/v1/keys/{}{path}", key.name), body).await;
        assert_eq!(status, 422, "{path} {refused}");
        assert!(refused.to_string().contains("the cloud's") && refused.to_string().contains("key adopt"), "{path} {refused}");
    }
    let (status, refused) = world.rest(0, "PUT", &format!("/v1/rotation-policies/key:{}", key.name), Some(json!({"every": "90d"}))).await;
    assert_eq!(status, 422, "{refused}");
    let own = world.create("own").await;
    for (path, why) in [("adopt", "in the vault already"), ("forget", "more than a pointer")] {
        let (status, refused) = world.rest(0, "POST", &format!("/v1/keys/{}/{path}", own.name), None).await;
        assert!(status == 422 && refused.to_string().contains(why), "{status} {refused}");
    }
    let wide = found(&world, "wide", json!({"replicas": ["us-east-1"]})).await;
    let (status, refused) = world.rest(0, "POST", &format!("/v1/keys/{}/adopt", wide.name), None).await;
    assert!(status == 422 && refused.to_string().contains("multi-Region"), "{status} {refused}");
    assert_eq!(world.cloud_keys().await.len(), 4, "nothing was made: a key, its like, a primary and its replica");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_key_takes_over_every_alias_and_gives_them_back_ft_079_ft_080() {
    let world = World::new(Engine::Sqlite).await;
    let key = found(&world, "app", json!({"aliases": 3, "tags": {"team": "pay"}})).await;
    let aliases = async |of: &KeyRow| world.cloud_key(of).await.map_or(0, |there| there["aliases"].as_array().map_or(0, Vec::len));
    assert_eq!(aliases(&key).await, 3);
    let (status, adopted) = world.rest(0, "POST", &format!("/v1/keys/{}/adopt", key.name), Some(json!({"expires": "180d"}))).await;
    assert_eq!((status, &adopted["operation"]["state"]), (200, &json!("SUCCEEDED")), "{adopted}");
    let own = world.key(&key.name).await;
    assert_eq!((own.ties.custody, own.origin.as_str(), own.state, own.predecessor_id.as_ref()), (Custody::Own, "adopted", KeyState::Active, Some(&key.id)));
    assert_eq!((own.tags.get("team"), own.description.as_str(), own.expires_at.is_some()), (Some("pay"), "app-000000", true));
    assert_eq!((aliases(&own).await, aliases(&key).await), (3, 0));
    let (_, shown) = world.rest(0, "GET", &format!("/v1/keys/{}", key.name), None).await;
    assert_eq!(shown["adopted_from"], json!(key.cloud_arn), "FT-080");
    let old = world.key(key.id.as_str()).await;
    assert_eq!((old.state, cloud_state(&world, &old).await.as_str()), (KeyState::Replaced, "Enabled"), "it decrypts what it encrypted");
    assert!(world.told(&own).await.iter().any(|entry| entry["action"] == "key.adopt"));
    let counts = world.sync("payments-eu").await.counts;
    assert_eq!((counts.changed, counts.different, counts.fresh), (0, 0, 0), "an adoption is no news to a sync");
    world.does(&key.name, Ask::Revert).await;
    assert_eq!((aliases(&own).await, aliases(&key).await), (0, 3));
    assert_eq!(world.key(&key.name).await.id, key.id);
    assert_eq!(world.sync("payments-eu").await.counts.changed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_goes_with_its_pointers_and_the_clouds_keys_stay_ft_068() {
    let world = World::new(Engine::Sqlite).await;
    let key = found(&world, "app", json!({})).await;
    let deleted = world.house.app.delete_keystore(&world.ann, &Request::default(), "payments-eu").await.expect("only pointers are in it");
    world.succeeds(deleted).await;
    assert_eq!((world.key(key.id.as_str()).await.state, cloud_state(&world, &key).await.as_str()), (KeyState::Deleted, "Enabled"));
    assert!(world.natives().await.is_empty());
    world.make_keystore("payments-again").await;
    assert_eq!(world.sync("payments-again").await.counts.fresh, 1, "another keystore in the same place finds it anew");
    assert_eq!(world.natives().await.len(), 1);
}

/// The list of aliases is as old as the sync: who changes one here while it runs knows better.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_that_was_changed_while_a_sync_ran_stays() {
    let world = World::new(Engine::Sqlite).await;
    let key = found(&world, "app", json!({})).await;
    world.sandbox.add_faults([Fault {
        operation: "ListKeys".into(),
        skip: 0,
        count: 500,
        effect: Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() },
    }]);
    let started = world.start_sync("payments-eu").await;
    let id = started.operation.as_ref().expect("an operation").id.clone();
    while world.operation(&id).await.is_none_or(|operation| operation.step < 1) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let change = KeyChange { aliases: AliasChange { all: Aliases::parse(["moved"]).ok(), ..AliasChange::default() }, ..KeyChange::default() };
    let changed = world.house.app.update_key(&world.ann, &Request::default(), &key.name, change).await.expect("an intent");
    world.succeeds(changed).await;
    world.sandbox.clear_faults();
    assert_eq!(world.sync_of(&started).await.counts.changed, 0);
    assert_eq!(world.key(&key.name).await.aliases.to_strings(), ["moved"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_sync_that_dies_anywhere_finds_every_key_once() {
    let world = World::new(Engine::Sqlite).await;
    world.seed("app", 1_150, json!({"aliases": 2})).await;
    world.seed("exotic", 2, json!({"shown_spec": "ML_DSA_44"})).await;
    let throttled = || Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() };
    let faults =
        ["ListGrants", "DescribeKey", "ListAliases", "ListKeys"].map(|operation| Fault { operation: operation.into(), skip: 1, count: 1, effect: throttled() });
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
    assert_eq!((natives[0].aliases.len(), world.view(&natives[0]).await.expect("was seen").aliases.len()), (2, 0), "both are the key's");
    let (_, shown) = world.rest(0, "GET", &format!("/v1/operations/{id}"), None).await;
    assert_eq!((&shown["sync"]["found"], &shown["sync"]["new"], &shown["kind"]), (&json!(1_152), &json!(1_150), &json!("sync-keystore")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_and_an_adoption_do_the_same_on_postgresql() {
    let world = World::new(Engine::Postgres).await;
    world.seed("app", 230, json!({"aliases": 2})).await;
    let counts = world.sync("payments-eu").await.counts;
    assert_eq!((counts.found(), counts.fresh), (230, 230));
    let (_, adopted) = world.rest(0, "POST", "/v1/keys/app-000001/adopt", None).await;
    assert_eq!(adopted["operation"]["state"], "SUCCEEDED", "{adopted}");
    let gone = world.key("app-000002").await;
    world.sandbox_does(reqwest::Method::DELETE, "keys", json!({"key": gone.cloud_key_id})).await;
    let counts = world.sync("payments-eu").await.counts;
    assert_eq!((counts.fresh, counts.changed, counts.unchanged, counts.own, counts.vanished), (0, 0, 229, 1, 1));
}
