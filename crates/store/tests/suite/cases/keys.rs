//! Keys: what is wanted of them, and what the cloud last said.

use keystead_domain::{KeyState, Tags, key::expiry::ExpiryPolicy, key::lifecycle::STATES, time::DAY};
use keystead_store::{
    StoreError,
    keys::{self, CloudFacts, KeyProperties, KeyRow},
    lineages, versions,
};

use crate::world::*;

fn tags() -> Tags {
    Tags::parse([("team".to_owned(), "Zahlungen-\u{e4}\u{1d4c}".to_owned()), ("a b".to_owned(), String::new())]).expect("tags")
}

async fn key(world: &World, n: u64) -> KeyRow {
    world.read(move |tx| keys::by_id(tx, &key_id(n))).await.expect("is read").expect("is there")
}

pub async fn a_key_is_read_as_it_was_written(world: World) {
    let world = world.with_house().await;
    let row = KeyRow {
        aliases: aliases("team/orders bills zoo/1"),
        state: KeyState::Creating,
        origin: "imported".to_owned(),
        description: "quotes ' \" \\ and a line\nbreak, \u{1f511}, $1, ?, %".to_owned(),
        tags: tags(),
        expires_at: Some(NOW.plus_days(90)),
        expiry_span: Some(90 * DAY),
        expiry_policy: ExpiryPolicy::Renew,
        created_by: user_id(1).to_string(),
        ..key_row(1, "orders")
    };
    let written = row.clone();
    world.write(move |tx| insert_key(tx, &written)).await.expect("is made");
    assert_eq!(key(&world, 1).await, row);
    assert_eq!(world.read(|tx| lineages::by_id(tx, &lineage_id(1))).await, Ok(Some(lineage_of(&row))));
    assert_eq!(world.read(|tx| keys::by_id(tx, &key_id(2))).await, Ok(None));
}

/// The expected state stands in the WHERE: of two who saw the same key, one is told that it has moved on.
pub async fn a_key_moves_only_from_the_state_that_is_expected(world: World) {
    let world = world.with_keys(1..=1).await;
    let later = NOW.plus_days(1);
    let deactivate = move |tx: &mut keystead_store::Tx<'_>| keys::transition(tx, &key_id(1), KeyState::Active, KeyState::Inactive, later);
    assert_eq!(world.write(deactivate).await, Ok(()));
    let now = key(&world, 1).await;
    assert_eq!((now.state, now.updated_at, now.revision), (KeyState::Inactive, later, 2));
    assert_eq!(world.write(deactivate).await, Err(StoreError::MovedOn("key")));
    assert_eq!(key(&world, 1).await, now, "who comes late changes nothing");
    let unknown = world.write(|tx| keys::transition(tx, &key_id(9), KeyState::Active, KeyState::Inactive, NOW)).await;
    assert_eq!(unknown, Err(StoreError::MovedOn("key")));
    for state in STATES {
        world.write(move |tx| keys::transition(tx, &key_id(1), KeyState::Inactive, state, NOW)).await.expect("moves");
        assert_eq!(key(&world, 1).await.state, state);
        world.write(move |tx| keys::transition(tx, &key_id(1), state, KeyState::Inactive, NOW)).await.expect("moves back");
    }
}

pub async fn facts_of_the_cloud_are_kept_one_by_one(world: World) {
    let world = world.with_keys(1..=2).await;
    let keep = async |n: u64, facts: CloudFacts| world.write(move |tx| keys::keep_facts(tx, &key_id(n), &facts, NOW.plus_days(1))).await;
    let all = CloudFacts {
        identity: Some(("short".to_owned(), "arn:aws:kms:eu-west-1:123456789012:key/short".to_owned())),
        raw_state: Some("Enabled".to_owned()),
        enabled: Some(true),
        material_present: Some(true),
        material_id: Some("material".to_owned()),
        deletion_at: Some(Some(NOW.plus_days(7))),
        expires_at: Some(Some(NOW.plus_days(90))),
    };
    keep(1, all).await.expect("are kept");
    let known = key(&world, 1).await;
    assert_eq!((known.cloud_key_id.as_deref(), known.cloud_state.as_deref(), known.material_id.as_deref()), (Some("short"), Some("Enabled"), Some("material")));
    assert_eq!(known.cloud_arn.as_deref(), Some("arn:aws:kms:eu-west-1:123456789012:key/short"));
    assert_eq!((known.enabled, known.material_present), (true, true));
    assert_eq!((known.deletion_at, known.expires_at), (Some(NOW.plus_days(7)), Some(NOW.plus_days(90))));
    assert_eq!((known.updated_at, known.revision), (NOW.plus_days(1), 2));
    keep(1, CloudFacts::default()).await.expect("nothing new");
    assert_eq!(key(&world, 1).await, KeyRow { revision: 3, ..known.clone() }, "what nobody looked at stays");
    keep(1, CloudFacts { enabled: Some(false), deletion_at: Some(None), expires_at: Some(None), ..CloudFacts::default() }).await.expect("are kept");
    assert_eq!(key(&world, 1).await, KeyRow { enabled: false, deletion_at: None, expires_at: None, revision: 4, ..known });
    let twice = CloudFacts { identity: Some(("short".to_owned(), "arn".to_owned())), ..CloudFacts::default() };
    assert_eq!(keep(2, twice).await, taken("keys", "cloud_key_id"), "two keys of a keystore are not one key of the cloud");
    assert_eq!(keep(9, CloudFacts::default()).await, Err(StoreError::MovedOn("key")));
    assert_eq!(world.read(|tx| keys::cloud_key_ids(tx, &keystore_id(1))).await, Ok(vec!["short".to_owned()]));
    let is_named = async |short: &'static str, arn: &'static str| world.read(move |tx| keys::names_cloud_key(tx, short, arn)).await;
    assert_eq!(is_named("short", "arn:aws:kms:eu-west-1:123456789012:key/short").await, Ok(true));
    assert_eq!(is_named("short", "arn:aws:kms:us-east-1:123456789012:key/short").await, Ok(false), "its replica in another Region is another key");
    assert_eq!(is_named("other", "arn:aws:kms:eu-west-1:123456789012:key/short").await, Ok(false));
    world.write(|tx| end_key(tx, 1, NOW)).await.expect("ends");
    assert_eq!(world.read(|tx| keys::cloud_key_ids(tx, &keystore_id(1))).await, Ok(vec![]), "what is gone is no key of the cloud");
    let again = CloudFacts { identity: Some(("short".to_owned(), "arn".to_owned())), ..CloudFacts::default() };
    keep(2, again).await.expect("a replica that is made again has the id of the one that is gone");
    let found = world.read(|tx| keys::by_cloud_key(tx, &keystore_id(1), "short")).await.expect("is read").expect("is there");
    assert_eq!(found.id, key_id(2), "the one that lives");
}

/// CM-067.
pub async fn properties_are_changed_whole(world: World) {
    let world = world.with_keys(1..=1).await;
    let before = key(&world, 1).await;
    let (expires_at, expiry_span) = (Some(NOW.plus_days(30)), Some(29 * DAY));
    let properties = KeyProperties { description: "new".to_owned(), tags: tags(), expires_at, expiry_span, expiry_policy: ExpiryPolicy::Extend };
    let wanted = properties.clone();
    world.write(move |tx| keys::set_properties(tx, &key_id(1), &wanted, NOW.plus_days(1))).await.expect("are kept");
    let expected = KeyRow {
        description: properties.description.clone(),
        tags: tags(),
        expires_at,
        expiry_span,
        expiry_policy: ExpiryPolicy::Extend,
        updated_at: NOW.plus_days(1),
        revision: 2,
        ..before
    };
    assert_eq!(key(&world, 1).await, expected);
    assert_eq!(world.write(move |tx| keys::set_properties(tx, &key_id(9), &properties, NOW)).await, Err(StoreError::MovedOn("key")));
}

pub async fn what_was_promised_never_to_leave_stays_so(world: World) {
    let world = world.with_keys(1..=2).await;
    for _ in 0..2 {
        world.write(|tx| keys::forbid_export(tx, &key_id(1))).await.expect("is kept");
        assert!(!key(&world, 1).await.ties.is_exportable);
    }
    assert!(key(&world, 2).await.ties.is_exportable, "another key is another promise");
    assert_eq!(world.write(|tx| keys::forbid_export(tx, &key_id(9))).await, Err(StoreError::MovedOn("key")));
}

pub async fn only_a_key_that_never_was_is_taken_back(world: World) {
    let world = world.with_keys(1..=1).await;
    let creating = KeyRow { state: KeyState::Creating, ..key_row(2, "failed") };
    let made = world.write(move |tx| insert_key(tx, &creating).and_then(|()| versions::insert(tx, &version_row(1, 2, 1))));
    made.await.expect("is made");
    assert!(world.write(|tx| keys::delete_uncreated(tx, &key_id(2))).await.is_err(), "its versions must be gone");
    assert!(world.write(|tx| lineages::delete(tx, &lineage_id(2))).await.is_err(), "a lineage with a key stays");
    let taken_back = world.write(|tx| {
        versions::delete_uncreated(tx, &key_id(2), NOW)?;
        keys::delete_uncreated(tx, &key_id(2))?;
        lineages::delete(tx, &lineage_id(2))
    });
    taken_back.await.expect("is taken back");
    assert_eq!(world.read(|tx| keys::by_id(tx, &key_id(2))).await, Ok(None));
    assert_eq!(world.write(|tx| keys::delete_uncreated(tx, &key_id(1))).await, Err(StoreError::MovedOn("key")), "an active key stays");
    assert_eq!(world.write(|tx| lineages::delete(tx, &lineage_id(2))).await, Err(StoreError::MovedOn("lineage")));
}

pub async fn a_row_that_does_not_read_as_it_was_written_is_told(world: World) {
    let world = world.with_keys(1..=1).await;
    for damage in ["state = 'SLEEPING'", "spec = 'RSA'", "tags = '[]'", "tags = '{\"aws:x\":\"\"}'", "expiry_policy = ''", "predecessor_id = 'nobody'"] {
        let (column, _) = damage.split_once(" = ").expect("an assignment");
        let before = format!("UPDATE keys SET {column} = (SELECT k.{column} FROM keys k WHERE k.id = '{}')", key_id(2));
        world.write(|tx| insert_key(tx, &key_row(2, "witness"))).await.expect("is made");
        world.aside(&format!("UPDATE keys SET {damage} WHERE id = '{}'", key_id(1)));
        let read = world.read(|tx| keys::by_id(tx, &key_id(1))).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{damage}: {read:?}");
        world.aside(&format!("{before}; DELETE FROM keys WHERE id = '{}'; DELETE FROM lineages WHERE id = '{}'", key_id(2), lineage_id(2)));
    }
}

pub async fn a_key_waits_for_its_policy_until_that_is_settled(world: World) {
    let world = world.with_house().await;
    let row = KeyRow { awaits_policy: true, ..key_row(1, "orders") };
    let written = row.clone();
    world.write(move |tx| insert_key(tx, &written)).await.expect("is made");
    assert_eq!(key(&world, 1).await, row);
    for _ in 0..2 {
        world.write(|tx| keys::settle_policy(tx, &key_id(1))).await.expect("is kept");
        assert_eq!(key(&world, 1).await, KeyRow { awaits_policy: false, ..row.clone() });
    }
    assert_eq!(world.write(|tx| keys::settle_policy(tx, &key_id(9))).await, Err(StoreError::MovedOn("key")));
}
