//! Signed notes, checkpoints and verifier keys, from whoever gives them.
#![no_main]

use keystead_audit::{Checkpoint, Note, VerifierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(note) = Note::parse(text) {
        assert!(text.starts_with(note.unverified_text()));
    }
    let _ = Checkpoint::read_unverified(text);
});
