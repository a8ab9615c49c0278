//! The architecture as a test: who may know whom, what occurs in which room, and that every file says what it is for. A mirror more than a policeman.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Every crate's normal dependencies inside the house, by short name, as cargo sees them.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(root()).output().expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    let short = |name: &str| name.strip_prefix("keystead-").unwrap_or(name).to_owned();
    let of = |package: &Value| {
        let ours = |found: &&Value| found["name"].as_str().is_some_and(|name| name.starts_with("keystead")) && found["kind"].is_null();
        let mut names: Vec<String> =
            package["dependencies"].as_array().into_iter().flatten().filter(ours).map(|found| short(found["name"].as_str().expect("a name"))).collect();
        names.sort();
        names
    };
    metadata["packages"].as_array().into_iter().flatten().map(|package| (short(package["name"].as_str().expect("a name")), of(package))).collect()
}

/// The rows between the marks in ARCHITECTURE.md: crate, storey, whom it knows.
fn table() -> Vec<(String, String, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, rest) = text.split_once("<!-- dependencies -->").expect("the table's first mark");
    let (table, _) = rest.split_once("<!-- /dependencies -->").expect("the table's last mark");
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let rows = table.lines().map(str::trim).filter(|line| line.starts_with('|')).skip(2).map(cells);
    rows.map(|cells| {
        let knows = cells[2].split(", ").map(|name| name.trim_matches('`').to_owned()).filter(|name| !name.is_empty() && name != "-").collect();
        (cells[0].clone(), cells[1].clone(), knows)
    })
    .collect()
}

#[test]
fn the_table_of_the_architecture_is_what_cargo_sees() {
    let written: BTreeMap<String, Vec<String>> = table().into_iter().map(|(name, _, knows)| (name, knows)).collect();
    assert_eq!(written, dependencies());
}

/// Pairs on one storey that the plan allows: everybody may know the nouns, a hardware module answers the vault's port, the use-cases start operations for those who
/// may ask, and composition knows the faces.
const SIBLINGS: [(&str, &str); 5] = [("cloud", "domain"), ("vault-pkcs11", "vault"), ("app", "identity"), ("app", "operations"), ("server", "api")];

#[test]
fn a_storey_knows_only_storeys_below_it() {
    let storeys: BTreeMap<String, i32> = table().into_iter().filter_map(|(name, storey, _)| Some((name, storey.parse().ok()?))).collect();
    for (name, knows) in dependencies() {
        let Some(own) = storeys.get(&name) else { continue };
        for known in &knows {
            let allowed = SIBLINGS.contains(&(name.as_str(), known.as_str())) || storeys.get(known).is_none_or(|storey| storey < own);
            assert!(allowed, "{name} (storey {own}) may not know {known}");
        }
    }
}

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(under).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn all_sources() -> Vec<(String, String)> {
    let root = root();
    let name = |path: &Path| path.strip_prefix(&root).expect("inside").display().to_string();
    sources(&root.join("crates")).into_iter().map(|path| (name(&path), std::fs::read_to_string(&path).expect("text"))).collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    for (name, text) in all_sources() {
        assert!(text.starts_with("//!"), "{name} does not begin with //!");
    }
}

#[test]
fn sql_stands_in_the_store_only() {
    let sql = ["SELECT ", "INSERT INTO ", "DELETE FROM "];
    for (name, text) in all_sources().into_iter().filter(|(name, _)| !name.starts_with("crates/store/") && name.contains("/src/")) {
        assert!(!sql.iter().any(|word| text.contains(word)), "{name} has SQL");
    }
}

#[test]
fn status_codes_stand_in_one_file_of_the_api() {
    for (name, text) in all_sources()
        .into_iter()
        .filter(|(name, _)| ["crates/app/", "crates/operations/", "crates/domain/", "crates/vault/"].iter().any(|room| name.starts_with(room)))
    {
        assert!(!text.contains("StatusCode") && !text.contains("axum"), "{name} knows HTTP");
    }
}

#[test]
fn nothing_is_left_undone_and_nothing_is_unsafe() {
    let banned =
        [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!("), concat!("un", "safe {"), concat!("FIX", "ME"), concat!("#[ig", "nore")];
    for (name, text) in all_sources().into_iter().filter(|(name, _)| !PARTS_OF_OTHER_TESTS.contains(&name.as_str())) {
        for word in banned.into_iter().filter(|word| name != FOREIGN_FUNCTIONS || !word.starts_with("un")) {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}

/// The only file in which functions of a C library are called.
const FOREIGN_FUNCTIONS: &str = "crates/vault-pkcs11/src/raw.rs";

/// Files with a test that is left out of an ordinary run because another test starts it as a child process of its own.
const PARTS_OF_OTHER_TESTS: [&str; 3] =
    ["crates/store/tests/suite/full_disk.rs", "crates/keystead/tests/house/full_disk.rs", "crates/keystead/tests/house/year/kills.rs"];

#[test]
fn the_environment_is_read_by_the_faces_only() {
    let faces = ["crates/cli/", "crates/server/src/config", "crates/testkit/"];
    for (name, text) in all_sources().into_iter().filter(|(name, _)| name.contains("/src/") && !faces.iter().any(|face| name.starts_with(face))) {
        assert!(!text.contains("env::var"), "{name} reads the environment");
    }
}

#[test]
fn each_dependency_has_its_reason() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let (_, rest) = manifest.split_once("[workspace.dependencies]").expect("the list");
    let (list, _) = rest.split_once("\n[").expect("its end");
    for line in list.lines().filter(|line| line.contains('=') && !line.starts_with("keystead-")) {
        assert!(line.contains("# "), "no reason: {line}");
    }
}
