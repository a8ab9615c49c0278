//! Names that people give to keys, keystores and users.

use crate::Invalid;

/// A name: 1 to 64 characters of `a-z A-Z 0-9 . _ -`, beginning with a letter or digit, and not of the form of an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Beginnings that would let a name be taken for an id.
const ID_PREFIXES: [&str; 9] = ["acct_", "entry_", "group_", "key_", "keystore_", "lineage_", "op_", "user_", "version_"];

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Invalid`] naming the field `name`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str, mend: &str| Err(Invalid::new("name", reason, mend));
        if text.is_empty() || text.len() > 64 {
            return refuse("must have 1 to 64 characters", "Give a shorter name, for example orders.");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return refuse("has a character that is not allowed", "Use letters, digits, '.', '_' and '-'.");
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return refuse("begins with a punctuation mark", "Begin with a letter or a digit.");
        }
        if ID_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return refuse("looks like an id", "Choose a name that does not begin like an id (key_, op_, …).");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_names_are_kept_as_they_are() {
        for good in ["orders", "payments-eu", "a", "2024.q1_key", &"x".repeat(64)] {
            assert_eq!(Name::parse(good).map(|n| n.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["", "-x", ".x", "a b", "ä", "a/b", "key_1", "op_x", "a\n", &"x".repeat(65)] {
            assert_eq!(Name::parse(bad).expect_err(bad).field, "name");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_is_kept(text in "\\PC*", near in "[a-z0-9._-]{0,70}") {
            for text in [text, near] {
                if let Ok(name) = Name::parse(&text) {
                    prop_assert_eq!(name.as_str(), text.as_str());
                    prop_assert!(!text.contains(['/', '?', '#', '%', ' ']), "it stands in a path as it is");
                }
            }
        }
    }
}
