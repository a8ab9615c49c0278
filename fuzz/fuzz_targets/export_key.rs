//! A person's public key, as it is pasted.
#![no_main]

use keystead_vault::ExportKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(key) = ExportKey::parse_pem(text) {
        assert!((2048..=8192).contains(&key.bits()));
        let again = ExportKey::from_spki_der(key.spki_der()).expect("what was read is written so that it can be read");
        assert_eq!(again.fingerprint_sha256(), key.fingerprint_sha256());
    }
});
