//! A share of the vault's root, as a custodian types it.
#![no_main]

use keystead_vault::Share;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(share) = Share::parse(text) {
        let again = Share::parse(share.text().expose()).unwrap_or_else(|_| panic!("what was read is written so that it can be read"));
        assert_eq!((again.number(), again.threshold(), again.count(), again.set()), (share.number(), share.threshold(), share.count(), share.set()));
    }
});
