//! Many at once: an action on all keys that a selector selects, with a dry run that says what happens (CM-054 to CM-060, CM-067, CM-037).

use keystead_app::{
    Error, Request,
    batches::{Batch, BatchAction, NewBatch, Plan, TagsAndEnd},
    keys::{lifecycle::Ask, update::KeyChange},
};
use keystead_domain::{
    KeyState, Selector, Tags,
    batch::{BatchState, ItemState, REST},
    key::deletion::WaitingDays,
    selector::TagWish,
};
use keystead_operations::Problem;
use keystead_sandbox::{Effect, Fault};
use keystead_store::{batches::Item, page::Page};
use serde_json::json;

use crate::world::{Engine, World};

fn tags(pairs: &[(&str, &str)]) -> Tags {
    Tags::parse(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).expect("are tags")
}

fn tagged(text: &str) -> Selector {
    Selector { tags: vec![TagWish::parse(text).expect("a tag")], ..Selector::default() }
}

/// A world with keys `a`, `b`, … of these environments.
async fn world_of(engine: Engine, environments: &[&str]) -> World {
    let world = World::new(engine).await;
    for (n, environment) in environments.iter().enumerate() {
        let name = char::from(b'a' + n as u8).to_string();
        let new = keystead_app::keys::create::NewKey { tags: tags(&[("env", environment)]), ..world.new_key("payments-eu", &name) };
        let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
        world.succeeds(started).await;
    }
    world
}

async fn begin(world: &World, action: BatchAction, selector: Selector) -> Batch {
    let new = NewBatch { action, selector, expect_keys: None, expect_digest: None };
    world.house.app.begin_batch(&world.ann, &Request::default(), new).await.expect("a batch")
}

async fn plan(world: &World, action: BatchAction, selector: Selector) -> Plan {
    world.house.app.plan_batch(&world.ann, &action, &selector).await.expect("a plan")
}

/// One look, and the end of what it begins.
async fn look(world: &World) -> usize {
    let begun = world.house.app.look_at_batches().await.expect("a store");
    world.settle().await;
    begun
}

async fn show(world: &World, batch: &Batch) -> Batch {
    world.house.app.show_batch(&world.ann, batch.row.id.as_str()).await.expect("a batch")
}

/// Looks until it has ended.
async fn ended(world: &World, batch: &Batch) -> Batch {
    for _ in 0..50 {
        look(world).await;
        let now = show(world, batch).await;
        if now.row.finished_at.is_some() {
            return now;
        }
    }
    panic!("{:?}", show(world, batch).await);
}

async fn items(world: &World, batch: &Batch) -> Vec<Item> {
    world.house.app.batch_items(&world.ann, batch.row.id.as_str(), None, Page::first()).await.expect("items").rows
}

async fn standings(world: &World, batch: &Batch) -> Vec<(String, ItemState, String)> {
    let kind = |item: &Item| item.row.problem.as_deref().and_then(Problem::from_json).map_or(String::new(), |problem| problem.kind);
    items(world, batch).await.iter().map(|item| (item.key.clone(), item.row.state, kind(item))).collect()
}

async fn state(world: &World, name: &str) -> KeyState {
    world.key(name).await.state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_a_tag_is_changed_as_the_dry_run_said_and_nothing_else_cm_054_cm_055_cm_056() {
    let world = world_of(Engine::Sqlite, &["test", "prod", "test", "test"]).await;
    world.does("c", Ask::Deactivate).await;
    world.does("d", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    let before = world.requests().await;
    let foreseen = plan(&world, BatchAction::Deactivate, tagged("env=test")).await;
    let place = &foreseen.places[0];
    assert_eq!((foreseen.keys, place.changes, place.already_so, place.refused), (3, 1, 1, 1), "{foreseen:?}");
    assert_eq!(world.requests().await, before, "a dry run calls no cloud");
    assert_eq!(state(&world, "a").await, KeyState::Active, "and changes nothing");
    assert_eq!(foreseen.refused[0].name, "d");
    assert!(foreseen.micros > 0 && foreseen.cents_month == 0, "{foreseen:?}");

    let batch = begin(&world, BatchAction::Deactivate, tagged("env=test")).await;
    assert_eq!(look(&world).await, 1);
    let done = ended(&world, &batch).await;
    assert_eq!(done.row.state, BatchState::Done);
    let expected = [("a", ItemState::Done, ""), ("c", ItemState::Skipped, "already-so"), ("d", ItemState::Failed, "wrong-state")];
    assert_eq!(standings(&world, &batch).await, expected.map(|(name, state, kind)| (name.to_owned(), state, kind.to_owned())));
    assert_eq!((state(&world, "a").await, state(&world, "b").await), (KeyState::Inactive, KeyState::Active));
    assert_eq!(world.cloud_key(&world.key("a").await).await.expect("there")["state"], "PendingImport", "its material is away");

    let batch = begin(&world, BatchAction::Activate, Selector { states: vec![KeyState::Inactive], ..tagged("env") }).await;
    let done = ended(&world, &batch).await;
    assert_eq!(done.counts.get(&ItemState::Done), Some(&2), "{done:?}");
    assert_eq!((state(&world, "a").await, state(&world, "c").await), (KeyState::Active, KeyState::Active));
    let (_, history) = world.rest(0, "GET", "/v1/keys/a/history?limit=100", None).await;
    let names_it = |item: &serde_json::Value| item["entry"]["detail"]["batch"] == batch.row.id.as_str();
    assert_eq!(history["items"].as_array().expect("entries").iter().filter(|item| names_it(item)).count(), 1, "{history}");
    let (_, log) = world.rest(0, "GET", "/v1/audit?limit=1000", None).await;
    let said = |action: &str| log["items"].as_array().expect("entries").iter().filter(|item| item["entry"]["action"] == action).count();
    assert_eq!((said("batch.begin"), said("batch.finish")), (2, 2), "the audit log tells both batches");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_action_is_done_to_many_and_keys_are_counted_by_their_price_cm_057_cm_058_cm_060_cm_067() {
    let world = world_of(Engine::Sqlite, &["test", "test"]).await;
    let all = || Selector { all: true, ..Selector::default() };
    let foreseen = plan(&world, BatchAction::Renew, all()).await;
    assert_eq!((foreseen.keys, foreseen.cents_month), (2, 200), "a dollar a month for each successor: {foreseen:?}");
    let renewed = begin(&world, BatchAction::Renew, all()).await;
    assert_eq!(ended(&world, &renewed).await.counts.get(&ItemState::Done), Some(&2));
    assert_eq!(plan(&world, BatchAction::Renew, all()).await.keys, 2, "predecessors are not meant");
    let rotated = begin(&world, BatchAction::Rotate, all()).await;
    assert_eq!(ended(&world, &rotated).await.counts.get(&ItemState::Done), Some(&2));

    let change = TagsAndEnd { set_tags: tags(&[("team", "pay")]), remove_tags: vec!["env".into()], ..TagsAndEnd::default() };
    let updated = begin(&world, BatchAction::Update(change.clone()), all()).await;
    assert_eq!(ended(&world, &updated).await.counts.get(&ItemState::Done), Some(&2));
    assert_eq!(world.key("a").await.tags, tags(&[("team", "pay")]));
    let again = begin(&world, BatchAction::Update(change), all()).await;
    assert_eq!(ended(&world, &again).await.counts.get(&ItemState::Skipped), Some(&2), "what is already so is skipped");

    let current = || Selector { states: vec![KeyState::Active], ..Selector::default() };
    let foreseen = plan(&world, BatchAction::ScheduleDeletion(WaitingDays::SHORTEST), current()).await;
    assert_eq!(foreseen.cents_month, -200, "nothing is charged while a key counts down");
    let doomed = begin(&world, BatchAction::ScheduleDeletion(WaitingDays::SHORTEST), current()).await;
    ended(&world, &doomed).await;
    assert_eq!(state(&world, "a").await, KeyState::PendingDeletion);
    let saved = begin(&world, BatchAction::CancelDeletion, Selector { keys: vec!["a".into(), "b".into()], ..Selector::default() }).await;
    assert_eq!(ended(&world, &saved).await.counts.get(&ItemState::Done), Some(&2));
    assert_eq!(state(&world, "a").await, KeyState::Inactive);
}

/// CM-037: what somebody deleted in the cloud comes back with one batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystore_whose_material_is_gone_is_restored_as_a_batch_cm_037() {
    let world = world_of(Engine::Sqlite, &["test", "test", "test"]).await;
    for name in ["a", "c"] {
        let key = world.key(name).await;
        world.sandbox.advance(1);
        let id = key.id.clone();
        let gone = keystead_store::keys::CloudFacts { material_present: Some(false), ..Default::default() };
        let now = world.now();
        world.store().write("test", move |tx| keystead_store::keys::keep_facts(tx, &id, &gone, now)).await.expect("a store");
    }
    let first = KeyChange { tags: Some(tags(&[("tier", "1")])), ..KeyChange::default() };
    let started = world.house.app.update_key(&world.ann, &Request::default(), "c", first).await.expect("an intent");
    world.succeeds(started).await;
    let first = vec![TagWish::parse("tier=1").expect("a tag")];
    let lost = Selector { keystores: vec!["payments-eu".into()], without_material: true, first, ..Selector::default() };
    let foreseen = plan(&world, BatchAction::Upload, lost.clone()).await;
    assert_eq!((foreseen.keys, foreseen.micros), (2, 2 * 1_030_928), "two wrapping keys, one a second with headroom");
    let batch = begin(&world, BatchAction::Upload, lost.clone()).await;
    assert_eq!(ended(&world, &batch).await.counts.get(&ItemState::Done), Some(&2));
    assert_eq!(items(&world, &batch).await.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["c", "a"], "the more important first");
    assert!(world.key("a").await.material_present && world.key("c").await.material_present);
    let nothing = world
        .house
        .app
        .begin_batch(&world.ann, &Request::default(), NewBatch { action: BatchAction::Upload, selector: lost, expect_keys: None, expect_digest: None })
        .await;
    assert!(matches!(nothing, Err(Error::Invalid(invalid)) if invalid.field == "selector"), "nothing is left to restore");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_operation_holds_is_tried_again_and_one_that_fails_holds_up_no_other() {
    let world = world_of(Engine::Sqlite, &["test", "test", "test"]).await;
    let denied = Effect::Error { code: "AccessDeniedException".into(), status: 400, message: "not authorized to perform".into() };
    world.sandbox.add_faults([Fault {
        operation: "TagResource".into(),
        skip: 0,
        count: 1000,
        effect: Effect::Error { code: "KMSInternalException".into(), status: 500, message: "later".into() },
    }]);
    let change = KeyChange { tags: Some(tags(&[("env", "test"), ("held", "yes")])), ..KeyChange::default() };
    let holder = world.house.app.update_key(&world.ann, &Request::default(), "a", change).await.expect("an intent");
    let batch = begin(&world, BatchAction::Deactivate, tagged("env=test")).await;
    assert_eq!(world.house.app.look_at_batches().await.expect("a store"), 2, "the others go on");
    assert_eq!(standings(&world, &batch).await[0], ("a".to_owned(), ItemState::Waiting, "busy".to_owned()));
    world.sandbox.clear_faults();
    world.succeeds(holder).await;
    world.settle().await;
    assert_eq!(look(&world).await, 0, "it rests");
    world.sandbox.advance(REST as u64 + 1);
    assert_eq!(look(&world).await, 1);
    assert_eq!(ended(&world, &batch).await.counts.get(&ItemState::Done), Some(&3));

    world.sandbox.add_faults([Fault { operation: "GetParametersForImport".into(), skip: 0, count: 1, effect: denied }]);
    let batch = begin(&world, BatchAction::Activate, tagged("env=test")).await;
    let done = ended(&world, &batch).await;
    assert_eq!((done.counts.get(&ItemState::Done), done.counts.get(&ItemState::Failed)), (Some(&2), Some(&1)), "{done:?}");
    assert!(standings(&world, &batch).await.iter().any(|(_, state, kind)| *state == ItemState::Failed && kind == "cloud-access-denied"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_stopped_begins_nothing_more_and_one_goes_on_in_nobodys_name() {
    let world = world_of(Engine::Sqlite, &["test", "test"]).await;
    let batch = begin(&world, BatchAction::Deactivate, tagged("env=test")).await;
    let stopped = world.house.app.stop_batch(&world.ann, &Request::default(), batch.row.id.as_str()).await.expect("is stopped");
    assert_eq!((stopped.row.state, stopped.counts.get(&ItemState::Skipped)), (BatchState::Stopped, Some(&2)));
    assert_eq!(look(&world).await, 0);
    assert!(show(&world, &batch).await.row.finished_at.is_some());
    assert_eq!(state(&world, "a").await, KeyState::Active);
    let (status, refused) = world
        .rest(0, "POST", &format!("/v1/batches/{}/stop", ended(&world, &begin(&world, BatchAction::Activate, tagged("env")).await).await.row.id), None)
        .await;
    assert_eq!((status, &refused["field"]), (422, &json!("batch")), "what has ended is not stopped: {refused}");

    let (_, bobs) = world.rest(1, "POST", "/v1/batches", Some(json!({ "action": "deactivate", "selector": { "tags": ["env=test"] } }))).await;
    assert_eq!(world.rest(0, "POST", "/v1/users/bob/disable", None).await.0, 200);
    assert_eq!(look(&world).await, 0);
    let (_, seen) = world.rest(0, "GET", &format!("/v1/batches/{}", bobs["id"].as_str().expect("an id")), None).await;
    assert_eq!((&seen["state"], &seen["counts"]["skipped"]), (&json!("STOPPED"), &json!(2)), "{seen}");
}

/// A process dies in the middle, wherever: in the next life each key has one operation, and the end that it was to have.
async fn dies_in_the_middle(engine: Engine) {
    for die_at in [0, 3, 8, 14] {
        let world = world_of(engine, &["test", "test", "test"]).await;
        let batch = begin(&world, BatchAction::Deactivate, tagged("env=test")).await;
        world.hooks.arm(Some(die_at));
        let _the_process_may_be_dead = world.house.app.look_at_batches().await;
        let world = world.end().await.start().await;
        world.hooks.arm(None);
        let done = ended(&world, &batch).await;
        assert_eq!(done.counts.get(&ItemState::Done), Some(&3), "{die_at}: {done:?}");
        for name in ["a", "b", "c"] {
            assert_eq!(state(&world, name).await, KeyState::Inactive);
            let (_, operations) = world.rest(0, "GET", &format!("/v1/operations?key={name}"), None).await;
            let begun = operations["items"].as_array().expect("operations").iter().filter(|operation| operation["kind"] == "deactivate-key").count();
            assert_eq!(begun, 1, "{die_at}: {name} is begun once");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_goes_on_behind_a_crash_and_begins_nothing_twice() {
    dies_in_the_middle(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_looks_at_once_begin_each_key_once_on_postgresql() {
    let world = world_of(Engine::Postgres, &["test", "test", "test"]).await;
    let batch = begin(&world, BatchAction::Deactivate, tagged("env=test")).await;
    let (one, other) = tokio::join!(world.house.app.look_at_batches(), world.house.app.look_at_batches());
    assert_eq!(one.expect("a store") + other.expect("a store"), 3);
    world.settle().await;
    assert_eq!(ended(&world, &batch).await.counts.get(&ItemState::Done), Some(&3));
}
