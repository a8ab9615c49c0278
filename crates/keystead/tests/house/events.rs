//! Events of the cloud: what is done to a key is seen when it happens, and a difference says who made it (CM-018).

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use keystead_app::keys::lifecycle::Ask;
use keystead_domain::{OperationId, key::deletion::WaitingDays};
use keystead_sandbox::{RoleSeed, Settings, Statement};
use keystead_store::{events, locks};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    drift::{Deed, Meddler},
    world::{CUSTOMER, Engine, IDENTITY, ROLE, World},
};

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:keystead-events";
const MEDDLER: &str = "arn:aws:iam::123456789012:user/meddler";

/// Every deed, what it is found as, and the event that made it. An end that was moved has none: the control plane moves it, and not a call.
const DEEDS: [(Deed, &str, &str); 11] = [
    (Deed::Disable, "state", "DisableKey"),
    (Deed::EmptyIt, "material", "DeleteImportedKeyMaterial"),
    (Deed::TakeTheAlias, "alias-moved", "UpdateAlias"),
    (Deed::DropTheAlias, "alias-missing", "DeleteAlias"),
    (Deed::AddAnAlias, "alias-added", "CreateAlias"),
    (Deed::ChangeTags, "tags", "TagResource"),
    (Deed::DropKeysteadsTags, "own-tags", "UntagResource"),
    (Deed::Describe, "description", "UpdateKeyDescription"),
    (Deed::InviteStranger, "policy", "PutKeyPolicy"),
    (Deed::Grant, "grants", "CreateGrant"),
    (Deed::Count, "deletion", "ScheduleKeyDeletion"),
];

impl World {
    fn queues(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .endpoint_url(self.sandbox.endpoint())
            .credentials_provider(Credentials::new("AKIAMEDDLER000000001", "their-secret", None, None, "tests"));
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// Makes the queue, and lets Keystead listen to it. Somebody who meddles is there from then on.
    async fn with_queue(&self) -> Meddler<'_> {
        let meddler = Meddler::new(self);
        self.queues().create_queue().queue_name("keystead-events").send().await.expect("a queue");
        let (status, answer) = self.rest(0, "PUT", "/v1/keystores/payments-eu/event-queue", Some(json!({"queue": QUEUE}))).await;
        assert_eq!((status, &answer["queue"]), (200, &json!(QUEUE)), "{answer}");
        meddler
    }

    async fn hears(&self) -> usize {
        self.house.engine.listen().await.expect("a store")
    }

    async fn wakes(&self) -> usize {
        self.house.engine.look_at_woken().await.expect("a store")
    }

    async fn sends(&self, body: &str) {
        let url = format!("{}/{CUSTOMER}/keystead-events", self.sandbox.endpoint());
        self.queues().send_message().queue_url(url).message_body(body).send().await.expect("is sent");
    }

    async fn queue(&self) -> Value {
        self.rest(0, "GET", "/v1/keystores/payments-eu/event-queue", None).await.1
    }
}

fn forged(key: &str, name: &str, id: &str) -> String {
    json!({
        "source": "aws.kms", "account": CUSTOMER, "region": "eu-west-1", "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": "kms.amazonaws.com", "eventName": name, "eventID": id, "eventTime": "2026-11-20T16:00:00Z", "requestParameters": {"keyId": key},
            "userIdentity": {"arn": "arn:aws:iam::123456789012:user/framed"}
        }
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_meddler_does_is_seen_when_it_happens_and_says_who_did_it_cm_018() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let mut keys = Vec::new();
    for (at, _) in DEEDS.iter().enumerate() {
        keys.push(world.create(&format!("key-{at}")).await);
    }
    world.sync("payments-eu").await;
    assert!(world.hears().await > 0, "what Keystead did is told as well");
    assert_eq!(world.wakes().await, 0, "and explained by its operations");
    for (key, (deed, _, _)) in keys.iter().zip(DEEDS) {
        meddler.does(deed, key).await;
    }
    assert!(world.hears().await >= DEEDS.len());
    assert!(world.wakes().await >= DEEDS.len());
    let open = world.open_drift("").await;
    assert_eq!(open.len(), DEEDS.len(), "{open:?}");
    for (key, (deed, attribute, event)) in keys.iter().zip(DEEDS) {
        let drift = open.iter().find(|drift| drift["key"] == key.id.as_str()).expect("every key's");
        let cause = &drift["cause"];
        assert_eq!((&drift["attribute"], &cause["event"], &cause["who"]), (&json!(attribute), &json!(event), &json!(MEDDLER)), "{deed:?}: {drift}");
        assert!(cause["is_own"] == false && cause["from"] == "127.0.0.1" && !cause["request"].as_str().unwrap_or_default().is_empty(), "{cause}");
    }
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts?limit=1000", None).await;
    assert!(alerts.to_string().contains("UpdateAlias by arn:aws:iam::123456789012:user/meddler from 127.0.0.1"), "{alerts}");
    assert_eq!((world.hears().await, world.wakes().await), (0, 0), "nothing is told or looked at twice");
    // A sweep says the same, and keeps the cause.
    world.sync("payments-eu").await;
    assert_eq!(world.open_drift("").await.iter().filter(|drift| drift["cause"]["who"] == MEDDLER).count(), DEEDS.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_behind_the_sweep_gives_its_cause_then() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.sandbox.set_settings(Settings { events_delay_ms: 900_000, ..world.sandbox.settings() });
    meddler.does(Deed::Disable, &key).await;
    world.sync("payments-eu").await;
    let before = world.open_drift("").await;
    assert_eq!((before.len(), &before[0]["cause"]), (1, &json!(null)), "{before:?}");
    world.sandbox.advance(901_000_000);
    world.hears().await;
    assert_eq!(world.wakes().await, 1);
    let after = world.open_drift("").await;
    assert_eq!((&after[0]["id"], &after[0]["cause"]["event"]), (&before[0]["id"], &json!("DisableKey")), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_writes_into_the_queue_changes_nothing_and_is_looked_at_once() {
    let world = World::new(Engine::Sqlite).await;
    let _meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.hears().await;
    let id = key.cloud_key_id.clone().expect("a cloud key");
    for body in ["no JSON", "{}", "[1]", &"x".repeat(200_000)] {
        world.sends(body).await;
    }
    assert_eq!((world.hears().await, world.wakes().await, world.hears().await), (4, 0, 0), "rubbish is taken out and forgotten");
    for _ in 0..3 {
        world.sends(&forged(&id, "DisableKey", "e-1")).await;
    }
    world.sends(&forged(&id, "ScheduleKeyDeletion", "e-2")).await;
    world.sends(&forged("no-such-key", "DisableKey", "e-3")).await;
    assert_eq!((world.hears().await, world.wakes().await), (5, 2), "one look at each key");
    assert_eq!(world.open_drift("").await.len(), 0, "the cloud says otherwise");
    assert_eq!(world.key("orders").await.revision, key.revision);
    // A message that was not taken out comes again, and is known: who died in between has lost nothing.
    world.sends(&forged(&id, "DisableKey", "e-1")).await;
    assert_eq!((world.hears().await, world.wakes().await), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dies_between_writing_down_and_taking_out_hears_it_again_and_looks_once() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.hears().await;
    meddler.does(Deed::Disable, &key).await;
    world.sandbox_does(Method::POST, "faults", json!({"faults": [{"operation": "DeleteMessageBatch", "count": 1, "fault": "http_500"}]})).await;
    world.hears().await;
    assert!(world.queue().await["problem"].is_string(), "{}", world.queue().await);
    assert_eq!(world.wakes().await, 1, "what was written down is looked at");
    world.sandbox.advance(61_000_000);
    assert_eq!((world.hears().await, world.wakes().await), (1, 0));
    assert_eq!((world.open_drift("").await.len(), &world.queue().await["problem"]), (1, &json!(null)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deed_in_keysteads_own_name_that_keystead_did_not_do_is_told_as_such() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.hears().await;
    // Right behind an operation of Keystead's, which does not disable, somebody uses the role's session.
    world.sandbox.advance(1_000_000);
    meddler.as_keystead().await.disable_key().key_id(key.cloud_key_id.clone().expect("a cloud key")).send().await.expect("disables");
    assert_eq!((world.hears().await > 0, world.wakes().await), (true, 1));
    let open = world.open_drift("").await;
    let cause = &open[0]["cause"];
    assert_eq!((&cause["is_own"], &cause["who"]), (&json!(true), &json!("arn:aws:sts::123456789012:assumed-role/keystead/keystead-test")), "{open:?}");
    let (_, alerts) = world.rest(0, "GET", "/v1/alerts", None).await;
    assert!(alerts.to_string().contains("its credentials may be in other hands"), "{alerts}");
    let queue = world.queue().await;
    let unexplained = queue["unexplained"].as_array().expect("deeds");
    assert_eq!((unexplained.len(), &unexplained[0]["event"], &unexplained[0]["cloud_key"]), (1, &json!("DisableKey"), &json!(key.cloud_key_id)), "{queue}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_an_operation_has_in_hand_is_looked_at_behind_it() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.hears().await;
    meddler.does(Deed::ChangeTags, &key).await;
    let store = world.store();
    let (_, listed) = world.rest(0, "GET", "/v1/operations?limit=1", None).await;
    let operation = OperationId::parse(listed["items"][0]["id"].as_str().expect("an operation")).expect("an id");
    let (held, by) = (key.id.to_string(), operation.clone());
    store.write("tests.lock", move |tx| locks::take(tx, &held, &by)).await.expect("is held");
    assert_eq!((world.hears().await, world.wakes().await), (1, 1));
    assert_eq!(world.open_drift("").await.len(), 0);
    store.write("tests.unlock", move |tx| locks::release(tx, &operation)).await.expect("is free");
    assert_eq!(world.wakes().await, 0, "it rests");
    world.sandbox.advance(11_000_000);
    assert_eq!((world.wakes().await, world.open_drift("").await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_goes_for_good_is_seen_to_go() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.sync("payments-eu").await;
    meddler.does(Deed::Count, &key).await;
    world.sandbox.advance(8 * 86_400_000_000);
    world.hears().await;
    world.wakes().await;
    let open = world.open_drift("").await;
    assert_eq!((open.len(), &open[0]["attribute"], &open[0]["cause"]["event"]), (1, &json!("vanished"), &json!("ScheduleKeyDeletion")), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_cannot_be_heard_says_why_and_the_policy_grants_what_it_takes_cm_070() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let role =
        RoleSeed { allow: vec![Statement { actions: vec!["kms:*".into()], resources: vec!["*".into()] }], ..RoleSeed::new(ROLE, &[IDENTITY], Some("test-id")) };
    world.sandbox.put_role(role).expect("a role");
    let key = world.create("orders").await;
    assert_eq!(world.hears().await, 0);
    let queue = world.queue().await;
    assert!(queue["problem"].as_str().is_some_and(|problem| problem.contains("sqs:ReceiveMessage")) && queue["failing_since"].is_string(), "{queue}");
    let unheard = async || {
        let (_, keystore) = world.rest(0, "GET", "/v1/keystores/payments-eu", None).await;
        let reasons = keystore["health"]["reasons"].as_array().cloned().expect("reasons");
        reasons.into_iter().find(|reason| reason["reason"] == "events-unheard")
    };
    assert_eq!(unheard().await, None, "a moment is no reason");
    world.sandbox.advance(901_000_000);
    let reason = unheard().await.expect("a quarter of an hour is one");
    assert_eq!(reason["status"], "degraded", "{reason}");
    assert!(reason["mend"].as_str().is_some_and(|mend| mend.contains("drift events payments-eu")), "{reason}");
    let (_, policy) = world.rest(0, "GET", "/v1/keystores/payments-eu/policy", None).await;
    let statements = policy["permission_policy"]["Statement"].as_array().cloned().expect("statements");
    let hear = statements.iter().find(|statement| statement["Sid"] == "HearWhatIsDoneToKeys").expect("is granted");
    assert_eq!((&hear["Action"], &hear["Resource"]), (&json!(["sqs:ReceiveMessage", "sqs:DeleteMessage"]), &json!(QUEUE)));
    world.sandbox.put_role(RoleSeed::new(ROLE, &[IDENTITY], Some("test-id"))).expect("a role");
    meddler.does(Deed::Describe, &key).await;
    assert!(world.hears().await > 0 && world.wakes().await == 1);
    assert_eq!((&world.queue().await["problem"], &world.queue().await["failing_since"]), (&json!(null), &json!(null)));
    assert_eq!(unheard().await, None, "it is heard again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_another_place_or_another_keystore_is_refused_with_a_mend() {
    let world = World::new(Engine::Sqlite).await;
    let _meddler = world.with_queue().await;
    world.make_keystore("other").await;
    world.make_vault_keystore("shelf").await;
    for (keystore, queue, field, words) in [
        ("other", QUEUE, "queue", "listened to by the keystore payments-eu"),
        ("other", "arn:aws:sqs:us-east-1:123456789012:q", "queue", "arn:aws:sqs:eu-west-1:123456789012:keystead-events"),
        ("other", "arn:aws:sqs:eu-west-1:999999999999:q", "queue", "own account and Region"),
        ("other", "https://sqs.eu-west-1.amazonaws.com/123456789012/q", "queue", "Give the ARN"),
        ("other", "arn:aws:sqs:eu-west-1:123456789012:q/../x", "queue", "Give the ARN"),
        ("shelf", QUEUE, "keystore", "vault"),
    ] {
        let (status, refused) = world.rest(0, "PUT", &format!("/v1/keystores/{keystore}/event-queue"), Some(json!({ "queue": queue }))).await;
        assert_eq!((status, &refused["field"]), (422, &json!(field)), "{queue}: {refused}");
        assert!(refused.to_string().contains(words), "{words}: {refused}");
    }
    let (status, none) = world.rest(0, "PUT", "/v1/keystores/payments-eu/event-queue", Some(json!({}))).await;
    assert_eq!((status, &none["queue"]), (200, &json!(null)));
    let (status, _) = world.rest(0, "PUT", "/v1/keystores/other/event-queue", Some(json!({ "queue": QUEUE }))).await;
    assert_eq!(status, 200, "it is free now");
    assert_eq!(world.store().read("tests.queues", events::queues).await.expect("a store").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_put_out_of_use_here_makes_no_looks_of_its_own() {
    let world = World::new(Engine::Sqlite).await;
    let _meddler = world.with_queue().await;
    world.create("orders").await;
    world.does("orders", Ask::Deactivate).await;
    world.does("orders", Ask::Activate).await;
    assert!(world.hears().await > 5);
    assert_eq!(world.wakes().await, 0);
}

/// The countdown ends, the clean-up notes it, and then AWS's own event comes: a key that went as it should is not missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_was_meant_is_no_difference_whoever_comes_first() {
    let world = World::new(Engine::Sqlite).await;
    let _meddler = world.with_queue().await;
    for (name, cleans_up_first) in [("first", true), ("second", false)] {
        world.create(name).await;
        world.does(name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
        world.hears().await;
        world.sandbox.advance(8 * 86_400_000_000);
        for step in [cleans_up_first, !cleans_up_first] {
            if step {
                world.house.engine.clean_up().await.expect("a store");
                world.settle().await;
            } else {
                assert!(world.hears().await > 0);
                world.wakes().await;
            }
        }
        assert_eq!(world.open_drift("").await.len(), 0, "{name}: {:?}", world.open_drift("").await);
    }
}

/// Keystead's own repair is not taken for the deed of a thief when somebody does the same again, and their event is late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keystead_did_itself_is_nobodys_deed() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    meddler.does(Deed::TakeTheAlias, &key).await;
    world.sync("payments-eu").await;
    let drift = world.open_drift("").await[0]["id"].as_str().expect("an id").to_owned();
    let (status, _) = world.rest(0, "POST", &format!("/v1/drifts/{drift}/repair"), None).await;
    assert_eq!(status, 200);
    world.sandbox.advance(3_600_000_000);
    world.hears().await;
    world.wakes().await;
    assert_eq!(world.open_drift("").await.len(), 0);
    // A day later, and the event of it does not come.
    world.sandbox.advance(86_400_000_000);
    world.sandbox.set_settings(Settings { events_delay_ms: 900_000, ..world.sandbox.settings() });
    meddler.does(Deed::TakeTheAlias, &world.key("orders").await).await;
    world.sync("payments-eu").await;
    let open = world.open_drift("").await;
    assert_eq!((open.len(), &open[0]["cause"]), (1, &json!(null)), "{open:?}");
    world.sandbox.advance(901_000_000);
    world.hears().await;
    world.wakes().await;
    assert_eq!(world.open_drift("").await[0]["cause"]["who"], MEDDLER);
}

/// An older look that is written last does not undo what a later one saw.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_sync_saw_before_does_not_end_what_an_event_showed() {
    let world = World::new(Engine::Sqlite).await;
    let meddler = world.with_queue().await;
    let key = world.create("orders").await;
    world.hears().await;
    // The sync sees the key, and one that it looks at beside it takes long.
    let slow = world.create("slow").await;
    world.sandbox_does(Method::POST, "faults", json!({"faults": [{"operation": "ListGrants", "skip": 1, "count": 1, "fault": "delay", "millis": 3000}]})).await;
    let (_, started) = world.rest(0, "POST", "/v1/keystores/payments-eu/sync?wait=0s", None).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    meddler.does(Deed::Disable, &key).await;
    meddler.does(Deed::Disable, &slow).await;
    world.hears().await;
    world.wakes().await;
    let seen = world.open_drift("&state=OPEN").await.len();
    world.settle().await;
    assert_eq!((seen, world.open_drift("").await.len()), (2, 2), "{started}: {:?}", world.open_drift("&state=any").await);
}
