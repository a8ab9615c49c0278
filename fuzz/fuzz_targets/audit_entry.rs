//! An entry of the audit log, as its leaf holds it.
#![no_main]

use keystead_audit::Entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::from_bytes(bytes) {
        assert_eq!(entry.to_bytes(), bytes, "there is one form");
    }
});
