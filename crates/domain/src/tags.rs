//! Tags: labels that people put on keys, and that the cloud keeps.

use std::collections::BTreeMap;

use crate::Invalid;

/// Beginning of the tag keys that Keystead writes itself.
pub const OWN_PREFIX: &str = "keystead:";
/// How many tags a person may set: AWS takes 50, Keystead keeps 10 for its own.
pub const COUNT_MAX: usize = 40;

/// Tags of a key, sorted by key.
///
/// Source: AWS KMS API reference, TagKey (1-128), TagValue (0-256), the prefix `aws:` reserved, 50 tags a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Checks and collects tags.
    ///
    /// # Errors
    /// [`Invalid`] naming `tags` or `tags.KEY`.
    pub fn parse(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let mut tags = BTreeMap::new();
        for (key, value) in pairs {
            check(&key, &value)?;
            if tags.insert(key.clone(), value).is_some() {
                return Err(Invalid::new(format!("tags.{key}"), "is given twice", "Give each tag once."));
            }
        }
        if tags.len() > COUNT_MAX {
            return Err(Invalid::new("tags", format!("has {} entries", tags.len()), format!("Give at most {COUNT_MAX}.")));
        }
        Ok(Self(tags))
    }

    /// Of tags as a cloud lists them, those that people may set; the cloud's own and Keystead's are left out.
    pub fn peoples(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(key, value)| check(key, value).is_ok()).take(COUNT_MAX).collect())
    }

    /// The tags in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of one tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What must be written and what removed to come from `self` to `wanted`.
    pub fn difference(&self, wanted: &Tags) -> TagChange {
        let set = wanted.0.iter().filter(|(key, value)| self.0.get(*key) != Some(value)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let remove = self.0.keys().filter(|key| !wanted.0.contains_key(*key)).cloned().collect();
        TagChange { set, remove }
    }
}

/// The way from one set of tags to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// Tags to write.
    pub set: Vec<(String, String)>,
    /// Keys of tags to remove.
    pub remove: Vec<String>,
}

fn check(key: &str, value: &str) -> Result<(), Invalid> {
    let shown: String = key.chars().take(128).filter(|c| !c.is_control()).collect();
    let refuse = |reason: &str, mend: &str| Err(Invalid::new(format!("tags.{shown}"), reason, mend));
    if key.is_empty() || key.chars().count() > 128 {
        return refuse("must have a key of 1 to 128 characters", "Write KEY=VALUE, for example team=pay.");
    }
    if value.chars().count() > 256 {
        return refuse("has a value of more than 256 characters", "Shorten the value.");
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return refuse("begins with aws:, which AWS keeps for itself", "Choose another key.");
    }
    if key.starts_with(OWN_PREFIX) || key == "managed-by" {
        return refuse("is a tag that Keystead writes itself", "Choose another key.");
    }
    let allowed = |c: char| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c);
    if !key.chars().chain(value.chars()).all(allowed) {
        return refuse("has a character that AWS does not allow", "Use letters, digits, spaces and _ . : / = + - @.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tags(pairs: &[(&str, &str)]) -> Result<Tags, Invalid> {
        Tags::parse(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
    }

    #[test]
    fn reserved_keys_are_refused() {
        for bad in ["aws:x", "AWS:x", "keystead:key", "managed-by", "", "a\nb", "a<b"] {
            assert!(tags(&[(bad, "v")]).is_err(), "{bad}");
        }
    }

    #[test]
    fn of_a_clouds_tags_those_of_people_are_kept() {
        let listed = [("team", "pay"), ("aws:cloudformation:stack-id", "x"), ("managed-by", "keystead"), ("keystead:key", "key_1")];
        let kept = Tags::peoples(listed.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(Ok(kept), tags(&[("team", "pay")]));
    }

    #[test]
    fn a_tag_given_twice_and_too_many_tags_are_refused() {
        assert_eq!(tags(&[("a", "1"), ("a", "2")]).map_err(|e| e.field), Err("tags.a".to_owned()));
        let many: Vec<_> = (0..41).map(|i| (format!("t{i}"), String::new())).collect();
        assert!(Tags::parse(many).is_err());
    }

    #[test]
    fn the_difference_leads_from_one_to_the_other() -> Result<(), Invalid> {
        let change = tags(&[("a", "1"), ("b", "2")])?.difference(&tags(&[("b", "3"), ("c", "4")])?);
        assert_eq!(change.remove, ["a"]);
        assert_eq!(change.set, [("b".to_owned(), "3".to_owned()), ("c".to_owned(), "4".to_owned())]);
        Ok(())
    }

    proptest! {
        #[test]
        fn no_tags_make_it_panic_and_the_difference_always_leads(old in proptest::collection::vec((".{0,6}", ".{0,6}"), 0..5), new in proptest::collection::vec(("[ab]", "[xy]"), 0..3)) {
            let (Ok(old), Ok(new)) = (Tags::parse(old), Tags::parse(new)) else { return Ok(()) };
            let change = old.difference(&new);
            let kept = old.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).filter(|(key, _)| !change.remove.contains(key));
            let mut led: BTreeMap<String, String> = kept.collect();
            led.extend(change.set);
            prop_assert_eq!(Tags(led), new);
        }
    }
}
