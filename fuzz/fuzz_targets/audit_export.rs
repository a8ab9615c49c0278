//! An exported audit log: nobody who cannot sign makes one that verifies, and no file makes the verifier panic.
#![no_main]

use keystead_audit::verify_export;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = verify_export(bytes, None, None);
    // A key whose private half nobody has: the one of Go's documentation of signed notes.
    let trusted = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert!(verify_export(bytes, Some(trusted), None).is_err());
});
