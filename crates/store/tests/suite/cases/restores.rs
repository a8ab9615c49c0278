//! Restores: what has lost its material, in which order it comes back, and what is left (CM-037, FX-003); and the keys that are kept warm for one (FX-029).

use keystead_domain::{Custody, KeySpec, KeyState};
use keystead_store::{
    StoreError, Tx,
    keys::{self, CloudFacts, KeyRow, Ties},
    operations,
    restores::{self, LeftRow, Loss, LostRow, RestoreRow, Stock, Tally},
    warm::{self, WarmRow, Warmth},
};

use crate::world::*;

const DAY: i64 = 86_400_000_000;

fn in_cloud(tx: &mut Tx<'_>, n: u64) -> Result<(), StoreError> {
    let facts = CloudFacts { identity: Some((format!("cloud-{n}"), format!("arn-{n}"))), material_present: Some(true), ..CloudFacts::default() };
    keys::keep_facts(tx, &key_id(n), &facts, NOW)
}

fn warm_row(n: u64, days: i64) -> WarmRow {
    WarmRow { key_id: key_id(n), keystore_id: keystore_id(1), sealed: vec![1, 2, n as u8], valid_to: NOW.plus_days(days), fetched_at: NOW.plus_micros(days) }
}

fn ids(rows: &[KeyRow]) -> Vec<keystead_domain::KeyId> {
    rows.iter().map(|row| row.id.clone()).collect()
}

fn waits(n: u64, importance: u32) -> LostRow {
    LostRow { key_id: key_id(n), importance, upload_id: None }
}

pub async fn what_can_be_restored_is_in_use_in_a_cloud_and_not_past_its_end(world: World) {
    let world = world.with_keys(1..=5).await;
    let ended = KeyRow { expires_at: Some(NOW), ..key_row(6, "ended") };
    let native = KeyRow { ties: Ties { custody: Custody::Native, ..Ties::default() }, ..key_row(7, "native") };
    let pair = KeyRow { spec: KeySpec::EcP256, expires_at: Some(NOW.plus_days(1)), ..key_row(8, "pair") };
    let made = world.write(move |tx| {
        [&ended, &native, &pair].into_iter().try_for_each(|key| insert_key(tx, key))?;
        (2..=8).try_for_each(|n| in_cloud(tx, n))?;
        keys::keep_facts(tx, &key_id(3), &CloudFacts { material_present: Some(false), ..CloudFacts::default() }, NOW)?;
        keys::transition(tx, &key_id(4), KeyState::Active, KeyState::Inactive, NOW)?;
        keys::transition(tx, &key_id(5), KeyState::Active, KeyState::Replaced, NOW)
    });
    made.await.expect("are made");
    let found = world.read(|tx| restores::candidates(tx, &keystore_id(1), NOW, "", 9)).await.expect("is read");
    assert_eq!(ids(&found), [key_id(2), key_id(3), key_id(5), key_id(8)], "not one without a cloud key, out of use, at its end, or the cloud's");
    let page = world.read(|tx| restores::candidates(tx, &keystore_id(1), NOW, key_id(2).as_str(), 1)).await.expect("is read");
    assert_eq!(ids(&page), [key_id(3)]);
    let warmed = world.write(|tx| {
        warm::switch_on(tx, &keystore_id(1), NOW)?;
        [warm_row(3, 1), warm_row(5, 3)].iter().try_for_each(|row| warm::keep(tx, row))
    });
    warmed.await.expect("are warm");
    let stock = async |only_lost: bool| world.read(move |tx| restores::stock(tx, &keystore_id(1), NOW, NOW.plus_days(2), only_lost)).await.expect("is read");
    assert_eq!(stock(false).await, Stock { keys: 4, warm: 1, materials: stock(false).await.materials, pairs: 1 }, "what ends too soon is cold");
    assert_eq!((stock(true).await.keys, stock(true).await.warm), (1, 0));
    assert_eq!(world.read(|tx| restores::candidates(tx, &keystore_id(2), NOW, "", 9)).await.expect("is read").len(), 0);
}

pub async fn a_restore_goes_on_under_its_lease_and_settles_each_key_once(world: World) {
    let world = world.with_keys(1..=5).await;
    let begun = world.write(|tx| {
        (1..=3).try_for_each(|n| operations::insert(tx, &operation_row(n), NOW, None))?;
        restores::begin(tx, &operation_id(1), &keystore_id(1))?;
        for (n, importance, loss) in [(1, 5, Loss::Material), (2, 1, Loss::Material), (3, 5, Loss::Material), (4, 9, Loss::Key), (5, 2, Loss::Material)] {
            restores::add(tx, &operation_id(1), &key_id(n), importance, loss)?;
        }
        restores::add(tx, &operation_id(1), &key_id(1), 1, Loss::Key)?;
        restores::go_on(tx, &operation_id(1), 0, &key_id(4), 7, 2)?;
        warm::switch_on(tx, &keystore_id(1), NOW)?;
        [warm_row(3, 1), warm_row(5, 3)].iter().try_for_each(|row| warm::keep(tx, row))
    });
    begun.await.expect("begins");
    let row = RestoreRow { operation_id: operation_id(1), keystore_id: keystore_id(1), after: key_id(4).to_string(), looked: 7, hidden: 2 };
    assert_eq!(world.read(|tx| restores::of(tx, &operation_id(1))).await, Ok(Some(row)));
    assert_eq!(world.read(|tx| restores::of(tx, &operation_id(2))).await, Ok(None));
    let lease = Err(StoreError::MovedOn("operation lease"));
    assert_eq!(world.write(|tx| restores::go_on(tx, &operation_id(1), 1, &key_id(5), 1, 0)).await, lease);
    let waiting = async |warm: bool, after: (u32, String)| {
        world.read(move |tx| restores::waiting(tx, &operation_id(1), warm, NOW, (after.0, &after.1), 9)).await.expect("is read")
    };
    assert_eq!(waiting(false, (0, String::new())).await, [waits(2, 1), waits(1, 5)], "the most important first");
    assert_eq!(waiting(false, (1, key_id(2).to_string())).await, [waits(1, 5)]);
    assert_eq!(waiting(true, (0, String::new())).await, [waits(5, 2), waits(3, 5)]);
    let settled = world.write(|tx| {
        restores::settle(tx, &operation_id(1), &key_id(2), Ok(&operation_id(2)))?;
        restores::settle(tx, &operation_id(1), &key_id(1), Ok(&operation_id(3)))?;
        restores::settle(tx, &operation_id(1), &key_id(3), Err("{}"))
    });
    settled.await.expect("are settled");
    let twice = world.write(|tx| restores::settle(tx, &operation_id(1), &key_id(2), Ok(&operation_id(3)))).await;
    assert_eq!(twice, Err(StoreError::MovedOn("restore of a key")));
    let running = [LostRow { upload_id: Some(operation_id(2)), ..waits(2, 1) }, LostRow { upload_id: Some(operation_id(3)), ..waits(1, 5) }];
    assert_eq!(world.read(|tx| restores::begun(tx, &operation_id(1))).await.expect("is read"), running);
    let tally = async || world.read(|tx| restores::tally(tx, &operation_id(1))).await.expect("is read");
    assert_eq!(tally().await, Tally { waiting: 1, running: 2, restored: 0, failed: 1, gone: 1 });
    let ended = world.write(|tx| {
        operations::finish(tx, &operation_id(2), 0, "SUCCEEDED", None, NOW)?;
        operations::finish(tx, &operation_id(3), 0, "FAILED", Some("{\"why\":1}"), NOW)
    });
    ended.await.expect("end");
    assert_eq!(tally().await, Tally { waiting: 1, running: 0, restored: 1, failed: 2, gone: 1 });
    let left = |n: u64, is_gone: bool, problem: Option<&str>| LeftRow {
        key_id: key_id(n),
        name: format!("key-{n}"),
        cloud_arn: None,
        is_gone,
        problem: problem.map(str::to_owned),
    };
    let named = world.read(|tx| restores::left(tx, &operation_id(1), 9)).await.expect("is read");
    assert_eq!(named, [left(1, false, Some("{\"why\":1}")), left(3, false, Some("{}")), left(4, true, None)]);
    assert_eq!(world.read(|tx| restores::left(tx, &operation_id(1), 1)).await.expect("is read").len(), 1);
}

pub async fn parameters_are_kept_while_a_keystore_shall_be_warm_and_spent_once(world: World) {
    let world = world.with_keys(1..=4).await;
    world.write(|tx| (1..=4).try_for_each(|n| in_cloud(tx, n))).await.expect("are made");
    world.write(|tx| warm::keep(tx, &warm_row(1, 1))).await.expect("is no harm");
    assert_eq!(world.read(|tx| warm::of(tx, &key_id(1))).await, Ok(None), "a keystore that shall not be warm keeps none");
    let on = world.write(|tx| warm::switch_on(tx, &keystore_id(1), NOW).and_then(|()| warm::switch_on(tx, &keystore_id(1), NOW)));
    on.await.expect("is on");
    assert_eq!(world.read(|tx| Ok((warm::is_on(tx, &keystore_id(1))?, warm::is_on(tx, &keystore_id(2))?))).await, Ok((true, false)));
    assert_eq!(world.read(warm::keystores).await, Ok(vec![keystore_id(1)]));
    let kept = world.write(|tx| [warm_row(1, 9), warm_row(1, 1), warm_row(2, 3), warm_row(3, 5)].iter().try_for_each(|row| warm::keep(tx, row)));
    kept.await.expect("are kept");
    assert_eq!(world.read(|tx| warm::of(tx, &key_id(1))).await, Ok(Some(warm_row(1, 1))), "the later ones count");
    let due =
        async |days: i64, after: &'static str| world.read(move |tx| warm::due(tx, &keystore_id(1), NOW, NOW.plus_days(days), after, 9)).await.expect("is read");
    assert_eq!(ids(&due(0, "").await), [key_id(4)], "a key without any");
    assert_eq!(ids(&due(3, "").await), [key_id(1), key_id(2), key_id(4)], "and those that end");
    let warmth = async |days: i64| world.read(move |tx| warm::warmth(tx, NOW, NOW.plus_days(days))).await.expect("is read");
    assert_eq!(warmth(3).await, Warmth { wanted: 4, warm: 1, first_end: Some(NOW.plus_micros(DAY)) });
    world.write(|tx| warm::spend(tx, &key_id(3), NOW)).await.expect("is no harm");
    assert!(world.read(|tx| warm::of(tx, &key_id(3))).await.expect("is read").is_some(), "what was fetched since stays");
    world.write(|tx| warm::spend(tx, &key_id(3), warm_row(3, 5).fetched_at)).await.expect("is spent");
    assert_eq!(world.read(|tx| warm::of(tx, &key_id(3))).await, Ok(None));
    world.write(|tx| keys::transition(tx, &key_id(2), KeyState::Active, KeyState::Inactive, NOW)).await.expect("is out of use");
    assert_eq!(world.write(|tx| warm::drop_ended(tx, NOW.plus_days(1))).await, Ok(2), "one has ended, one is of a key that is out of use");
    world.write(|tx| warm::keep(tx, &warm_row(1, 1)).and_then(|()| warm::switch_off(tx, &keystore_id(1)))).await.expect("is off");
    assert_eq!(world.read(|tx| Ok((warm::of(tx, &key_id(1))?, warm::keystores(tx)?))).await, Ok((None, vec![])), "nothing stays");
}
