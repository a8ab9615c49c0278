//! A simulated year on the virtual clock: keys of every kind, rotated by successors and in place, expiring, extended and renewed, in bad weather: throttling, outages of
//! hours, deaths of the process. Nothing may end that nobody let end; each turn comes in its window; each alert arrives; what was encrypted opens; the log verifies
//! (FX-042 to FX-048, FT-076, FT-077, CM-020). A thousand keys in a proof, forty in the tests.

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use aws_sdk_kms::types::MacAlgorithmSpec;
use keystead_app::{
    Request,
    keys::{create::NewKey, lifecycle::Ask, rotation::Target, update::KeyChange},
};
use keystead_domain::{
    Aliases, KeySpec, KeyState, KeyUsage, Name, Timestamp,
    key::expiry::ExpiryPolicy,
    rotation::{Strategy, Wish},
    time::{DAY, SECOND},
};
use keystead_sandbox::{Effect, Fault};
use keystead_server::Courier;
use keystead_store::{alerts, keys::KeyFilter, keys::KeyRow, operations, operations::OperationRow, page::Page};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::{
    alerts::{Receiver, with_hook},
    application::Application,
    comparison::{keys_of, versions_of},
    process::is_proof,
    world::{Engine, World},
};

const HOUR: i64 = 3600 * SECOND;

/// How a group of keys lives through the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    /// A successor every 60 days, on a weekend's night.
    Successor,
    /// In place every 45 days, at night.
    InPlace,
    /// A successor on the first of each month, the predecessor deactivated 14 days later.
    Calendar,
    /// No rotation; the expiry policy renews.
    Renewed,
    /// No rotation; people are told, and one of them moves the end.
    Told,
}

impl Group {
    /// Of twenty keys: nine, five, three, two, one.
    fn of(number: usize) -> Self {
        match number % 20 {
            0..=8 => Self::Successor,
            9..=13 => Self::InPlace,
            14..=16 => Self::Calendar,
            17 | 18 => Self::Renewed,
            _ => Self::Told,
        }
    }

    const fn keystore(self) -> &'static str {
        match self {
            Self::Successor => "successor",
            Self::InPlace => "in-place",
            Self::Calendar => "calendar",
            Self::Renewed | Self::Told => "payments-eu",
        }
    }

    fn wish(self) -> Option<Wish> {
        let night = |window: &str| Wish { zone: Some("Europe/Berlin".into()), window: Some(window.into()), notice: Some(3 * DAY), ..Wish::default() };
        match self {
            Self::Successor => Some(Wish { every: Some(60 * DAY), ..night("sat,sun@02:00-04:00") }),
            Self::InPlace => Some(Wish { every: Some(45 * DAY), strategy: Strategy::InPlace, ..night("02:00-04:00") }),
            Self::Calendar => Some(Wish { cron: Some("30 2 1 * *".into()), grace: Some(14 * DAY), ..night("02:00-04:00") }),
            Self::Renewed | Self::Told => None,
        }
    }

    const fn expiry_policy(self) -> ExpiryPolicy {
        match self {
            Self::Renewed => ExpiryPolicy::Renew,
            Self::Told => ExpiryPolicy::Alert,
            _ => ExpiryPolicy::Extend,
        }
    }

    /// Turns in a year, the fewest and the most: a turn waits for the next window, and for better weather.
    const fn turns(self) -> (usize, usize) {
        match self {
            Self::Successor => (5, 6),
            Self::InPlace => (7, 8),
            Self::Calendar => (11, 13),
            Self::Renewed => (4, 5),
            Self::Told => (0, 0),
        }
    }
}

/// The kind of the key of this number: every kind occurs in each group that can have it; large RSA pairs seldom, because making them takes long.
fn kind_of(number: usize) -> (KeySpec, Option<KeyUsage>) {
    if Group::of(number) == Group::InPlace || number.is_multiple_of(3) {
        return (KeySpec::Aes256, None);
    }
    let spec = match number % 64 {
        61 => KeySpec::Rsa4096,
        59 => KeySpec::Rsa3072,
        other if other % 16 == 1 => KeySpec::Rsa2048,
        other => {
            [KeySpec::Hmac224, KeySpec::Hmac256, KeySpec::Hmac384, KeySpec::Hmac512, KeySpec::EcP256, KeySpec::EcP384, KeySpec::EcP521, KeySpec::EcSecp256k1]
                [other % 8]
        }
    };
    (spec, spec.usages().iter().find(|usage| **usage == KeyUsage::Sign).copied())
}

/// What was made under a key at some time, and must be good for ever.
enum Relic {
    Blob(Vec<u8>),
    Code { arn: String, code: Vec<u8> },
}

struct Lineage {
    group: Group,
    spec: KeySpec,
    relics: Vec<Relic>,
}

/// What the weather did.
#[derive(Default)]
struct Weather {
    throttled: usize,
    outages: usize,
    deaths: usize,
    /// For how many more looks the cloud cannot be reached.
    outage_left: usize,
}

struct Year {
    world: World,
    app: Application,
    courier: Courier,
    receiver: Receiver,
    random: StdRng,
    lineages: BTreeMap<String, Lineage>,
    weather: Weather,
    /// The last event of the simulated cloud that was looked at.
    seen: u64,
    /// Ends of material that nobody let end.
    ended: Vec<String>,
    looks: usize,
}

impl Year {
    async fn begin(keys: usize, seed: u64) -> Self {
        let (world, receiver, courier) = with_hook(Engine::Sqlite).await;
        let app = Application::new(&world).await;
        for group in [Group::Successor, Group::InPlace, Group::Calendar] {
            world.make_keystore(group.keystore()).await;
            let target = Target::Keystore(group.keystore().to_owned());
            world.house.app.set_rotation(&world.ann, &target, group.wish().expect("a policy")).await.expect("is set");
        }
        let (random, lineages, weather) = (StdRng::seed_from_u64(seed), BTreeMap::new(), Weather::default());
        let mut year = Self { world, app, courier, receiver, random, lineages, weather, seen: 0, ended: Vec::new(), looks: 0 };
        for number in 0..keys {
            year.add(number).await;
        }
        year
    }

    async fn add(&mut self, number: usize) {
        let (name, group, (spec, usage)) = (format!("year-{number}"), Group::of(number), kind_of(number));
        let new = NewKey {
            spec,
            usage,
            name: Name::parse(&name).expect("a name"),
            aliases: Aliases::parse([&name]).expect("an alias"),
            expiry_policy: group.expiry_policy(),
            ..self.world.new_key(group.keystore(), &name)
        };
        let started = self.world.house.app.create_key(&self.world.ann, &Request::default(), new).await.expect("an intent");
        self.world.succeeds(started).await;
        self.lineages.insert(name, Lineage { group, spec, relics: Vec::new() });
    }

    /// Makes something under every key that is in use, to be opened or compared at the end.
    async fn leave_relics(&mut self) {
        for (name, lineage) in &mut self.lineages {
            let algorithm = match lineage.spec {
                KeySpec::Aes256 => {
                    lineage.relics.push(Relic::Blob(self.app.encrypt(&format!("alias/{name}"), name.as_bytes()).await.blob));
                    continue;
                }
                KeySpec::Hmac224 => MacAlgorithmSpec::HmacSha224,
                KeySpec::Hmac256 => MacAlgorithmSpec::HmacSha256,
                KeySpec::Hmac384 => MacAlgorithmSpec::HmacSha384,
                KeySpec::Hmac512 => MacAlgorithmSpec::HmacSha512,
                _ => continue,
            };
            let arn = self.world.key(name).await.cloud_arn.expect("a cloud key");
            let code = self.app.mac(&arn, name.as_bytes(), algorithm).await;
            lineage.relics.push(Relic::Code { arn, code });
        }
    }

    /// Some hours go by: to the next half hour of a night, or to the next quarter of a day.
    async fn step(&mut self) {
        let hour = self.world.now().as_secs().rem_euclid(86_400) / 3600;
        let step = if hour < 5 { HOUR / 2 } else { 5 * HOUR };
        self.world.sandbox.advance(u64::try_from(step).expect("forward"));
        self.change_weather();
        self.look().await;
        self.world.sandbox.clear_faults();
    }

    /// An outage lasts for some looks, hours apart by day and half an hour at night; every fourth look may die somewhere, if it has anything to do.
    fn change_weather(&mut self) {
        if self.weather.outage_left > 0 {
            self.weather.outage_left -= 1;
            return self.world.sandbox.add_faults([Fault { operation: "*".into(), skip: 0, count: u32::MAX, effect: Effect::Drop }]);
        }
        match self.random.random_range(0..400) {
            0..12 => {
                self.weather.throttled += 1;
                let throttled = Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() };
                self.world.sandbox.add_faults([Fault { operation: "*".into(), skip: self.random.random_range(0..9), count: 6, effect: throttled }]);
            }
            12 | 13 => {
                self.weather.outages += 1;
                self.weather.outage_left = self.random.random_range(2..8);
            }
            14..114 => self.world.hooks.arm(Some(self.random.random_range(0..40))),
            _ => {}
        }
    }

    /// What the schedule does at this moment. A process that died comes back: it finds every lease free.
    async fn look(&mut self) {
        self.looks += 1;
        let engine = self.world.house.engine.clone();
        engine.take_due().await.expect("a store");
        self.settled().await;
        for _ in 0..40 {
            let began = engine.look_at_expiry().await.expect("a store") + engine.look_at_rotation().await.expect("a store");
            self.settled().await;
            if self.world.hooks.has_died() {
                self.weather.deaths += 1;
                self.world.store().write("test.restart", operations::free_all_leases).await.expect("a store");
                engine.take_due().await.expect("a store");
                self.settled().await;
            }
            if began == 0 {
                break;
            }
        }
        // A death that found nothing to interrupt does not wait for the next look.
        self.world.hooks.arm(None);
        self.courier.look().await.expect("a store");
    }

    async fn settled(&self) {
        while self.world.house.engine.in_hand() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// A person who reads what arrives, and moves the end of the key that it is about when a week is left.
    async fn read_mail(&mut self) {
        let told: BTreeSet<String> = self.receiver.alerts().iter().filter(|alert| alert["kind"] == "key-expires").filter_map(key_of).collect();
        for name in told {
            let key = self.world.key(&name).await;
            let is_near = key.expires_at.is_some_and(|end| end <= self.world.now().plus_days(8));
            if is_near && self.lineages[&name].group == Group::Told {
                let change = KeyChange { expires: Some(Some(self.world.now().plus_days(90))), ..KeyChange::default() };
                let started = self.world.house.app.update_key(&self.world.ann, &Request::default(), &name, change).await.expect("an intent");
                self.world.succeeds(started).await;
            }
        }
    }

    /// Looks through what the simulated cloud did by itself since the last time.
    async fn look_for_ends(&mut self) {
        let url = format!("{}/_sandbox/events?since={}", self.world.sandbox.endpoint(), self.seen);
        let events: Value = self.world.http.get(url).send().await.expect("the sandbox").json().await.expect("JSON");
        let listed = events["events"].as_array().cloned().unwrap_or_default();
        assert!(listed.first().is_none_or(|first| first["seq"].as_u64() == Some(self.seen + 1)), "events were forgotten before they were looked at");
        self.ended.extend(listed.iter().filter(|event| event["eventName"] == "DeleteExpiredKeyMaterial").map(Value::to_string));
        self.seen = events["last"].as_u64().unwrap_or(self.seen);
    }

    async fn run(&mut self) {
        let begin = self.world.now();
        let mut relics_at = begin;
        while self.world.now() < begin.plus_days(365) {
            if self.world.now() >= relics_at {
                self.leave_relics().await;
                relics_at = relics_at.plus_days(30);
            }
            self.step().await;
            self.look_for_ends().await;
            self.read_mail().await;
        }
        // The weather clears up, and what it held up is made up for.
        for _ in 0..4 {
            self.world.sandbox.advance(u64::try_from(6 * HOUR).expect("forward"));
            self.look().await;
        }
        self.look_for_ends().await;
    }

    async fn operations(&self) -> Vec<OperationRow> {
        let (mut all, mut page) = (Vec::new(), Page::first());
        loop {
            let (account, this) = (self.world.ann.account.clone(), page.clone());
            let listed = self.world.store().read("test", move |tx| operations::list(tx, &account, None, &this)).await.expect("a store");
            all.extend(listed.rows);
            let Some(next) = listed.next else { return all };
            page = Page { after: Some(next), ..Page::first() };
        }
    }

    async fn keys(&self) -> BTreeMap<String, Vec<KeyRow>> {
        let mut by_name: BTreeMap<String, Vec<KeyRow>> = BTreeMap::new();
        for key in keys_of(&self.world.house, &self.world.ann.account, &KeyFilter::default()).await {
            by_name.entry(key.name.clone()).or_default().push(key);
        }
        by_name
    }

    /// Every operation has ended; every turn began in its window; each lineage had its turns. Answers how many turns there were of each kind.
    async fn check_turns(&self, keys: &BTreeMap<String, Vec<KeyRow>>) -> (usize, usize) {
        let by_id: BTreeMap<&str, &KeyRow> = keys.values().flatten().map(|key| (key.id.as_str(), key)).collect();
        let (mut successors, mut in_place) = (0, 0);
        for operation in self.operations().await {
            assert_ne!(operation.state, "RUNNING", "{operation:?}");
            if !matches!(operation.kind.as_str(), "renew-key" | "rotate-in-place") || operation.state != "SUCCEEDED" {
                continue;
            }
            let key = by_id[operation.key_id.as_ref().expect("a key").as_str()];
            let group = self.lineages[&key.name].group;
            if group != Group::Renewed {
                assert!(is_night_in_berlin(operation.created_at, group == Group::Successor), "{} began at {}", key.name, operation.created_at.as_secs());
            }
            assert_eq!(operation.kind == "rotate-in-place", group == Group::InPlace, "{}", key.name);
            (successors, in_place) = if group == Group::InPlace { (successors, in_place + 1) } else { (successors + 1, in_place) };
        }
        for (name, lineage) in &self.lineages {
            let turns = if lineage.group == Group::InPlace { versions_of(&self.world.house, &keys[name][0]).await.len() - 1 } else { keys[name].len() - 1 };
            let (fewest, most) = lineage.group.turns();
            assert!((fewest..=most).contains(&turns), "{name}, {:?}: {turns} turns", lineage.group);
        }
        (successors, in_place)
    }

    /// No material has ended, and every key that shall be usable is.
    async fn check_cloud(&self, keys: &BTreeMap<String, Vec<KeyRow>>) {
        assert!(self.ended.is_empty(), "ended: {:?}", self.ended);
        let there: BTreeMap<String, Value> =
            self.world.cloud_keys().await.into_iter().map(|key| (key["id"].as_str().unwrap_or_default().to_owned(), key["state"].clone())).collect();
        for key in keys.values().flatten() {
            let wanted = if key.state == KeyState::Inactive { "PendingImport" } else { "Enabled" };
            assert_eq!(there[key.cloud_key_id.as_deref().expect("a cloud key")], wanted, "{} {}", key.name, key.state.as_str());
        }
    }

    /// What was made under any key at any time is good. Keys that were deactivated behind their grace are taken into use again for it; of those a sample.
    async fn check_relics(&self, keys: &BTreeMap<String, Vec<KeyRow>>) -> usize {
        let retired = keys.values().flatten().filter(|key| key.state == KeyState::Inactive);
        let mut is_open: BTreeSet<&str> =
            keys.values().flatten().filter(|key| key.state != KeyState::Inactive).filter_map(|key| key.cloud_arn.as_deref()).collect();
        for key in retired.take(40) {
            self.world.does(key.id.as_str(), Ask::Activate).await;
            is_open.extend(key.cloud_arn.as_deref());
        }
        let mut good = 0;
        for (name, lineage) in &self.lineages {
            let closed = keys[name].iter().any(|key| !is_open.contains(key.cloud_arn.as_deref().unwrap_or_default()));
            for relic in &lineage.relics {
                match relic {
                    Relic::Blob(_) if closed => continue,
                    Relic::Blob(blob) => assert_eq!(self.app.decrypt(blob).await, name.as_bytes(), "{name}"),
                    Relic::Code { arn, .. } if !is_open.contains(arn.as_str()) => continue,
                    Relic::Code { arn, code } => assert_eq!(self.app.mac(arn, name.as_bytes(), algorithm_of(lineage.spec)).await, *code, "{name}"),
                }
                good += 1;
            }
        }
        good
    }

    /// Every alert that was written has arrived, in one message; nothing arrived that was not written.
    async fn check_alerts(&self) -> usize {
        let (account, mut written, mut page) = (self.world.ann.account.clone(), BTreeSet::new(), Page::first());
        loop {
            let (account, this) = (account.clone(), page.clone());
            let listed = self.world.store().read("test", move |tx| alerts::list(tx, &account, &this)).await.expect("a store");
            written.extend(listed.rows.into_iter().map(|row| row.id.to_string()));
            let Some(next) = listed.next else { break };
            page = Page { after: Some(next), ..Page::first() };
        }
        let mut arrived: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (message, body) in self.receiver.taken() {
            for alert in body["data"]["alerts"].as_array().into_iter().flatten() {
                arrived.entry(alert["id"].as_str().unwrap_or_default().to_owned()).or_default().insert(message.clone());
            }
        }
        assert!(arrived.values().all(|messages| messages.len() == 1), "an alert came in two messages");
        assert_eq!(arrived.into_keys().collect::<BTreeSet<_>>(), written);
        written.len()
    }

    async fn check_log(&self) -> u64 {
        let (_, key) = self.world.rest(0, "GET", "/v1/audit/key", None).await;
        let export = self.world.http.get(format!("{}/v1/audit/export", self.world.url)).bearer_auth(&self.world.tokens[0]).send().await.expect("an answer");
        let export = export.bytes().await.expect("a body");
        keystead_audit::verify_export(&export[..], key["vkey"].as_str(), None).expect("the log verifies").entries
    }
}

fn algorithm_of(spec: KeySpec) -> MacAlgorithmSpec {
    match spec {
        KeySpec::Hmac224 => MacAlgorithmSpec::HmacSha224,
        KeySpec::Hmac256 => MacAlgorithmSpec::HmacSha256,
        KeySpec::Hmac384 => MacAlgorithmSpec::HmacSha384,
        _ => MacAlgorithmSpec::HmacSha512,
    }
}

/// The name of the key that an alert is about.
fn key_of(alert: &Value) -> Option<String> {
    alert["facts"]["key"].as_str().map(ToOwned::to_owned)
}

/// Whether it is between two and four in Berlin, on a Saturday or Sunday if that is asked: an oracle of its own, which takes either of the two offsets.
fn is_night_in_berlin(at: Timestamp, weekend_only: bool) -> bool {
    [1, 2].into_iter().any(|offset| {
        let local = at.as_secs() + offset * 3600;
        let (day, hour) = (local.div_euclid(86_400), local.rem_euclid(86_400) / 3600);
        // The first of January 1970 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        (2..4).contains(&hour) && (!weekend_only || weekday >= 5)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_year_of_bad_weather_nothing_ends_and_every_turn_comes_in_its_window() {
    let (count, began) = (if is_proof() { 1000 } else { 40 }, Instant::now());
    let seed = std::env::var("KEYSTEAD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("simulated year begins: {count} keys; KEYSTEAD_SEED={seed} repeats its weather");
    let mut year = Year::begin(count, seed).await;
    year.run().await;
    let keys = year.keys().await;
    let (successors, in_place) = year.check_turns(&keys).await;
    year.check_cloud(&keys).await;
    let alerts = year.check_alerts().await;
    let relics = year.check_relics(&keys).await;
    let entries = year.check_log().await;
    let (all, Weather { throttled, outages, deaths, .. }) = (keys.values().map(Vec::len).sum::<usize>(), year.weather);
    println!(
        "simulated year: {count} lineages, {all} keys at the end; {successors} successors and {in_place} rotations in place, each in its window; {} looks, {throttled} throttled, \
         {outages} outages, {deaths} deaths; no material ended; {alerts} alerts written, each arrived once; {relics} old ciphertexts and codes good; {entries} audit entries \
         verified; seed {seed}; {:.0} s",
        year.looks,
        began.elapsed().as_secs_f64()
    );
}
