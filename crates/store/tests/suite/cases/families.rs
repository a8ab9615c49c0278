//! Families of Regions: a primary and its replicas (FT-046 to FT-049).

use keystead_domain::{
    KeyId, KeyState, RegionRole,
    key::expiry::ExpiryPolicy,
    rotation::{Scope, Wish},
    time::DAY,
};
use keystead_store::{
    StoreError, due,
    due::Task,
    keys::{self, KeyRow, Ties},
    rotations::{self, PolicyRow},
};

use crate::world::*;

/// A key that plays this part; replicas follow key 1.
fn member(n: u64, role: RegionRole) -> KeyRow {
    let primary = (role == RegionRole::Replica).then(|| key_id(1));
    KeyRow { ties: Ties { role, primary, ..Ties::default() }, ..key_row(n, &format!("member-{n}")) }
}

/// Key 1 with the replicas 2 and 3, and key 4 beside them.
async fn with_family(world: World) -> World {
    let world = world.with_house().await;
    let rows = [member(1, RegionRole::Primary), member(2, RegionRole::Replica), member(3, RegionRole::Replica), member(4, RegionRole::Single)];
    world.write(move |tx| rows.iter().try_for_each(|row| insert_key(tx, row))).await.expect("are made");
    world
}

async fn replicas(world: &World, n: u64) -> Vec<KeyId> {
    world.read(move |tx| keys::replicas_of(tx, &key_id(n))).await.expect("are read").into_iter().map(|key| key.id).collect()
}

async fn part(world: &World, n: u64) -> (RegionRole, Option<KeyId>) {
    let key = world.read(move |tx| keys::by_id(tx, &key_id(n))).await.expect("is read").expect("is there");
    (key.ties.role, key.ties.primary)
}

pub async fn a_family_is_its_primary_and_the_replicas_that_live(world: World) {
    let world = with_family(world).await;
    assert_eq!(replicas(&world, 1).await, [key_id(2), key_id(3)]);
    assert_eq!((replicas(&world, 2).await, replicas(&world, 4).await), (vec![], vec![]));
    world.write(|tx| keys::transition(tx, &key_id(2), KeyState::Active, KeyState::PendingDeletion, NOW)).await.expect("moves");
    assert_eq!(replicas(&world, 1).await, [key_id(2), key_id(3)], "one that counts down is there still");
    world.write(|tx| keys::transition(tx, &key_id(2), KeyState::PendingDeletion, KeyState::Deleted, NOW)).await.expect("moves");
    assert_eq!(replicas(&world, 1).await, [key_id(3)]);
}

pub async fn a_promotion_changes_the_parts_and_nothing_else(world: World) {
    let world = with_family(world).await;
    let moved_on = Err(StoreError::MovedOn("key"));
    assert_eq!(world.write(|tx| keys::promote(tx, &key_id(4), &key_id(2), NOW)).await, moved_on, "not the primary of this replica");
    assert_eq!(world.write(|tx| keys::promote(tx, &key_id(1), &key_id(4), NOW)).await, moved_on, "not a replica");
    world.write(|tx| keys::promote(tx, &key_id(1), &key_id(2), NOW)).await.expect("is promoted");
    assert_eq!(part(&world, 2).await, (RegionRole::Primary, None));
    for follower in [1, 3] {
        assert_eq!(part(&world, follower).await, (RegionRole::Replica, Some(key_id(2))));
    }
    assert_eq!(replicas(&world, 2).await, [key_id(1), key_id(3)]);
    assert_eq!(part(&world, 4).await, (RegionRole::Single, None));
    assert_eq!(world.write(|tx| keys::promote(tx, &key_id(1), &key_id(2), NOW)).await, moved_on, "once");
}

pub async fn the_schedule_acts_on_the_primary_only(world: World) {
    let world = with_family(world).await;
    let end = |n: u64| move |tx: &mut keystead_store::Tx<'_>| keys::set_end(tx, &key_id(n), Some(NOW.plus_days(90)), Some(90 * DAY), ExpiryPolicy::Extend);
    for n in 1..=4 {
        world.write(end(n)).await.expect("is set");
    }
    assert_eq!(world.write(end(9)).await, Err(StoreError::MovedOn("key")));
    let due = world.read(|tx| due::keys(tx, Task::Expiry, &keystore_id(1), NOW.plus_days(89), None, 10)).await.expect("are read");
    let due: Vec<KeyId> = due.into_iter().map(|key| key.id).collect();
    assert_eq!(due.len(), 2);
    assert!(due.contains(&key_id(1)) && due.contains(&key_id(4)), "{due:?}");
    let told = world.read(|tx| due::alerts(tx, NOW.plus_days(89), 0, &[7], 10)).await.expect("are read");
    assert_eq!(told.len(), 4, "of an end that nobody has moved people are told, of a replica's too");
}

pub async fn a_rotation_policy_goes_with_the_part_of_the_primary(world: World) {
    let world = with_family(world).await;
    let policy = PolicyRow {
        account_id: account(),
        scope: Scope::Key(lineage_id(1)),
        name: "member-1".to_owned(),
        wish: Wish { every: Some(DAY), ..Wish::default() },
        set_at: NOW,
        set_by: user_id(1).to_string(),
    };
    let wanted = policy.clone();
    world.write(move |tx| rotations::set(tx, &wanted)).await.expect("is set");
    world.write(|tx| rotations::hand_over(tx, &lineage_id(1), &lineage_id(2))).await.expect("is handed over");
    assert_eq!(world.read(|tx| rotations::of(tx, &account(), &Scope::Key(lineage_id(1)))).await, Ok(None));
    let handed = world.read(|tx| rotations::of(tx, &account(), &Scope::Key(lineage_id(2)))).await;
    assert_eq!(handed, Ok(Some(PolicyRow { scope: Scope::Key(lineage_id(2)), name: "member-2".to_owned(), ..policy })));
    world.write(|tx| rotations::hand_over(tx, &lineage_id(1), &lineage_id(3))).await.expect("none is no harm");
}
