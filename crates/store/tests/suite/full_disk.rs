//! A disk that is really full. The test runs itself again in a mount namespace of its own, on a disk of four megabytes in memory: it vanishes with the process.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use keystead_store::{Database, Store, StoreError, Tx, users};

use crate::{cases::verified_log, world::*};

/// Set to `1`, it leaves this test out where no disk can be mounted.
const SKIP: &str = "KEYSTEAD_SKIP_FULL_DISK";
/// Tells the inner run where its disk is.
const DISK: &str = "KEYSTEAD_SMALL_DISK";
const MOUNT: &str = r#"mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@""#;

/// The ways to a namespace in which one may mount: as root, or as anybody where the kernel allows it.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

fn on_small_disk(way: &[&str], directory: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", MOUNT]).arg(directory);
    command
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_kept() {
    if std::env::var(SKIP).is_ok_and(|value| value == "1") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let works = |way: &&&[&str]| on_small_disk(way, directory.path()).arg("true").output().is_ok_and(|tried| tried.status.success());
    let Some(way) = WAYS.iter().find(works) else {
        panic!("no small disk can be mounted here: run as root, or allow user namespaces to `unshare` (util-linux), or leave this test out with {SKIP}=1");
    };
    let own = std::env::current_exe().expect("this test");
    let inner = on_small_disk(way, directory.path())
        .arg(own)
        .args(["--exact", "full_disk::on_a_small_disk", "--ignored", "--nocapture"])
        .env(DISK, directory.path())
        .output()
        .expect("runs");
    let said = format!("{}{}", String::from_utf8_lossy(&inner.stdout), String::from_utf8_lossy(&inner.stderr));
    assert!(inner.status.success() && said.contains("1 passed"), "{said}");
}

/// A file that takes up what is left of the disk.
struct Filler(PathBuf);

impl Filler {
    fn new(disk: &Path, leave: u64) -> Self {
        let path = disk.join("filler");
        let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("opens");
        while file.write_all(&[1; 4096]).is_ok() {}
        let size = file.metadata().expect("a size").len();
        file.set_len(size.saturating_sub(leave)).expect("shrinks");
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn add_user(n: u64) -> impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> {
    move |tx| {
        users::insert(tx, &user_row(n, &format!("user-{n}")), &format!("hash-{n}"), None)?;
        tx.audit(entry(n, n));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs on a disk of its own, which the test above makes"]
async fn on_a_small_disk() {
    let disk = PathBuf::from(std::env::var(DISK).expect("is run by the test above"));
    let world = World::open(Database::Sqlite(disk.join("keystead.db")), None).expect("opens").with_house().await;
    let filler = Filler::new(&disk, 512 * 1024);
    let mut kept = 0;
    let told = loop {
        match world.write(add_user(kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(told, StoreError::Full);
    assert!(kept > 3, "{kept}");
    for n in kept..kept + 5 {
        assert_eq!(world.write(add_user(n)).await, Err(StoreError::Full), "it stays full");
    }
    let answers = crate::cases::write_in_one_batch(&world.store, 5, |_, _| Ok::<_, StoreError>(())).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Full | StoreError::Unique { .. }))), "{answers:?}");
    assert_eq!(count_users(&world).await, kept, "reading goes on, and only what was acknowledged is there");
    assert_eq!(verified_log(&world.store).await.len() as u64, kept);
    drop(filler);
    world.write(add_user(kept)).await.expect("there is space again");
    assert_eq!(verified_log(&world.store).await.len() as u64, kept + 1);
    let world = world.reopen().expect("opens again");
    assert_eq!(count_users(&world).await, kept + 1);
    assert_eq!(verified_log(&world.store).await.len() as u64, kept + 1);

    let _filler = Filler::new(&disk, 0);
    assert_eq!(Store::open(&Database::Sqlite(disk.join("another.db"))).err(), Some(StoreError::Full), "there is no place for a new database");
}

async fn count_users(world: &World) -> u64 {
    let page = keystead_store::page::Page::first();
    world.read(move |tx| users::list(tx, &account(), &page)).await.expect("reads").rows.len() as u64
}
