//! Ids, times and aliases inside journal records: domain types know no serde, the journal writes them as text and numbers.

use keystead_domain::{Alias, Aliases, Timestamp, id::Id};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An id in a journal record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T>(pub T);

impl<T: std::fmt::Display> Serialize for Stored<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Id> Deserialize<'de> for Stored<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text).map(Stored).map_err(D::Error::custom)
    }
}

/// Aliases in a journal record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredAliases(pub Aliases);

impl From<Aliases> for StoredAliases {
    fn from(aliases: Aliases) -> Self {
        Self(aliases)
    }
}

impl Serialize for StoredAliases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Alias::as_str))
    }
}

/// What a record says of aliases: a list, or, from when a key had one at most, that one or null.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listed {
    Many(Vec<String>),
    One(Option<String>),
}

impl<'de> Deserialize<'de> for StoredAliases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = match Listed::deserialize(deserializer)? {
            Listed::Many(texts) => texts,
            Listed::One(text) => text.into_iter().collect(),
        };
        // However many there are: the cloud's limit is for what is asked, and no reason not to read what was written.
        let aliases: Result<Aliases, _> = texts.iter().map(|text| Alias::parse(text)).collect();
        aliases.map(Self).map_err(D::Error::custom)
    }
}

/// A time in a journal record, in microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredTime(i64);

impl From<Timestamp> for StoredTime {
    fn from(time: Timestamp) -> Self {
        Self(time.as_micros())
    }
}

impl From<StoredTime> for Timestamp {
    fn from(time: StoredTime) -> Self {
        Timestamp::from_micros(time.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_read_from_old_records_too() {
        let read = |text: &str| serde_json::from_str::<StoredAliases>(text).map(|stored| stored.0.to_strings());
        assert_eq!(read(r#"["orders","bills"]"#).expect("a list"), ["orders", "bills"]);
        assert_eq!(read(r#""orders""#).expect("one"), ["orders"]);
        assert_eq!(read("null").expect("none"), [""; 0]);
        assert!(read(r#"["a b"]"#).is_err());
        let many: Vec<String> = (0..60).map(|number| format!("a/{number}")).collect();
        assert_eq!(read(&serde_json::to_string(&many).expect("JSON")).expect("more than a key is given"), many);
        let written = serde_json::to_string(&StoredAliases(Aliases::parse(["orders", "bills"]).expect("aliases")));
        assert_eq!(written.expect("is written"), r#"["orders","bills"]"#);
    }
}
