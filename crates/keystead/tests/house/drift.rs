//! Drift: a meddler changes every attribute of every kind of key behind Keystead's back; each difference is found, classed, and, where that may be, put right (CM-018,
//! FX-042).

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{GrantOperation, Tag},
};
use keystead_app::{
    Request,
    keys::{copy::NewCopies, create::NewKey, lifecycle::Ask},
};
use keystead_domain::{KeySpec, KeyState, RegionRole, drift::AutoRepair, time::DAY};
use keystead_sandbox::UserSeed;
use keystead_store::keys::KeyRow;
use serde_json::{Value, json};

use crate::{
    families, linked,
    world::{CUSTOMER, Engine, World},
};

/// Somebody with hands in the customer's account, who means well or ill.
pub struct Meddler<'w> {
    world: &'w World,
    pub kms: Client,
}

/// What they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Disable,
    EmptyIt,
    MoveTheEnd,
    TakeTheAlias,
    DropTheAlias,
    AddAnAlias,
    ChangeTags,
    DropKeysteadsTags,
    Describe,
    ChangePolicy,
    InviteStranger,
    Grant,
    Count,
}

/// What each deed is found as: its attribute, its class, and how it is mended.
const DEEDS: [(Deed, &str, &str, Mended); 13] = [
    (Deed::Disable, "state", "needs-person", Mended::Repaired),
    (Deed::EmptyIt, "material", "needs-person", Mended::Repaired),
    (Deed::MoveTheEnd, "expires", "repairable", Mended::Repaired),
    (Deed::TakeTheAlias, "alias-moved", "hostile", Mended::Repaired),
    (Deed::DropTheAlias, "alias-missing", "repairable", Mended::Repaired),
    (Deed::AddAnAlias, "alias-added", "benign", Mended::Repaired),
    (Deed::ChangeTags, "tags", "repairable", Mended::Repaired),
    (Deed::DropKeysteadsTags, "own-tags", "repairable", Mended::Repaired),
    (Deed::Describe, "description", "benign", Mended::Repaired),
    (Deed::Count, "deletion", "hostile", Mended::Repaired),
    (Deed::ChangePolicy, "policy", "needs-person", Mended::Accepted),
    (Deed::InviteStranger, "policy", "hostile", Mended::Accepted),
    (Deed::Grant, "grants", "needs-person", Mended::Accepted),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mended {
    Repaired,
    Accepted,
}

impl<'w> Meddler<'w> {
    pub fn new(world: &'w World) -> Self {
        Self::in_region(world, "eu-west-1")
    }

    pub fn in_region(world: &'w World, region: &str) -> Self {
        world.sandbox.put_user(UserSeed::new("meddler", CUSTOMER, "AKIAMEDDLER000000001", "their-secret")).expect("a user");
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(world.sandbox.endpoint())
            .credentials_provider(Credentials::new("AKIAMEDDLER000000001", "their-secret", None, None, "tests"))
            .build();
        Self { world, kms: Client::from_conf(config) }
    }

    /// The client of somebody who has got hold of a session of Keystead's role.
    pub async fn as_keystead(&self) -> Client {
        let config = |credentials| {
            aws_sdk_kms::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .endpoint_url(self.world.sandbox.endpoint())
                .credentials_provider(credentials)
                .build()
        };
        let sts = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(self.world.sandbox.endpoint())
            .credentials_provider(Credentials::new("AKIATESTKEYSTEAD0001", "test-secret", None, None, "tests"))
            .build();
        let assume = aws_sdk_sts::Client::from_conf(sts).assume_role().role_arn(crate::world::ROLE).external_id("test-id").role_session_name("keystead-test");
        let session = assume.send().await.expect("a session").credentials.expect("credentials");
        Client::from_conf(config(Credentials::new(session.access_key_id, session.secret_access_key, Some(session.session_token), None, "tests")))
    }

    pub async fn does(&self, deed: Deed, key: &KeyRow) {
        let id = key.cloud_key_id.clone().expect("a cloud key");
        let alias = || key.aliases.iter().next().expect("an alias").with_prefix();
        match deed {
            Deed::Disable => drop(self.kms.disable_key().key_id(id).send().await.expect("disables")),
            Deed::EmptyIt => drop(self.kms.delete_imported_key_material().key_id(id).send().await.expect("empties")),
            Deed::MoveTheEnd => {
                let end = self.world.now().plus_days(300).as_micros();
                self.world.sandbox_does(reqwest::Method::POST, "force-end", json!({"key": key.cloud_arn, "valid_to_micros": end})).await;
            }
            Deed::TakeTheAlias => {
                // AWS moves an alias between keys of one kind and use only.
                let shape = self.kms.describe_key().key_id(&id).send().await.expect("is there").key_metadata.expect("metadata");
                let order = self.kms.create_key().set_key_spec(shape.key_spec).set_key_usage(shape.key_usage);
                let other = order.send().await.expect("a key").key_metadata.expect("metadata").key_id;
                self.kms.update_alias().alias_name(alias()).target_key_id(other).send().await.expect("moves");
            }
            Deed::DropTheAlias => drop(self.kms.delete_alias().alias_name(alias()).send().await.expect("is deleted")),
            Deed::AddAnAlias => drop(self.kms.create_alias().alias_name(format!("{}/by-hand", alias())).target_key_id(id).send().await.expect("points")),
            Deed::ChangeTags => {
                let tag = |name: &str, value: &str| Tag::builder().tag_key(name).tag_value(value).build().expect("a tag");
                self.kms.tag_resource().key_id(&id).tags(tag("team", "theirs")).tags(tag("new", "one")).send().await.expect("tags");
            }
            Deed::DropKeysteadsTags => drop(self.kms.untag_resource().key_id(id).tag_keys("keystead:key").send().await.expect("untags")),
            Deed::Describe => drop(self.kms.update_key_description().key_id(id).description("mine now").send().await.expect("describes")),
            Deed::ChangePolicy => self.put_policy(&id, CUSTOMER, "kms:Describe*").await,
            Deed::InviteStranger => self.put_policy(&id, "999988887777", "kms:*").await,
            Deed::Grant => {
                let grantee = format!("arn:aws:iam::{CUSTOMER}:role/app");
                self.kms.create_grant().key_id(id).grantee_principal(grantee).operations(GrantOperation::DescribeKey).send().await.expect("grants");
            }
            Deed::Count => drop(self.kms.schedule_key_deletion().key_id(id).pending_window_in_days(7).send().await.expect("counts down")),
        }
    }

    async fn put_policy(&self, key: &str, account: &str, action: &str) {
        let root = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{CUSTOMER}:root")}, "Action": "kms:*", "Resource": "*"});
        let more = json!({"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{account}:root")}, "Action": action, "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [root, more]}).to_string();
        self.kms.put_key_policy().key_id(key).policy_name("default").policy(policy).send().await.expect("is put");
    }
}

impl World {
    pub async fn open_drift(&self, query: &str) -> Vec<Value> {
        let (status, listed) = self.rest(0, "GET", &format!("/v1/drifts?limit=1000{query}"), None).await;
        assert_eq!(status, 200, "{listed}");
        listed["items"].as_array().cloned().unwrap_or_default()
    }

    async fn mend(&self, drift: &Value, how: Mended) {
        let id = drift["id"].as_str().expect("an id");
        let (status, answer) = match how {
            Mended::Repaired => self.rest(0, "POST", &format!("/v1/drifts/{id}/repair"), None).await,
            Mended::Accepted => self.rest(0, "PUT", &format!("/v1/drifts/{id}/acceptance"), Some(json!({"reason": "meant"}))).await,
        };
        assert_eq!(status, 200, "{drift} {answer}");
        let state = if how == Mended::Repaired { &answer["operation"]["state"] } else { &answer["state"] };
        assert_eq!(state, if how == Mended::Repaired { "SUCCEEDED" } else { "ACCEPTED" }, "{drift} {answer}");
        let (_, ended) = self.rest(0, "GET", &format!("/v1/drifts/{id}"), None).await;
        assert_eq!(ended["state"], if how == Mended::Repaired { "REPAIRED" } else { "ACCEPTED" }, "{ended}");
    }

    /// What a key is in the cloud, but for what comes and goes with it.
    async fn in_cloud(&self, key: &KeyRow) -> Value {
        let mut there = self.cloud_key(key).await.expect("is there");
        if let Some(aliases) = there["aliases"].as_array_mut() {
            aliases.sort_by_key(ToString::to_string);
        }
        ["state", "tags", "aliases", "description", "has_material"]
            .iter()
            .map(|name| ((*name).to_owned(), there[*name].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// CM-018, FX-042: every deed on every kind of key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_meddler_changes_is_found_classed_and_put_right() {
    let world = World::new(Engine::Sqlite).await;
    let mut keys = Vec::new();
    for spec in KeySpec::ALL {
        let name = format!("k-{}", spec.as_str().to_lowercase().replace('_', "-"));
        let usage = spec.usages().first().expect("a use").as_str();
        let body = json!({"name": name, "keystore": "payments-eu", "aliases": [name], "spec": spec.as_str(), "usage": usage, "expires": "90d", "tags": {"team": "pay"}});
        let (status, answer) = world.rest(0, "POST", "/v1/keys", Some(body)).await;
        if status == 422 {
            // Of kinds that this place does not take.
            continue;
        }
        assert!(status == 200 || status == 201, "{spec:?}: {answer}");
        keys.push(world.key(&name).await);
    }
    assert!(keys.len() >= 10, "{}", keys.len());
    let meddler = Meddler::new(&world);
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await, [0; 0].map(|_: i32| json!(null)), "nothing differs from the start");
    for (deed, attribute, class, how) in DEEDS {
        let mut before = Vec::new();
        for key in &keys {
            before.push(world.in_cloud(key).await);
            meddler.does(deed, key).await;
        }
        let counts = world.sync("payments-eu").await.counts;
        assert_eq!(counts.different, keys.len() as i64, "{deed:?}");
        let open = world.open_drift("").await;
        assert_eq!(open.len(), keys.len(), "{deed:?}: {open:?}");
        for (key, before) in keys.iter().zip(before) {
            let drift = open.iter().find(|drift| drift["key"] == key.id.as_str()).expect("every key's");
            assert_eq!((&drift["attribute"], &drift["class"]), (&json!(attribute), &json!(class)), "{deed:?}: {drift}");
            // Of Keystead's own tags one that has no place in the row is seen, too; and an alias that was added was not there to be seen.
            let was_as_wanted = drift["last_seen"] == drift["wanted"] || matches!(deed, Deed::AddAnAlias | Deed::DropKeysteadsTags);
            assert!(drift["wanted"] != drift["live"] && was_as_wanted, "{deed:?}: {drift}");
            assert_eq!(drift["repair"].as_array().is_some_and(|steps| steps.is_empty()), how == Mended::Accepted, "{deed:?}: {drift}");
            world.mend(drift, how).await;
            if how == Mended::Repaired {
                assert_eq!(world.in_cloud(key).await, before, "{deed:?} on {}", key.name);
            }
        }
        let after = world.sync("payments-eu").await.counts;
        assert_eq!((after.different, world.open_drift("").await.len()), (0, 0), "{deed:?}: {:?}", world.open_drift("").await);
    }
    for key in &keys {
        let row = world.key(key.id.as_str()).await;
        assert_eq!((row.state, row.enabled, row.material_present), (KeyState::Active, true, true));
    }
}

/// CM-018, FX-042: members of a family in two Regions, a copy of a key of the vault, and a predecessor, on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_copies_and_predecessors_are_found_and_put_right_as_well() {
    let world = World::new(Engine::Postgres).await;
    world.make_keystore_in("there", "us-east-1").await;
    world.make_vault_keystore("shelf").await;
    let family = NewKey { multi_region: true, ..world.new_key("payments-eu", "family") };
    let started = world.house.app.create_key(&world.ann, &Request::default(), family).await.expect("an intent");
    world.succeeds(started).await;
    families::add_replica(&world, "family", "there").await;
    let started = world.start_create_in_vault("shelf", "source").await;
    world.succeeds(started).await;
    let expires = Some(world.now().plus_days(90));
    linked::copy(&world, "source", NewCopies { aliases: world.new_key("payments-eu", "source").aliases, expires, ..linked::to(&["payments-eu"]) }).await;
    let old = world.create("orders").await;
    world.does("orders", Ask::Renew).await;
    let mut keys = vec![world.key(old.id.as_str()).await];
    assert_eq!(keys[0].state, KeyState::Replaced);
    for name in ["family", "family_us-east-1", "source_copy1"] {
        keys.push(world.key(name).await);
    }
    let sweep = async || {
        world.sync("payments-eu").await;
        world.sync("there").await;
    };
    sweep().await;
    assert_eq!(world.open_drift("").await.len(), 0, "{:?}", world.open_drift("").await);
    let mut seen = 0;
    for (deed, attribute, class, how) in DEEDS {
        // A predecessor has given its aliases away; and the countdown of a primary with replicas waits for theirs, which is another difference.
        let is_of_aliases = matches!(deed, Deed::TakeTheAlias | Deed::DropTheAlias | Deed::AddAnAlias);
        let done_to = |key: &&KeyRow| match deed {
            Deed::Count => key.ties.role != RegionRole::Primary,
            _ => !is_of_aliases || key.state != KeyState::Replaced,
        };
        for key in keys.iter().filter(done_to) {
            let before = world.in_cloud(key).await;
            Meddler::in_region(&world, &key.region).does(deed, key).await;
            sweep().await;
            let open = world.open_drift("").await;
            assert_eq!(open.len(), 1, "{deed:?} on {}: {open:?}", key.name);
            assert_eq!(
                (&open[0]["attribute"], &open[0]["class"], &open[0]["key"]),
                (&json!(attribute), &json!(class), &json!(key.id.as_str())),
                "{deed:?} {open:?}"
            );
            world.mend(&open[0], how).await;
            if how == Mended::Repaired {
                assert_eq!(world.in_cloud(key).await, before, "{deed:?} on {}", key.name);
            }
            seen += 1;
        }
    }
    sweep().await;
    assert_eq!((world.open_drift("").await.len(), seen), (0, 4 * 13 - 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_out_of_use_that_somebody_brings_back_is_hostile_and_put_out_of_use_again() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    world.does("orders", Ask::Deactivate).await;
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await.len(), 0);
    world.sandbox_does(reqwest::Method::POST, "force-state", json!({"key": key.cloud_key_id, "state": "Enabled"})).await;
    world.sync("payments-eu").await;
    let open = world.open_drift("&class=hostile").await;
    assert!(!open.is_empty() && open.iter().all(|drift| drift["wanted"] != drift["live"]), "{open:?}");
    world.sandbox_does(reqwest::Method::POST, "force-state", json!({"key": key.cloud_key_id, "state": null})).await;
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await.len(), 0, "what went away by itself is told so");
    assert!(!world.open_drift("&state=GONE").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_put_right_or_accepted_says_what_to_do_instead_and_changes_nothing() {
    let world = World::new(Engine::Sqlite).await;
    let (gone, off, moved) = (world.create("gone").await, world.create("off").await, world.create("moved").await);
    world.sync("payments-eu").await;
    let meddler = Meddler::new(&world);
    world.sandbox_does(reqwest::Method::DELETE, "keys", json!({"key": gone.cloud_key_id})).await;
    meddler.does(Deed::Disable, &off).await;
    meddler.does(Deed::InviteStranger, &moved).await;
    world.sync("payments-eu").await;
    let open = world.open_drift("").await;
    let of = |key: &KeyRow| open.iter().find(|drift| drift["key"] == key.id.as_str()).cloned().expect("a difference");
    for (key, verb, method, body, words) in [
        (&gone, "repair", "POST", None, "schedule-deletion gone"),
        (&gone, "acceptance", "PUT", None, "schedule-deletion gone"),
        (&off, "acceptance", "PUT", Some(json!({})), "key deactivate off"),
        (&moved, "repair", "POST", None, "put-key-policy"),
    ] {
        let drift = of(key);
        let (status, refused) = world.rest(0, method, &format!("/v1/drifts/{}/{verb}", drift["id"].as_str().expect("an id")), body).await;
        assert_eq!((status, &refused["field"]), (422, &json!("drift")), "{verb} {refused}");
        assert!(refused.to_string().contains(words), "{words}: {refused}");
    }
    assert_eq!(world.open_drift("").await.len(), 3, "nothing was changed");
    // Somebody is told of each that needs somebody, once.
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts", None).await;
    let told = alerts["items"].as_array().into_iter().flatten().filter(|alert| alert["kind"] == "drift-found").count();
    world.sync("payments-eu").await;
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts", None).await;
    assert_eq!((told, alerts["items"].as_array().into_iter().flatten().filter(|alert| alert["kind"] == "drift-found").count()), (3, 3));
    // What has ended is not mended twice.
    let drift = of(&off);
    world.mend(&drift, Mended::Repaired).await;
    let (status, refused) = world.rest(0, "POST", &format!("/v1/drifts/{}/repair", drift["id"].as_str().expect("an id")), None).await;
    assert!(status == 422 && refused.to_string().contains("REPAIRED"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_carries_our_tags_and_is_nobodys_is_told_and_goes_when_it_goes() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    let meddler = Meddler::new(&world);
    let tag = |name: &str, value: &str| Tag::builder().tag_key(name).tag_value(value).build().expect("a tag");
    let order = meddler.kms.create_key().tags(tag("managed-by", "keystead")).tags(tag("keystead:installation", key.account_id.as_str()));
    let order = order.tags(tag("keystead:key", key.id.as_str())).tags(tag("keystead:operation", "op_forged"));
    let forged = order.send().await.expect("a key").key_metadata.expect("metadata");
    world.sync("payments-eu").await;
    let open = world.open_drift("").await;
    assert_eq!((open.len(), &open[0]["attribute"], &open[0]["key"]), (1, &json!("unmanaged"), &json!(null)), "{open:?}");
    assert_eq!(open[0]["cloud_key"].as_str(), forged.arn.as_deref());
    world.sandbox_does(reqwest::Method::DELETE, "keys", json!({"key": forged.key_id})).await;
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await.len(), 0);
}

/// What a policy lets Keystead mend alone is mended, what it does not is not; and beside something grave nothing is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_mends_what_harms_nobody_and_nothing_else() {
    let world = World::new(Engine::Sqlite).await;
    let (calm, grave) = (world.create("calm").await, world.create("grave").await);
    let meddler = Meddler::new(&world);
    world.sync("payments-eu").await;
    let (status, refused) = world.rest(0, "PUT", "/v1/keystores/payments-eu/drift-policy", Some(json!({"every": "1m"}))).await;
    assert!(status == 422 && refused.to_string().contains("15m"), "{refused}");
    let (status, policy) = world.rest(0, "PUT", "/v1/keystores/payments-eu/drift-policy", Some(json!({"every": "6h", "auto_repair": "safe"}))).await;
    assert_eq!((status, &policy["auto_repair"]), (200, &json!(AutoRepair::Safe.as_str())), "{policy}");
    let before = world.in_cloud(&calm).await;
    for deed in [Deed::Describe, Deed::ChangeTags, Deed::DropTheAlias, Deed::MoveTheEnd, Deed::DropKeysteadsTags, Deed::AddAnAlias] {
        meddler.does(deed, &calm).await;
    }
    for deed in [Deed::Describe, Deed::Disable] {
        meddler.does(deed, &grave).await;
    }
    // The schedule begins the sweep, and then mends.
    let schedule = tokio::spawn(world.house.engine.clone().run_schedule());
    let ended = async |world: &World| world.open_drift("&state=REPAIRED").await.len();
    for _ in 0..300 {
        if ended(&world).await == 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    schedule.abort();
    world.settle().await;
    assert_eq!(ended(&world).await, 5, "{:?}", world.open_drift("&state=any").await);
    let mut after = world.in_cloud(&calm).await;
    after["aliases"].as_array_mut().expect("aliases").retain(|alias| !alias.as_str().is_some_and(|alias| alias.ends_with("by-hand")));
    assert_eq!(after, before);
    let left = world.open_drift("").await;
    let mut words: Vec<&str> = left.iter().filter_map(|drift| drift["attribute"].as_str()).collect();
    words.sort_unstable();
    assert_eq!(words, ["alias-added", "description", "state"], "an alias by hand stays, and beside a disabled key nothing is touched: {left:?}");
    assert_eq!(world.key("grave").await.id, grave.id);
    // 6 hours later it is looked through again.
    world.sandbox.advance((DAY / 2) as u64);
}
