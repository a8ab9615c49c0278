//! Who used the cloud's keys, as queues told it.

use keystead_store::{
    Tx,
    uses::{self, KEPT_A_KEY, UseRow},
};

use crate::world::*;

fn used(who: &str, seconds: i64) -> UseRow {
    let at = NOW.plus_micros(seconds * 1_000_000);
    UseRow {
        keystore_id: keystore_id(1),
        cloud_key_id: "k-1".into(),
        who: who.into(),
        operation: "Decrypt".into(),
        refusal: String::new(),
        session: format!("s-{seconds}"),
        origin: "203.0.113.7".into(),
        first_at: at,
        last_at: at,
        heard: 1,
    }
}

pub async fn who_used_a_key_is_kept_in_one_row_with_the_first_and_the_last_time(world: World) {
    let world = world.with_house().await;
    let keep = async |row: UseRow, event: &'static str| world.write(move |tx| uses::keep(tx, &row, event)).await.expect("is kept");
    let of = async |since: i64| world.read(move |tx| uses::of_key(tx, &keystore_id(1), "k-1", NOW.plus_micros(since * 1_000_000))).await.expect("are read");
    keep(used("app", 10), "e-1").await;
    assert_eq!(of(0).await, [used("app", 10)]);
    keep(used("app", 30), "e-2").await;
    keep(used("app", 30), "e-2").await;
    keep(used("app", 5), "e-3").await;
    let one = UseRow { first_at: used("app", 5).first_at, heard: 3, ..used("app", 30) };
    assert_eq!(of(0).await, std::slice::from_ref(&one), "an older one that comes late moves the first time only, and one that comes twice counts once");
    let refused = UseRow { refusal: "DisabledException".into(), ..used("app", 40) };
    keep(refused.clone(), "e-4").await;
    keep(UseRow { operation: "Encrypt".into(), ..used("other", 20) }, "e-5").await;
    keep(UseRow { cloud_key_id: "k-2".into(), ..used("app", 50) }, "e-6").await;
    assert_eq!(of(25).await, [refused.clone(), one.clone()], "the last first, since a time");
    let late = world.read(|tx| uses::of_key(tx, &keystore_id(1), "k-1", NOW.plus_micros(40_900_000))).await;
    assert_eq!(late, Ok(vec![refused.clone()]), "what is told to the second is of the whole second");
    let forget = async || world.write(|tx| uses::forget_before(tx, NOW.plus_micros(30_000_000))).await.expect("are forgotten");
    assert_eq!((forget().await, forget().await), (true, false));
    assert_eq!(of(0).await, [refused, one]);
}

pub async fn a_key_keeps_the_users_of_the_last_time(world: World) {
    let world = world.with_house().await;
    let count = i64::from(KEPT_A_KEY) + 50;
    let keep = move |tx: &mut Tx<'_>| (0..count).try_for_each(|n| uses::keep(tx, &used(&format!("u-{n}"), n), &format!("e-{n}")));
    world.write(keep).await.expect("are kept");
    let kept = world.read(|tx| uses::of_key(tx, &keystore_id(1), "k-1", NOW)).await.expect("are read");
    let ends = (kept.len() as u32, kept.first().map(|user| user.who.as_str()), kept.last().map(|user| user.who.as_str()));
    assert_eq!(ends, (KEPT_A_KEY, Some("u-249"), Some("u-50")));
    // As many at one moment leave the room full, and not empty.
    let flood = move |tx: &mut Tx<'_>| (0..count).try_for_each(|n| uses::keep(tx, &used(&format!("v-{n:03}"), 1_000), &format!("f-{n}")));
    world.write(flood).await.expect("are kept");
    let kept = world.read(|tx| uses::of_key(tx, &keystore_id(1), "k-1", NOW)).await.expect("are read");
    assert_eq!((kept.len() as u32, kept[0].who.as_str()), (KEPT_A_KEY, "v-000"));
}
