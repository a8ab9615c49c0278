//! Cutting an entry that is too long. An effect must not fail because its entry has too much to say.

use super::{Entry, MAX_ENTRY_BYTES};

/// Under this name a detail says how many subjects and details were left out.
const MARK: &str = "cut";
/// Details are shortened to these many bytes, one after the other, until the entry fits.
const DETAIL_LIMITS: [usize; 4] = [16_384, 4_096, 1_024, 256];
/// When details alone do not do it, no text keeps more bytes than this.
const TEXT_LIMIT: usize = 256;

/// The canonical bytes of what is left of the entry: first details are shortened, then every text, then subjects and details are left out from the end.
pub(super) fn to_fit(entry: &Entry) -> Vec<u8> {
    let mut entry = entry.clone();
    for limit in DETAIL_LIMITS {
        entry.detail.values_mut().for_each(|value| shorten(value, limit));
        if let Some(bytes) = if_it_fits(&entry) {
            return bytes;
        }
    }
    shorten_every_text(&mut entry);
    leave_out(entry)
}

fn if_it_fits(entry: &Entry) -> Option<Vec<u8>> {
    Some(entry.encode()).filter(|bytes| bytes.len() <= MAX_ENTRY_BYTES)
}

/// Cuts a text that is longer than `limit` bytes between two characters, and says how long it was.
fn shorten(text: &mut String, limit: usize) {
    if text.len() > limit {
        let mark = format!("…(cut, {} bytes)", text.len());
        text.truncate(text.floor_char_boundary(limit.saturating_sub(mark.len())));
        text.push_str(&mark);
    }
}

fn shorten_every_text(entry: &mut Entry) {
    let own = [&mut entry.id, &mut entry.account, &mut entry.actor.id, &mut entry.actor.name, &mut entry.action, &mut entry.rule];
    let subjects = entry.subject.iter_mut().flat_map(|subject| [&mut subject.kind, &mut subject.id, &mut subject.name]);
    let options = entry.operation.iter_mut().chain(entry.cloud_request.iter_mut());
    own.into_iter().chain(subjects).chain(options).for_each(|text| shorten(text, TEXT_LIMIT));
}

/// Halves the longer list until the rest fits. With both lists empty, eight texts of [`TEXT_LIMIT`] bytes remain, which fit even if every byte is escaped.
fn leave_out(mut entry: Entry) -> Vec<u8> {
    let (subjects, details) = (entry.subject.len(), entry.detail.len());
    loop {
        if let Some(bytes) = if_it_fits(&entry) {
            return bytes;
        }
        entry.detail.remove(MARK);
        if entry.subject.len() >= entry.detail.len() {
            entry.subject.truncate(entry.subject.len() / 2);
        } else {
            (0..entry.detail.len().div_ceil(2)).for_each(|_| drop(entry.detail.pop_last()));
        }
        let gone = (subjects - entry.subject.len(), details - entry.detail.len());
        entry.detail.insert(MARK.to_owned(), format!("{} subjects and {} details left out", gone.0, gone.1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Subject, tests::sample};
    use super::*;
    use proptest::prelude::*;

    fn read_back(entry: &Entry) -> Entry {
        let bytes = entry.to_bytes();
        assert!(bytes.len() <= MAX_ENTRY_BYTES);
        Entry::from_bytes(&bytes).expect("a cut entry is an entry")
    }

    #[test]
    fn a_long_detail_is_cut_with_a_mark_and_the_rest_stays() {
        let mut entry = sample();
        entry.detail.insert("answer".into(), "ä".repeat(50_000));
        entry.detail.insert("reason".into(), "expiry".into());
        let back = read_back(&entry);
        assert!(back.detail["answer"].ends_with("ä…(cut, 100000 bytes)"));
        assert!(back.detail["answer"].len() > 16_000);
        assert_eq!((&back.detail["reason"], &back.subject, &back.rule), (&"expiry".to_owned(), &entry.subject, &entry.rule));
    }

    #[test]
    fn ten_thousand_subjects_keep_their_beginning_and_say_how_many_are_gone() {
        let mut entry = sample();
        entry.subject = (0..10_000).map(|n| Subject { kind: "key".into(), id: format!("key_{n}"), name: String::new() }).collect();
        let back = read_back(&entry);
        assert_eq!(back.subject, entry.subject[..back.subject.len()]);
        assert_eq!(back.detail[MARK], format!("{} subjects and 0 details left out", 10_000 - back.subject.len()));
        assert!(back.subject.len() > 500);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whatever_is_said_fits(long in 0usize..4_000, many in 0usize..1_000, letter in prop::sample::select(vec!["a", "\u{1}", "ä", "\u{1f600}"])) {
            let mut entry = sample();
            entry.rule = letter.repeat(long);
            entry.actor.name = letter.repeat(long / 2);
            entry.cloud_request = Some(letter.repeat(long / 3));
            entry.detail = (0..many).map(|n| (format!("{n}{}", letter.repeat(long / 10)), letter.repeat(long / 10))).collect();
            entry.subject = vec![Subject { kind: letter.repeat(long), id: letter.repeat(many), name: String::new() }; many % 100];
            read_back(&entry);
        }
    }
}
