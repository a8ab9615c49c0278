//! Ids and times inside journal records: domain types know no serde, the journal writes them as text and numbers.

use keystead_domain::{Timestamp, id::Id};
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

/// A time in a journal record, in microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
