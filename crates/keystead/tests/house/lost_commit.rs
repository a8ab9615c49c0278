//! A commit to PostgreSQL whose answer is lost: the engine takes it for a crash. The run is dropped without giving its lease back, and behind the lease's end the
//! journal says how far it came. A caller is told that nobody knows, and the same idempotency key finds what was stored.

use std::time::Duration;

use keystead_app::{Request, rotation::NewRoot};
use keystead_domain::time::SECOND;
use keystead_operations::engine::Settings;
use keystead_store::{Database, Store, StoreError, Tx};
use keystead_testkit::{
    postgres,
    wire::{Break, Wire},
};
use keystead_vault::{NewUnlock, RootError, SecretBytes};
use tokio::task::JoinHandle;

use crate::{recovery::new_key, world::World};

/// A world over a wire that breaks at a COMMIT; none when the tests on PostgreSQL were left out on purpose.
async fn world_over_wire() -> Option<(World, Wire)> {
    let url = tokio::task::spawn_blocking(|| (!postgres::is_skipped()).then(postgres::fresh_database)).await.expect("no panic")?;
    let wire = Wire::to(&url);
    let settings = Settings { quotas: false, patience_micros: SECOND, ..Settings::default() };
    let directory = tempfile::tempdir().expect("a directory");
    Some((World::on(Database::Postgres(wire.url().to_owned()), directory, settings).await, wire))
}

/// Waits for what must come soon.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_whose_commit_is_not_answered_goes_on_when_its_lease_has_ended() {
    let Some((world, wire)) = world_over_wire().await else { return };
    // The intent's COMMIT comes first; then those of the outcomes, the last with the ending.
    for (skip, at) in (1..=4).flat_map(|skip| [(skip, Break::BeforeCommit), (skip, Break::BehindCommit)]) {
        let name = world.fresh_name("lost");
        let before = world.cloud_keys().await.len();
        wire.break_at(at, skip);
        let started = world.start_create(&name).await;
        until("the wire breaks", || !wire.is_armed()).await;
        until("the run is dropped", || world.house.engine.in_hand() == 0).await;
        let id = started.operation.as_ref().expect("an operation").id.clone();
        let left = world.operation(&id).await.expect("an operation");
        let is_kept = skip == 4 && at == Break::BehindCommit;
        assert_eq!(left.state, if is_kept { "SUCCEEDED" } else { "RUNNING" }, "{skip} {at:?}");
        // Longer than an interrupted run rests, shorter than a lease holds.
        world.sandbox.advance(10 * SECOND as u64);
        assert_eq!(world.house.engine.take_due().await, Ok(0), "{skip} {at:?}: the lease was not given back");
        world.sandbox.advance(60 * SECOND as u64);
        let ended = world.ended(&started).await;
        assert_eq!((ended.state.as_str(), ended.fence > left.fence), ("SUCCEEDED", !is_kept), "{skip} {at:?}: {:?}", ended.problem);
        assert_eq!(world.cloud_keys().await.len(), before + 1, "{skip} {at:?}: one key in the cloud");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_commit_is_not_answered_is_told_as_unknown_and_may_be_repeated() {
    let Some((world, wire)) = world_over_wire().await else { return };
    for at in [Break::BeforeCommit, Break::BehindCommit] {
        let name = world.fresh_name("unknown");
        wire.break_at(at, 0);
        let (status, body) = world.rest(0, "POST", "/v1/keys", Some(new_key(&name))).await;
        assert_eq!((status, body["type"].as_str()), (503, Some("https://keystead.dev/problems/outcome-unknown")), "{at:?}: {body}");
        assert_eq!(world.find_key(&name).await.is_some(), at == Break::BehindCommit);
        // What was stored is nobody's run yet; it goes on like after a crash.
        world.sandbox.advance(61 * SECOND as u64);
        world.house.engine.take_due().await.expect("a store");
    }
    world.settle().await;
    let person = |key: &str| world.http.post(format!("{}/v1/keys", world.url)).bearer_auth(&world.tokens[0]).header("Idempotency-Key", key.to_owned());
    for at in [Break::BeforeCommit, Break::BehindCommit] {
        let name = world.fresh_name("again");
        wire.break_at(at, 0);
        let key = format!("key of {name}");
        let before = world.cloud_keys().await.len();
        person(&key).json(&new_key(&name)).send().await.expect("an answer");
        assert!(!wire.is_armed());
        let repeated = person(&key).json(&new_key(&name)).send().await.expect("an answer");
        assert!(repeated.status().is_success(), "{at:?}: {}", repeated.status());
        world.sandbox.advance(61 * SECOND as u64);
        world.house.engine.take_due().await.expect("a store");
        world.settle().await;
        assert_eq!(world.key(&name).await.state, keystead_domain::KeyState::Active, "{at:?}");
        assert_eq!(world.cloud_keys().await.len(), before + 1, "{at:?}: made once");
    }
}

/// A key file other than the first root's.
fn new_key_file() -> SecretBytes {
    SecretBytes::from((2u8..=33).collect::<Vec<u8>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_commit_is_not_answered_is_known_before_it_is_answered() {
    for at in [Break::BehindCommit, Break::BeforeCommit] {
        let Some((world, wire)) = world_over_wire().await else { return };
        world.create("orders").await;
        wire.break_at(at, 0);
        let rotated = world.house.app.rotate_root(&world.ann, &Request::default(), NewRoot::Secret(NewUnlock::KeyFile(new_key_file()))).await;
        assert!(!wire.is_armed());
        let status = world.house.app.vault_status().await;
        let is_kept = at == Break::BehindCommit;
        assert_eq!((rotated.is_ok(), status.sealed, status.root_generation), (is_kept, false, if is_kept { 2 } else { 1 }), "{at:?}");
        assert_eq!(world.house.engine.parts().vault.unsettled(), None, "{at:?}");
        world.house.app.finish_root_rotation().await.expect("every row opens");
        if !is_kept {
            let again = world.house.app.rotate_root(&world.ann, &Request::default(), NewRoot::Secret(NewUnlock::KeyFile(new_key_file()))).await;
            assert!(again.is_ok(), "nothing stands in the way of another");
        }
    }
}

/// Another session does something to the row of the root, and commits some time later.
async fn hold_row(world: &World, mut work: impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) -> JoinHandle<Result<(), StoreError>> {
    let other = Store::open(&world.database).expect("another connection");
    let (holds, held) = std::sync::mpsc::channel();
    let late = tokio::spawn(async move {
        let kept = other.write("test", move |tx| {
            work(tx)?;
            let _ = holds.send(());
            std::thread::sleep(Duration::from_millis(800));
            Ok::<_, StoreError>(())
        });
        kept.await
    });
    tokio::task::spawn_blocking(move || held.recv()).await.expect("no panic").expect("the row is held");
    late
}

/// The commit is on its way for longer than anybody looks: a session holds the row that it would change, as one does whose commit has not ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_still_on_its_way_is_waited_for_and_not_taken_for_lost() {
    let Some((world, _wire)) = world_over_wire().await else { return };
    let vault = world.house.engine.parts().vault.clone();
    let created = vault.begin_root_rotation(&NewUnlock::KeyFile(new_key_file()), &[]).expect("no rotation runs");
    vault.begun_is_being_stored(&created.record).expect("it was begun");
    let (old, new, now) = (vault.record().to_bytes(), created.record.to_bytes(), world.now());
    let late = hold_row(&world, move |tx| keystead_store::vault::replace_root(tx, &old, &new, 2, now)).await;
    assert_eq!(vault.begin_root_rotation(&NewUnlock::KeyFile(new_key_file()), &[]).err(), Some(RootError::RotationUnsettled));
    world.house.app.follow_root().await.expect("a store");
    assert_eq!((vault.is_sealed(), vault.record().generation(), vault.unsettled()), (false, 2, None), "this node made the root, and goes on under it");
    late.await.expect("no panic").expect("a store");
}

/// Whoever asked for a rotation goes away while its commit is on its way: the rotation goes on, and this node with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_goes_on_when_who_asked_has_gone_away() {
    let Some((world, _wire)) = world_over_wire().await else { return };
    world.create("orders").await;
    let late = hold_row(&world, |tx| keystead_store::vault::hold_root(tx).map(drop)).await;
    let request = Request::default();
    let rotation = world.house.app.rotate_root(&world.ann, &request, NewRoot::Secret(NewUnlock::KeyFile(new_key_file())));
    assert!(tokio::time::timeout(Duration::from_millis(300), rotation).await.is_err(), "it waits for the row, and is given up");
    late.await.expect("no panic").expect("a store");
    let vault = world.house.engine.parts().vault.clone();
    until("the rotation is finished", || vault.record().generation() == 2 && vault.record().previous_generation().is_none()).await;
    assert!(!vault.is_sealed());
}
