//! Multi-Region keys through their whole life: a primary, its replicas in other Regions, in step with it, promoted, renewed and removed (FT-046 to FT-050, FT-054,
//! FT-060, CM-015 lifted).

use aws_sdk_kms::types::{MacAlgorithmSpec, SigningAlgorithmSpec};
use keystead_app::{
    Error, Request, Started,
    keys::{
        copy::NewCopies,
        create::NewKey,
        family::NewReplica,
        lifecycle::Ask,
        update::KeyChange,
        waves::{Copies, RotateCopies},
    },
};
use keystead_domain::{Aliases, KeySpec, KeyState, Name, RegionRole, key::deletion::WaitingDays, key::expiry::ExpiryPolicy, time::DAY};
use keystead_sandbox::{Effect, Fault};
use keystead_store::{keys::KeyRow, operations};
use serde_json::{Value, json};

use crate::{
    application::Application,
    comparison::{Cloud, check_aliases, check_key, check_leftovers},
    linked,
    world::{Engine, World},
};

/// A multi-Region primary with an alias of its own.
pub async fn make_primary(world: &World, name: &str) -> KeyRow {
    let new = NewKey { multi_region: true, ..world.new_key("payments-eu", name) };
    let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
    world.succeeds(started).await;
    world.key(name).await
}

pub async fn start_replica(world: &World, primary: &str, keystore: &str) -> Started {
    let new = NewReplica { keystore: keystore.into(), ..NewReplica::default() };
    world.house.app.add_replica(&world.ann, &Request::default(), primary, new).await.unwrap_or_else(|error| panic!("{primary} to {keystore}: {error:?}"))
}

pub async fn add_replica(world: &World, primary: &str, keystore: &str) -> KeyRow {
    let started = start_replica(world, primary, keystore).await;
    let id = started.key.as_ref().expect("the replica").id.to_string();
    world.succeeds(started).await;
    world.key(&id).await
}

pub async fn start_promotion(world: &World, replica: &str) -> Started {
    world.house.app.promote_replica(&world.ann, &Request::default(), replica).await.expect("an intent")
}

/// A replica that is in use ends when its primary does, by the same policy.
pub fn check_in_step(keys: &[KeyRow], told: &str) {
    for replica in keys.iter().filter(|key| key.ties.role == RegionRole::Replica) {
        let primary = keys.iter().find(|key| Some(&key.id) == replica.ties.primary.as_ref()).unwrap_or_else(|| panic!("{told}: a replica without a primary"));
        assert_eq!(replica.state, primary.state, "{told}");
        let end = |key: &KeyRow| (key.expires_at, key.expiry_span, key.expiry_policy);
        assert_eq!(end(replica), end(primary), "{told}: {} ends otherwise than {}", replica.name, primary.name);
        assert_eq!(replica.cloud_key_id, primary.cloud_key_id, "{told}: a family has one id (FT-049)");
    }
}

async fn with_regions() -> World {
    let world = World::new(Engine::Sqlite).await;
    world.make_keystore_in("payments-us", "us-east-1").await;
    world.make_keystore_in("payments-de", "eu-central-1").await;
    world
}

async fn family_of(world: &World, name: &str) -> Vec<KeyRow> {
    let family = world.house.app.family(&world.ann, name).await.expect("a family");
    std::iter::once(family.primary).chain(family.replicas).collect()
}

/// Vault, database and cloud agree on every member, and the members with each other.
async fn check(world: &World, name: &str, told: &str) -> Vec<KeyRow> {
    let (members, cloud) = (family_of(world, name).await, Cloud::of(world.cloud_keys().await));
    for member in &members {
        check_key(&world.house, member, &cloud, told).await;
    }
    check_aliases(&members, &cloud, told);
    check_leftovers(&world.house, &world.ann.account, &cloud, told).await;
    members
}

fn states(members: &[KeyRow]) -> Vec<KeyState> {
    members.iter().map(|key| key.state).collect()
}

/// The refusal's field, and that its words name all of these.
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, words: &[&str]) -> String {
    let Err(Error::Invalid(invalid)) = answer else { panic!("{answer:?}") };
    let said = format!("{} {}", invalid.reason, invalid.mend);
    words.iter().for_each(|word| assert!(said.contains(word), "{said} does not say {word}"));
    invalid.field
}

async fn ask(world: &World, name: &str, ask: Ask) -> Result<Started, Error> {
    world.house.app.ask(&world.ann, &Request::default(), name, ask).await
}

async fn wait_for_rest(world: &World) {
    while world.house.engine.in_hand() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Moves the clock and cleans up what has ended.
async fn days_pass(world: &World, days: i64) {
    world.sandbox.advance((days * DAY) as u64);
    world.house.engine.clean_up().await.expect("a store");
    wait_for_rest(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_lives_from_its_primary_to_the_last_of_its_members_ft_046_to_050() {
    let world = with_regions().await;
    let primary = make_primary(&world, "orders").await;
    assert!(primary.cloud_key_id.as_deref().is_some_and(|id| id.starts_with("mrk-")), "{primary:?}");
    let us = add_replica(&world, "orders", "payments-us").await;
    let de = add_replica(&world, "orders", "payments-de").await;
    assert_eq!((us.name.as_str(), us.region.as_str(), de.name.as_str()), ("orders_us-east-1", "us-east-1", "orders_eu-central-1"));
    check_in_step(&check(&world, "orders", "made").await, "made");

    // FT-049, FT-050: encrypted in one Region, decrypted in the others, by the alias that each has.
    let (here, there, german) =
        (Application::new(&world).await, Application::in_region(&world, "us-east-1").await, Application::in_region(&world, "eu-central-1").await);
    let sealed = here.encrypt("alias/orders", b"an order").await;
    assert_eq!((there.decrypt(&sealed.blob).await, german.decrypt(&sealed.blob).await), (b"an order".to_vec(), b"an order".to_vec()));
    let back = there.encrypt("alias/orders", b"another").await;
    assert_eq!((back.key_arn.as_str(), here.decrypt(&back.blob).await), (us.cloud_arn.as_deref().unwrap_or_default(), b"another".to_vec()));

    // Out of use and back, in every Region.
    world.does("orders", Ask::Deactivate).await;
    assert_eq!(states(&check(&world, "orders_us-east-1", "deactivated").await), [KeyState::Inactive; 3]);
    world.does("orders", Ask::Activate).await;
    check_in_step(&check(&world, "orders", "activated").await, "activated");

    // Rotated: new material in every Region, the aliases follow, and what was encrypted before still opens.
    world.does("orders", Ask::Rotate).await;
    let renewed = check(&world, "orders", "rotated").await;
    assert_eq!(renewed.len(), 3);
    assert_ne!(renewed[0].id, primary.id);
    check_in_step(&renewed, "rotated");
    assert_eq!(states(&check(&world, primary.id.as_str(), "the old family").await), [KeyState::Replaced; 3]);
    let newer = there.encrypt("alias/orders", b"of today").await;
    assert_ne!(newer.key_arn, back.key_arn);
    assert_eq!((german.decrypt(&newer.blob).await, german.decrypt(&sealed.blob).await), (b"of today".to_vec(), b"an order".to_vec()));

    // Promoted: the roles change, and nothing else.
    let promoted = start_promotion(&world, "orders_us-east-1").await;
    world.succeeds(promoted).await;
    let members = check(&world, "orders", "promoted").await;
    assert_eq!((members[0].region.as_str(), members[0].ties.role, members.len()), ("us-east-1", RegionRole::Primary, 3));
    check_in_step(&members, "promoted");
    assert_eq!(here.decrypt(&newer.blob).await, b"of today");

    // The old primary goes, and the material that lay with it stays for the others.
    let old = world.key("orders").await;
    assert_eq!(old.ties.role, RegionRole::Replica);
    world.does("orders", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    days_pass(&world, 8).await;
    assert_eq!(world.key(old.id.as_str()).await.state, KeyState::Deleted);
    world.does("orders_us-east-1", Ask::Deactivate).await;
    world.does("orders_us-east-1", Ask::Activate).await;
    assert_eq!(states(&check(&world, "orders_us-east-1", "two are left").await), [KeyState::Active; 2]);
    assert_eq!(there.decrypt(&newer.blob).await, b"of today");
    the_rest_goes(&world, &primary).await;
}

/// Everything is deleted, replicas before primaries; then no material is left.
async fn the_rest_goes(world: &World, old_primary: &KeyRow) {
    for (primary, replica) in [("orders_us-east-1".to_owned(), "orders_eu-central-1".to_owned())] {
        refused(ask(world, &primary, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await, &[&replica, "last replica", "promote"]);
        world.does(&replica, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
        world.does(&primary, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
        refused(ask(world, &replica, Ask::CancelDeletion).await, &["cancel-deletion", &primary]);
        check(world, &primary, "going").await;
    }
    for member in family_of(world, old_primary.id.as_str()).await.iter().rev() {
        world.does(member.id.as_str(), Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    }
    // A week until the last replica is gone, and then the primary's own.
    for _ in 0..4 {
        days_pass(world, 8).await;
    }
    let rows = crate::comparison::keys_of(&world.house, &world.ann.account, &Default::default()).await;
    assert!(rows.iter().all(|key| key.state == KeyState::Deleted), "{rows:?}");
    assert_eq!(Cloud::of(world.cloud_keys().await).len(), 0);
    let left = world.store().read("test", keystead_store::versions::progress).await.expect("a store");
    assert_eq!(left.1, 0, "no material is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_material_moves_in_every_region() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    add_replica(&world, "orders", "payments-us").await;
    let change = KeyChange { expiry_policy: Some(ExpiryPolicy::Extend), expires: Some(Some(world.now().plus_days(60))), ..KeyChange::default() };
    let asked_of_replica = world.house.app.update_key(&world.ann, &Request::default(), "orders_us-east-1", change.clone()).await;
    refused(asked_of_replica, &["orders", "primary"]);
    let moved = world.house.app.update_key(&world.ann, &Request::default(), "orders", change).await.expect("an intent");
    world.succeeds(moved).await;
    check_in_step(&check(&world, "orders", "moved").await, "moved");

    world.sandbox.advance((55 * DAY) as u64);
    assert_eq!(world.house.engine.look_at_expiry().await.expect("a store"), 1, "one operation for the whole family");
    wait_for_rest(&world).await;
    let extended = check(&world, "orders", "extended").await;
    check_in_step(&extended, "extended");
    let end = |there: &Value| there["materials"][0]["expires_micros"].as_i64();
    for member in &extended {
        assert_eq!(end(&world.cloud_key(member).await.expect("a cloud key")), member.expires_at.map(|at| at.as_micros()), "{}", member.name);
        assert!(member.expires_at > Some(world.now().plus_days(50)));
    }
    assert_eq!(world.house.engine.look_at_expiry().await.expect("a store"), 0, "the replica is not acted on by itself");

    // A replica's own properties are its own.
    let own = KeyChange { name: Name::parse("orders-us").ok(), description: Some("there".into()), ..KeyChange::default() };
    let changed = world.house.app.update_key(&world.ann, &Request::default(), "orders_us-east-1", own).await.expect("an intent");
    world.succeeds(changed).await;
    assert_eq!((world.key("orders-us").await.description.as_str(), world.key("orders").await.description.as_str()), ("there", "a key of the tests"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_aws_would_refuse_is_refused_before_anything_starts_ft_047() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    world.create("single").await;
    world.make_keystore("payments-too").await;
    let location = |account: &str, region: &str| keystead_domain::keystore::AwsLocation {
        region: region.into(),
        account: account.into(),
        role_arn: None,
        external_id: None,
    };
    for (name, location) in [("others", location("111122223333", "us-east-1")), ("china", location("123456789012", "cn-north-1"))] {
        let new = keystead_app::keystores::NewKeystore {
            name: Name::parse(name).expect("a name"),
            cloud: "aws".into(),
            location,
            alert_channels: keystead_domain::AlertChannels::All,
        };
        world.house.app.create_keystore(&world.ann, new).await.expect("a keystore");
    }
    let before = world.requests().await;
    let add = async |key: &str, keystore: &str| {
        let new = NewReplica { keystore: keystore.into(), ..NewReplica::default() };
        world.house.app.add_replica(&world.ann, &Request::default(), key, new).await
    };
    assert_eq!(refused(add("single", "payments-us").await, &["single-Region", "multi_region"]), "key");
    assert_eq!(refused(add("orders", "payments-too").await, &["own Region"]), "keystore");
    assert_eq!(refused(add("orders", "others").await, &["AWS account"]), "keystore");
    refused(add("orders", "china").await, &["China"]);
    refused(world.house.app.promote_replica(&world.ann, &Request::default(), "single").await, &["single-Region"]);
    assert_eq!(world.requests().await, before, "no cloud was called");

    let replica = add_replica(&world, "orders", "payments-us").await;
    assert_eq!(refused(add("orders", "payments-us").await, &["one in each Region", &replica.name]), "keystore");
    assert_eq!(refused(add(&replica.name, "payments-de").await, &["primary"]), "key");
    for event in [Ask::Deactivate, Ask::Upload, Ask::Renew] {
        assert_eq!(refused(ask(&world, &replica.name, event).await, &["replica", "orders"]), "key", "{event:?}");
    }
    assert!(
        matches!(world.house.app.promote_replica(&world.ann, &Request::default(), "orders").await, Ok(Started { operation: None, .. })),
        "it is the primary"
    );
    world.does("orders", Ask::Deactivate).await;
    assert!(matches!(add("orders", "payments-de").await, Err(Error::WrongState { .. })));
    assert!(matches!(world.house.app.promote_replica(&world.ann, &Request::default(), &replica.name).await, Err(Error::WrongState { .. })));
}

/// A replica that was kept comes back into step alone, and the others never notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_kept_comes_back_into_step() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    let replica = add_replica(&world, "orders", "payments-us").await;
    world.does(&replica.name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.does(&replica.name, Ask::CancelDeletion).await;
    assert_eq!(states(&check(&world, "orders", "kept").await), [KeyState::Active, KeyState::Inactive]);
    let change = KeyChange { expires: Some(Some(world.now().plus_days(200))), expiry_policy: Some(ExpiryPolicy::Extend), ..KeyChange::default() };
    let moved = world.house.app.update_key(&world.ann, &Request::default(), "orders", change).await.expect("an intent");
    world.succeeds(moved).await;
    world.does(&replica.name, Ask::Activate).await;
    check_in_step(&check(&world, "orders", "back").await, "back");

    // Left behind by a renewal, it stays with the old family.
    world.does(&replica.name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    world.does("orders", Ask::Renew).await;
    assert_eq!(states(&check(&world, "orders", "renewed").await), [KeyState::Active]);
    let new = add_replica_named(&world, "orders", "payments-us", "orders-us").await;
    check_in_step(&check(&world, "orders", "again").await, "again");
    refused(ask(&world, "orders", Ask::Revert).await, &[&new.name, "after the renewal"]);
}

async fn add_replica_named(world: &World, primary: &str, keystore: &str, name: &str) -> KeyRow {
    let new = NewReplica { keystore: keystore.into(), name: Name::parse(name).ok(), aliases: Some(Aliases::default()), ..NewReplica::default() };
    let started = world.house.app.add_replica(&world.ann, &Request::default(), primary, new).await.expect("an intent");
    world.succeeds(started).await;
    world.key(name).await
}

/// A renewal and its undo move the aliases of every Region, and behind the grace the whole old family retires.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_reverted_in_every_region_and_a_rotated_family_retires_whole() {
    let world = with_regions().await;
    let primary = make_primary(&world, "orders").await;
    add_replica(&world, "orders", "payments-us").await;
    world.does("orders", Ask::Renew).await;
    world.does("orders", Ask::Revert).await;
    let members = check(&world, "orders", "reverted").await;
    assert_eq!((members[0].id.clone(), states(&members)), (primary.id.clone(), vec![KeyState::Active; 2]));

    let wish = keystead_domain::rotation::Wish { every: Some(30 * DAY), grace: Some(DAY), ..Default::default() };
    let target = |name: &str| keystead_app::keys::rotation::Target::Key(name.to_owned());
    refused(world.house.app.set_rotation(&world.ann, &target("orders_us-east-1"), wish.clone()).await, &["--key orders"]);
    world.house.app.set_rotation(&world.ann, &target("orders"), wish.clone()).await.expect("a policy");
    let promoted = start_promotion(&world, "orders_us-east-1").await;
    world.succeeds(promoted).await;
    let shown = world.house.app.show_rotation(&world.ann, &target("orders_us-east-1"), None).await.expect("a policy");
    assert_eq!(shown.policy.map(|policy| policy.wish), Some(wish), "the policy goes with the part of the primary");
    let of_replica = world.house.app.show_rotation(&world.ann, &target("orders"), None).await.expect("its primary's policy");
    assert_eq!((of_replica.policy.map(|policy| policy.name), of_replica.next), (Some("orders_us-east-1".to_owned()), shown.next));
    world.sandbox.advance((31 * DAY) as u64);
    assert_eq!(world.house.engine.look_at_rotation().await.expect("a store"), 1, "one turn for the whole family");
    wait_for_rest(&world).await;
    check_in_step(&check(&world, "orders", "rotated by its policy").await, "rotated by its policy");
    world.sandbox.advance((2 * DAY) as u64);
    assert_eq!(world.house.engine.look_at_rotation().await.expect("a store"), 1, "one retirement for the whole family");
    wait_for_rest(&world).await;
    assert_eq!(states(&check(&world, primary.id.as_str(), "retired").await), [KeyState::Inactive; 2]);
}

/// Copies that were made of the old primary follow the family of the new one, by its rotation and by themselves, and an end that renews renews that family.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_and_the_policy_of_expiry_go_with_the_part_of_the_primary() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    add_replica(&world, "orders", "payments-us").await;
    let renews = KeyChange { expiry_policy: Some(ExpiryPolicy::Renew), ..KeyChange::default() };
    let changed = world.house.app.update_key(&world.ann, &Request::default(), "orders", renews).await.expect("an intent");
    world.succeeds(changed).await;
    for name in ["rotated", "led"] {
        linked::copy(&world, "orders", NewCopies { name: Name::parse(name).ok(), ..linked::to(&["payments-de"]) }).await;
    }
    let promoted = start_promotion(&world, "orders_us-east-1").await;
    world.succeeds(promoted).await;
    let with_one = RotateCopies { strategy: None, copies: Copies::Named(vec!["rotated".into()]), wave: 10 };
    let rotated = world.house.app.rotate_key(&world.ann, &Request::default(), "orders_us-east-1", &with_one).await.expect("the copy is one of the family's");
    world.succeeds(rotated).await;
    assert_eq!(world.house.engine.look_at_waves().await, Ok(1));
    world.settle().await;
    world.does("led", Ask::Rotate).await;
    let primary = world.key("orders_us-east-1").await;
    for copy in ["rotated", "led"] {
        let copy = world.key(copy).await;
        assert_eq!(copy.ties.source.as_ref(), Some(&primary.id), "{}: links have one level", copy.name);
        assert_eq!(linked::version(&world, &copy).await.fingerprint, linked::version(&world, &primary).await.fingerprint, "{}", copy.name);
    }
    // Promoted back, whose material is not the new primary's own.
    let promoted = start_promotion(&world, "orders").await;
    world.succeeds(promoted).await;
    let before = world.key("orders").await;
    world.sandbox.advance((85 * DAY) as u64);
    assert_eq!(world.house.engine.look_at_expiry().await.expect("a store"), 2, "a renewal of this family, an extension of the one before");
    wait_for_rest(&world).await;
    assert_eq!(world.key("orders").await.predecessor_id, Some(before.id), "it is renewed, and not extended");
    check_in_step(&check(&world, "orders", "renewed").await, "renewed");
}

/// New material under the same ARNs, in every Region before any of them uses it; a replica that is added later gets all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_is_rotated_in_place_in_every_region() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    let replica = add_replica(&world, "orders", "payments-us").await;
    let (here, there) = (Application::new(&world).await, Application::in_region(&world, "us-east-1").await);
    let first = here.encrypt("alias/orders", b"first").await;
    world.does("orders", Ask::RotateInPlace).await;
    let members = check(&world, "orders", "rotated in place").await;
    check_in_step(&members, "rotated in place");
    assert_eq!((&members[1].id, &members[1].cloud_arn, members[1].material_id.is_some()), (&replica.id, &replica.cloud_arn, true));
    assert_eq!(members[0].material_id, members[1].material_id);
    let second = there.encrypt("alias/orders", b"second").await;
    assert_eq!((there.decrypt(&first.blob).await, here.decrypt(&second.blob).await), (b"first".to_vec(), b"second".to_vec()));

    add_replica(&world, "orders", "payments-de").await;
    let german = Application::in_region(&world, "eu-central-1").await;
    assert_eq!((german.decrypt(&first.blob).await, german.decrypt(&second.blob).await), (b"first".to_vec(), b"second".to_vec()));

    // A replica that was promoted is rotated in place as well, and out of use and back all materials go and come.
    let promoted = start_promotion(&world, &replica.name).await;
    world.succeeds(promoted).await;
    world.does(&replica.name, Ask::RotateInPlace).await;
    let third = german.encrypt("alias/orders", b"third").await;
    world.does(&replica.name, Ask::Deactivate).await;
    world.does(&replica.name, Ask::Activate).await;
    let members = check(&world, "orders", "three materials").await;
    assert_eq!((members.len(), states(&members)), (3, vec![KeyState::Active; 3]));
    for blob in [&first.blob, &second.blob, &third.blob] {
        assert_eq!(here.decrypt(blob).await, there.decrypt(blob).await);
    }
    refused(ask(&world, "orders", Ask::RotateInPlace).await, &["replica", &replica.name]);
    world.does("orders", Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
    refused(ask(&world, &replica.name, Ask::RotateInPlace).await, &["all its Regions"]);
}

/// Somebody else made a replica in that Region: it is not touched, and the operation is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_somebody_else_made_is_not_adopted() {
    let world = with_regions().await;
    let primary = make_primary(&world, "orders").await;
    let application = Application::new(&world).await;
    application.replicate(primary.cloud_key_id.as_deref().unwrap_or_default(), "us-east-1").await;
    let started = start_replica(&world, "orders", "payments-us").await;
    let ended = world.ended(&started).await;
    assert_eq!((ended.state.as_str(), ended.problem.is_some_and(|problem| problem.contains("replica-there"))), ("FAILED", true));
    assert!(world.find_key("orders_us-east-1").await.is_none());
    let theirs = world.cloud_keys().await.into_iter().find(|key| key["region"] == "us-east-1").expect("theirs");
    assert_eq!(theirs["state"], "PendingImport", "nobody touched it");
    world.house.engine.sweep_all().await;
    assert_eq!(world.cloud_keys().await.iter().filter(|key| key["state"] == "PendingDeletion").count(), 0);
}

/// All keys of a family share one id, in the same keystore too: a replica that is DELETED is in nobody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_gone_is_made_again_in_the_same_keystore() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let world = World::new(engine).await;
        world.make_keystore_in("payments-us", "us-east-1").await;
        make_primary(&world, "orders").await;
        let first = add_replica(&world, "orders", "payments-us").await;
        world.does(&first.name, Ask::ScheduleDeletion(WaitingDays::SHORTEST)).await;
        days_pass(&world, 8).await;
        assert_eq!(world.key(first.id.as_str()).await.state, KeyState::Deleted);
        let again = add_replica(&world, "orders", "payments-us").await;
        assert_eq!((&again.cloud_key_id, &again.cloud_arn), (&first.cloud_key_id, &first.cloud_arn));
        assert_ne!(again.id, first.id);
        world.does("orders", Ask::Deactivate).await;
        world.does("orders", Ask::Activate).await;
        check_in_step(&check(&world, "orders", "made again").await, "made again");
        world.house.engine.sweep_all().await;
        assert_eq!(world.cloud_keys().await.iter().filter(|key| key["state"] == "PendingDeletion").count(), 0, "and it is nobody's leftover");
    }
}

/// A leftover in the replica's Region is swept although its primary, which has the same id, is named by a row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leftover_replica_is_not_hidden_by_its_primary() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    let started = start_replica(&world, "orders", "payments-us").await;
    world.succeeds(started).await;
    let replica = world.key("orders_us-east-1").await;
    let sweep = async || {
        world.house.engine.sweep_all().await;
        world.cloud_key(&replica).await.expect("a cloud key")["state"].clone()
    };
    assert_eq!(sweep().await, "Enabled", "a replica that a row names is nobody's leftover");
    // As after a crash that lost the row's name for it.
    let id = replica.id.clone();
    world
        .store()
        .write("test", move |tx| {
            keystead_store::versions::delete_uncreated(tx, &id, keystead_domain::Timestamp::from_secs(0))?;
            keystead_store::keys::transition(tx, &id, KeyState::Active, KeyState::Creating, keystead_domain::Timestamp::from_secs(0))?;
            keystead_store::keys::delete_uncreated(tx, &id)
        })
        .await
        .expect("a store");
    assert_eq!(sweep().await, "PendingDeletion");
    assert_eq!(states(&check(&world, "orders", "swept").await), [KeyState::Active], "the primary is untouched");
}

/// A Region that refuses takes the family back, or holds it on the safe side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_refuses_leaves_the_family_in_step() {
    let world = with_regions().await;
    make_primary(&world, "orders").await;
    add_replica(&world, "orders", "payments-us").await;
    let refused = |operation: &str, skip: u32| {
        // A replica's primary is new, and its tag may not count yet: a denial is not believed at once there.
        let code = if operation == "ReplicateKey" { "LimitExceededException" } else { "AccessDeniedException" };
        let effect = Effect::Error { code: code.into(), status: 400, message: "no".into() };
        [Fault { operation: operation.into(), skip, count: 4, effect }]
    };
    for (event, operation, skip) in [(Ask::Renew, "ReplicateKey", 0), (Ask::Renew, "UpdateAlias", 1), (Ask::Upload, "ImportKeyMaterial", 1)] {
        world.sandbox.add_faults(refused(operation, skip));
        let started = world.start("orders", event).await;
        assert_eq!(world.ended(&started).await.state, "FAILED", "{event:?} {operation}");
        world.sandbox.clear_faults();
        let members = check(&world, "orders", operation).await;
        assert_eq!(states(&members), [KeyState::Active; 2], "{operation}");
    }
    world.sandbox.add_faults(refused("DeleteImportedKeyMaterial", 0));
    let started = world.start("orders", Ask::Deactivate).await;
    let operation = started.operation.clone().expect("an operation").id;
    let seen = world.house.engine.wait(&operation, std::time::Duration::from_millis(700)).await.expect("a store").expect("an operation");
    assert_eq!(seen.state, "RUNNING", "it waits on the safe side");
    assert!(
        world
            .cloud_keys()
            .await
            .iter()
            .filter(|key| key["state"] != "PendingDeletion" && key["state"] != "PendingReplicaDeletion")
            .all(|key| key["state"] == "Disabled")
    );
    world.sandbox.clear_faults();
    let now = world.now();
    world.store().write("test.wake", move |tx| operations::wake_all(tx, now)).await.expect("a store");
    assert_eq!(world.ended(&started).await.state, "SUCCEEDED");
    assert_eq!(states(&check(&world, "orders", "deactivated").await), [KeyState::Inactive; 2]);
}

/// FT-050: every kind of key is the same key in every Region, and the material of a replica leaves the vault as its primary's does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_works_in_every_region_and_a_replica_is_exported_like_its_primary_ft_050() {
    let world = with_regions().await;
    for (name, spec) in [("mac", KeySpec::Hmac256), ("pair", KeySpec::EcP256)] {
        let new = NewKey { multi_region: true, spec, ..world.new_key("payments-eu", name) };
        let started = world.house.app.create_key(&world.ann, &Request::default(), new).await.expect("an intent");
        world.succeeds(started).await;
        add_replica(&world, name, "payments-us").await;
    }
    let (here, there) = (Application::new(&world).await, Application::in_region(&world, "us-east-1").await);
    let codes = (here.mac("alias/mac", b"m", MacAlgorithmSpec::HmacSha256).await, there.mac("alias/mac", b"m", MacAlgorithmSpec::HmacSha256).await);
    assert_eq!(codes.0, codes.1);
    assert!(!there.sign("alias/pair", b"m", SigningAlgorithmSpec::EcdsaSha256).await.is_empty());
    let pem = json!({ "public_key": crate::matrix::public_key() });
    for key in ["mac", "mac_us-east-1"] {
        let (status, prepared) = world.rest(0, "POST", &format!("/v1/keys/{key}/export/prepare"), Some(pem.clone())).await;
        let (downloaded, answer) = world.rest(1, "POST", &format!("/v1/keys/{key}/export/download"), None).await;
        assert_eq!((status, downloaded), (200, 200), "{prepared} {answer}");
    }
}

/// FT-054, FT-060: over REST, a primary shows its replicas' ARNs and a replica its primary's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_is_made_shown_and_promoted_over_rest_ft_054_ft_060() {
    let world = with_regions().await;
    let body = json!({ "name": "orders", "keystore": "payments-eu", "aliases": ["orders"], "multi_region": true });
    let (status, made) = world.rest(0, "POST", "/v1/keys", Some(body)).await;
    assert_eq!((status, &made["key"]["region_role"]), (200, &json!("primary")), "{made}");
    let (status, added) = world.rest(0, "POST", "/v1/keys/orders/replicas", Some(json!({ "keystore": "payments-us" }))).await;
    assert_eq!((status, &added["key"]["name"], &added["key"]["custody"]), (200, &json!("orders_us-east-1"), &json!("linked")), "{added}");
    let (_, primary) = world.rest(0, "GET", "/v1/keys/orders", None).await;
    let (_, replica) = world.rest(0, "GET", "/v1/keys/orders_us-east-1", None).await;
    assert_eq!(primary["family"][0]["cloud_arn"], replica["cloud_arn"]);
    assert_eq!((&replica["family"][0]["cloud_arn"], &replica["family"][0]["region_role"]), (&primary["cloud_arn"], &json!("primary")));
    let (status, promoted) = world.rest(0, "POST", "/v1/keys/orders_us-east-1/promote", None).await;
    assert_eq!((status, &promoted["key"]["region_role"]), (200, &json!("primary")), "{promoted}");
    let (_, family) = world.rest(0, "GET", "/v1/keys/orders/family", None).await;
    assert_eq!((&family["primary"]["name"], &family["replicas"][0]["name"]), (&json!("orders_us-east-1"), &json!("orders")));
    let (status, again) = world.rest(0, "POST", "/v1/keys/orders_us-east-1/promote", None).await;
    assert_eq!((status, &again["no_op"]), (200, &json!(true)), "{again}");
    let (_, single) = world.rest(0, "GET", "/v1/keys/orders/history?limit=50", None).await;
    let told = single["items"].as_array().into_iter().flatten().filter(|entry| entry["entry"]["action"] == "key.promote").count();
    assert!(told >= 1, "the old primary's history tells its promotion too: {single}");
}
