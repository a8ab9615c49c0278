//! What people type in requests: names, aliases, tags, spans, ids, role ARNs, external ids.
#![no_main]

use keystead_domain::{Alias, KeyId, Name, Tags, duration, keystore};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = Name::parse(text) {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(alias) = Alias::parse(text) {
        assert_eq!(Alias::parse(&alias.with_prefix()), Ok(alias));
    }
    if let Ok(id) = KeyId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(span) = duration::parse("expires", text) {
        assert!(span > 0);
    }
    let pairs = text.lines().map(|line| line.split_once('=').unwrap_or((line, "")));
    let _ = Tags::parse(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let _ = (keystore::check_role_arn(text, "aws", "123456789012"), keystore::check_external_id(text));
});
