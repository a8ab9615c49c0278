//! Alerts: told once, delivered at least once, by one node at a time; a message keeps its name until it is taken.

use keystead_domain::{AlertId, Timestamp, alert::AlertKind, time::SECOND};
use keystead_store::{
    alerts::{self, AlertRow},
    channels::{self, Batch},
    page::Page,
};

use crate::world::*;

const MAIL: &str = "mail:ops@example.com";

fn alert_id(n: u64) -> AlertId {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&n.to_be_bytes());
    AlertId::new(NOW, bytes)
}

fn alert(n: u64, kind: AlertKind, once: &str) -> AlertRow {
    AlertRow {
        id: alert_id(n),
        account_id: account(),
        kind,
        subject_id: key_id(1).to_string(),
        topic: "renew-key".to_owned(),
        once: once.to_owned(),
        facts: r#"{"key":"orders"}"#.to_owned(),
        created_at: NOW,
    }
}

/// Keeps an alert for mail and a webhook, due five seconds from now.
async fn tell(world: &World, row: AlertRow) -> bool {
    let both = [MAIL.to_owned(), "webhook:h".to_owned()];
    world.write(move |tx| alerts::insert(tx, &row, &both, NOW.plus_micros(5 * SECOND))).await.expect("is kept")
}

fn later(seconds: i64) -> Timestamp {
    NOW.plus_micros(seconds * SECOND)
}

async fn lease(world: &World, at: Timestamp, name: &'static str) -> Option<Batch> {
    let is_due = world.read(move |tx| channels::is_due(tx, MAIL, at)).await.expect("a look");
    let batch = world.write(move |tx| channels::lease(tx, MAIL, at, at.plus_micros(60 * SECOND), name)).await.expect("a lease or none");
    assert_eq!(batch.is_some(), is_due, "the look says what the lease does");
    batch
}

fn told(batch: &Batch) -> Vec<AlertId> {
    batch.alerts.iter().map(|alert| alert.id.clone()).collect()
}

async fn states(world: &World, n: u64) -> Vec<(String, u32)> {
    let rows = world.read(move |tx| alerts::deliveries(tx, &alert_id(n))).await.expect("are read");
    rows.into_iter().map(|row| (row.state, row.attempts)).collect()
}

pub async fn an_alert_is_told_once_and_read_as_it_was_written(world: World) {
    let world = world.with_house().await;
    let row = alert(1, AlertKind::KeyExpires, "a");
    assert!(tell(&world, row.clone()).await);
    assert!(!tell(&world, alert(2, AlertKind::KeyExpires, "a")).await, "the same again is no second alert");
    assert!(tell(&world, alert(3, AlertKind::Test, "b")).await);
    assert_eq!(world.read(|tx| alerts::find(tx, &account(), &alert_id(1))).await, Ok(Some(row)));
    assert_eq!(world.read(|tx| alerts::find(tx, &account_id(2), &alert_id(1))).await, Ok(None), "another account sees nothing");
    let listed = world.read(|tx| alerts::list(tx, &account(), &Page { after: None, limit: 1 })).await.expect("a page");
    assert_eq!((listed.rows[0].id.clone(), listed.next.clone()), (alert_id(3), Some(alert_id(3).to_string())));
    let rest = world.read(move |tx| alerts::list(tx, &account(), &Page { after: listed.next.clone(), limit: 5 })).await.expect("a page");
    assert_eq!(rest.rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [alert_id(1)]);
    assert_eq!(world.read(alerts::counts).await, Ok((4, 0)));
    assert_eq!(alerts::once_before(&key_id(1), NOW, 7), format!("expiry/{}/1790000000000000/7", key_id(1)));
}

pub async fn a_failure_is_told_until_its_recovery_is(world: World) {
    let world = world.with_house().await;
    let is_told = async || world.read(|tx| alerts::is_failure_told(tx, key_id(1).as_str(), "renew-key")).await;
    assert_eq!(is_told().await, Ok(false));
    tell(&world, alert(1, AlertKind::OperationFailed, "a")).await;
    assert_eq!(is_told().await, Ok(true));
    assert_eq!(world.read(|tx| alerts::is_failure_told(tx, key_id(1).as_str(), "upload-key")).await, Ok(false), "another kind is another story");
    tell(&world, alert(2, AlertKind::OperationRecovered, "b")).await;
    assert_eq!(is_told().await, Ok(false));
}

pub async fn what_waits_goes_out_as_one_message(world: World) {
    let world = world.with_house().await;
    tell(&world, alert(1, AlertKind::Test, "a")).await;
    assert_eq!(lease(&world, later(4), "m1").await, None, "it waits for others");
    tell(&world, alert(2, AlertKind::Test, "b")).await;
    let batch = lease(&world, later(5), "m1").await.expect("it is due");
    assert_eq!((told(&batch), batch.name.as_str(), batch.failures), (vec![alert_id(1), alert_id(2)], "m1", 0));
    assert_eq!(lease(&world, later(6), "m2").await, None, "one node has the channel to itself");
    world.write(move |tx| channels::delivered(tx, MAIL, &batch, later(7))).await.expect("is noted");
    assert_eq!(states(&world, 2).await, [("DELIVERED".to_owned(), 1), ("PENDING".to_owned(), 0)], "the other channel has its own state");
    assert_eq!(lease(&world, later(8), "m2").await, None, "nothing is left");
}

pub async fn a_message_keeps_its_name_until_it_is_taken(world: World) {
    let world = world.with_house().await;
    tell(&world, alert(1, AlertKind::Test, "a")).await;
    let first = lease(&world, later(5), "m1").await.expect("it is due");
    tell(&world, alert(2, AlertKind::Test, "b")).await;
    let again = lease(&world, later(65), "m2").await.expect("the first node died: its lease has run out");
    assert_eq!((again.name.as_str(), told(&again), again.since), ("m1", vec![alert_id(1)], later(5)), "the same message");
    let late = world.write(move |tx| channels::delivered(tx, MAIL, &first, later(66))).await;
    assert!(late.is_err(), "the first node comes back, and cannot write");
    let failed = again.clone();
    world.write(move |tx| channels::failed(tx, MAIL, &failed, "no", later(100))).await.expect("is noted");
    assert_eq!(lease(&world, later(99), "m2").await, None, "the channel rests");
    let third = lease(&world, later(100), "m2").await.expect("it is due again");
    assert_eq!((third.name.as_str(), third.failures), ("m1", 1));
    let given_up = third.clone();
    let noted = world.write(move |tx| {
        channels::failed(tx, MAIL, &given_up, "no", later(200))?;
        channels::give_up(tx, MAIL, &given_up)
    });
    noted.await.expect("is noted");
    assert_eq!((states(&world, 1).await[0].clone(), world.read(alerts::counts).await), (("GIVEN_UP".to_owned(), 2), Ok((3, 1))));
    assert_eq!(lease(&world, later(150), "m3").await, None);
    world.write(|tx| channels::wake(tx, MAIL)).await.expect("is woken");
    let next = lease(&world, later(150), "m3").await.expect("what came later is the next message");
    assert_eq!((next.name.as_str(), told(&next)), ("m3", vec![alert_id(2)]));
}

pub async fn an_alert_that_cannot_be_read_holds_up_no_other_and_waits(world: World) {
    let world = world.with_house().await;
    for (n, once) in [(1, "a"), (2, "b"), (3, "c")] {
        tell(&world, alert(n, AlertKind::Test, once)).await;
    }
    world.aside(&format!("UPDATE alerts SET kind = 'rumour' WHERE id = '{}'", alert_id(1)));
    world.aside(&format!("UPDATE alerts SET facts = 'hearsay' WHERE id = '{}'", alert_id(2)));
    let batch = lease(&world, later(5), "m1").await.expect("it is due");
    assert_eq!(told(&batch), [alert_id(3)]);
    world.write(move |tx| channels::delivered(tx, MAIL, &batch, later(6))).await.expect("is noted");
    assert_eq!((&states(&world, 1).await[0].0[..], &states(&world, 3).await[0].0[..]), ("PENDING", "DELIVERED"));
    assert_eq!(lease(&world, later(7), "m2").await, None, "nothing is due for an hour");
    world.aside(&format!("UPDATE alerts SET kind = 'test' WHERE id = '{}'", alert_id(1)));
    let batch = lease(&world, later(3605), "m3").await.expect("it is due");
    assert_eq!(told(&batch), [alert_id(1)], "it was mended, and comes late");
}
