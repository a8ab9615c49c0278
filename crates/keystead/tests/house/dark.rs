//! The kill switch: a key is out of use everywhere at once, it is shown since when, and comes back as it was (FT-019).

use keystead_app::{
    Error, Request,
    keys::{kill::Killed, lifecycle::Ask},
};
use keystead_domain::KeyState;
use keystead_sandbox::{Effect, Fault, RoleSeed, Statement};
use serde_json::{Value, json};

use crate::{
    application::Application,
    families::{add_replica, make_primary},
    linked,
    world::{Engine, IDENTITY, ROLE, World},
};

/// A multi-Region key in two Regions that was renewed once, and a copy of the newer in a third.
async fn spread() -> World {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore_in("payments-us", "us-east-1").await;
    world.make_keystore_in("payments-de", "eu-central-1").await;
    make_primary(&world, "orders").await;
    add_replica(&world, "orders", "payments-us").await;
    world.does("orders", Ask::Renew).await;
    linked::copy(&world, "orders", linked::to(&["payments-de"])).await;
    world
}

async fn killed(world: &World, name: &str) -> Vec<Killed> {
    let page = keystead_store::page::Page::first();
    let kills = world.house.app.key_kills(&world.ann, name, page).await.expect("a list");
    kills.rows.into_iter().next().expect("a kill").1
}

fn lag(world: &World, millis: u64) {
    world.sandbox.set_settings(keystead_sandbox::Settings { disable_lag_ms: millis, ..world.sandbox.settings() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_reaches_regions_copies_and_predecessors_and_a_restore_brings_all_back_as_they_were_ft_019() {
    let world = spread().await;
    let here = Application::new(&world).await;
    let old = world.key("orders").await.predecessor_id.expect("was renewed");
    let old_arn = world.key(old.as_str()).await.cloud_arn.expect("an ARN");
    let sealed = here.encrypt(&old_arn, b"an old order").await;

    lag(&world, 300);
    world.kills("orders").await;
    let victims = killed(&world, "orders").await;
    let mut seen: Vec<(&str, &str)> = victims.iter().map(|one| (one.key.region.as_str(), one.from.as_str())).collect();
    seen.sort_unstable();
    let expected = [("eu-central-1", "ACTIVE"), ("eu-west-1", "ACTIVE"), ("eu-west-1", "REPLACED"), ("us-east-1", "ACTIVE"), ("us-east-1", "REPLACED")];
    assert_eq!(seen, expected);
    for one in &victims {
        assert_eq!(one.key.state, KeyState::Inactive);
        let dark = one.dark.as_ref().expect("was tried");
        assert_eq!(dark.proof, "refused", "{dark:?}");
        assert!(dark.by.starts_with("Encrypt: "), "{dark:?}");
        // The state showed Disabled at once; what counts is when the use was refused.
        assert!(dark.micros.is_some_and(|micros| (300_000..20_000_000).contains(&micros)), "{dark:?}");
        assert_eq!(world.cloud_key(&one.key).await.expect("is there")["state"], "PendingImport");
    }
    assert_eq!(here.refused(&old_arn).await.as_deref(), Some("KMSInvalidStateException"));
    assert_eq!(world.rest(0, "POST", "/v1/keys/orders/kill", None).await.1["no_op"], true);

    let (status, answer) = world.rest(0, "POST", "/v1/keys/orders/restore", None).await;
    assert_eq!((status, answer["operation"]["state"].as_str()), (200, Some("SUCCEEDED")), "{answer}");
    for one in &victims {
        assert_eq!(world.key(one.key.id.as_str()).await.state.as_str(), one.from);
    }
    assert_eq!(here.decrypt(&sealed.blob).await, b"an old order");
    assert_eq!(world.rest(0, "POST", "/v1/keys/orders/restore", None).await.1["no_op"], true, "nothing is left to restore");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_takes_its_source_along_and_predecessors_can_be_spared_ft_019() {
    let world = spread().await;
    let (status, answer) = world.rest(0, "POST", "/v1/keys/orders_copy1/kill", Some(json!({"lineage": false}))).await;
    assert_eq!((status, answer["operation"]["state"].as_str()), (200, Some("SUCCEEDED")), "{answer}");
    let told = answer["operation"]["kill"].as_array().expect("a table");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|one| one["from_state"] == "ACTIVE" && one["dark"]["proof"] == "refused" && one["emptied"] == true), "{told:?}");
    let newer = world.key("orders").await;
    assert_eq!(newer.state, KeyState::Inactive);
    assert_eq!(world.key(newer.predecessor_id.expect("was renewed").as_str()).await.state, KeyState::Replaced);
    // The source was not named: it comes back by itself with `activate`, its copy by itself.
    let (status, refused) = world.rest(0, "POST", "/v1/keys/orders/restore", None).await;
    assert_eq!((status, refused["field"].as_str()), (422, Some("key")), "{refused}");
    world.does("orders", Ask::Activate).await;
    world.does("orders_copy1", Ask::Activate).await;
    assert_eq!(world.key("orders_copy1").await.state, KeyState::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blast_radius_names_what_a_kill_takes_out_of_use_and_says_what_no_sync_has_seen_aw_045() {
    let world = spread().await;
    world.sync("payments-eu").await;
    let (status, told) = world.rest(0, "GET", "/v1/keys/orders/blast-radius", None).await;
    assert_eq!(status, 200, "{told}");
    let keys = told["keys"].as_array().expect("keys");
    let mut relations: Vec<&str> = keys.iter().filter_map(|key| key["relation"].as_str()).collect();
    assert_eq!(relations[0], "itself");
    relations.sort_unstable();
    assert_eq!(relations, ["copy", "itself", "predecessor", "predecessor", "replica"]);
    let itself = &keys[0];
    assert_eq!((&itself["aliases"], &itself["grants"]), (&json!(["orders", "orders/more"]), &json!(0)), "{itself}");
    assert!(itself["principals"][0].as_str().is_some_and(|who| who.ends_with(":root")) && itself["seen_at"].is_string(), "{itself}");
    let copy = keys.iter().find(|key| key["relation"] == "copy").expect("a copy");
    assert_eq!((&copy["seen_at"], &copy["grants"], &copy["principals"]), (&json!(null), &json!(null), &json!(null)), "not known is not none");
}

async fn kill_keystore(world: &World, body: Value) -> (u16, Value) {
    world.rest(0, "POST", "/v1/keystores/payments-eu/kill", Some(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_selection_is_killed_key_by_key_after_a_dry_run_that_changes_nothing_ft_019() {
    let world = spread().await;
    world.create("invoices").await;
    world.start_create("halves").await;
    world.settle().await;
    let before = crate::refusals::everything(&world).await;
    let (status, plan) = kill_keystore(&world, json!({"all": true, "dry_run": true})).await;
    assert_eq!((status, plan["kills"].as_u64(), plan["reached"].as_array().map(Vec::len)), (200, Some(3), Some(7)), "{plan}");
    // In eu-west-1 four keys are disabled, at five a second: the last 0.6 s behind the first.
    let here = plan["paces"].as_array().into_iter().flatten().find(|pace| pace["scope"].as_str().is_some_and(|scope| scope.contains("eu-west-1")));
    assert_eq!(here.map(|pace| (pace["keys"].as_u64(), pace["micros"].as_i64())), Some((Some(4), Some(600_000))), "{plan}");
    assert_eq!(crate::refusals::everything(&world).await, before, "a dry run changes nothing");

    for body in [json!({}), json!({"all": true, "tags": {"team": "pay"}}), json!({"al": true})] {
        assert_eq!(kill_keystore(&world, body.clone()).await.0, 422, "{body}");
    }
    assert_eq!(kill_keystore(&world, json!({"tags": {"team": "nobody"}})).await.1["kills"], 0);
    let (status, killed) = kill_keystore(&world, json!({"all": true})).await;
    assert_eq!((status, killed["started"].as_array().map(Vec::len)), (200, Some(3)), "{killed}");
    let (_, again) = kill_keystore(&world, json!({"all": true})).await;
    assert_eq!((&again["kills"], &again["left"]), (&json!(0), &json!([])));
    for name in ["orders", "orders_us-east-1", "orders_copy1", "invoices", "halves"] {
        assert_eq!(world.key(name).await.state, KeyState::Inactive, "{name}");
    }
    world.rest(0, "POST", "/v1/keys/invoices/restore", None).await;
    assert_eq!(world.key("invoices").await.state, KeyState::Active);
}

/// It is out of use, so there is nothing to kill; and it will not stay so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_brought_back_just_now_is_named_by_the_dry_run_and_stays_out_behind_a_kill_of_its_keystore_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    world.does("orders", Ask::Deactivate).await;
    let fails = Effect::Error { code: "KMSInternalException".into(), status: 500, message: String::new() };
    world.sandbox.add_faults([Fault { operation: "ImportKeyMaterial".into(), skip: 0, count: 999, effect: fails }]);
    let activation = world.start("orders", Ask::Activate).await.operation.expect("an operation").id;
    let (_, told) = kill_keystore(&world, json!({"all": true, "dry_run": true})).await;
    assert_eq!((&told["kills"], &told["left"][0]["name"], &told["left"][0]["operation"]), (&json!(0), &json!("orders"), &json!(activation.as_str())), "{told}");
    assert_eq!(kill_keystore(&world, json!({"tags": {"team": "nobody"}})).await.1["left"], json!([]), "of another selection it is none");
    let (_, told) = kill_keystore(&world, json!({"all": true})).await;
    assert_eq!((&told["kills"], &told["left"]), (&json!(0), &json!([])), "{told}");
    let (_, ended) = world.rest(0, "GET", &format!("/v1/operations/{activation}"), None).await;
    assert!(ended["state"] == "FAILED" && ended["problem"].to_string().contains("turned-round"), "{ended}");
    assert_eq!(world.key("orders").await.state, KeyState::Inactive);
}

/// A role that may do all but use keys, as the policy that we print makes it.
fn cannot_use() -> RoleSeed {
    let deny = ["kms:Encrypt", "kms:Decrypt", "kms:Verify*", "kms:Sign", "kms:GenerateMac"].map(str::to_owned).to_vec();
    RoleSeed { deny: vec![Statement { actions: deny, resources: vec!["*".to_owned()] }], ..RoleSeed::new(ROLE, &[IDENTITY], Some("test-id")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_permission_to_try_the_answer_says_that_only_the_clouds_word_is_known_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    world.sandbox.put_role(cannot_use()).expect("a role");
    world.kills("orders").await;
    let victims = killed(&world, "orders").await;
    let dark = victims[0].dark.as_ref().expect("was looked at");
    assert_eq!((dark.proof.as_str(), dark.micros.is_some()), ("shown", true));
    assert!(dark.by.contains("PendingImport") && dark.by.contains("AccessDenied"), "{dark:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_refuses_stops_no_other_ft_019() {
    let world = spread().await;
    let world_key = world.key("orders").await;
    let replica = world.key("orders_us-east-1").await;
    let faults = vec![Fault {
        operation: "DisableKey".into(),
        skip: 0,
        count: 1,
        effect: Effect::Error { code: "KMSInternalException".into(), status: 500, message: String::new() },
    }];
    world.sandbox.add_faults(faults);
    world.kills("orders").await;
    for key in [world_key, replica] {
        assert_eq!(world.key(key.id.as_str()).await.state, KeyState::Inactive);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_deleted_in_the_cloud_is_dark_and_holds_nothing_up_ft_019() {
    let world = spread().await;
    world.sandbox.advance(400_000_000);
    let copy = world.key("orders_copy1").await;
    world.sandbox_does(reqwest::Method::DELETE, "keys", json!({ "key": copy.cloud_arn })).await;
    world.kills("orders").await;
    let victims = killed(&world, "orders").await;
    let of_copy = victims.iter().find(|one| one.key.id == copy.id).and_then(|one| one.dark.clone()).expect("was tried");
    assert_eq!((of_copy.proof.as_str(), of_copy.by.as_str()), ("refused", "Encrypt: NotFoundException"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_the_clouds_is_disabled_and_keeps_its_material_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.seed("found", 1, json!({"aliases": 1, "exact": true})).await;
    world.sync("payments-eu").await;
    world.kills("found").await;
    let victims = killed(&world, "found").await;
    assert!(victims[0].material_stays);
    assert_eq!(world.cloud_key(&victims[0].key).await.expect("is there")["state"], "Disabled");
    let restored = world.house.app.restore_key(&world.ann, &Request::default(), "found").await.expect("an intent");
    world.succeeds(restored).await;
    assert_eq!(world.cloud_key(&victims[0].key).await.expect("is there")["state"], "Enabled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_key_is_not_killed_and_nothing_changes_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    world.does("orders", Ask::ScheduleDeletion(keystead_domain::key::deletion::WaitingDays::SHORTEST)).await;
    let (status, answer): (u16, Value) = world.rest(0, "POST", "/v1/keys/orders/kill", None).await;
    assert_eq!((status, answer["no_op"].as_bool()), (200, Some(true)), "it counts down and cannot be used: {answer}");
    let error = world.house.app.restore_key(&world.ann, &Request::default(), "orders").await.expect_err("was never killed");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}

/// What a renewal, an upload or an update of a key comes to when it has the key in hand at its call of this number, and a kill of the key is asked.
async fn is_killed_in_the_middle(ask: &Value, call: u32) -> (String, u32) {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    let before = world.requests().await;
    world.sandbox.add_faults([Fault { operation: "*".into(), skip: call, count: 100_000, effect: throttled() }]);
    let path = format!("/v1/keys/orders{}", ask["path"].as_str().unwrap_or_default());
    let (_, begun) = world.rest_now(ask["method"].as_str().unwrap_or_default(), &path, ask["body"].as_object().map(|_| ask["body"].clone())).await;
    let id = begun["operation"]["id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let operation = async || world.rest(0, "GET", &format!("/v1/operations/{id}"), None).await.1;
    while operation().await["attempts"] == 0 && operation().await["state"] == "RUNNING" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let calls = u32::try_from(world.requests().await - before).unwrap_or(u32::MAX);
    // The weather gets better while the kill waits, as it does at last.
    let kill = async {
        let (status, killed) = world.rest(0, "POST", "/v1/keys/orders/kill", None).await;
        assert_eq!((status, &killed["operation"]["state"]), (200, &json!("SUCCEEDED")), "{call}: {killed}");
    };
    let weather = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        world.sandbox.clear_faults();
    };
    tokio::join!(kill, weather);
    let ended = operation().await;
    world.settle().await;
    for key in crate::comparison::keys_of(&world.house, &world.ann.account, &keystead_store::keys::KeyFilter::default()).await {
        assert!(key.state != KeyState::Active && key.state != KeyState::Creating, "{call}: {key:?}");
        let cloud = crate::comparison::Cloud::of(world.cloud_keys().await);
        crate::comparison::check_key(&world.house, &key, &cloud, &format!("{ask} {call}")).await;
    }
    (
        format!(
            "{} {}",
            ended["state"].as_str().unwrap_or_default(),
            ended["problem"]["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default()
        ),
        calls,
    )
}

fn throttled() -> Effect {
    Effect::Error { code: "ThrottlingException".into(), status: 400, message: "Rate exceeded".into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_turns_round_what_has_its_key_in_hand_wherever_that_is_ft_019() {
    let asks = [
        json!({"method": "POST", "path": "/renew"}),
        json!({"method": "POST", "path": "/upload"}),
        json!({"method": "PATCH", "path": "", "body": {"description": "other", "tags": {"team": "other"}}}),
    ];
    for ask in asks {
        let mut turned = 0;
        for call in 0.. {
            let (ended, calls) = is_killed_in_the_middle(&ask, call).await;
            turned += usize::from(ended == "FAILED turned-round");
            if calls <= call {
                assert!(ended.starts_with("SUCCEEDED") && call > 1, "{ask} {call}: behind its last call it has ended: {ended}");
                break;
            }
            assert!(ended == "FAILED turned-round" || ended.starts_with("SUCCEEDED"), "{ask} {call}: {ended}");
        }
        assert!(turned > 0, "{ask}: none was turned round");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_does_not_wait_for_a_renewal_that_waits_for_a_sealed_vault_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    for name in ["orders", "invoices"] {
        world.create(name).await;
    }
    world.house.engine.parts().vault.seal();
    for name in ["orders", "invoices"] {
        let (status, begun) = world.rest_now("POST", &format!("/v1/keys/{name}/upload"), None).await;
        assert_eq!(status, 202, "{begun}");
    }
    let (status, killed) = world.rest(0, "POST", "/v1/keys/orders/kill", None).await;
    assert_eq!((status, &killed["operation"]["state"]), (200, &json!("SUCCEEDED")), "{killed}");
    let (status, killed) = kill_keystore(&world, json!({"all": true})).await;
    assert_eq!((status, killed["started"].as_array().map(Vec::len), &killed["left"]), (200, Some(1), &json!([])), "{killed}");
    for name in ["orders", "invoices"] {
        assert_eq!(world.key(name).await.state, KeyState::Inactive, "{name}");
    }
    let (_, history) = world.rest(0, "GET", "/v1/operations", None).await;
    let turned = history["items"].as_array().expect("operations").iter().filter(|one| one["problem"].to_string().contains("turned-round")).count();
    assert_eq!(turned, 2, "{history}");
    let (_, log) = world.rest(0, "GET", "/v1/audit?limit=200", None).await;
    assert!(log.to_string().contains("turned_round"), "who was turned round, and by whom, is in the audit log: {log}");
}

/// What hangs on the newer key is turned round while the older one's kill has begun already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_held_is_killed_although_its_predecessor_is_already_ft_019() {
    let world = World::new(Engine::Sqlite).await;
    world.create("orders").await;
    world.does("orders", Ask::Renew).await;
    world.sandbox.add_faults([Fault { operation: "UpdateKeyDescription".into(), skip: 0, count: 100_000, effect: throttled() }]);
    let (status, begun) = world.rest_now("PATCH", "/v1/keys/orders", Some(json!({"description": "other"}))).await;
    assert_eq!(status, 202, "{begun}");
    let (status, killed) = kill_keystore(&world, json!({"all": true})).await;
    assert_eq!((status, killed["started"].as_array().map(Vec::len), &killed["left"]), (200, Some(2), &json!([])), "{killed}");
    world.settle().await;
    let now = world.key("orders").await;
    let before = world.key(now.predecessor_id.as_ref().expect("was renewed").as_str()).await;
    assert_eq!((now.state, before.state), (KeyState::Inactive, KeyState::Inactive));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_brought_back_just_now_stays_out_behind_a_kill_of_its_source_ft_019() {
    for of_keystore in [false, true] {
        let world = World::new(Engine::Sqlite).await;
        world.make_keystore_in("payments-de", "eu-central-1").await;
        world.create("orders").await;
        linked::copy(&world, "orders", linked::to(&["payments-de"])).await;
        world.does("orders_copy1", Ask::Deactivate).await;
        world.sandbox.add_faults([Fault { operation: "ImportKeyMaterial".into(), skip: 0, count: 100_000, effect: throttled() }]);
        let activation = world.start("orders_copy1", Ask::Activate).await.operation.expect("an operation").id;
        if of_keystore {
            let (status, killed) = kill_keystore(&world, json!({"all": true})).await;
            assert_eq!((status, killed["started"].as_array().map(Vec::len), &killed["left"]), (200, Some(1), &json!([])), "{killed}");
        } else {
            assert_eq!(world.rest(0, "POST", "/v1/keys/orders/kill", None).await.0, 200);
        }
        world.sandbox.clear_faults();
        world.settle().await;
        let (_, ended) = world.rest(0, "GET", &format!("/v1/operations/{activation}"), None).await;
        assert!(ended["state"] == "FAILED" && ended["problem"].to_string().contains("turned-round"), "{ended}");
        for name in ["orders", "orders_copy1"] {
            assert_eq!(world.key(name).await.state, KeyState::Inactive, "{name}");
        }
    }
}
