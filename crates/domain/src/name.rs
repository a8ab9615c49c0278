//! Names that people give to keys, keystores and users.

use crate::Invalid;

/// A name: 1 to 64 characters of `a-z A-Z 0-9 . _ -`, beginning with a letter or digit, and not of the form of an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Characters of a name at most.
const LENGTH_MAX: usize = 64;

/// Beginnings that would let a name be taken for an id.
const ID_PREFIXES: [&str; 9] = ["acct_", "entry_", "group_", "key_", "keystore_", "lineage_", "op_", "user_", "version_"];

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Invalid`] naming the field `name`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str, mend: &str| Err(Invalid::new("name", reason, mend));
        if text.is_empty() || text.len() > LENGTH_MAX {
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

    /// A name as near as possible to a text that follows other rules, for example an alias; `None` where nothing of it can stand in a name.
    pub fn made_of(text: &str) -> Option<Self> {
        let readable: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
        let stem = readable.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let stem = if ID_PREFIXES.iter().any(|prefix| stem.starts_with(prefix)) { format!("cloud-{stem}") } else { stem.to_owned() };
        Self::parse(stem.get(..stem.len().min(LENGTH_MAX))?).ok()
    }

    /// The same name with a number behind it.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let room = LENGTH_MAX.saturating_sub(suffix.len()).min(self.0.len());
        Self(format!("{}{suffix}", &self.0[..room]))
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
        fn whatever_is_made_of_a_text_is_a_name(text in "\\PC{0,80}", near in "[a-z/_:]{0,80}", number in 2u32..2000) {
            for text in [text, near, "key_x".to_owned()] {
                if let Some(name) = Name::made_of(&text) {
                    prop_assert!(Name::parse(name.as_str()).is_ok());
                    prop_assert!(Name::parse(name.numbered(number).as_str()).is_ok());
                }
            }
        }

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
