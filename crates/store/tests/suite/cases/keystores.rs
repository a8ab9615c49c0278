//! Keystores: they stay as long as a key in them lives, and as a record for ever.

use keystead_domain::{AlertChannels, KeyState, keystore::KeystoreState};
use keystead_store::{
    StoreError, accounts, drills, keys,
    keystores::{self, KeystoreRow},
    lineages, rehearsals,
};

use crate::world::*;

pub async fn a_keystore_is_read_as_it_was_written(world: World) {
    let world = world.with_house().await;
    let mut plain = keystore_row(2, "plain");
    plain.location.role_arn = None;
    plain.location.external_id = Some("external".to_owned());
    plain.created_by = user_id(1).to_string();
    let row = plain.clone();
    world.write(move |tx| keystores::insert(tx, &row)).await.expect("is made");
    for word in ["plain", keystore_id(2).as_str()] {
        let word = word.to_owned();
        assert_eq!(world.read(move |tx| keystores::find(tx, &account(), &word)).await, Ok(Some(plain.clone())));
    }
    assert_eq!(world.read(|tx| keystores::find(tx, &account_id(2), "plain")).await, Ok(None), "names stay inside their account");
    assert_eq!(world.read(|tx| keystores::by_id(tx, &keystore_id(2))).await, Ok(Some(plain.clone())));
    assert_eq!(world.read(|tx| keystores::by_id(tx, &keystore_id(9))).await, Ok(None));
    let later = NOW.plus_days(1);
    world.write(move |tx| keystores::set_swept(tx, &keystore_id(2), later)).await.expect("is noted");
    assert_eq!(world.read(|tx| keystores::by_id(tx, &keystore_id(2))).await, Ok(Some(KeystoreRow { swept_at: later, ..plain })));
}

/// FX-043: a keystore names the channels that hear of it.
pub async fn the_channels_of_a_keystore_are_kept_while_it_is_in_use(world: World) {
    let world = world.with_house().await;
    let channels = |names: &[&str]| AlertChannels::Only(names.iter().map(|name| (*name).to_owned()).collect());
    let named = KeystoreRow { alert_channels: channels(&["pager"]), ..keystore_row(2, "named") };
    let row = named.clone();
    world.write(move |tx| keystores::insert(tx, &row)).await.expect("is made");
    assert_eq!(world.read(|tx| keystores::by_id(tx, &keystore_id(2))).await, Ok(Some(named.clone())));
    for wanted in [channels(&["a, b", "mail:\"ops\"@example.com"]), AlertChannels::All] {
        let given = wanted.clone();
        world.write(move |tx| keystores::set_alert_channels(tx, &keystore_id(2), &given)).await.expect("is kept");
        assert_eq!(world.read(|tx| keystores::by_id(tx, &keystore_id(2))).await, Ok(Some(KeystoreRow { alert_channels: wanted, ..named.clone() })));
    }
    assert_eq!(world.read(|tx| keystores::by_id(tx, &keystore_id(1))).await, Ok(Some(keystore_row(1, "main"))), "and of no other");
    for damage in ["[]", "pager", "[1]"] {
        world.aside(&format!("UPDATE keystores SET alert_channels = '{damage}' WHERE id = '{}'", keystore_id(2)));
        let read = world.read(|tx| keystores::by_id(tx, &keystore_id(2))).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{damage}: {read:?}");
    }
    world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW)).await.expect("is empty");
    let late = world.write(|tx| keystores::set_alert_channels(tx, &keystore_id(1), &AlertChannels::All)).await;
    assert_eq!(late, Err(StoreError::MovedOn("keystore")));
}

/// CM-038, CM-062: a keystore cannot be deleted while a key in it is not DELETED, and one is told which.
pub async fn a_keystore_with_living_keys_is_not_deleted(world: World) {
    let world = world.with_keys(1..=7).await;
    let refused = world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW)).await;
    assert_eq!(refused, Err(StoreError::MovedOn("keystore")));
    let delete_six = world.write(|tx| (1..=6).try_for_each(|n| keys::transition(tx, &key_id(n), KeyState::Active, KeyState::Deleted, NOW)));
    assert_eq!(
        world.read(|tx| keys::not_deleted(tx, &keystore_id(1))).await,
        Ok((7, (1..=5).map(|n| format!("key-{n}")).collect())),
        "all are counted, the first few are named"
    );
    delete_six.await.expect("are deleted");
    assert_eq!(world.read(|tx| keys::not_deleted(tx, &keystore_id(1))).await, Ok((1, vec!["key-7".to_owned()])));
    assert_eq!(world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW)).await, Err(StoreError::MovedOn("keystore")), "one is enough");
    world.write(|tx| keys::transition(tx, &key_id(7), KeyState::Active, KeyState::Deleted, NOW)).await.expect("is deleted");
    assert_eq!(world.read(keystores::active).await.map(|rows| rows.len()), Ok(1));
    world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW)).await.expect("is empty");
    let kept = world.read(|tx| keystores::find(tx, &account(), "main")).await.expect("is read").expect("the record stays");
    assert_eq!((kept.state, kept.deleted_at), (KeystoreState::Deleted, Some(NOW)));
    assert_eq!(world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW)).await, Err(StoreError::MovedOn("keystore")), "once");
    assert_eq!(world.read(keystores::active).await, Ok(Vec::new()));
}

/// AW-045, FT-019: what a rehearsal or a drill brings back by itself needs its keystore until then.
pub async fn a_keystore_in_which_a_key_comes_back_is_not_deleted(world: World) {
    let world = world.with_keys(1..=3).await;
    world.write(|tx| rehearsals::insert(tx, &super::rehearsals::row(1, 2))).await.expect("is kept");
    world.write(|tx| drills::insert(tx, &super::drills::row(1))).await.expect("is kept");
    world.write(|tx| (1..=3).try_for_each(|n| keys::transition(tx, &key_id(n), KeyState::Active, KeyState::Deleted, NOW))).await.expect("are deleted");
    let coming_back = || world.read(|tx| keystores::coming_back(tx, &keystore_id(1)));
    let delete = || world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW));
    assert_eq!((coming_back().await, delete().await), (Ok(vec!["key-1".to_owned(), "key-2".to_owned()]), Err(StoreError::MovedOn("keystore"))));
    world.aside(&format!("UPDATE drills SET ended_at = {}", NOW.as_micros()));
    assert_eq!((coming_back().await, delete().await), (Ok(vec!["key-2".to_owned()]), Err(StoreError::MovedOn("keystore"))));
    world.aside("UPDATE rehearsals SET state = 'WATCHING'");
    assert_eq!((coming_back().await, delete().await), (Ok(vec![]), Ok(())));
}

pub async fn no_key_is_made_in_a_deleted_keystore(world: World) {
    let world = world.with_house().await;
    assert_eq!(world.write(|tx| keystores::hold_active(tx, &keystore_id(1))).await, Ok(true));
    world.write(|tx| keystores::delete(tx, &keystore_id(1), NOW)).await.expect("is empty");
    assert_eq!(world.write(|tx| insert_key(tx, &key_row(1, "late"))).await, Err(StoreError::MovedOn("keystore")));
    assert_eq!(world.read(|tx| lineages::by_id(tx, &lineage_id(1))).await, Ok(None));
    assert_eq!(world.write(|tx| keystores::hold_active(tx, &keystore_id(1))).await, Ok(false));
}

pub async fn active_keystores_of_every_account_are_swept(world: World) {
    let world = world.with_house().await;
    let other = KeystoreRow { account_id: account_id(2), ..keystore_row(2, "main") };
    let row = other.clone();
    let made = world.write(move |tx| accounts::insert(tx, &account_id(2), "other", NOW).and_then(|()| keystores::insert(tx, &row)));
    made.await.expect("each account has its own names");
    assert_eq!(world.read(keystores::active).await, Ok(vec![keystore_row(1, "main"), other]));
}
