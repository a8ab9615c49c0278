//! The log as a whole is cut off, forked, signed anew; checkpoints, header and recorded hashes are changed.

use super::fixture::*;
use keystead_audit::{Checkpoint, Finding, Log, NoteError, VerifierKey, verify_export};

#[test]
fn a_genuine_export_is_believed_and_reported() {
    let report = genuine().verify_against(Some(&STORE.checkpoints[1])).expect("nothing was changed");
    let root = Checkpoint::open(&STORE.checkpoints[3], signer(1).verifier_key()).expect("opens").root;
    let times = (Some(1_700_000_000_000_000), Some(1_700_000_000_000_999));
    assert_eq!((report.from, report.to, report.entries, report.checkpoints, report.trusted), (0, 1_000, 1_000, 4, Some(300)));
    assert_eq!((report.first_micros, report.last_micros, report.root), (times.0, times.1, root));
    assert_eq!((report.origin.as_str(), report.vkey), (ORIGIN, signer(1).verifier_key().to_string()));
}

#[test]
fn logs_of_every_size_and_every_beginning_are_believed() {
    let mut store = Store::default();
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 600, 1_024, 1_025] {
        store.grow(size, "x", 1);
        for from in [0, 256, 300, 512] {
            let Some(entries) = size.checked_sub(from / 256 * 256) else { continue };
            let export = store.export_from(from);
            let report = verify_export(export.as_slice(), None, Some(store.checkpoints.last().expect("just signed"))).expect("genuine");
            assert_eq!((report.entries, report.to, report.trusted), (entries, size, Some(size)));
        }
    }
}

#[test]
fn a_log_that_was_cut_off_is_recognised() {
    let mut lines = genuine();
    lines.0.truncate(lines.entry(700));
    assert_eq!(lines.finding(), Finding::Truncated { have: 700, want: 1_000 }, "without its end");

    let mut lines = genuine();
    let (first, newest) = (lines.entry(700), lines.checkpoint(1_000));
    lines.0.drain(first..newest);
    assert_eq!(lines.finding(), Finding::Truncated { have: 700, want: 1_000 }, "with its end");

    let mut lines = genuine();
    lines.0.drain(lines.entry(990)..=lines.entry(999));
    assert_eq!(lines.finding(), Finding::Truncated { have: 990, want: 1_000 }, "with the hashes of its end");

    let mut lines = genuine();
    lines.0.drain(lines.entry(990)..=lines.hashes(0, 768));
    assert_eq!(lines.finding(), Finding::Truncated { have: 990, want: 1_000 }, "only roots and checkpoint stay");

    let mut lines = genuine();
    lines.0.drain(lines.hashes(0, 768)..=lines.checkpoint(1_000));
    assert!(matches!(lines.finding(), Finding::Malformed { .. }), "all entries stay, and nothing proves them");

    let mut lines = genuine();
    lines.0.truncate(lines.checkpoint(1_000));
    assert!(matches!(lines.finding(), Finding::Malformed { .. }), "without its newest checkpoint");

    let text = String::from_utf8(STORE.export_from(0)).expect("text");
    for cut in [1, 2, 100, 20_000, text.len() - 10, text.len()] {
        assert!(verify_export(&text.as_bytes()[..text.len() - cut], None, None).is_err(), "{cut} bytes less");
    }
}

#[test]
fn a_log_that_was_cut_off_consistently_is_recognised_by_who_kept_a_checkpoint() {
    let mut store = STORE.clone();
    let kept = store.checkpoints.pop().expect("four checkpoints");
    let shorter = store.export();
    assert_eq!(shorter.verify().expect("a shorter log, signed as it stands").to, 512);
    assert_eq!(shorter.verify_against(Some(&kept)), Err(Finding::Truncated { have: 512, want: 1_000 }));
}

#[test]
fn a_fork_is_recognised_by_who_kept_a_checkpoint() {
    let mut other = Store::default();
    other.grow(200, "x", 1).grow(400, "something else", 1);
    let kept = other.checkpoints.pop().expect("two checkpoints");
    assert_eq!(genuine().verify_against(Some(&kept)), Err(Finding::Forked { size: 400 }));
    assert!(genuine().verify_against(Some(&other.checkpoints[0])).is_ok(), "before the fork both are one");
    let mut other = Store::default();
    other.grow(1_000, "something else", 1);
    assert_eq!(genuine().verify_against(Some(&other.checkpoints[0])), Err(Finding::Forked { size: 1_000 }));
}

#[test]
fn a_fork_within_the_export_is_recognised() {
    let mut other = Store::default();
    other.grow(200, "x", 1).grow(512, "something else", 1);
    let foreign = other.export().0[other.export().checkpoint(512)].clone();
    let mut lines = genuine();
    let line = lines.checkpoint(512);
    lines.0.insert(line, foreign.clone());
    assert_eq!(lines.finding(), Finding::Forked { size: 512 }, "two checkpoints of one size");
    lines.0.remove(line + 1);
    assert_eq!(lines.finding(), Finding::Forked { size: 512 }, "in the place of the genuine one");

    let mut store = STORE.clone();
    store.checkpoints.push(other.checkpoints[1].clone());
    assert_eq!(store.export().finding(), Finding::Forked { size: 512 }, "in the database");
}

#[test]
fn the_newest_checkpoint_of_a_fork_in_the_place_of_ours_condemns_the_entries_since_the_last_that_agrees() {
    let mut other = Store::default();
    other.grow(512, "x", 1).grow(1_000, "something else", 1);
    let mut lines = genuine();
    let line = lines.checkpoint(1_000);
    lines.0[line] = other.export().0[other.export().checkpoint(1_000)].clone();
    assert_eq!(lines.finding(), Finding::Rewritten { first: 512, last: 999 });
}

#[test]
fn a_checkpoint_that_lies_before_the_export_is_not_passed_over() {
    let lines = Lines::of(&STORE.export_from(512));
    assert_eq!(lines.verify_against(Some(&STORE.checkpoints[1])), Err(Finding::OutOfReach { size: 300, from: 512 }));
    assert_eq!(lines.verify_against(Some(&STORE.checkpoints[2])).expect("compared with the edge").trusted, Some(512));
}

#[test]
fn a_checkpoint_without_its_signature_or_with_another_is_refused() {
    let mut lines = genuine();
    let line = lines.checkpoint(300);
    let number = line as u64 + 1;
    let signature = lines.0[line].find("\u{2014}").expect("a signature");
    lines.0[line].truncate(signature);
    lines.0[line].push_str("\"}");
    assert!(matches!(lines.finding(), Finding::BadSignature { line, .. } if line == number), "stripped");

    let mut lines = genuine();
    lines.replace(line, "\\n300\\n", "\\n301\\n");
    assert!(matches!(lines.finding(), Finding::BadSignature { line, .. } if line == number), "another size under the same signature");

    let mut lines = genuine();
    let forged = Checkpoint::new(ORIGIN, 300, [7; 32]).sign(&signer(2)).expect("signs");
    lines.0[line] = format!("{{\"checkpoint\":{}}}", serde_json::to_string(&forged).expect("JSON"));
    let Finding::BadSignature { reason, .. } = lines.finding() else { panic!("a forged checkpoint is refused") };
    assert_eq!(reason, NoteError::Unsigned { key: signer(1).verifier_key().to_string() }.into());
}

#[test]
fn a_log_rebuilt_under_another_key_is_refused_by_who_knows_the_key() {
    let mut forged = Store::default();
    forged.grow(1_000, "nothing happened", 2);
    let mut lines = forged.export();
    let keys = (signer(1).verifier_key().to_string(), signer(2).verifier_key().to_string());
    assert!(matches!(lines.finding(), Finding::BadSignature { .. }), "the header names our key, the signature is another's");
    lines.replace(0, &keys.0, &keys.1);
    assert_eq!(lines.finding(), Finding::WrongKey { expected: keys.0, found: keys.1.clone() });
    let text: String = lines.0.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(verify_export(text.as_bytes(), None, None).expect("who expects no key sees which one it is").vkey, keys.1);
}

#[test]
fn what_the_caller_gives_is_checked_too() {
    let export = STORE.export_from(0);
    assert!(matches!(verify_export(export.as_slice(), Some("x"), None), Err(Finding::ExpectedKey(_))));
    assert!(matches!(verify_export(export.as_slice(), None, Some("x")), Err(Finding::TrustedCheckpoint(_))));
    let foreign = Checkpoint::new(ORIGIN, 3, [0; 32]).sign(&signer(2)).expect("signs");
    assert!(matches!(verify_export(export.as_slice(), None, Some(&foreign)), Err(Finding::TrustedCheckpoint(_))));
}

#[test]
fn a_changed_header_is_noticed() {
    let key = VerifierKey::new("other.example.com/audit", [3; 32]).expect("a key").to_string();
    for (from, to) in [
        ("keystead-audit-1", "keystead-audit-2"),
        (ORIGIN, "other.example.com/audit"),
        (&signer(1).verifier_key().to_string(), &key),
        ("\"from\":0", "\"from\":256"),
        ("\"from\":0", "\"from\":1"),
        ("\"to\":1000", "\"to\":999"),
        ("\"to\":1000", "\"to\":1001"),
        ("\"to\":1000", "\"to\":512"),
        ("\"to\":1000", "\"to\":99999999999999999"),
        ("\"edge\":[]", "\"edge\":[\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]"),
        ("\"edge\":[]", "\"edge\":[],\"also\":1"),
    ] {
        let mut lines = genuine();
        lines.replace(0, from, to);
        assert!(lines.verify().is_err(), "{from} -> {to}");
    }
    let mut lines = Lines::of(&STORE.export_from(512));
    let edge = lines.0[0].rfind("=\"]").expect("an edge") - 5;
    let letter = if &lines.0[0][edge..=edge] == "A" { "B" } else { "A" };
    lines.0[0].replace_range(edge..=edge, letter);
    assert_eq!(lines.finding(), Finding::Rewritten { first: 0, last: 511 }, "the edge stands for what came before; the checkpoint of 512 does not agree");
    assert!(matches!(Lines(vec![]).verify(), Err(Finding::Malformed { line: 1, .. })));
}

#[test]
fn what_stands_beside_genuine_entries_must_be_genuine_too() {
    let mut lines = genuine();
    let line = lines.entry(17);
    lines.replace(line, "\"index\":17,", "\"index\":18,");
    assert_eq!(lines.finding(), Finding::Misnumbered { index: 17, stated: 18 });

    let mut foreign = Store::default();
    foreign.grow(1_000, "y", 1);
    let foreign = foreign.export();
    for (level, first, expected) in [(0, 256, (256, 511)), (0, 768, (768, 999)), (1, 0, (0, 255))] {
        let mut lines = genuine();
        let line = lines.hashes(level, first);
        lines.0[line] = foreign.0[foreign.hashes(level, first)].clone();
        assert_eq!(lines.finding(), Finding::HashesEdited { first: expected.0, last: expected.1 });
    }

    for (one, other) in [((0, 256), None), ((0, 768), Some((1, 0))), ((1, 0), None)] {
        let mut lines = genuine();
        let one = lines.hashes(one.0, one.1);
        let other = other.map_or(one + 1, |(level, first)| lines.hashes(level, first));
        lines.0.swap(one, other);
        assert!(matches!(lines.finding(), Finding::Malformed { .. }), "lines {one} and {other} in another order");
    }

    let mut lines = genuine();
    let moved = lines.0.remove(lines.checkpoint(300));
    let line = lines.entry(310);
    lines.0.insert(line, moved);
    assert_eq!(lines.finding(), Finding::Malformed { line: line as u64 + 1, reason: "has a checkpoint that stands in another place than its size says" });
}

#[test]
fn something_signed_that_is_no_entry_is_noticed() {
    let (mut store, mut log) = (Store::default(), Log::new());
    for bytes in [entry(0, "x"), b"{\"not\":\"an entry\"}".to_vec()] {
        log.append(&bytes);
        store.entries.push(bytes);
    }
    log.take_changes().into_iter().for_each(|tile| drop(store.tiles.insert((tile.level, tile.n), tile.hashes)));
    store.checkpoints.push(Checkpoint::new(ORIGIN, 2, log.root()).sign(&signer(1)).expect("signs"));
    assert_eq!(store.export().finding(), Finding::NotAnEntry { index: 1 });
}
