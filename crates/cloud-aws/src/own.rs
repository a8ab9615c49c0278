//! What we write on our keys and read back: own tags and the description, within AWS's limits.

use aws_sdk_kms::types::Tag;
use keystead_cloud::{CloudError, Kind, NewCloudKey, OwnTags};

use crate::error::refused;

/// The tag that says whose a key is; policies may ask for it.
pub const MANAGED_BY: (&str, &str) = ("managed-by", "keystead");
/// The tag with our key's id.
pub const KEY: &str = "keystead:key";
/// The tag with the operation that made the cloud key.
pub const OPERATION: &str = "keystead:operation";
/// The tag with the installation that made it.
pub const INSTALLATION: &str = "keystead:installation";

/// Tags of one key (AWS KMS Developer Guide, "Tags in AWS KMS").
const TAGS_MAX: usize = 50;
/// Characters of a tag's key and value (AWS KMS API reference, Tag).
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
/// Characters of a description (AWS KMS API reference, CreateKey, Description).
const DESCRIPTION_MAX: usize = 8192;

/// The tags of a new key: ours, then the people's.
///
/// # Errors
/// A tag that AWS would refuse, or one that only Keystead writes.
pub fn tags(new: &NewCloudKey) -> Result<Vec<Tag>, CloudError> {
    let mut tags = own_tags("CreateKey", &new.own)?;
    if tags.len() + new.tags.len() > TAGS_MAX {
        return Err(refused("CreateKey", Kind::BadInput, format!("A key has at most {TAGS_MAX} tags, ours included.")));
    }
    for (key, value) in &new.tags {
        tags.push(peoples_tag("CreateKey", key, value)?);
    }
    Ok(tags)
}

/// Keystead's own tags.
///
/// # Errors
/// A value that AWS would refuse.
pub fn own_tags(call: &'static str, own: &OwnTags) -> Result<Vec<Tag>, CloudError> {
    let own = [(MANAGED_BY.0, MANAGED_BY.1), (KEY, &own.key), (OPERATION, &own.operation), (INSTALLATION, &own.installation)];
    own.into_iter().map(|(key, value)| tag(call, key, value)).collect()
}

/// A tag that people may set.
///
/// # Errors
/// As [`tags`].
pub fn peoples_tag(call: &'static str, key: &str, value: &str) -> Result<Tag, CloudError> {
    if is_own(key) {
        return Err(refused(call, Kind::BadInput, format!("The tag {key} is Keystead's own.")));
    }
    tag(call, key, value)
}

/// Whether only Keystead writes this tag.
pub fn is_own(key: &str) -> bool {
    key == MANAGED_BY.0 || key.starts_with(keystead_domain::tags::OWN_PREFIX)
}

fn tag(call: &'static str, key: &str, value: &str) -> Result<Tag, CloudError> {
    if key.is_empty() || key.chars().count() > TAG_KEY_MAX || value.chars().count() > TAG_VALUE_MAX {
        return Err(refused(
            call,
            Kind::BadInput,
            format!("The tag {key:.128} is longer than {TAG_KEY_MAX} or its value longer than {TAG_VALUE_MAX} characters."),
        ));
    }
    Tag::builder().tag_key(key).tag_value(value).build().map_err(|error| refused(call, Kind::BadInput, error.to_string()))
}

/// Our tags among all tags of a key; `None` when the key is not this installation's.
pub fn read(tags: &[Tag], installation: &str) -> Option<OwnTags> {
    let value = |key: &str| tags.iter().find(|tag| tag.tag_key() == key).map(|tag| tag.tag_value().to_owned());
    if value(MANAGED_BY.0)? != MANAGED_BY.1 || value(INSTALLATION)? != installation {
        return None;
    }
    Some(OwnTags { key: value(KEY)?, operation: value(OPERATION)?, installation: installation.to_owned() })
}

/// Whether these tags say that this installation made the key.
pub fn is_of(tags: &[(String, String)], installation: &str) -> bool {
    let has = |key: &str, value: &str| tags.iter().any(|(name, is)| name == key && is == value);
    has(MANAGED_BY.0, MANAGED_BY.1) && has(INSTALLATION, installation)
}

/// A description as AWS takes it: without control characters and not too long. It is a label for people; a shortened one is better than a key that is not made.
pub fn description(text: &str) -> String {
    text.chars().take(DESCRIPTION_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystead_domain::{KeySpec, KeyUsage};

    fn new(tags: &[(&str, &str)]) -> NewCloudKey {
        NewCloudKey {
            spec: KeySpec::Aes256,
            usage: KeyUsage::Encrypt,
            description: String::new(),
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            own: OwnTags { key: "key_1".into(), operation: "op_1".into(), installation: "acct_1".into() },
            multi_region: false,
        }
    }

    #[test]
    fn own_tags_are_read_back_and_another_installations_are_not_ours() {
        let written = tags(&new(&[("team", "pay")])).expect("good tags");
        assert_eq!(written.len(), 5);
        assert_eq!(read(&written, "acct_1"), Some(OwnTags { key: "key_1".into(), operation: "op_1".into(), installation: "acct_1".into() }));
        assert_eq!(read(&written, "acct_2"), None);
        assert_eq!(read(&written[1..], "acct_1"), None);
        let pairs: Vec<(String, String)> = written.iter().map(|tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned())).collect();
        assert!(is_of(&pairs, "acct_1") && !is_of(&pairs, "acct_2") && !is_of(&pairs[1..], "acct_1"));
    }

    #[test]
    fn nobody_else_writes_our_tags_and_nothing_goes_beyond_the_limits() {
        for bad in ["keystead:operation", "managed-by", "", &"k".repeat(129)] {
            assert_eq!(tags(&new(&[(bad, "v")])).expect_err(bad).kind, Kind::BadInput);
        }
        assert!(tags(&new(&[("k", &"v".repeat(257))])).is_err());
        let many: Vec<String> = (0..47).map(|i| format!("t{i}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "")).collect();
        assert!(tags(&new(&many)).is_err() && tags(&new(&many[..46])).is_ok());
    }

    #[test]
    fn a_description_is_cut_and_cleaned_and_never_an_obstacle() {
        assert_eq!(description("a\nb\u{7}c"), "a b c");
        assert_eq!(description(&"ä".repeat(9000)).chars().count(), 8192);
    }
}
