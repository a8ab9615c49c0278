//! Tags as a JSON object. A tag given twice is kept twice until the domain has looked: JSON itself would let the last one win.

use std::collections::BTreeMap;

use keystead_domain::{Invalid, Tags};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

/// Tags as they were given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenTags(Vec<(String, String)>);

impl GivenTags {
    /// Tags that are told in the form in which they are given.
    pub fn of(tags: BTreeMap<String, String>) -> Self {
        Self(tags.into_iter().collect())
    }

    /// Checks them.
    ///
    /// # Errors
    /// [`Invalid`] naming `tags` or `tags.KEY`.
    pub fn read(self) -> Result<Tags, Invalid> {
        Tags::parse(self.0)
    }
}

impl Serialize for GivenTags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for GivenTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = GivenTags;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GivenTags, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        // One order, so that a request is remembered alike however its author sorted it.
        pairs.sort();
        Ok(GivenTags(pairs))
    }
}

/// Tags of a row.
pub(crate) fn of(tags: &Tags) -> BTreeMap<String, String> {
    tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_given_twice_is_refused_by_name() {
        let given: GivenTags = serde_json::from_str(r#"{"team":"a","team":"b"}"#).expect("an object");
        assert_eq!(given.read().expect_err("twice").field, "tags.team");
    }
}
