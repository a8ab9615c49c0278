//! RSA public keys in DER, from people and from clouds.
#![no_main]

use keystead_vault::der::{read_pkcs1, read_spki};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for numbers in [read_spki(bytes), read_pkcs1(bytes)].into_iter().flatten() {
        let _ = (numbers.bits(), numbers.modulus_is_odd(), numbers.exponent_is_sound());
    }
});
