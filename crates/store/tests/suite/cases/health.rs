//! Health: what checks found, how much of a quota was used, and why keystores and keys are not well.

use std::collections::BTreeMap;

use keystead_domain::{
    DriftId, KeyState, Timestamp,
    drift::{Attribute, AutoRepair, DriftClass, DriftState},
    health::{CheckOutcome, Health, KeyReason, KeystoreFacts, OPERATION_PATIENCE},
    key::expiry::LATE,
    time::{DAY, SECOND},
};
use keystead_store::{
    Tx,
    checks::{self, CheckRow},
    drifts::{self, DriftPolicyRow, DriftRow},
    events::{self, EventRow},
    health::{self, KeystoreKnown},
    keys::{self, CloudFacts, KeyFilter, KeyRow},
    keystores, locks,
    operations::{self, OperationRow, Progress},
    page::Page,
    quotas::{self, Spent},
    schedules,
    views::{self, ViewRow},
};

use crate::world::*;

const MINUTE: i64 = 60 * SECOND;

fn check(n: u64, outcome: CheckOutcome) -> CheckRow {
    CheckRow {
        keystore_id: keystore_id(n),
        checked_at: NOW,
        outcome,
        since: NOW.plus_days(-1),
        missing: vec!["kms:CreateKey".to_owned(), "kms:ImportKeyMaterial".to_owned()],
        why: "it's \"so\"".to_owned(),
        failures: 3,
        is_told: true,
        quota_scope: "111122223333/eu-west-1".to_owned(),
    }
}

fn drift(n: u8, key: u64, attribute: Attribute, class: DriftClass) -> DriftRow {
    DriftRow {
        id: DriftId::new(NOW, [n; 10]),
        account_id: account(),
        keystore_id: keystore_id(1),
        key_id: Some(key_id(key)),
        cloud_key: format!("arn:{key}"),
        attribute,
        item: String::new(),
        class,
        wanted: String::new(),
        last_seen: None,
        live: String::new(),
        state: DriftState::Open,
        cause: None,
        found_at: NOW,
        seen_at: NOW,
        ended_at: None,
        ended_by: None,
        tries: 0,
        unseen_at: NOW,
    }
}

pub async fn what_a_check_found_is_kept_until_a_later_one(world: World) {
    let world = world.with_house().await;
    let keep = |row: CheckRow| move |tx: &mut Tx<'_>| checks::keep(tx, &row);
    let held = async || world.write(|tx| checks::hold(tx, &keystore_id(1))).await.expect("is read");
    assert_eq!(held().await, None);
    let first = check(1, CheckOutcome::Missing);
    world.write(keep(first.clone())).await.expect("is kept");
    assert_eq!(held().await, Some(first.clone()));
    let earlier = CheckRow { checked_at: NOW.plus_days(-1), ..check(1, CheckOutcome::Denied) };
    world.write(keep(earlier)).await.expect("is no harm");
    assert_eq!(held().await, Some(first), "an older one");
    let later = CheckRow {
        checked_at: NOW.plus_days(1),
        since: NOW,
        missing: Vec::new(),
        why: String::new(),
        failures: 0,
        is_told: false,
        quota_scope: "other".to_owned(),
        ..check(1, CheckOutcome::Permitted)
    };
    world.write(keep(later.clone())).await.expect("is kept");
    assert_eq!(world.read(checks::all).await, Ok(vec![later]));
}

pub async fn keystores_in_a_cloud_are_due_for_their_checks(world: World) {
    let world = world.with_house().await;
    world
        .write(|tx| {
            keystores::insert(tx, &keystore_row(2, "other"))?;
            keystores::insert(tx, &keystores::KeystoreRow { cloud: "vault".to_owned(), ..keystore_row(3, "safe") })?;
            keystores::insert(tx, &keystore_row(4, "gone"))?;
            keystores::delete(tx, &keystore_id(4), NOW)
        })
        .await
        .expect("are made");
    let due = async |days: i64, limit: u32| {
        let found = world.read(move |tx| checks::due(tx, NOW.plus_days(days), limit)).await.expect("is read");
        found.into_iter().map(|keystore| keystore.name).collect::<Vec<_>>()
    };
    assert_eq!(due(0, 10).await, ["main", "other"], "what was never checked is due; nothing is asked of the vault, or of what is gone");
    assert_eq!(due(0, 1).await, ["main"]);
    let take = |tx: &mut Tx<'_>| schedules::take(tx, &checks::schedule_name(&keystore_id(1)), NOW, NOW.plus_days(1));
    assert_eq!(world.write(take).await, Ok(true));
    assert_eq!((due(0, 10).await, due(1, 10).await), (vec!["other".to_owned()], vec!["main".to_owned(), "other".to_owned()]));
}

pub async fn how_much_of_a_quota_was_used_in_the_last_minute_is_known(world: World) {
    let start = Timestamp::from_secs(NOW.as_secs() / 60 * 60);
    let reserve = |at: i64, span: i64| move |tx: &mut Tx<'_>| quotas::reserve(tx, "a/1", "Sign", start.plus_micros(at), span).map(drop);
    let spent = async |at: i64| {
        let found = world.read(move |tx| quotas::spent(tx, start.plus_micros(at))).await.expect("is read");
        found.into_iter().map(|Spent { scope, call, micros }| (scope, call, micros)).collect::<Vec<_>>()
    };
    let told = |micros: i64| vec![("a/1".to_owned(), "Sign".to_owned(), micros)];
    assert_eq!(spent(0).await, vec![]);
    world.write(reserve(1, 5 * SECOND)).await.expect("is reserved");
    world.write(reserve(2, 7 * SECOND)).await.expect("is reserved");
    assert_eq!(spent(3).await, told(0), "the minute is not over");
    assert_eq!(spent(MINUTE).await, told(12 * SECOND));
    world.write(reserve(MINUTE, SECOND)).await.expect("is reserved");
    assert_eq!((spent(MINUTE + 1).await, spent(2 * MINUTE).await), (told(12 * SECOND), told(SECOND)));
    world.write(reserve(4 * MINUTE, SECOND)).await.expect("is reserved");
    assert_eq!(spent(4 * MINUTE).await, told(0), "nothing went out in the minute before");
    assert_eq!(spent(9 * MINUTE).await, vec![], "nothing in either minute");
}

/// Keys 1 to 9, each not well for one reason, and 10 to 12 well.
async fn with_keys_not_well(world: World) -> World {
    let world = world.with_house().await;
    world
        .write(|tx| {
            keystores::insert(tx, &keystore_row(2, "other"))?;
            let key = |n: u64| key_row(n, &format!("key-{n}"));
            let ends = |n: u64, at: i64| KeyRow { expires_at: Some(NOW.plus_micros(at)), expiry_span: Some(90 * DAY), ..key(n) };
            let rows = vec![
                key(1),
                key(2),
                key(3),
                ends(4, 0),
                key(5),
                ends(6, 7 * DAY - LATE),
                key(7),
                KeyRow { keystore_id: keystore_id(2), ..key(8) },
                KeyRow { state: KeyState::Inactive, ..ends(9, 0) },
                ends(10, 7 * DAY - LATE + 1),
                key(11),
                KeyRow { expires_at: Some(NOW.plus_days(8)), expiry_span: None, ..key(12) },
            ];
            for row in rows {
                insert_key(tx, &row)?;
                let is_usable = row.id != key_id(5);
                let facts = CloudFacts { enabled: Some(true), material_present: Some(is_usable), ..CloudFacts::default() };
                keys::keep_facts(tx, &row.id, &facts, NOW)?;
            }
            drifts::insert(tx, &drift(1, 1, Attribute::Vanished, DriftClass::Hostile))?;
            drifts::insert(tx, &drift(2, 2, Attribute::Deletion, DriftClass::Hostile))?;
            drifts::insert(tx, &drift(3, 2, Attribute::Description, DriftClass::Benign))?;
            drifts::insert(tx, &drift(4, 3, Attribute::Tags, DriftClass::Repairable))?;
            drifts::insert(tx, &drift(5, 11, Attribute::Description, DriftClass::Benign))?;
            drifts::insert(tx, &drift(6, 10, Attribute::Vanished, DriftClass::Hostile))?;
            drifts::end(tx, &DriftId::new(NOW, [6; 10]), DriftState::Gone, "system", NOW)?;
            waiting(tx, 7, NOW.plus_micros(-OPERATION_PATIENCE - 1), Some("{}"))?;
            waiting(tx, 10, NOW.plus_micros(-OPERATION_PATIENCE - 1), None)?;
            waiting(tx, 11, NOW.plus_micros(-OPERATION_PATIENCE), Some("{}"))?;
            checks::keep(tx, &check(1, CheckOutcome::Missing))?;
            checks::keep(tx, &check(2, CheckOutcome::Unreachable))
        })
        .await
        .expect("are made");
    world
}

fn waiting(tx: &mut Tx<'_>, n: u64, since: Timestamp, problem: Option<&str>) -> Result<(), keystead_store::StoreError> {
    operations::insert(tx, &OperationRow { created_at: since, ..operation_row(n) }, NOW, None)?;
    let problem = problem.map(str::to_owned);
    operations::progress(tx, &operation_id(n), 0, &Progress { step: 0, direction: "forward", attempts: 1, problem, run_at: NOW, lease_until: NOW })?;
    locks::take(tx, key_id(n).as_str(), &operation_id(n))
}

pub async fn every_reason_why_a_key_is_not_well_is_found_filtered_and_counted(world: World) {
    let world = with_keys_not_well(world).await;
    let all: Vec<_> = (1..=12).map(key_id).collect();
    let known = world.read(move |tx| health::of_keys(tx, &all, NOW)).await.expect("is read");
    let reasons: BTreeMap<_, _> = known.iter().map(|known| (known.id.clone(), known.reasons.clone())).collect();
    let expected = [
        (1, vec![KeyReason::CloudKeyGone], Health::Failing),
        (2, vec![KeyReason::DriftHostile], Health::Failing),
        (3, vec![KeyReason::DriftOpen], Health::Degraded),
        (4, vec![KeyReason::Expired], Health::Failing),
        (5, vec![KeyReason::NotUsable], Health::Failing),
        (6, vec![KeyReason::EndNear], Health::Degraded),
        (7, vec![KeyReason::OperationWaits], Health::Degraded),
        (8, vec![KeyReason::KeystoreOutOfReach], Health::Unknown),
        (9, vec![], Health::Ok),
        (10, vec![], Health::Ok),
        (11, vec![], Health::Ok),
        (12, vec![], Health::Ok),
    ];
    for (n, why, _) in &expected {
        assert_eq!(reasons.get(&key_id(*n)), Some(why), "key {n}");
    }
    for health in Health::ALL {
        let filter = KeyFilter { health: Some((*health, NOW)), ..KeyFilter::default() };
        let listed = world.read(move |tx| keys::list(tx, &account(), &filter, &Page { after: None, limit: 50 })).await.expect("is read");
        let found: Vec<_> = listed.rows.into_iter().map(|key| key.id).collect();
        let wanted: Vec<_> = expected.iter().filter(|(_, _, of)| of == health).map(|(n, ..)| key_id(*n)).collect();
        assert_eq!(found, wanted, "{health:?}");
    }
    let counts = world.read(|tx| health::count_keys(tx, NOW)).await.expect("is read");
    assert_eq!(counts, BTreeMap::from([(Health::Failing, 4), (Health::Degraded, 3), (Health::Unknown, 1), (Health::Ok, 4)]));
}

pub async fn a_key_with_several_reasons_is_as_its_worst(world: World) {
    let world = with_keys_not_well(world).await;
    world
        .write(|tx| {
            drifts::insert(tx, &drift(20, 7, Attribute::Vanished, DriftClass::Hostile))?;
            let seen = ViewRow {
                key_id: key_id(7),
                seen_by: None,
                seen_at: NOW.plus_days(-2),
                aliases: Vec::new(),
                facts: "{}".to_owned(),
                differences: String::new(),
                baseline: None,
            };
            views::put(tx, &seen)?;
            keys::transition(tx, &key_id(12), KeyState::Active, KeyState::Deleted, NOW)
        })
        .await
        .expect("is written");
    let known = world.read(|tx| health::of_keys(tx, &[key_id(7), key_id(12), key_id(99)], NOW)).await.expect("is read");
    assert_eq!(known.len(), 1, "what is DELETED has no health: {known:?}");
    assert_eq!(known[0].reasons, [KeyReason::CloudKeyGone, KeyReason::OperationWaits]);
    assert_eq!((known[0].seen_at, known[0].operation.clone()), (Some(NOW.plus_days(-2)), Some(operation_id(7))));
    let listed = |health: Health| {
        let filter = KeyFilter { health: Some((health, NOW)), ..KeyFilter::default() };
        world.read(move |tx| Ok::<_, keystead_store::StoreError>(keys::list(tx, &account(), &filter, &Page { after: None, limit: 50 })?.rows.len()))
    };
    assert_eq!((listed(Health::Failing).await, listed(Health::Degraded).await, listed(Health::Ok).await), (Ok(5), Ok(2), Ok(3)));
    let many: Vec<_> = (1..=250).map(key_id).collect();
    assert_eq!(world.read(move |tx| health::of_keys(tx, &many, NOW)).await.expect("is read").len(), 11, "any number is asked for");
}

pub async fn what_is_known_of_a_keystore_is_gathered(world: World) {
    let world = with_keys_not_well(world).await;
    let policy =
        DriftPolicyRow { keystore_id: keystore_id(1), every: Some(DAY), auto_repair: AutoRepair::None, set_at: NOW.plus_days(-3), set_by: "ann".to_owned() };
    world
        .write(move |tx| {
            drifts::set_policy(tx, &policy)?;
            for n in 1..=2 {
                events::set_queue(tx, &keystore_id(n), &format!("queue-{n}"), NOW.plus_days(-4), "ann")?;
                let queue = events::queue_of(tx, &keystore_id(n))?.expect("was set");
                events::heard(tx, &queue, NOW.plus_days(-2), n != 1, Some("denied").filter(|_| n == 1))?;
            }
            for (id, is_explained, days) in [("a", true, -1), ("b", false, -5), ("c", false, -6)] {
                let deed = EventRow {
                    keystore_id: keystore_id(1),
                    cloud_key_id: "k-1".into(),
                    event_id: id.into(),
                    name: "DisableKey".into(),
                    alias: String::new(),
                    happened_at: NOW.plus_days(days),
                    who: "role".into(),
                    origin: String::new(),
                    request: String::new(),
                    is_own: true,
                    is_explained,
                    heard_at: NOW,
                };
                events::keep(tx, &deed)?;
            }
            operations::insert(tx, &OperationRow { kind: "sync-keystore".to_owned(), key_id: None, ..operation_row(90) }, NOW, None)?;
            operations::finish(tx, &operation_id(90), 0, "SUCCEEDED", None, NOW.plus_days(-1))?;
            quotas::reserve(tx, "111122223333/eu-west-1", "Sign", NOW.plus_micros(-MINUTE), 15 * SECOND)?;
            quotas::reserve(tx, "111122223333/eu-west-1", "Encrypt", NOW.plus_micros(-MINUTE), SECOND)?;
            quotas::reserve(tx, "other", "Sign", NOW.plus_micros(-MINUTE), MINUTE).map(drop)
        })
        .await
        .expect("is written");
    let known = world.read(|tx| health::keystores(tx, &account(), NOW)).await.expect("is read");
    let main = known.get(&keystore_id(1)).expect("something is known");
    let facts = KeystoreFacts {
        check: Some((CheckOutcome::Missing, NOW)),
        drifts_hostile: 2,
        drifts_open: 1,
        looked_at: Some(NOW.plus_days(-1)),
        look_wanted: Some((DAY, NOW.plus_days(-3))),
        unexplained_at: Some(NOW.plus_days(-5)),
        unheard_since: Some(NOW.plus_days(-2)),
        waiting_since: Some(NOW.plus_micros(-OPERATION_PATIENCE - 1)),
        quota_left: Some(75),
    };
    let expected = KeystoreKnown {
        facts,
        check: Some(check(1, CheckOutcome::Missing)),
        quota_call: Some("Sign".to_owned()),
        first_end: Some(NOW.plus_micros(7 * DAY - LATE)),
    };
    assert_eq!(main, &expected);
    assert_eq!(world.read(|tx| health::keystores(tx, &account_id(2), NOW)).await, Ok(BTreeMap::new()), "another account's");
}
