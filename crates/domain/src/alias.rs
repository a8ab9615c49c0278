//! The names by which applications reach a key in AWS KMS, and which move at a renewal.

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
    /// [`Invalid`] naming the field `aliases`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: &str, mend: &str| Err(Invalid::new("aliases", reason, mend));
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

/// A key's aliases, each once, in the order in which they were given (FT-039).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(Vec<Alias>);

impl Aliases {
    /// How many a key can have: AWS's default quota of aliases per KMS key (AWS KMS Developer Guide, "Resource quotas").
    pub const MAX: usize = 50;

    /// Checks aliases, each given with or without the prefix `alias/`.
    ///
    /// # Errors
    /// [`Invalid`] naming the field `aliases`.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, Invalid> {
        let parsed: Result<Vec<Alias>, Invalid> = texts.into_iter().map(|text| Alias::parse(text.as_ref())).collect();
        Self::default().with(parsed?)
    }

    /// These, and behind them those that are not among them.
    ///
    /// # Errors
    /// [`Invalid`] when that makes more than [`Aliases::MAX`].
    pub fn with(self, more: impl IntoIterator<Item = Alias>) -> Result<Self, Invalid> {
        let all: Self = self.0.into_iter().chain(more).collect();
        if all.len() > Self::MAX {
            let reason = format!("are {}, and AWS allows {} a key", all.len(), Self::MAX);
            return Err(Invalid::new("aliases", reason, "Give fewer, or spread them over several keys."));
        }
        Ok(all)
    }

    /// These without those.
    #[must_use]
    pub fn without(&self, gone: &Self) -> Self {
        self.iter().filter(|alias| !gone.contains(alias)).cloned().collect()
    }

    /// Whether this is one of them.
    pub fn contains(&self, alias: &Alias) -> bool {
        self.0.contains(alias)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first.
    pub fn first(&self) -> Option<&Alias> {
        self.0.first()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Alias> {
        self.0.iter()
    }

    /// Each as people write it.
    pub fn to_strings(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

impl From<Alias> for Aliases {
    fn from(alias: Alias) -> Self {
        Self(vec![alias])
    }
}

/// However many a store or a cloud lists.
impl FromIterator<Alias> for Aliases {
    fn from_iter<T: IntoIterator<Item = Alias>>(aliases: T) -> Self {
        let mut each = Self::default();
        for alias in aliases {
            if !each.contains(&alias) {
                each.0.push(alias);
            }
        }
        each
    }
}

impl<'a> IntoIterator for &'a Aliases {
    type Item = &'a Alias;
    type IntoIter = std::slice::Iter<'a, Alias>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
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
            assert_eq!(Alias::parse(bad).expect_err(bad).field, "aliases");
        }
    }

    #[test]
    fn an_alias_that_is_given_twice_is_one() {
        let aliases = Aliases::parse(["orders", "alias/orders", "bills"]).expect("are aliases");
        assert_eq!(aliases.to_strings(), ["orders", "bills"]);
        assert_eq!(aliases.without(&Aliases::parse(["orders", "other"]).expect("are aliases")).to_strings(), ["bills"]);
        assert_eq!(Aliases::parse(["orders", "a b"]).expect_err("one is not").field, "aliases");
    }

    #[test]
    fn a_key_has_at_most_fifty() {
        let names: Vec<String> = (0..Aliases::MAX).map(|number| format!("orders-{number}")).collect();
        let full = Aliases::parse(&names).expect("fifty are allowed");
        assert_eq!(full.len(), 50);
        let refused = full.with(Alias::parse("one-more")).expect_err("one too many");
        assert!(refused.reason.contains("51") && refused.reason.contains("AWS allows 50"), "{refused:?}");
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
