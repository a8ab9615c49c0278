//! A cheap mirror of the coverage: every function of every noun is named by a case. That each case runs on both engines is the macro's doing.

use std::{fs, path::Path};

#[test]
fn every_function_of_every_noun_is_called() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = [texts_in(&root.join("tests/suite/cases")), texts_in(&root.join("tests/suite"))].concat();
    let mut count = 0;
    for (noun, text) in texts_in(&root.join("src/noun")) {
        for function in text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split(['(', '<']).next()) {
            let called = format!("{noun}::{function}");
            assert!(cases.iter().any(|(_, case)| names(case, &called)), "no case calls {called}");
            count += 1;
        }
    }
    assert!(count > 60, "only {count} functions were found: has the layout of src/noun changed?");
}

/// Whether a text has the word, not just the beginning of a longer one.
fn names(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[at + word.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// Every Rust file of a folder: its name without the ending, and its text.
fn texts_in(folder: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(folder).expect("the folder is there").map(|file| file.expect("is listed").path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), fs::read_to_string(&path).expect("is text")))
        .collect()
}
