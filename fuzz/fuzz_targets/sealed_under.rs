//! The head of sealed material, as the database holds it.
#![no_main]

use keystead_vault::sealed_under;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(under) = sealed_under(bytes) {
        assert_eq!(bytes[1..5], under.root_generation.to_be_bytes());
        assert_eq!(bytes[5..9], under.account_key_generation.to_be_bytes());
    }
});
