//! A simulated year on the virtual clock: keys of every kind, alone, in families of Regions and as copies of a source, rotated by successors and in place, expiring,
//! extended and renewed, in bad weather: throttling, outages of hours, deaths of the process at chosen places, and SIGKILL of a real one at any. Nothing may end that
//! nobody let end; each turn comes in its window; members and copies keep in step; each alert arrives; what was encrypted opens; the log verifies (FX-042 to FX-048,
//! FT-016, FT-046 to FT-050, FT-076 to FT-078, CM-020). A thousand keys in a proof, thirty in the tests.

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

mod checks;
mod groups;
mod kills;
mod look;
mod mail;
mod meddling;
mod relics;
mod weather;

use std::{collections::BTreeMap, time::Instant};

use keystead_app::{
    Request,
    keys::{copy::NewCopies, create::NewKey, rotation::Target},
};
use keystead_domain::{Aliases, key::expiry::ExpiryPolicy, time::SECOND};
use keystead_server::Courier;
use keystead_store::operations;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use self::{
    checks::Turns,
    groups::{Group, kind_of},
    kills::Kills,
    look::{ROUNDS, round, take_up},
    mail::Person,
    meddling::Meddling,
    relics::{Applications, Lineage},
    weather::Weather,
};
use crate::{
    alerts::{Receiver, courier_to, settings_with_hook},
    families, linked,
    process::is_proof,
    world::{Engine, World},
};

const HOUR: i64 = 3600 * SECOND;

struct Year {
    world: World,
    applications: Applications,
    /// Where the receiver is.
    hook: String,
    receiver: Receiver,
    courier: Courier,
    person: Person,
    random: StdRng,
    lineages: BTreeMap<String, Lineage>,
    weather: Weather,
    kills: Kills,
    meddling: Meddling,
    /// The last event of the simulated cloud that was looked at.
    seen: u64,
    /// Ends of material that nobody let end.
    ended: Vec<String>,
    looks: usize,
}

impl Year {
    async fn begin(keys: usize, kills: usize, seed: u64) -> Self {
        let (world, receiver) = (World::with(Engine::Sqlite, settings_with_hook()).await, Receiver::default());
        let hook = receiver.start().await;
        let (courier, applications) = (courier_to(&world.house.engine, &hook), Applications::new(&world).await);
        make_keystores(&world).await;
        let mut lineages = BTreeMap::new();
        for number in 0..keys {
            lineages.insert(format!("year-{number}"), make(&world, number).await);
        }
        let mut random = StdRng::seed_from_u64(seed);
        let kills = Kills::in_year(world.now(), kills, &mut random);
        let (person, weather, meddling) = (Person::default(), Weather::default(), Meddling::begin(&world).await);
        Self { world, applications, hook, receiver, courier, person, random, lineages, weather, kills, meddling, seen: 0, ended: Vec::new(), looks: 0 }
    }

    /// Makes something under every key that is in use, to be opened or compared at the end.
    async fn leave_relics(&mut self) {
        for (name, lineage) in &mut self.lineages {
            lineage.leave(name, &self.world, &self.applications).await;
        }
    }

    /// Some time goes by: half an hour while the windows in Berlin are open, which is from midnight to three by UTC in summer and winter together; else seven hours.
    async fn step(mut self) -> Self {
        let hour = self.world.now().as_secs().rem_euclid(86_400) / 3600;
        self.pass(if hour < 3 { HOUR / 2 } else { 7 * HOUR });
        // Whoever changes keys waits for clear weather to be found out at once; what they did stays through any.
        self.meddling.meddles(&self.world, &self.lineages, &mut self.random).await;
        self.weather.change(&self.world, &mut self.random);
        while self.kills.is_due(&self.world).await {
            self = self.killed().await;
        }
        self.look().await;
        self.world.sandbox.clear_faults();
        self.look_for_ends().await;
        self.person.reads(&self.receiver, &self.world, &self.lineages).await;
        self.meddling.mends(&self.world, false).await;
        self
    }

    fn pass(&self, micros: i64) {
        self.world.sandbox.advance(u64::try_from(micros).expect("forward"));
    }

    /// The house ends, and a process takes its place that is killed in the middle of its work. The house that comes back finds what that one left.
    async fn killed(self) -> Self {
        let Self { world, courier, mut kills, mut random, hook, .. } = self;
        drop(courier);
        let ended = world.end().await;
        let was_at_work = kills.strike(&ended, &hook, &mut random).await;
        let world = ended.start().await;
        kills.count(&world, was_at_work).await;
        let courier = courier_to(&world.house.engine, &hook);
        Self { world, courier, kills, random, hook, ..self }
    }

    /// What the schedule does at this moment. A process that died comes back: it finds every lease free.
    async fn look(&mut self) {
        self.looks += 1;
        let engine = self.world.house.engine.clone();
        take_up(&engine).await;
        for _ in 0..ROUNDS {
            let began = round(&engine).await;
            if self.world.hooks.has_died() {
                self.weather.deaths += 1;
                self.world.store().write("test.restart", operations::free_all_leases).await.expect("a store");
                take_up(&engine).await;
            }
            if began == 0 {
                break;
            }
        }
        // A death that found nothing to interrupt does not wait for the next look.
        self.world.hooks.arm(None);
        self.courier.look().await.expect("a store");
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

    async fn run(mut self) -> Self {
        let begin = self.world.now();
        let mut relics_at = begin;
        while self.world.now() < begin.plus_days(365) {
            if self.world.now() >= relics_at {
                self.meddling.mends(&self.world, true).await;
                self.leave_relics().await;
                relics_at = relics_at.plus_days(30);
            }
            self = self.step().await;
        }
        self.clear_up().await;
        self
    }

    /// The weather clears up, and what it held up is made up for.
    async fn clear_up(&mut self) {
        for _ in 0..4 {
            self.pass(6 * HOUR);
            self.look().await;
            self.look_for_ends().await;
            self.person.reads(&self.receiver, &self.world, &self.lineages).await;
        }
        self.meddling.mends(&self.world, true).await;
        self.meddling.check(&self.world).await;
        // Alerts are gathered before they are sent: those of the last look go out behind it.
        self.pass(HOUR);
        self.courier.look().await.expect("a store");
    }
}

/// The keystores of every group, with their policies.
async fn make_keystores(world: &World) {
    for group in Group::ALL {
        match group {
            Group::Source => world.make_vault_keystore(group.keystore()).await,
            _ => world.make_keystore(group.keystore()).await,
        }
        if let Some(wish) = group.wish() {
            let target = Target::Keystore(group.keystore().to_owned());
            world.house.app.set_rotation(&world.ann, &target, wish).await.expect("is set");
        }
    }
    for (keystore, region) in Group::FamilySuccessor.others().iter().chain(Group::Source.others()) {
        world.make_keystore_in(keystore, region).await;
    }
}

/// Makes the key of this number, with its replicas or its copies.
async fn make(world: &World, number: usize) -> Lineage {
    let (name, group, (spec, usage)) = (format!("year-{number}"), Group::of(number), kind_of(number));
    let mut new = NewKey { spec, usage, expiry_policy: group.expiry_policy(), multi_region: group.is_family(), ..world.new_key(group.keystore(), &name) };
    if group == Group::Source {
        (new.aliases, new.expires, new.expiry_policy) = (Aliases::default(), None, ExpiryPolicy::Alert);
    }
    let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
    world.succeeds(started).await;
    if group == Group::Source {
        let (expires, to) = (Some(world.now().plus_days(90)), group.others().iter().map(|(keystore, _)| *keystore).collect::<Vec<_>>());
        let aliases = world.new_key(group.keystore(), &name).aliases;
        linked::copy(world, &name, NewCopies { aliases, expires, expiry_policy: Some(ExpiryPolicy::Extend), ..linked::to(&to) }).await;
    } else {
        for (keystore, _) in group.others() {
            families::add_replica(world, &name, keystore).await;
        }
    }
    Lineage::new(group, spec)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_year_of_bad_weather_nothing_ends_and_every_turn_comes_in_its_window() {
    let ((count, kills), began) = (if is_proof() { (1000, 60) } else { (30, 4) }, Instant::now());
    let seed = std::env::var("KEYSTEAD_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| rand::rng().random());
    println!("simulated year begins: {count} keys; KEYSTEAD_SEED={seed} repeats its weather");
    let year = Year::begin(count, kills, seed).await.run().await;
    let keys = year.keys().await;
    let Turns { successors, in_place, copies } = year.check_turns(&keys).await;
    year.check_steps(&keys).await;
    year.check_places(&keys).await;
    let alerts = year.check_alerts().await;
    let relics = year.check_relics(&keys).await;
    let entries = year.check_log().await;
    let (all, Weather { throttled, outages, deaths, .. }) = (keys.values().map(Vec::len).sum::<usize>(), &year.weather);
    println!(
        "simulated year: {count} lineages with {} replicas and copies, {all} keys at the end; {successors} successors and {in_place} rotations in place, each in its window, {copies} \
         copies behind their sources, {} of them by hand; {} deeds of a meddler, each seen when it was done, {} repairs, {} accepted; {} looks, {throttled} throttled, {outages} outages, {deaths} deaths, {}; no material ended; {alerts} alerts written, each arrived \
         once; {relics} old ciphertexts and codes good; {entries} audit entries verified; seed {seed}; {:.0} s",
        keys.len() - count,
        year.person.by_hand,
        year.meddling.deeds,
        year.meddling.repaired,
        year.meddling.accepted,
        year.looks,
        year.kills,
        began.elapsed().as_secs_f64()
    );
    assert!(year.kills.hit_something(), "the kills hit nothing: they prove nothing");
}
