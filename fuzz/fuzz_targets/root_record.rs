//! The record of the vault's root, as the database holds it.
#![no_main]

use keystead_vault::RootRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = RootRecord::from_bytes(bytes) {
        assert_eq!(record.to_bytes(), bytes, "there is one form");
    }
});
