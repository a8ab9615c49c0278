//! What is due: for the clean-up, before material expires and behind it; page by page, keystore by keystore, and never while a key rests.

use keystead_domain::{AlertId, KeyId, KeyState, Timestamp, alert::AlertKind, key::expiry, key::expiry::ExpiryPolicy, time::DAY};
use keystead_store::{
    Database, StoreError, Tx, alerts, attempts,
    due::{self, Position, Task},
    keys::{self, CloudFacts, KeyRow},
    keystores, locks, operations, rotations,
};

use crate::world::*;

/// The span of every key here, unless a case says otherwise: its policy acts a week ahead.
const SPAN: i64 = 90 * DAY;

/// Gives a key its state and its dates, past the rules.
fn set_dates(world: &World, n: u64, state: KeyState, deletion_at: Option<Timestamp>, expires_at: Option<Timestamp>, policy: ExpiryPolicy) {
    let micros = |at: Option<Timestamp>| at.map_or("NULL".to_owned(), |at| at.as_micros().to_string());
    world.aside(&format!(
        "UPDATE keys SET state = '{}', deletion_at = {}, expires_at = {}, expiry_span = {SPAN}, expiry_policy = '{}' WHERE id = '{}'",
        state.as_str(),
        micros(deletion_at),
        micros(expires_at),
        policy.as_str(),
        key_id(n)
    ));
}

/// Keys of these numbers that are due for an extension, one microsecond apart.
async fn with_due_keys(world: World, numbers: std::ops::RangeInclusive<u64>) -> World {
    let world = world.with_keys(numbers.clone()).await;
    for n in numbers {
        set_dates(&world, n, KeyState::Active, None, Some(NOW.plus_days(7).plus_micros(n as i64 - 100)), ExpiryPolicy::Extend);
    }
    world
}

async fn lock(world: &World, n: u64) {
    let locked = world.write(move |tx| {
        operations::insert(tx, &operation_row(n), NOW, None)?;
        locks::take(tx, key_id(n).as_str(), &operation_id(n))
    });
    locked.await.expect("is locked");
}

/// The due keys of keystore 1.
async fn due_at(world: &World, task: Task, now: Timestamp) -> Vec<KeyId> {
    ids(world.read(move |tx| due::keys(tx, task, &keystore_id(1), now, None, 100)).await)
}

fn ids(rows: Result<Vec<KeyRow>, StoreError>) -> Vec<KeyId> {
    rows.expect("are listed").into_iter().map(|key| key.id).collect()
}

/// CM-061.
pub async fn keys_are_due_for_clean_up_when_their_countdown_has_ended(world: World) {
    let world = world.with_keys(1..=6).await;
    let (pending, days) = (KeyState::PendingDeletion, |n| Some(NOW.plus_days(n)));
    set_dates(&world, 1, pending, days(0), None, ExpiryPolicy::Alert);
    set_dates(&world, 2, pending, days(-3), None, ExpiryPolicy::Alert);
    set_dates(&world, 3, pending, days(1), None, ExpiryPolicy::Alert);
    set_dates(&world, 4, KeyState::Inactive, days(-1), None, ExpiryPolicy::Alert);
    set_dates(&world, 5, pending, days(-1), None, ExpiryPolicy::Alert);
    set_dates(&world, 6, pending, None, None, ExpiryPolicy::Alert);
    assert_eq!(due_at(&world, Task::CleanUp, NOW).await, [key_id(2), key_id(5), key_id(1)], "the longest overdue first");
    lock(&world, 5).await;
    assert_eq!(due_at(&world, Task::CleanUp, NOW).await, [key_id(2), key_id(1)], "what an operation has in hand is left alone");
}

pub async fn keys_are_due_for_expiry_when_their_policy_acts_by_itself(world: World) {
    let world = world.with_keys(1..=8).await;
    let (active, days) = (KeyState::Active, |n| Some(NOW.plus_days(n)));
    set_dates(&world, 1, active, None, days(5), ExpiryPolicy::Renew);
    set_dates(&world, 2, active, None, days(1), ExpiryPolicy::Extend);
    set_dates(&world, 3, active, None, days(1), ExpiryPolicy::Alert);
    set_dates(&world, 4, KeyState::Inactive, None, days(1), ExpiryPolicy::Renew);
    set_dates(&world, 5, active, None, days(8), ExpiryPolicy::Renew);
    set_dates(&world, 6, active, None, None, ExpiryPolicy::Renew);
    set_dates(&world, 7, KeyState::Replaced, None, days(6), ExpiryPolicy::Renew);
    set_dates(&world, 8, active, None, days(1), ExpiryPolicy::Renew);
    world.aside(&format!("UPDATE keys SET expiry_span = NULL WHERE id = '{}'", key_id(8)));
    assert_eq!(due_at(&world, Task::Expiry, NOW).await, [key_id(2), key_id(1), key_id(7)], "a replaced key still decrypts");
    lock(&world, 2).await;
    assert_eq!(due_at(&world, Task::Expiry, NOW).await, [key_id(1), key_id(7)]);
}

/// The lead time is computed by the database; this holds it to the rule of the domain.
pub async fn a_key_falls_due_to_the_microsecond_when_the_rule_says(world: World) {
    let world = world.with_keys(1..=1).await;
    for span in [1, 3, 4, DAY, 7 * DAY + 1, 28 * DAY - 1, 28 * DAY, 28 * DAY + 1, 90 * DAY, 365 * DAY] {
        set_dates(&world, 1, KeyState::Active, None, Some(NOW), ExpiryPolicy::Extend);
        world.aside(&format!("UPDATE keys SET expiry_span = {span}"));
        let acts_at = NOW.plus_micros(-expiry::lead_micros(span));
        assert_eq!(due_at(&world, Task::Expiry, acts_at).await, [key_id(1)], "{span}");
        assert_eq!(due_at(&world, Task::Expiry, acts_at.plus_micros(-1)).await, [], "{span}");
        let key = world.read(|tx| keys::by_id(tx, &key_id(1))).await.expect("is read").expect("is there");
        let behind = Position::of(Task::Expiry, &key);
        let rest = world.read(move |tx| due::keys(tx, Task::Expiry, &keystore_id(1), NOW, Some(&behind), 9)).await;
        assert_eq!(ids(rest), [], "{span}: a page begins behind its position");
    }
}

pub async fn due_keys_are_paged_through_and_nothing_is_lost_or_shown_twice(world: World) {
    let world = with_due_keys(world, 1..=7).await;
    // Three keys of one moment: their ids decide.
    world.aside(&format!("UPDATE keys SET expires_at = {} WHERE id IN ('{}', '{}', '{}')", NOW.as_micros(), key_id(2), key_id(4), key_id(5)));
    let expected: Vec<KeyId> = [2, 4, 5, 1, 3, 6, 7].map(key_id).to_vec();
    for limit in 1..=8 {
        let (mut seen, mut after) = (Vec::new(), None::<Position>);
        loop {
            let behind = after.clone();
            let page = world.read(move |tx| due::keys(tx, Task::Expiry, &keystore_id(1), NOW, behind.as_ref(), limit)).await.expect("a page");
            let Some(last) = page.last() else { break };
            after = Some(Position::of(Task::Expiry, last));
            seen.extend(page.into_iter().map(|key| key.id));
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

pub async fn keystores_are_asked_for_what_is_due_in_them_only(world: World) {
    let world = with_due_keys(world, 1..=2).await;
    let made = world.write(|tx| {
        (2..=3).try_for_each(|n| keystores::insert(tx, &keystore_row(n, &format!("other-{n}"))))?;
        insert_key(tx, &KeyRow { keystore_id: keystore_id(2), keystore_name: "other-2".to_owned(), ..key_row(3, "theirs") })
    });
    made.await.expect("are made");
    let asked = async |now: Timestamp| {
        let rows = world.read(move |tx| due::keystores(tx, Task::Expiry, now)).await.expect("are listed");
        rows.into_iter().map(|keystore| keystore.id).collect::<Vec<_>>()
    };
    assert_eq!(asked(NOW).await, [keystore_id(1)]);
    assert_eq!(asked(NOW.plus_days(-1)).await, []);
    set_dates(&world, 3, KeyState::Active, None, Some(NOW), ExpiryPolicy::Renew);
    assert_eq!(asked(NOW).await, [keystore_id(1), keystore_id(2)]);
    assert_eq!(due_at(&world, Task::Expiry, NOW).await, [key_id(1), key_id(2)], "each keystore for itself");
    for n in 1..=2 {
        lock(&world, n).await;
    }
    assert_eq!(asked(NOW).await, [keystore_id(2)], "where everything is in hand, nothing is due");
    assert_eq!(world.read(|tx| due::keystores(tx, Task::CleanUp, NOW)).await, Ok(Vec::new()), "each task for itself");
}

pub async fn an_end_is_told_once_on_each_day_by_the_rule_until_it_has_come(world: World) {
    let world = world.with_keys(1..=6).await;
    let (active, days) = (KeyState::Active, |n| Some(NOW.plus_days(n)));
    let hour = |hours: i64| Some(NOW.plus_days(7).plus_micros(-hours * expiry::LATE));
    set_dates(&world, 1, active, None, days(3), ExpiryPolicy::Alert);
    set_dates(&world, 2, active, None, hour(0), ExpiryPolicy::Extend);
    set_dates(&world, 3, active, None, days(-1), ExpiryPolicy::Alert);
    set_dates(&world, 4, KeyState::Replaced, None, days(2), ExpiryPolicy::Alert);
    set_dates(&world, 5, active, None, days(31), ExpiryPolicy::Alert);
    set_dates(&world, 6, KeyState::Inactive, None, days(2), ExpiryPolicy::Alert);
    let alerts = async |limit: u32| ids(world.read(move |tx| due::alerts(tx, NOW, expiry::LATE, &expiry::DAYS_BEFORE, limit)).await);
    assert_eq!(alerts(10).await, [key_id(4), key_id(1)]);
    assert_eq!(alerts(1).await, [key_id(4)]);
    assert_eq!(ids(world.read(|tx| due::alerts(tx, NOW, expiry::LATE, &[], 10)).await), []);
    let tell = async |n: u64, end: Timestamp| {
        let due = expiry::alert_due(end, &expiry::DAYS_BEFORE, NOW).expect("one is due");
        let row = alerts::AlertRow {
            id: AlertId::new(NOW, [u8::try_from(n).expect("small"); 10]),
            account_id: account(),
            kind: AlertKind::KeyExpires,
            subject_id: key_id(n).to_string(),
            topic: String::new(),
            once: alerts::once_before(&key_id(n), end, due),
            facts: "{}".to_owned(),
            created_at: NOW,
        };
        assert_eq!(world.write(move |tx| alerts::insert(tx, &row, &[], NOW)).await, Ok(true));
    };
    tell(4, NOW.plus_days(2)).await;
    assert_eq!(alerts(10).await, [key_id(1)], "once for each end and day: rule and statement mean the same day");
    set_dates(&world, 4, KeyState::Replaced, None, days(4), ExpiryPolicy::Alert);
    assert_eq!(alerts(10).await, [key_id(1), key_id(4)], "another end is another alert");
    set_dates(&world, 2, active, None, hour(1), ExpiryPolicy::Extend);
    assert_eq!(alerts(10).await, [key_id(1), key_id(4)], "what was changed a moment ago is not late");
    world.aside(&format!("UPDATE keys SET updated_at = updated_at - {}", expiry::LATE));
    lock(&world, 2).await;
    assert_eq!(alerts(10).await, [key_id(1), key_id(4)], "nor is what was begun a moment ago");
    world.aside("UPDATE operations SET created_at = created_at - 3600000000");
    assert_eq!(alerts(10).await, [key_id(1), key_id(4), key_id(2)], "a policy that is an hour late is told");
    for (n, left) in [(1, 1), (4, 14), (5, 30)] {
        set_dates(&world, n, active, None, days(left), ExpiryPolicy::Alert);
    }
    assert_eq!(alerts(10).await, [key_id(1), key_id(2), key_id(4), key_id(5)]);
    for (n, left) in [(1, 1), (4, 14), (5, 30)] {
        let row_end = NOW.plus_days(left);
        let due = expiry::alert_due(row_end, &expiry::DAYS_BEFORE, NOW);
        assert_eq!(due.map(i64::from), Some(left), "to the microsecond");
        world.aside(&format!("DELETE FROM alerts WHERE subject_id = '{}'", key_id(n)));
        tell(n, row_end).await;
    }
    assert_eq!(alerts(10).await, [key_id(2)], "at the edge of each day, too");
}

pub async fn what_is_coming_is_found_by_its_date(world: World) {
    let world = world.with_keys(1..=5).await;
    let days = |n| Some(NOW.plus_days(n));
    set_dates(&world, 1, KeyState::Active, None, days(90), ExpiryPolicy::Renew);
    set_dates(&world, 2, KeyState::Active, None, days(91), ExpiryPolicy::Renew);
    set_dates(&world, 3, KeyState::PendingDeletion, days(7), None, ExpiryPolicy::Alert);
    set_dates(&world, 4, KeyState::Inactive, None, days(5), ExpiryPolicy::Alert);
    let coming = async |account| ids(world.read(move |tx| due::coming(tx, &account, NOW.plus_days(90), NOW.plus_days(7))).await);
    assert_eq!(coming(account()).await, [key_id(1), key_id(3)]);
    assert_eq!(coming(account_id(2)).await, []);
}

pub async fn what_has_expired_is_looked_at_until_the_row_says_so(world: World) {
    let world = world.with_keys(1..=2).await;
    let days = |n| Some(NOW.plus_days(n));
    set_dates(&world, 1, KeyState::Active, None, days(-1), ExpiryPolicy::Alert);
    set_dates(&world, 2, KeyState::Active, None, days(1), ExpiryPolicy::Alert);
    let present = |present: bool| CloudFacts { material_present: Some(present), ..CloudFacts::default() };
    for n in 1..=2 {
        world.write(move |tx| keys::keep_facts(tx, &key_id(n), &present(true), NOW)).await.expect("are kept");
    }
    assert_eq!(due_at(&world, Task::Expired, NOW).await, [key_id(1)]);
    world.write(move |tx| keys::keep_facts(tx, &key_id(1), &present(false), NOW)).await.expect("are kept");
    assert_eq!(due_at(&world, Task::Expired, NOW).await, []);
}

/// The schedule begins an operation on key `n` whose failure would let the key rest for `pause` microseconds, and the operation ends.
fn ends(n: u64, state: &'static str, pause: i64) -> impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> {
    move |tx| {
        operations::insert(tx, &operation_row(n), NOW, None)?;
        attempts::begin(tx, &key_id(1), Task::Expiry, &operation_id(n), pause)?;
        operations::finish(tx, &operation_id(n), 0, state, None, NOW)
    }
}

async fn failures(world: &World, task: Task) -> u32 {
    world.read(move |tx| attempts::failures(tx, &key_id(1), task)).await.expect("are counted")
}

pub async fn a_failed_operation_of_the_schedule_lets_its_key_rest(world: World) {
    let world = with_due_keys(world, 1..=2).await;
    let later = |micros: i64| NOW.plus_micros(micros);
    world.write(ends(1, "FAILED", 500)).await.expect("fails");
    assert_eq!(failures(&world, Task::Expiry).await, 1);
    assert_eq!(due_at(&world, Task::Expiry, later(499)).await, [key_id(2)], "it rests from the operation's end");
    assert_eq!(due_at(&world, Task::Expiry, later(500)).await, [key_id(1), key_id(2)]);
    world.write(ends(2, "FAILED", 900)).await.expect("fails");
    assert_eq!(failures(&world, Task::Expiry).await, 2);
    assert_eq!(due_at(&world, Task::Expiry, later(899)).await, [key_id(2)]);
    let others = world.write(|tx| {
        operations::insert(tx, &operation_row(3), NOW, None)?;
        operations::finish(tx, &operation_id(3), 0, "FAILED", None, NOW.plus_days(1))
    });
    others.await.expect("fails");
    assert_eq!(due_at(&world, Task::Expiry, later(900)).await, [key_id(1), key_id(2)], "what a person began and failed with counts for nothing");
}

pub async fn failures_are_counted_by_task_and_forgotten_with_a_success(world: World) {
    let world = with_due_keys(world, 1..=1).await;
    let rest = |task: Task, micros: i64| move |tx: &mut Tx<'_>| attempts::rest(tx, &key_id(1), task, NOW.plus_micros(micros));
    for micros in [100, 300] {
        world.write(rest(Task::Expiry, micros)).await.expect("rests");
    }
    world.write(rest(Task::Expired, 1)).await.expect("rests");
    assert_eq!((failures(&world, Task::Expiry).await, failures(&world, Task::Expired).await, failures(&world, Task::CleanUp).await), (2, 1, 0));
    assert_eq!(due_at(&world, Task::Expiry, NOW.plus_micros(299)).await, []);
    world.write(ends(1, "SUCCEEDED", 900)).await.expect("succeeds");
    assert_eq!(failures(&world, Task::Expiry).await, 2, "what the success means the saga says");
    world.write(|tx| attempts::forget(tx, &key_id(1))).await.expect("are forgotten");
    assert_eq!((failures(&world, Task::Expiry).await, failures(&world, Task::Expired).await), (0, 0));
    assert_eq!(due_at(&world, Task::Expiry, NOW).await, [key_id(1)]);
}

/// Damage, or a kind of key that an older node does not know.
pub async fn a_key_that_cannot_be_read_is_left_out_and_hides_none_behind_it(world: World) {
    let world = with_due_keys(world, 1..=5).await;
    let planned = (1..=5).map(|n| format!("UPDATE lineages SET is_planned = 0, rotation_at = 9, notice_at = {n} WHERE id = '{}';", lineage_id(n)));
    world.aside(&planned.collect::<String>());
    world.aside(&format!("UPDATE keys SET spec = 'SHA_0' WHERE id IN ('{}', '{}', '{}')", key_id(1), key_id(2), key_id(4)));
    for (limit, seen) in [(1, vec![key_id(3)]), (2, vec![key_id(3), key_id(5)]), (100, vec![key_id(3), key_id(5)])] {
        assert_eq!(ids(world.read(move |tx| due::keys(tx, Task::Expiry, &keystore_id(1), NOW, None, limit)).await), seen, "{limit}");
        assert_eq!(ids(world.read(move |tx| due::alerts(tx, NOW, 0, &[7], limit)).await), seen, "{limit}");
        assert_eq!(ids(world.read(move |tx| rotations::unplanned(tx, limit)).await), seen, "{limit}");
        assert_eq!(ids(world.read(move |tx| rotations::to_tell(tx, NOW, limit)).await), seen, "{limit}");
    }
    assert!(world.read(|tx| keys::by_id(tx, &key_id(1))).await.is_err(), "who asks for it is told");
}

/// Only SQLite keeps such a row.
pub async fn a_keystore_that_cannot_be_read_is_left_out(world: World) {
    let world = with_due_keys(world, 1..=1).await;
    let made = world.write(|tx| {
        keystores::insert(tx, &keystore_row(2, "damaged"))?;
        insert_key(tx, &KeyRow { keystore_id: keystore_id(2), keystore_name: "damaged".to_owned(), ..key_row(2, "theirs") })
    });
    made.await.expect("are made");
    set_dates(&world, 2, KeyState::Active, None, Some(NOW), ExpiryPolicy::Extend);
    if matches!(world.database, Database::Sqlite(_)) {
        world.aside(&format!("UPDATE keystores SET swept_at = 'today' WHERE id = '{}'", keystore_id(2)));
        let asked = world.read(|tx| Ok::<_, StoreError>((due::keystores(tx, Task::Expiry, NOW)?, keystores::active(tx)?))).await.expect("are read");
        let names = |rows: Vec<keystores::KeystoreRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
        assert_eq!((names(asked.0), names(asked.1)), (vec![keystore_id(1)], vec![keystore_id(1)]));
    }
}
