//! A keystore whose keys have lost their material gets it back (CM-037, FX-003, FX-029, FX-030, FT-019).

use keystead_app::{Request, Started, keys::create::NewKey, keys::lifecycle::Ask, keystores::restore::Restoring};
use keystead_domain::{KeySpec, Tags};
use keystead_sandbox::{Effect, Fault};
use keystead_store::{
    keys::KeyRow,
    operations::{self, OperationRow},
    page::Page,
    warm::{self, WarmRow},
};
use serde_json::{Value, json};

use crate::{
    families,
    world::{Engine, World},
};

impl World {
    pub async fn start_restore(&self, keystore: &str) -> Started {
        self.house.app.restore_keystore(&self.ann, &Request::default(), keystore).await.expect("an intent")
    }

    /// Restores, and answers what it came to.
    pub async fn restore(&self, keystore: &str) -> Restoring {
        let started = self.start_restore(keystore).await;
        let ended = self.ended(&started).await;
        assert_eq!(ended.state, "SUCCEEDED", "{ended:?}");
        self.house.app.restore_of(&ended.id).await.expect("a store").expect("a restore")
    }

    /// The cloud forgets a key's material.
    pub async fn lose(&self, key: &KeyRow) {
        self.sandbox_does(reqwest::Method::POST, "lose-material", json!({ "key": key.cloud_arn })).await;
    }

    /// The cloud forgets the key.
    async fn end_in_cloud(&self, key: &KeyRow) {
        self.sandbox_does(reqwest::Method::DELETE, "keys", json!({ "key": key.cloud_arn })).await;
    }

    /// How the cloud shows a key.
    async fn cloud_state(&self, key: &KeyRow) -> String {
        let answer = self.http.get(format!("{}/_sandbox/state", self.sandbox.endpoint())).send().await.expect("the sandbox");
        let state: Value = answer.json().await.expect("JSON");
        let keys = state["keys"].as_array().expect("keys");
        let shown = keys.iter().find(|shown| shown["arn"].as_str() == key.cloud_arn.as_deref()).expect("the key");
        shown["state"].as_str().expect("a state").to_owned()
    }

    /// The uploads that a restore began, in the order in which they were.
    async fn uploads(&self) -> Vec<OperationRow> {
        let account = self.ann.account.clone();
        let page = Page { after: None, limit: 200 };
        let mut rows = self.store().read("test", move |tx| operations::list(tx, &account, None, &page)).await.expect("a store").rows;
        rows.retain(|row| row.kind == "upload-key");
        rows.sort_by_key(|row| row.created_at);
        rows
    }

    /// How many uploads of a key there were.
    pub async fn uploads_of(&self, key: &str) -> usize {
        let (account, id) = (self.ann.account.clone(), self.key(key).await.id);
        let rows = self.store().read("test", move |tx| operations::list(tx, &account, Some(&id), &Page::first())).await.expect("a store").rows;
        rows.iter().filter(|row| row.kind == "upload-key").count()
    }

    async fn create_of(&self, name: &str, spec: KeySpec, importance: Option<&str>) -> KeyRow {
        let tags = importance.map(|value| ("keystead-priority".to_owned(), value.to_owned()));
        let new = NewKey { spec, tags: Tags::parse(tags).expect("tags"), ..self.new_key("payments-eu", name) };
        let started = self.house.app.create_key(&self.ann, &Request::default(), new).await.expect("an intent");
        self.succeeds(started).await;
        self.key(name).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_lost_its_material_gets_it_back_and_the_most_important_key_first_cm_037() {
    let world = World::new(Engine::Sqlite).await;
    let last = world.create_of("last", KeySpec::Aes256, Some("9")).await;
    let pair = world.create_of("pair", KeySpec::EcP256, None).await;
    let first = world.create_of("first", KeySpec::Aes256, Some("1")).await;
    let well = world.create("well").await;
    let resting = world.create("resting").await;
    world.does("resting", Ask::Deactivate).await;
    for key in [&last, &pair, &first] {
        world.lose(key).await;
        assert_eq!(world.cloud_state(key).await, "PendingImport");
    }
    let restored = world.restore("payments-eu").await;
    assert_eq!((restored.row.looked, restored.tally.restored, restored.tally.failed, restored.tally.gone), (4, 3, 0, 0), "{restored:?}");
    for key in [&last, &pair, &first, &well] {
        assert_eq!(world.cloud_state(key).await, "Enabled", "{}", key.name);
        assert_eq!(world.key(&key.name).await.expires_at, key.expires_at, "the end stays where it was");
    }
    assert_eq!(world.cloud_state(&resting).await, "PendingImport", "what is out of use stays empty");
    let order: Vec<_> = world.uploads().await.into_iter().filter_map(|row| row.key_id).collect();
    assert_eq!(order, [first.id, pair.id, last.id]);
    let again = world.restore("payments-eu").await;
    assert_eq!((again.row.looked, again.tally), (4, Default::default()), "there is nothing more to give back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_gone_itself_is_told_and_holds_up_no_other_fx_003() {
    let world = World::new(Engine::Sqlite).await;
    let (gone, lost) = (world.create("gone").await, world.create("lost").await);
    world.end_in_cloud(&gone).await;
    world.lose(&lost).await;
    let started = world.start_restore("payments-eu").await;
    let ended = world.ended(&started).await;
    let (_, shown) = world.rest(0, "GET", &format!("/v1/operations/{}", ended.id), None).await;
    let restore = &shown["restore"];
    assert_eq!((&restore["restored"], &restore["gone"], &restore["lost"], &restore["failed"]), (&json!(1), &json!(1), &json!(1), &json!(0)), "{shown}");
    let left = &restore["left"][0];
    assert_eq!((&left["name"], &left["gone"], &left["cloud_arn"]), (&json!("gone"), &json!(true), &json!(gone.cloud_arn)));
    assert!(left["why"].as_str().is_some_and(|why| why.contains("cannot be opened by any other key")), "{left}");
    assert_eq!(world.cloud_state(&lost).await, "Enabled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_of_regions_comes_back_from_whichever_region_is_restored() {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore_in("payments-us", "us-east-1").await;
    let primary = families::make_primary(&world, "wide").await;
    let replica = families::add_replica(&world, "wide", "payments-us").await;
    world.lose(&replica).await;
    let restored = world.restore("payments-us").await;
    assert_eq!((restored.tally.restored, restored.tally.failed), (1, 0), "{restored:?}");
    assert_eq!((world.cloud_state(&primary).await.as_str(), world.cloud_state(&replica).await.as_str()), ("Enabled", "Enabled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forecast_counts_every_call_and_asks_no_cloud_fx_030_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    for name in ["a", "b", "c"] {
        world.create_of(name, KeySpec::EcP256, (name == "b").then_some("1")).await;
    }
    let before = world.requests().await;
    let (status, told) = world.rest(0, "GET", "/v1/keystores/payments-eu/restore", None).await;
    assert_eq!((status, &told["all"]["keys"], &told["all"]["cold"], &told["lost"]["keys"]), (200, &json!(3), &json!(3), &json!(0)), "{told}");
    assert_eq!((&told["all"]["tightest"], &told["all"]["seconds"]), (&json!("wrapping-key"), &json!(4)), "{told}");
    assert_eq!(told["order"], json!([{"importance": 1, "keys": 1}, {"importance": 5, "keys": 2}]));
    assert_eq!(world.requests().await, before, "no cloud is asked");
    let (status, refused) = world.rest(0, "GET", "/v1/keystores/nowhere/restore", None).await;
    assert_eq!(status, 404, "{refused}");
}

impl World {
    async fn keep_warm(&self) {
        self.house.app.set_warm(&self.ann, "payments-eu", true).await.expect("is on");
        self.house.engine.look_at_warm().await.expect("a look");
    }

    /// How often the simulated cloud was asked for import parameters.
    async fn fetches(&self) -> u64 {
        let answer = self.http.get(format!("{}/_sandbox/calls", self.sandbox.endpoint())).send().await.expect("the sandbox");
        let calls: Value = answer.json().await.expect("JSON");
        calls["calls"]["GetParametersForImport"].as_u64().unwrap_or_default()
    }

    async fn warm_row(&self, key: &KeyRow) -> Option<WarmRow> {
        let id = key.id.clone();
        self.store().read("test", move |tx| warm::of(tx, &id)).await.expect("a store")
    }

    /// Loses a key's material and gives it back; answers how often parameters were asked for.
    async fn comes_back(&self, key: &KeyRow) -> u64 {
        self.lose(key).await;
        let before = self.fetches().await;
        let restored = self.restore("payments-eu").await;
        assert_eq!((restored.tally.restored, restored.tally.failed), (1, 0), "{restored:?}");
        assert_eq!(self.cloud_state(key).await, "Enabled");
        self.fetches().await - before
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_key_comes_back_without_asking_for_parameters_and_each_set_serves_once_fx_029() {
    let world = World::new(Engine::Sqlite).await;
    let (one, pair) = (world.create("one").await, world.create_of("pair", KeySpec::EcP256, None).await);
    assert_eq!(world.house.engine.look_at_warm().await, Ok(0), "nobody asked for it");
    world.keep_warm().await;
    let (_, told) = world.rest(0, "GET", "/v1/keystores/payments-eu/restore", None).await;
    assert_eq!((&told["keeps_warm"], &told["all"]["warm"], &told["all"]["tightest"]), (&json!(true), &json!(2), &json!("import")), "{told}");
    let metrics = world.http.get(format!("{}/metrics", world.url)).send().await.expect("an answer").text().await.expect("a text");
    assert!(metrics.contains("keystead_keys_warm 2") && metrics.contains("keystead_keys_to_be_warm 2"), "{metrics}");
    assert_eq!((world.comes_back(&one).await, world.comes_back(&pair).await), (0, 0));
    assert_eq!((world.warm_row(&one).await, world.warm_row(&pair).await), (None, None), "a set serves once");
    assert_eq!(world.comes_back(&one).await, 1, "a cold key comes back as ever");
    assert_eq!((world.house.engine.look_at_warm().await, world.house.engine.look_at_warm().await), (Ok(2), Ok(0)), "what was used is fetched again");
    let (status, told) = world.rest(0, "PUT", "/v1/keystores/payments-eu/warm", Some(json!({"on": false}))).await;
    assert_eq!((status, &told["keeps_warm"], &told["all"]["warm"]), (200, &json!(false), &json!(0)), "{told}");
    assert_eq!(world.warm_row(&one).await, None, "what was fetched goes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_the_cloud_does_not_take_are_replaced_by_fresh_ones() {
    let world = World::new(Engine::Sqlite).await;
    let key = world.create("orders").await;
    for code in ["InvalidImportTokenException", "ExpiredImportTokenException", "InvalidCiphertextException"] {
        world.keep_warm().await;
        let effect = Effect::Error { code: code.into(), status: 400, message: "not taken".into() };
        world.sandbox.add_faults([Fault { operation: "ImportKeyMaterial".into(), skip: 0, count: 1, effect }]);
        assert_eq!((world.comes_back(&key).await, world.warm_row(&key).await), (1, None), "{code}");
    }
    world.keep_warm().await;
    world.sandbox.advance(24 * 3_600_000_000);
    assert_eq!(world.comes_back(&key).await, 1, "their day is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_somebody_wrote_to_the_database_are_not_used() {
    let world = World::new(Engine::Sqlite).await;
    let (mine, theirs) = (world.create("mine").await, world.create("theirs").await);
    world.keep_warm().await;
    let forged = WarmRow { key_id: mine.id.clone(), ..world.warm_row(&theirs).await.expect("is warm") };
    world.store().write("test", move |tx| warm::keep(tx, &forged)).await.expect("is written");
    assert_eq!((world.comes_back(&mine).await, world.warm_row(&mine).await), (1, None), "they do not open, and go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_within_hours_is_fetched_anew_and_the_most_important_first() {
    let world = World::new(Engine::Sqlite).await;
    let (last, first) = (world.create_of("last", KeySpec::Aes256, Some("8")).await, world.create_of("first", KeySpec::Aes256, Some("2")).await);
    world.keep_warm().await;
    let fetched = async |key: &KeyRow| world.warm_row(key).await.expect("is warm").fetched_at;
    assert!(fetched(&first).await < fetched(&last).await);
    world.sandbox.advance(17 * 3_600_000_000);
    assert_eq!(world.house.engine.look_at_warm().await, Ok(0), "they last");
    world.sandbox.advance(2 * 3_600_000_000);
    let before = fetched(&first).await;
    assert_eq!(world.house.engine.look_at_warm().await, Ok(2));
    assert!(fetched(&first).await > before);
    world.does("first", Ask::Deactivate).await;
    world.house.engine.look_at_warm().await.expect("a look");
    assert_eq!(world.warm_row(&first).await, None, "what is out of use cools");
}
