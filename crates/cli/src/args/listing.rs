//! How much of a list is wanted.

use clap::Args;

/// Pages are fetched as they are needed; nobody has to count them.
#[derive(Debug, Clone, Default, Args)]
pub struct Listing {
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Go on behind this cursor, as the note below a shortened list tells it
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// Everything: without limit, and also what is deleted
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
}

impl Listing {
    /// How many are wanted, where a list has a limit of its own when nobody says.
    pub fn wanted(&self, default: Option<u32>) -> Option<usize> {
        let limit = if self.all { None } else { self.limit.or(default) };
        limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_before_the_default_and_all_before_both() {
        let listing = |limit, all| Listing { limit, all, cursor: None };
        assert_eq!(listing(None, false).wanted(Some(100)), Some(100));
        assert_eq!(listing(Some(5), false).wanted(Some(100)), Some(5));
        assert_eq!(listing(None, true).wanted(Some(100)), None);
        assert_eq!(listing(None, false).wanted(None), None);
    }
}
