//! Changes without a plan: bits flip, lines and pieces go missing or come twice. None may pass, none may panic.

use super::fixture::*;
use keystead_audit::{Finding, verify_export};
use proptest::prelude::*;
use std::sync::LazyLock;

#[test]
fn lines_that_are_missing_or_too_many_are_noticed() {
    let lines = genuine();
    for line in 0..lines.0.len() {
        if line % 25 != 0 && lines.0[line].starts_with("{\"index\"") {
            continue;
        }
        let mut less = lines.clone();
        less.0.remove(line);
        // An older checkpoint is evidence that may be left out: nothing in the log says how many there are.
        let optional = [100, 300, 512].iter().any(|size| lines.checkpoint(*size) == line);
        assert_eq!(less.verify().is_ok(), optional, "without line {}", line + 1);
        if line % 250 == 0 || !lines.0[line].starts_with("{\"index\"") {
            let mut more = lines.clone();
            more.0.insert(line, lines.0[line].clone());
            assert!(more.verify().is_err(), "with line {} twice", line + 1);
            more.0[line] = "{}".to_owned();
            assert_eq!(more.0.len(), lines.0.len() + 1);
            assert!(more.verify().is_err(), "with a foreign line before {}", line + 1);
        }
    }
}

#[test]
fn no_flipped_bit_of_a_small_export_passes() {
    let mut store = Store::default();
    store.grow(1, "x", 1).grow(3, "x", 1);
    let export = store.export_from(0);
    assert!(verify_export(export.as_slice(), None, None).is_ok());
    for at in 0..export.len() {
        for bit in [0, 5, 7] {
            let mut bad = export.clone();
            bad[at] ^= 1 << bit;
            assert!(verify_export(bad.as_slice(), None, None).is_err(), "bit {bit} of byte {at}");
        }
    }
}

static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| STORE.export_from(256));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_changed_byte_of_a_larger_export_passes(at in any::<prop::sample::Index>(), by in 1u8..=255) {
        let mut bad = LARGE.clone();
        *at.get_mut(&mut bad) ^= by;
        prop_assert!(verify_export(bad.as_slice(), None, None).is_err());
    }

    #[test]
    fn who_cannot_sign_cannot_hide_an_edit_and_what_is_said_is_true(index in 0u64..1_000, other in 0u64..1_000, cover in 0u8..3, renumber: bool) {
        let mut lines = genuine();
        let line = lines.entry(index);
        if index == other {
            lines.replace(line, "ana", "eve");
        } else {
            let other = lines.entry(other);
            lines.0.swap(line, other);
        }
        if renumber {
            lines.renumber();
        }
        let (first, second) = (index.min(other), index.max(other));
        let said = lines.rehash(cover).finding();
        match said {
            Finding::Edited { index } => prop_assert_eq!((index, index), (first, second)),
            Finding::Swapped { first: a, second: b } => prop_assert_eq!((a, b), (first, second)),
            Finding::Rewritten { first: a, last: b } => {
                // The roots of tiles do not cover the last, incomplete tile; checkpoints do.
                let narrow = cover == 1 && second < 768;
                prop_assert!(cover > 0 && (a..=b).contains(&first) && (!narrow || b - a < 256), "{a} to {b}");
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn no_cut_or_doubled_piece_passes(at in any::<prop::sample::Index>(), length in 1usize..3_000, double: bool) {
        let start = at.index(LARGE.len());
        let end = LARGE.len().min(start + length);
        let piece = if double { [&LARGE[start..end], &LARGE[start..end]].concat() } else { vec![] };
        let bad = [&LARGE[..start], &piece, &LARGE[end..]].concat();
        // Leaving out exactly the line of an older checkpoint is no forgery, but no random cut does that.
        prop_assert!(verify_export(bad.as_slice(), None, None).is_err());
    }
}

proptest! {
    #[test]
    fn no_noise_passes_or_makes_it_panic(noise in prop::collection::vec(any::<u8>(), 0..400), kept in 0usize..2_000) {
        let bad = [&LARGE[..kept.min(LARGE.len() - 1)], &noise].concat();
        prop_assert!(verify_export(bad.as_slice(), None, None).is_err());
        prop_assert!(verify_export(noise.as_slice(), Some("x"), Some("y")).is_err());
    }
}
