//! The audit log's rows: one gapless log whose tree anybody can check.

use std::collections::HashMap;

use keystead_audit::{Entry, Frontier, Log, consistency_proof, inclusion_proof, leaf_hash, verify_consistency, verify_inclusion};
use keystead_domain::Timestamp;
use keystead_store::{
    Store, StoreError, Tx,
    audit::{self, EntryRow, SignerRow},
    page::Page,
};

use crate::world::*;

/// Every entry of the log, after everything was checked that an auditor can check: no gap, the root over the leaves, the tiles, proofs made from the tiles.
pub async fn verified_log(store: &Store) -> Vec<Entry> {
    let (rows, (size, root)) = store.read("test", |tx| Ok::<_, StoreError>((all_entries(tx)?, audit::head(tx)?))).await.expect("the log is read");
    assert_eq!(rows.iter().map(|row| row.index).collect::<Vec<_>>(), (0..size).collect::<Vec<_>>(), "the log has a gap");
    let leaves: Vec<_> = rows.iter().map(|row| leaf_hash(row.body.as_bytes())).collect();
    let mut roots = vec![Frontier::new().root()];
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append(*leaf);
        roots.push(frontier.root());
    }
    assert_eq!(root, if size == 0 { String::new() } else { hex(&frontier.root()) });
    let tiles = tiles_of(store, size).await;
    let mut source = |level: u8, n: u64| Ok::<_, StoreError>(tiles.get(&(level, n)).cloned().unwrap_or_default());
    assert_eq!(Log::resume(size, &mut source).expect("the tiles fit the size").root(), frontier.root());
    for index in 0..size {
        let proof = inclusion_proof(index, size, &mut source).expect("tiles are there");
        verify_inclusion(&leaves[index as usize], index, size, &proof, &frontier.root()).expect("the entry is in the log");
        let proof = consistency_proof(index, size, &mut source).expect("tiles are there");
        verify_consistency((index, &roots[index as usize]), (size, &frontier.root()), &proof).expect("the log only grew");
    }
    rows.iter().map(|row| Entry::from_bytes(row.body.as_bytes()).expect("what is kept is canonical")).collect()
}

fn all_entries(tx: &mut Tx<'_>) -> Result<Vec<EntryRow>, StoreError> {
    let mut rows = Vec::new();
    loop {
        let page = audit::from_index(tx, rows.len() as u64, 100)?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

async fn tiles_of(store: &Store, size: u64) -> HashMap<(u8, u64), Vec<u8>> {
    let read = move |tx: &mut Tx<'_>| {
        let wanted = (0..=1u8).flat_map(|level| (0..=size >> 8).map(move |n| (level, n)));
        wanted.map(|(level, n)| Ok::<_, StoreError>(((level, n), audit::tile(tx, level, n)?))).collect()
    };
    store.read("test", read).await.expect("tiles are read")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appends entries `range` in one transaction.
async fn append(world: &World, range: std::ops::Range<u64>) {
    let said = world.write(move |tx| {
        range.clone().for_each(|n| tx.audit(entry(n, n % 3)));
        Ok(())
    });
    said.await.expect("is kept");
}

pub async fn the_audit_log_grows_with_its_transactions(world: World) {
    assert!(verified_log(&world.store).await.is_empty());
    // Over the edge of a tile, with batches that end before, at and behind it.
    let mut size = 0;
    for more in [1, 2, 250, 3, 1, 256, 90] {
        append(&world, size..size + more).await;
        size += more;
        assert_eq!(world.read(audit::head).await.map(|head| head.0), Ok(size));
    }
    let log = verified_log(&world.store).await;
    assert_eq!(log, (0..size).map(|n| entry(n, n % 3)).collect::<Vec<_>>());
    assert_eq!(world.read(|tx| audit::from_index(tx, 255, 2)).await.map(|rows| rows.iter().map(|row| row.index).collect()), Ok(vec![255, 256]));
    assert_eq!(world.read(|tx| audit::tile(tx, 0, 0)).await.map(|tile| tile.len()), Ok(256 * 32));
    assert_eq!(world.read(|tx| audit::tile(tx, 7, 0)).await, Ok(Vec::new()));
    let world = world.reopen().expect("opens again");
    append(&world, size..size + 1).await;
    assert_eq!(verified_log(&world.store).await.len() as u64, size + 1, "the edge is read back from the tiles");
}

pub async fn an_entry_that_does_not_fit_the_kept_tree_is_refused(world: World) {
    append(&world, 0..3).await;
    world.aside("DELETE FROM audit_tiles");
    let world = world.reopen().expect("opens again");
    let refused = world
        .write(|tx| {
            tx.audit(entry(3, 0));
            Ok(())
        })
        .await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
    assert_eq!(world.ask("SELECT COUNT(*) FROM audit_entries"), 3);
}

pub async fn entries_are_listed_newest_first_by_account_and_subject(world: World) {
    append(&world, 0..10).await;
    let of_another = world.write(|tx| {
        let mut other = entry(10, 0);
        other.account = account_id(2).to_string();
        tx.audit(other);
        let mut about_nothing = entry(11, 0);
        about_nothing.subject.clear();
        tx.audit(about_nothing);
        Ok(())
    });
    of_another.await.expect("is kept");
    let list = async |subject: Option<u64>, after: Option<&str>, limit: u32| {
        let (subject, page) = (subject.map(|n| key_id(n).to_string()), Page { after: after.map(str::to_owned), limit });
        let listed = world.read(move |tx| audit::list(tx, &account(), subject.as_deref(), &page)).await.expect("is listed");
        (listed.rows.iter().map(|row| row.index).collect::<Vec<_>>(), listed.next)
    };
    assert_eq!(list(None, None, 3).await, (vec![11, 9, 8], Some("8".to_owned())));
    assert_eq!(list(None, Some("8"), 20).await, (vec![7, 6, 5, 4, 3, 2, 1, 0], None));
    assert_eq!(list(Some(0), None, 2).await, (vec![9, 6], Some("6".to_owned())));
    assert_eq!(list(Some(0), Some("6"), 2).await, (vec![3, 0], None));
    assert_eq!(list(None, Some("key_x"), 20).await, (vec![], None), "a cursor of another list finds nothing");
}

pub async fn checkpoints_are_kept_once_a_size(world: World) {
    assert_eq!(world.read(audit::newest_checkpoint).await, Ok(None));
    let kept = world.write(|tx| {
        for (size, note) in [(2, "two"), (9, "nine"), (5, "five"), (5, "five again")] {
            audit::insert_checkpoint(tx, size, note, NOW)?;
        }
        Ok(())
    });
    kept.await.expect("are kept");
    assert_eq!(world.read(|tx| audit::checkpoints(tx, 5)).await, Ok(vec!["two".to_owned(), "five".to_owned()]));
    assert_eq!(world.read(audit::newest_checkpoint).await, Ok(Some((9, "nine".to_owned()))));
}

pub async fn the_signer_is_kept_once_and_resealed_from_what_was_read(world: World) {
    let signer = SignerRow { origin: "keystead.test/log".to_owned(), vkey: "vkey".to_owned(), sealed: vec![0, 255, 1] };
    assert_eq!(world.read(audit::signer).await, Ok(None));
    let first = signer.clone();
    world.write(move |tx| audit::insert_signer(tx, &first)).await.expect("is kept");
    let second = SignerRow { vkey: "other".to_owned(), ..signer.clone() };
    assert_eq!(world.write(move |tx| audit::insert_signer(tx, &second)).await, taken("audit_signer", "id"));
    assert_eq!(world.write(|tx| audit::reseal_signer(tx, b"stale", b"new")).await, Err(StoreError::MovedOn("audit signer")));
    assert_eq!(world.read(audit::signer).await, Ok(Some(signer.clone())));
    world.write(|tx| audit::reseal_signer(tx, &[0, 255, 1], b"new")).await.expect("is resealed");
    assert_eq!(world.read(audit::signer).await, Ok(Some(SignerRow { sealed: b"new".to_vec(), ..signer })));
}

pub async fn times_before_1970_and_far_away_are_kept_exactly(world: World) {
    let world = world.with_house().await;
    let times = [Timestamp::from_micros(-1), Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN)];
    let kept = world.write(move |tx| {
        let users = (1..).zip(times).map(|(n, at)| keystead_store::users::UserRow { created_at: at, ..user_row(n, &format!("user-{n}")) });
        users.into_iter().try_for_each(|user| keystead_store::users::insert(tx, &user, user.name.as_str(), None))
    });
    kept.await.expect("are kept");
    let listed = world.read(|tx| keystead_store::users::list(tx, &account(), &Page::first())).await.expect("are listed");
    assert_eq!(listed.rows.iter().map(|user| user.created_at).collect::<Vec<_>>(), times);
}
