//! Identifiers: one alphabetical list. Each is a prefix that says what it names and a UUIDv7 (RFC 9562, section 5.7), so that ids sort by time.

use crate::{Invalid, Timestamp};

/// What all ids have in common, for code that reads them from rows and requests.
pub trait Id: Sized {
    /// Reads an id that was written before.
    ///
    /// # Errors
    /// [`Invalid`] when the text is no id of this kind.
    fn read(text: &str) -> Result<Self, Invalid>;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with, the underscore included.
            pub const PREFIX: &'static str = concat!($prefix, "_");

            /// Makes an id from the time it is made at and ten random bytes.
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
                let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
                Self(format!("{}{}", Self::PREFIX, uuid.simple()))
            }

            /// Reads an id that was written before.
            ///
            /// # Errors
            /// [`Invalid`] when the prefix or the 32 hexadecimal digits are not there.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                match text.strip_prefix(Self::PREFIX) {
                    Some(rest) if is_simple_uuid(rest) => Ok(Self(text.to_owned())),
                    _ => Err(Invalid::new("id", format!("is not a {} id", $prefix), concat!("Give an id like ", $prefix, "_0193…, as `list` shows it."))),
                }
            }

            /// The id as text, prefix included.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Id for $name {
            fn read(text: &str) -> Result<Self, Invalid> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A tenant: everything else belongs to exactly one.
    AccountId = "acct";
    /// What somebody shall be told.
    AlertId = "alert";
    /// A plan of an estate that is being done.
    ApplyId = "apply";
    /// An action on many keys.
    BatchId = "batch";
    /// A key that comes in components.
    CeremonyId = "ceremony";
    /// A difference between what is wanted and what is.
    DriftId = "drift";
    /// A drill of the kill switch on one canary key.
    DrillId = "drill";
    /// An entry of the audit log.
    EntryId = "entry";
    /// The boundary of access inside an account.
    GroupId = "group";
    /// A key in a keystore.
    KeyId = "key";
    /// A place where keys live.
    KeystoreId = "keystore";
    /// The chain of predecessors and successors that share a name and an alias.
    LineageId = "lineage";
    /// A durable change in several steps.
    OperationId = "op";
    /// A deletion that is rehearsed.
    RehearsalId = "rehearsal";
    /// A person.
    UserId = "user";
    /// One generation of a key's material.
    VersionId = "version";
}

fn is_simple_uuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_read_back_as_it_was_written() {
        let id = KeyId::new(Timestamp::from_micros(1_790_000_000_000_000), [7; 10]);
        assert_eq!(KeyId::parse(id.as_str()), Ok(id.clone()));
        assert!(id.as_str().starts_with("key_01a0"), "{id}");
    }

    #[test]
    fn ids_sort_by_time() {
        let early = KeyId::new(Timestamp::from_micros(1_000_000), [255; 10]);
        let late = KeyId::new(Timestamp::from_micros(2_000_000), [0; 10]);
        assert!(early < late);
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let user = UserId::new(Timestamp::from_micros(0), [0; 10]);
        assert!(KeyId::parse(user.as_str()).is_err());
        assert!(KeyId::parse("key_XYZ").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_is_kept(text in "\\PC*", tail in "[0-9a-gA-F-]{30,37}") {
            for text in [text, format!("key_{tail}")] {
                if let Ok(id) = KeyId::parse(&text) {
                    prop_assert_eq!(id.as_str(), text.as_str());
                }
            }
        }
    }
}
