//! A full disk under a whole server: told, nothing half kept, and service again with the space. The test runs itself once more in a mount namespace of its own,
//! on a small disk in memory, which vanishes with the process.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use keystead_domain::time::SECOND;
use keystead_sandbox::Effect;
use serde_json::json;

use crate::{
    recovery::{begin, create, fault, new_key, schedule, until},
    refusals::{everything, refused},
    world::{Engine, World},
};

/// Set to `1`, it leaves the full disk out where none can be mounted.
const SKIP: &str = "KEYSTEAD_SKIP_FULL_DISK";
/// Tells the inner run where its disk is.
const DISK: &str = "KEYSTEAD_SMALL_DISK";

/// The ways to a mount namespace: as root, or as anybody where the kernel allows it.
const WAYS: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

fn on_small_disk(way: &[&str], directory: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(way).args(["sh", "-c", r#"mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@""#]).arg(directory);
    command
}

#[test]
fn a_full_disk_is_told_and_service_returns_with_the_space() {
    let directory = tempfile::tempdir().expect("a directory");
    let works = |way: &&&[&str]| on_small_disk(way, directory.path()).arg("true").output().is_ok_and(|tried| tried.status.success());
    let Some(way) = WAYS.iter().find(works) else {
        assert!(std::env::var(SKIP).is_ok_and(|value| value == "1"), "no small disk can be mounted here: run as root, or leave this test out with {SKIP}=1");
        println!("SKIPPED: no small disk can be mounted here");
        return;
    };
    // Not by its name: a build that runs beside may have put another binary there.
    let own = format!("/proc/{}/exe", std::process::id());
    let inner = on_small_disk(way, directory.path())
        .arg(own)
        .args(["--exact", "full_disk::on_a_small_disk", "--ignored", "--nocapture"])
        .env(DISK, directory.path())
        .env("TMPDIR", directory.path())
        .output()
        .expect("runs");
    let said = format!("{}{}", String::from_utf8_lossy(&inner.stdout), String::from_utf8_lossy(&inner.stderr));
    assert!(inner.status.success() && said.contains("1 passed"), "{said}");
}

/// Takes up what is left of the disk.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).expect("opens");
    while file.write_all(&[1; 4096]).is_ok() {}
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs on a disk of its own, which the test above makes"]
async fn on_a_small_disk() {
    let disk = PathBuf::from(std::env::var(DISK).expect("is run by the test above"));
    let world = World::new(Engine::Sqlite).await;
    let _schedule = schedule(&world.house);
    assert!(world.directory.path().starts_with(&disk), "the database is on the small disk");
    world.create("orders").await;
    // An operation that runs when the disk becomes full.
    world.sandbox.add_faults([fault("CreateKey", 1, Effect::Delay { millis: 2000 })]);
    let running = begin(&world, &world.url, "running").await;
    let filler = fill(&disk);
    // What the log of the database already holds of the disk is used up first.
    for number in 0.. {
        assert!(number < 10_000, "the disk does not become full");
        let (status, body) = world.rest(0, "POST", "/v1/users", Some(json!({"name": format!("user-{number}")}))).await;
        if status != 201 {
            assert_eq!((status, body["type"].as_str()), (503, Some("https://keystead.dev/problems/disk-full")), "{body}");
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = everything(&world).await;
    for (path, body) in [
        ("/v1/keys", Some(new_key("fresh"))),
        ("/v1/keys/orders/deactivate", None),
        ("/v1/keys/orders/renew", None),
        ("/v1/users", Some(json!({"name": "eve"}))),
    ] {
        let problem = refused(&world, "POST", path, body).await;
        assert_eq!((problem.status, problem.slug.as_str()), (503, "disk-full"), "{path}");
    }
    assert_eq!(everything(&world).await, before, "reading goes on, and nothing has changed");
    std::fs::remove_file(filler).expect("frees the space");
    assert_eq!(create(&world, "fresh").await["state"], "SUCCEEDED", "service returns by itself");
    let (_, done) = world.rest(0, "POST", "/v1/keys/orders/deactivate", None).await;
    assert_eq!(done["operation"]["state"], "SUCCEEDED");
    // What was interrupted goes on when its lease has ended: after a minute, which the clock is moved by.
    world.sandbox.advance(61 * SECOND as u64);
    assert_eq!(until(&world, &running, |operation| operation["state"] != "RUNNING").await["state"], "SUCCEEDED");
    assert_eq!(world.cloud_keys().await.len(), 3, "nothing was lost, and nothing made twice");
}
