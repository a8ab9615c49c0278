//! The name by which applications reach a key in AWS KMS, and which moves at a renewal.

use crate::Invalid;

/// An alias without its `alias/` prefix: 1 to 250 characters of `a-z A-Z 0-9 / _ -`, not beginning with `aws/`.
///
/// Source: AWS KMS API reference, CreateAlias, AliasName (1-256 characters with the prefix, `alias/aws/` reserved).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias(String);

impl Alias {
    /// Checks an alias, given with or without the prefix `alias/`.
    ///
    /// # Errors
    /// [`Invalid`] naming the field `alias`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str, mend: &str| Err(Invalid::new("alias", reason, mend));
        let bare = text.strip_prefix("alias/").unwrap_or(text);
        if bare.is_empty() || bare.len() > 250 {
            return refuse("must have 1 to 250 characters behind alias/", "Give an alias such as orders.");
        }
        if bare.starts_with("aws/") {
            return refuse("begins with alias/aws/, which AWS keeps for its own keys", "Choose another beginning, for example alias/orders.");
        }
        if !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_-".contains(&b)) {
            return refuse("has a character that AWS does not allow", "Use letters, digits, '/', '_' and '-'.");
        }
        Ok(Self(bare.to_owned()))
    }

    /// The alias without prefix, as people write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The alias as AWS writes it: `alias/orders`.
    pub fn with_prefix(&self) -> String {
        format!("alias/{}", self.0)
    }
}

impl std::fmt::Display for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_prefix_may_stand_or_not() {
        assert_eq!(Alias::parse("alias/orders"), Alias::parse("orders"));
        assert_eq!(Alias::parse("team/orders").map(|a| a.with_prefix()), Ok("alias/team/orders".to_owned()));
    }

    #[test]
    fn what_aws_refuses_is_refused_here_first() {
        for bad in ["", "alias/", "alias/aws/s3", "aws/s3", "a b", "a.b", "ö", &"x".repeat(251)] {
            assert_eq!(Alias::parse(bad).expect_err(bad).field, "alias");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_aws_accepts(text in ".*") {
            if let Ok(alias) = Alias::parse(&text) {
                let full = alias.with_prefix();
                prop_assert!(full.len() <= 256 && !full.starts_with("alias/aws/"));
                prop_assert!(full.bytes().all(|b| b.is_ascii_alphanumeric() || b":/_-".contains(&b)));
            }
        }
    }
}
