//! Rotation by policy on the virtual clock (FT-076, FT-077, FX-027, FX-044, FX-046, FX-048): a simulated year, and every situation in which a key is not rotated.

use std::{collections::BTreeMap, time::Duration};

use keystead_app::{
    Error,
    keys::{lifecycle::Ask, rotation::Target},
};
use keystead_domain::{
    KeyState, Timestamp,
    key::expiry::ExpiryPolicy,
    rotation::Wish,
    time::{DAY, SECOND},
};
use keystead_store::{
    audit,
    keys::{KeyFilter, KeyRow},
    page::Page,
};
use serde_json::json;

use crate::{
    application::Application,
    comparison::keys_of,
    desk::{demo, slug},
    world::{Engine, World},
};

const HOUR: i64 = 3600 * SECOND;

fn every(days: i64) -> Wish {
    Wish { every: Some(days * DAY), ..Wish::default() }
}

async fn set(world: &World, target: &str, wish: Wish) {
    world.house.app.set_rotation(&world.ann, &Target::parse(target).expect("a target"), wish).await.expect("a policy");
}

async fn settled(world: &World) {
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// One look at rotation, and the end of what it began; answers how many that were.
async fn look(world: &World) -> usize {
    let began = world.house.engine.look_at_rotation().await.expect("a store");
    settled(world).await;
    began
}

fn advance(world: &World, micros: i64) {
    world.sandbox.advance(u64::try_from(micros).expect("forward"));
}

async fn entries(world: &World, key: &KeyRow, action: &str) -> usize {
    let (account, id) = (world.ann.account.clone(), key.id.to_string());
    let page = world.store().read("test", move |tx| audit::list(tx, &account, Some(&id), &Page::first())).await.expect("a store");
    page.rows.iter().filter(|entry| entry.body.contains(&format!("\"{action}\""))).count()
}

/// A key of 90 days whose material is kept alive.
async fn lasting_key(world: &World, name: &str) -> KeyRow {
    let new = keystead_app::keys::create::NewKey { expiry_policy: ExpiryPolicy::Extend, ..world.new_key("payments-eu", name) };
    let started = world.house.app.create_key(&world.ann, &keystead_app::Request::default(), new).await.expect("an intent");
    world.succeeds(started).await;
    world.key(name).await
}

/// Whether it is between two and four in Berlin, on a Saturday or Sunday if that is asked: an oracle of its own, which takes either of the two offsets.
pub fn is_night_in_berlin(at: Timestamp, weekend_only: bool) -> bool {
    [1, 2].into_iter().any(|offset| {
        let local = at.as_secs() + offset * 3600;
        let (day, hour) = (local.div_euclid(86_400), local.rem_euclid(86_400) / 3600);
        // The first of January 1970 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        (2..4).contains(&hour) && (!weekend_only || weekday >= 5)
    })
}

/// A lineage, as the year sees it.
struct Seen {
    current: KeyRow,
    rotations: Vec<Timestamp>,
    /// Ciphertext under each of its keys.
    blobs: Vec<Vec<u8>>,
    by_calendar: bool,
}

struct Year {
    world: World,
    app: Application,
    lineages: BTreeMap<String, Seen>,
}

impl Year {
    async fn begin() -> Self {
        let world = World::new(Engine::Sqlite).await;
        let app = Application::new(&world).await;
        world.make_keystore("by-calendar").await;
        let window = |text: &str| Wish { zone: Some("Europe/Berlin".into()), window: Some(text.into()), notice: Some(2 * DAY), ..Wish::default() };
        set(&world, "keystore:payments-eu", Wish { every: Some(30 * DAY), ..window("sat,sun@02:00-04:00") }).await;
        set(&world, "keystore:by-calendar", Wish { cron: Some("30 2 1 * *".into()), grace: Some(14 * DAY), ..window("02:00-04:00") }).await;
        let mut year = Self { world, app, lineages: BTreeMap::new() };
        for n in 0..20 {
            year.add(&format!("year-{n}"), n % 2 == 1).await;
        }
        year
    }

    async fn add(&mut self, name: &str, by_calendar: bool) {
        let keystore = if by_calendar { "by-calendar" } else { "payments-eu" };
        let new = keystead_app::keys::create::NewKey { expiry_policy: ExpiryPolicy::Extend, ..self.world.new_key(keystore, name) };
        let started = self.world.house.app.create_key(&self.world.ann, &keystead_app::Request::default(), new).await.expect("an intent");
        self.world.succeeds(started).await;
        let current = self.world.key(name).await;
        let blob = self.app.encrypt(&format!("alias/{name}"), name.as_bytes()).await.blob;
        self.lineages.insert(name.to_owned(), Seen { current, rotations: Vec::new(), blobs: vec![blob], by_calendar });
    }

    /// What the schedule does at this moment, and what came of it.
    async fn look(&mut self) {
        let now = self.world.now();
        let began = look(&self.world).await;
        self.world.house.engine.look_at_expiry().await.expect("a store");
        settled(&self.world).await;
        if began == 0 {
            return;
        }
        for (name, seen) in &mut self.lineages {
            let current = self.world.key(name).await;
            if current.id == seen.current.id {
                continue;
            }
            assert!(is_night_in_berlin(now, !seen.by_calendar), "{name} was rotated at {}", now.as_secs());
            assert_eq!((current.state, current.predecessor_id.as_ref()), (KeyState::Active, Some(&seen.current.id)));
            // Behind a downtime the turn that was missed and the one that makes up for it may both have been told.
            let most = if now > seen.current.created_at.plus_days(60) { 2 } else { 1 };
            assert!((1..=most).contains(&entries(&self.world, &seen.current, "key.rotation-notice").await), "{name}: it was told before, once");
            let made = self.app.encrypt(&format!("alias/{name}"), name.as_bytes()).await;
            assert_eq!(Some(&made.key_arn), current.cloud_arn.as_ref(), "{name}: the alias has moved");
            seen.blobs.push(made.blob);
            seen.rotations.push(now);
            seen.current = current;
        }
    }

    /// To the next planned turn, but not further than half a day.
    async fn step(&mut self) {
        let now = self.world.now();
        let mut next = now.plus_micros(12 * HOUR);
        for name in self.lineages.keys() {
            let planned = self.world.key(name).await.rotation.planned;
            next = planned.filter(|planned| *planned > now).map_or(next, |planned| next.min(planned));
        }
        // The clock runs by itself, too.
        advance(&self.world, next.as_micros() - now.as_micros() + SECOND);
        self.look().await;
    }

    async fn run_until(&mut self, end: Timestamp) {
        while self.world.now() < end {
            self.step().await;
        }
    }

    /// No material that should be there has gone.
    async fn nothing_has_expired(&self) {
        let there = self.world.cloud_keys().await;
        for key in keys_of(&self.world.house, &self.world.ann.account, &KeyFilter::default()).await {
            let raw = there.iter().find(|found| found["id"] == key.cloud_key_id.as_deref().unwrap_or_default()).map(|found| found["state"].clone());
            let wanted = if key.state == KeyState::Inactive { "PendingImport" } else { "Enabled" };
            assert_eq!(raw, Some(json!(wanted)), "{} {}", key.name, key.state.as_str());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_year_twenty_keys_are_rotated_in_their_windows_and_nothing_is_lost_ft_076_ft_077_fx_048() {
    let mut year = Year::begin().await;
    let begin = year.world.now();
    year.look().await;
    year.run_until(begin.plus_days(150)).await;
    year.nothing_has_expired().await;
    let before: usize = year.lineages.values().map(|seen| seen.rotations.len()).sum();

    // The server is off for 65 days: each key is made up for once. Predecessors' material that expired meanwhile is brought back by the expiry policy.
    advance(&year.world, 65 * DAY);
    year.run_until(begin.plus_days(224)).await;
    let made_up: usize = year.lineages.values().map(|seen| seen.rotations.len()).sum::<usize>() - before;
    assert!((20..=30).contains(&made_up), "{made_up}: a turn of the calendar itself may follow, what was missed does not come twice");

    year.run_until(begin.plus_days(365)).await;
    year.nothing_has_expired().await;
    for (name, seen) in &year.lineages {
        let (fewest, most) = if seen.by_calendar { (9, 12) } else { (8, 11) };
        assert!((fewest..=most).contains(&seen.rotations.len()), "{name}: {} rotations", seen.rotations.len());
        let apart = seen.rotations.windows(2).map(|pair| pair[1].as_micros() - pair[0].as_micros()).min().unwrap_or_default();
        assert!(seen.by_calendar || apart >= 30 * DAY, "{name}: {apart}");
    }

    // What was encrypted in the year: under a predecessor that stays enabled it opens; under one that was retired behind its grace, once it is activated again.
    for (name, seen) in &year.lineages {
        let filter = KeyFilter { name: Some(name.clone()), ..KeyFilter::default() };
        let keys = keys_of(&year.world.house, &year.world.ann.account, &filter).await;
        assert_eq!(keys.len(), seen.blobs.len(), "{name}");
        for (key, blob) in keys.iter().zip(&seen.blobs) {
            match key.state {
                KeyState::Inactive => {
                    assert!(seen.by_calendar, "{name}");
                    year.world.does(key.id.as_str(), Ask::Activate).await;
                }
                KeyState::Replaced => assert_eq!(key.rotation.retires.is_some(), seen.by_calendar, "{name}"),
                _ => assert!(key.is_current, "{name}"),
            }
            assert_eq!(year.app.decrypt(blob).await, name.as_bytes(), "{name}");
        }
    }
    let total: usize = year.lineages.values().map(|seen| seen.rotations.len()).sum();
    println!("a year of 20 keys: {total} rotations, each in its window; {made_up} behind a downtime of 65 days");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reverted_rotation_stays_reverted_and_nobody_is_deactivated_cm_025() {
    let world = World::new(Engine::Sqlite).await;
    let old = lasting_key(&world, "orders").await;
    set(&world, "key:orders", Wish { grace: Some(5 * DAY), ..every(30) }).await;
    assert_eq!(look(&world).await, 0);
    advance(&world, 31 * DAY);
    assert_eq!(look(&world).await, 1);
    assert!(world.key(old.id.as_str()).await.rotation.retires.is_some());
    world.does("orders", Ask::Revert).await;
    assert_eq!(world.key("orders").await.id, old.id);
    advance(&world, 10 * DAY);
    assert_eq!(look(&world).await, 0, "neither rotated again for the same turn, nor retired");
    assert_eq!(world.key("orders").await.state, KeyState::Active);
    advance(&world, 21 * DAY);
    assert_eq!(look(&world).await, 1, "the next turn comes");
    advance(&world, 6 * DAY);
    assert_eq!(look(&world).await, 1, "and nobody reverted this one");
    let retired = world.key(old.id.as_str()).await;
    assert_eq!((retired.state, retired.enabled, retired.material_present), (KeyState::Inactive, false, false));
    assert_eq!(entries(&world, &retired, "key.deactivate").await, 2, "the decision and its end stand in its history");
    assert_eq!(look(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_in_use_misses_its_turn_which_is_told_once_a_turn() {
    let world = World::new(Engine::Sqlite).await;
    let key = lasting_key(&world, "orders").await;
    set(&world, "default", every(30)).await;
    look(&world).await;
    world.does("orders", Ask::Deactivate).await;
    advance(&world, 31 * DAY);
    for _ in 0..3 {
        assert_eq!(look(&world).await, 0);
    }
    assert_eq!(entries(&world, &key, "key.rotation-missed").await, 1);
    advance(&world, 31 * DAY);
    look(&world).await;
    assert_eq!(entries(&world, &key, "key.rotation-missed").await, 2, "the next turn was missed, too");
    world.does("orders", Ask::Activate).await;
    assert_eq!(look(&world).await, 1, "it is made up for as soon as the key is in use");
    assert_ne!(world.key("orders").await.id, key.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nearest_policy_counts_and_none_switches_rotation_off() {
    let world = World::new(Engine::Sqlite).await;
    for name in ["far", "near", "off"] {
        lasting_key(&world, name).await;
    }
    set(&world, "default", every(60)).await;
    set(&world, "key:near", every(10)).await;
    set(&world, "key:off", Wish { off: true, ..Wish::default() }).await;
    look(&world).await;
    advance(&world, 11 * DAY);
    assert_eq!(look(&world).await, 1);
    assert!(world.key("near").await.predecessor_id.is_some());
    // A sealed vault holds a rotation up, and lets it go on.
    set(&world, "keystore:payments-eu", every(11)).await;
    world.house.engine.parts().vault.seal();
    assert_eq!(look(&world).await, 0);
    assert!(world.key("far").await.predecessor_id.is_none());
    let key_file = keystead_vault::SecretBytes::from((1u8..=32).collect::<Vec<u8>>());
    let secret = keystead_vault::UnlockSecret::KeyFile(key_file);
    world.house.app.unseal(keystead_app::vault::Offer::Secret(secret), None).await.expect("unseals");
    assert_eq!(look(&world).await, 1);
    assert!(world.key("far").await.predecessor_id.is_some());
    advance(&world, 100 * DAY);
    look(&world).await;
    assert!(world.key("off").await.predecessor_id.is_none(), "none is nearer than every other policy");
    let cleared = world.house.app.clear_rotation(&world.ann, &Target::Key("off".into())).await.expect("is cleared");
    assert_eq!(cleared.policy.map(|policy| policy.name), Some("payments-eu".to_owned()), "the next nearest counts");
    look(&world).await;
    assert!(world.key("off").await.predecessor_id.is_some());
}

/// A look on two nodes at once, and one that comes again at once, rotate a key once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_at_the_same_moment_rotate_a_key_once() {
    let world = World::new(Engine::Postgres).await;
    lasting_key(&world, "orders").await;
    set(&world, "key:orders", every(30)).await;
    look(&world).await;
    advance(&world, 31 * DAY);
    let (engine, twin) = (world.house.engine.clone(), world.house.engine.clone());
    let (one, other) = tokio::join!(engine.look_at_rotation(), twin.look_at_rotation());
    assert_eq!(one.expect("a store") + other.expect("a store"), 1);
    settled(&world).await;
    assert_eq!(look(&world).await, 0);
    let filter = KeyFilter { name: Some("orders".into()), ..KeyFilter::default() };
    assert_eq!(keys_of(&world.house, &world.ann.account, &filter).await.len(), 2);
}

/// Impossible wishes are refused before anything is kept, by name, and with the cloud's own rule where there is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn impossible_wishes_are_refused_by_name_and_change_nothing() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let key = json!({ "name": "codes", "keystore": "payments-eu", "spec": "HMAC_256", "aliases": ["codes"] });
    assert_eq!(world.rest(0, "POST", "/v1/keys", Some(key)).await.0, 200);
    for (body, field) in [
        (json!({}), "every"),
        (json!({ "every": "23h" }), "every"),
        (json!({ "every": "90d", "cron": "0 3 1 * *" }), "cron"),
        (json!({ "cron": "* * * * *" }), "cron"),
        (json!({ "cron": "0 3 30 2 *" }), "cron"),
        (json!({ "every": "90d", "zone": "Mars/Base" }), "zone"),
        (json!({ "every": "90d", "window": "02:00-02:59" }), "window"),
        (json!({ "every": "30d", "grace": "31d" }), "grace"),
        (json!({ "every": "30d", "notice": "31d" }), "notice"),
        (json!({ "every": "30d", "strategy": "hope" }), "strategy"),
        (json!({ "every": "30d", "strategy": "none" }), "strategy"),
    ] {
        let (status, problem) = world.rest(0, "PUT", "/v1/rotation-policies/key:orders", Some(body.clone())).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{body}: {problem}");
    }
    let (status, problem) = world.rest(0, "POST", "/v1/keys/codes/rotate", Some(json!({ "strategy": "in-place" }))).await;
    assert!(status == 422 && problem["detail"].as_str().is_some_and(|text| text.contains("AWS rotates symmetric encryption keys")), "{problem}");
    assert_eq!(world.rest(0, "GET", "/v1/rotation-policies", None).await.1["items"], json!([]));
    let unknown = world.house.app.set_rotation(&world.ann, &Target::Key("nobody".into()), every(30)).await;
    assert!(matches!(unknown, Err(Error::NotFound { .. })), "{unknown:?}");
}

/// CM-057 by hand: a rotation goes by the policy's grace, and says what it does not do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_by_hand_warns_goes_by_the_grace_and_counts_as_the_turn() {
    let world = World::new(Engine::Sqlite).await;
    let key = json!({ "name": "codes", "keystore": "payments-eu", "spec": "HMAC_256", "aliases": ["codes"] });
    world.rest(0, "POST", "/v1/keys", Some(key)).await;
    let old = world.key("codes").await;
    let (status, set) = world.rest(0, "PUT", "/v1/rotation-policies/key:codes", Some(json!({ "every": "30d", "grace": "7d", "window": "02:00-04:00" }))).await;
    assert_eq!(status, 200, "{set}");
    let told = |answer: &serde_json::Value| answer["warnings"].to_string();
    assert!(told(&set).contains("VerifyMac") && told(&set).contains("deactivated"), "{set}");
    let shown = world.rest(0, "GET", "/v1/keys/codes", None).await.1;
    assert_eq!(shown["next_rotation"], set["next_rotation"]);
    assert!(shown["next_rotation"].is_string(), "{shown}");
    let (status, rotated) = world.rest(0, "POST", "/v1/keys/codes/rotate", None).await;
    assert!(status == 200 && told(&rotated).contains("VerifyMac"), "{rotated}");
    assert_eq!(rotated["key"]["predecessor"], old.id.as_str());
    assert!(world.rest(0, "GET", &format!("/v1/keys/{}", old.id), None).await.1["retires"].is_string());
    let after = world.rest(0, "GET", "/v1/keys/codes", None).await.1;
    assert!(after["last_rotation"].is_string() && after["next_rotation"].as_str() >= shown["next_rotation"].as_str(), "{after}");
    assert_eq!(look(&world).await, 0);
    advance(&world, 8 * DAY);
    assert_eq!(look(&world).await, 1);
    assert_eq!(world.key(old.id.as_str()).await.state, KeyState::Inactive);
}

#[test]
fn rotation_from_the_command_line() {
    let (desk, _terminal) = demo();
    let policy =
        ["rotation", "set", "--keystore", "demo-eu", "--cron", "0 3 1 * *", "--zone", "Europe/Berlin", "--window", "sat,sun@02:00-04:00", "--notice", "7d"];
    assert_eq!(desk.json(&policy)["policy"]["target"], "keystore:demo-eu");
    let own = desk.json(&["rotation", "set", "--key", "invoices", "--every", "90d", "--grace", "14d"]);
    assert_eq!((&own["policy"]["every"], &own["policy"]["grace"]), (&json!("90d"), &json!("14d")));
    assert!(own["next_rotation"].is_string() && own["warnings"].as_array().is_some_and(|said| !said.is_empty()), "{own}");
    assert_eq!(desk.json(&["rotation", "show", "--key", "ledger"])["policy"]["target"], "keystore:demo-eu");
    assert_eq!(desk.json(&["rotation", "list"]).as_array().map(Vec::len), Some(2));
    desk.table(&["rotation", "list"], &["FOR", "key:invoices", "every 90d", "Europe/Berlin"]);
    desk.table(&["key", "show", "invoices"], &["next rotation"]);
    let (key, rotated) = (desk.json(&["key", "show", "invoices"]), desk.run(&["key", "rotate", "invoices"]));
    assert!(rotated.code == 0 && rotated.err.contains("warning: "), "{}{}", rotated.out, rotated.err);
    assert_eq!(desk.json(&["key", "show", "invoices"])["predecessor"], key["id"]);
    let arn = desk.json(&["key", "show", "invoices"])["cloud_arn"].clone();
    let rotated = desk.run(&["key", "rotate", "invoices", "--strategy", "in-place"]);
    assert!(rotated.code == 0 && rotated.err.contains("cannot be undone"), "{}{}", rotated.out, rotated.err);
    let shown = desk.json(&["key", "show", "invoices"]);
    assert_eq!((&shown["cloud_arn"], shown["versions"].as_array().map(Vec::len)), (&arn, Some(2)));
    assert_eq!(desk.json(&["rotation", "set", "--key", "invoices", "--none"])["policy"]["strategy"], "none");
    assert_eq!(desk.json(&["rotation", "clear", "--key", "invoices"])["policy"]["target"], "keystore:demo-eu");
    assert_eq!(slug(&desk.fails(3, &["rotation", "show", "--key", "nobody"])), "not-found");
}

#[tokio::test]
async fn a_coming_rotation_is_in_the_schedule_and_people_are_told_of_it_once() {
    let world = World::new(Engine::Sqlite).await;
    let key = lasting_key(&world, "orders").await;
    set(&world, "key:orders", Wish { notice: Some(7 * DAY), grace: Some(3 * DAY), ..every(30) }).await;
    let coming = |answer: &serde_json::Value, what: &str| answer["items"].as_array().expect("a list").iter().filter(|one| one["what"] == what).count();
    let (status, plan) = world.rest(0, "GET", "/v1/schedule?days=90", None).await;
    assert_eq!((status, coming(&plan, "rotate")), (200, 1), "{plan}");
    advance(&world, 24 * DAY);
    for _ in 0..2 {
        look(&world).await;
        let (_, told) = world.rest(0, "GET", "/v1/alerts", None).await;
        let of_turn: Vec<_> = told["items"].as_array().expect("a list").iter().filter(|alert| alert["kind"] == "key-rotates").collect();
        assert_eq!(of_turn.len(), 1, "{told}");
        assert_eq!(of_turn[0]["subject"], key.id.as_str());
    }
    advance(&world, 7 * DAY);
    assert_eq!((look(&world).await, look(&world).await), (1, 0), "the second look plans the successor's turn");
    let (_, plan) = world.rest(0, "GET", "/v1/schedule?days=90", None).await;
    assert_eq!((coming(&plan, "retire"), coming(&plan, "rotate")), (1, 1), "{plan}");
}
