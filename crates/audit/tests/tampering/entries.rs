//! Single entries are edited, dropped, swapped, moved, added; and the traces are covered up.

use super::fixture::*;
use keystead_audit::{Finding, verify_export};

#[test]
fn a_log_with_more_than_one_tile_of_tiles_is_believed_and_an_edit_far_inside_is_named() {
    let mut store = Store::default();
    store.grow(66_100, "x", 1);
    let mut lines = store.export();
    assert_eq!(lines.verify().expect("genuine").entries, 66_100);
    assert_eq!(Lines::of(&store.export_from(65_000)).verify().expect("genuine").from, 64_768);
    let line = lines.entry(65_900);
    lines.replace(line, "ana", "eve");
    assert_eq!(lines.finding(), Finding::Edited { index: 65_900 });
    lines.rehash(1);
    assert_eq!(lines.finding(), Finding::Rewritten { first: 65_792, last: 66_047 });
}

#[test]
fn an_edited_entry_is_named() {
    for index in [0, 1, 255, 256, 511, 777, 999] {
        let mut lines = genuine();
        let line = lines.entry(index);
        lines.replace(line, "ana", "eve");
        assert_eq!(lines.finding(), Finding::Edited { index });
    }
}

#[test]
fn an_entry_edited_in_the_database_is_named_because_the_stored_tiles_stay() {
    let mut store = STORE.clone();
    store.entries[700] = entry(700, "nothing happened");
    assert_eq!(store.export().finding(), Finding::Edited { index: 700 });
}

#[test]
fn an_entry_edited_into_something_else_is_still_named_as_edited() {
    let mut lines = genuine();
    let line = lines.entry(3);
    lines.replace(line, "\"account\"", "account");
    assert_eq!(lines.finding(), Finding::Edited { index: 3 });
}

#[test]
fn an_edit_hidden_from_the_leaf_hashes_is_narrowed_to_its_tile_and_one_hidden_from_all_hashes_to_its_checkpoints() {
    let mut lines = genuine();
    let line = lines.entry(400);
    lines.replace(line, "ana", "eve");
    assert_eq!(lines.clone().rehash(1).finding(), Finding::Rewritten { first: 300, last: 511 }, "tile 256 to 511, proved up to 300");
    assert_eq!(lines.rehash(2).finding(), Finding::Rewritten { first: 300, last: 511 }, "checkpoints at 300 and 512");
    let mut lines = genuine();
    let line = lines.entry(600);
    lines.replace(line, "ana", "eve");
    assert_eq!(lines.clone().rehash(1).finding(), Finding::Rewritten { first: 512, last: 767 }, "tile 512 to 767");
    assert_eq!(lines.rehash(2).finding(), Finding::Rewritten { first: 512, last: 999 }, "checkpoints at 512 and 1000");
}

#[test]
fn a_dropped_entry_is_named_however_it_is_hidden() {
    for index in [0, 17, 255, 256, 600] {
        let mut lines = genuine();
        lines.0.remove(lines.entry(index));
        let expected = Finding::Missing { first: index, last: index };
        assert_eq!(lines.finding(), expected);
        assert_eq!(lines.clone().renumber().finding(), expected);
        assert_eq!(lines.retile(999).finding(), expected);
    }
    let mut lines = genuine();
    (0..5).for_each(|_| drop(lines.0.remove(lines.entry(0) + 40)));
    assert_eq!(lines.renumber().finding(), Finding::Missing { first: 40, last: 44 });
}

#[test]
fn a_whole_tile_dropped_with_its_hashes_is_named() {
    let mut lines = genuine();
    let (first, last) = (lines.entry(512), lines.hashes(0, 512));
    lines.0.drain(first..=last);
    assert_eq!(lines.finding(), Finding::Missing { first: 512, last: 767 });
    let mut lines = genuine();
    let (first, last) = (lines.entry(256), lines.hashes(0, 256));
    lines.0.drain(first..=last);
    assert_eq!(lines.finding(), Finding::Missing { first: 256, last: 511 }, "before a checkpoint of size 512");
}

#[test]
fn swapped_entries_are_named_near_and_far() {
    for (first, second) in [(3, 4), (3, 200), (3, 900), (255, 256)] {
        let mut lines = genuine();
        let (a, b) = (lines.entry(first), lines.entry(second));
        lines.0.swap(a, b);
        assert_eq!(lines.finding(), Finding::Swapped { first, second });
        assert_eq!(lines.renumber().finding(), Finding::Swapped { first, second });
    }
}

#[test]
fn a_moved_entry_and_a_moved_tile_are_named() {
    let mut lines = genuine();
    let moved = lines.0.remove(lines.entry(10));
    let to = lines.entry(30);
    lines.0.insert(to + 1, moved);
    assert_eq!(lines.renumber().finding(), Finding::OutOfOrder { index: 10, found_at: 30 });
    let mut lines = Lines::of(&{
        let mut store = Store::default();
        store.grow(1_000, "x", 1);
        store.export_from(0)
    });
    let (a, b, c) = (lines.entry(256), lines.entry(512), lines.entry(768));
    lines.0[a..c].rotate_left(b - a);
    assert_eq!(lines.finding(), Finding::OutOfOrder { index: 256, found_at: 512 });
}

#[test]
fn an_inserted_or_duplicated_entry_is_named() {
    for index in [0, 17, 255, 600, 999] {
        let mut lines = genuine();
        let line = lines.entry(index);
        lines.0.insert(line, format!("{{\"index\":{index},\"entry\":{}}}", String::from_utf8(entry(5_000, "y")).expect("text")));
        assert_eq!(lines.finding(), Finding::Inserted { index, count: 1 });
        assert_eq!(lines.clone().renumber().finding(), Finding::Inserted { index, count: 1 });
        let mut lines = genuine();
        lines.0.insert(line, lines.0[line].clone());
        assert_eq!(lines.finding(), Finding::Inserted { index: index + 1, count: 1 }, "the second of two equal lines is too many");
    }
    let mut lines = genuine();
    let (first, last) = (lines.entry(512), lines.hashes(0, 512));
    let copy = lines.0[first..=last].to_vec();
    lines.0.splice(last + 1..=last, copy);
    assert_eq!(lines.finding(), Finding::Inserted { index: 768, count: 256 }, "a whole tile twice");
    let mut lines = genuine();
    lines.0.push(lines.0[lines.entry(0)].clone());
    assert_eq!(lines.finding(), Finding::Inserted { index: 1_000, count: 1 }, "after the end");
}

#[test]
fn entries_without_end_do_not_fill_the_memory() {
    let mut lines = genuine();
    let line = lines.entry(0);
    let many = vec![lines.0[line].clone(); 2_000];
    lines.0.splice(line..line, many);
    assert!(matches!(lines.finding(), Finding::Malformed { line: 514, .. }));
    let long = [b"{\"index\":0,\"entry\":".as_slice(), &vec![b'x'; 3 << 20]].concat();
    let export = [STORE.export().0[0].as_bytes(), b"\n", &long].concat();
    assert!(matches!(verify_export(export.as_slice(), None, None), Err(Finding::Malformed { line: 2, .. })));
}
