//! The cursor of a page, as a caller hands it back.
#![no_main]

use keystead_store::page::Page;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(page) = Page::parse(Some(text), None) {
        assert_eq!(page.after.as_deref(), Some(text));
    }
});
