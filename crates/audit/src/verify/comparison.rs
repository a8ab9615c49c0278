//! Comparing two long lists while they pass by, and saying how they differ: edited, missing, added, swapped, moved. Memory stays flat.
//!
//! Only the first difference is kept. From then on each further position is asked two questions: does the value that belonged there turn up here, and does the
//! value that was found there belong here? The two answers tell an edit from a gap, an addition, a swap and a move.

use super::finding::Finding;

/// Compares what was recorded with what is found, position by position.
#[derive(Debug)]
pub(super) struct Comparison<T> {
    first: Option<Difference<T>>,
}

/// The first position at which the lists differ, and what became of its two values. `None` stands for the end of a list.
#[derive(Debug)]
struct Difference<T> {
    index: u64,
    recorded: Option<T>,
    found: Option<T>,
    /// The end of the run in which one of the lists has nothing.
    run_end: u64,
    /// Where the value that belongs here turned up.
    recorded_found_at: Option<u64>,
    /// Where the value that stands here belongs.
    found_recorded_at: Option<u64>,
}

impl<T: PartialEq + Copy> Comparison<T> {
    pub(super) fn new() -> Self {
        Self { first: None }
    }

    /// The position of the first difference.
    pub(super) fn index(&self) -> Option<u64> {
        self.first.as_ref().map(|difference| difference.index)
    }

    /// Looks at the next position.
    pub(super) fn look(&mut self, index: u64, recorded: Option<T>, found: Option<T>) {
        match &mut self.first {
            Some(difference) => difference.look(index, recorded, found),
            None if recorded == found => (),
            None => self.first = Some(Difference { index, recorded, found, run_end: index + 1, recorded_found_at: None, found_recorded_at: None }),
        }
    }

    /// How the lists differ, if they do.
    pub(super) fn finding(&self) -> Option<Finding> {
        self.first.as_ref().map(Difference::finding)
    }
}

impl Comparison<u64> {
    /// The first place that states another number than its own, when everything else is right.
    pub(super) fn misnumbered(&self) -> Option<Finding> {
        let Difference { index, found, .. } = self.first.as_ref()?;
        found.map(|stated| Finding::Misnumbered { index: *index, stated })
    }
}

impl<T: PartialEq> Difference<T> {
    fn look(&mut self, index: u64, recorded: Option<T>, found: Option<T>) {
        let same_gap = (recorded.is_none() && self.recorded.is_none()) || (found.is_none() && self.found.is_none());
        if same_gap && index == self.run_end {
            self.run_end += 1;
        }
        if found.is_some() && found == self.recorded {
            self.recorded_found_at.get_or_insert(index);
        }
        if recorded.is_some() && recorded == self.found {
            self.found_recorded_at.get_or_insert(index);
        }
    }

    fn finding(&self) -> Finding {
        let index = self.index;
        match (self.recorded_found_at, self.found_recorded_at) {
            (Some(there), Some(home)) if there == home => Finding::Swapped { first: index, second: there },
            // The entry that belongs here was pushed back by one: the one that stands here was moved to the front.
            (Some(there), Some(home)) if there == index + 1 => Finding::OutOfOrder { index: home, found_at: index },
            (Some(there), Some(_)) => Finding::OutOfOrder { index, found_at: there },
            (Some(there), None) => Finding::Inserted { index, count: there - index },
            (None, Some(home)) if self.recorded.is_none() => Finding::OutOfOrder { index: home, found_at: index },
            (None, Some(home)) => Finding::Missing { first: index, last: home - 1 },
            (None, None) if self.recorded.is_none() => Finding::Inserted { index, count: self.run_end - index },
            (None, None) if self.found.is_none() => Finding::Missing { first: index, last: self.run_end - 1 },
            (None, None) => Finding::Edited { index },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(recorded: &str, found: &str) -> Option<Finding> {
        let (recorded, found): (Vec<char>, Vec<char>) = (recorded.chars().collect(), found.chars().collect());
        let mut comparison = Comparison::new();
        for index in 0..recorded.len().max(found.len()) {
            comparison.look(index as u64, recorded.get(index).copied(), found.get(index).copied());
        }
        comparison.finding()
    }

    #[test]
    fn every_way_to_differ_has_its_name() {
        assert_eq!(compare("abcdefgh", "abcdefgh"), None);
        assert_eq!(compare("abcdefgh", "abcXefgh"), Some(Finding::Edited { index: 3 }));
        assert_eq!(compare("abcdefgh", "abcefgh"), Some(Finding::Missing { first: 3, last: 3 }));
        assert_eq!(compare("abcdefgh", "abcgh"), Some(Finding::Missing { first: 3, last: 5 }));
        assert_eq!(compare("abcdefgh", "abcdef"), Some(Finding::Missing { first: 6, last: 7 }));
        assert_eq!(compare("abcdefgh", "abcXYdefgh"), Some(Finding::Inserted { index: 3, count: 2 }));
        assert_eq!(compare("abcdefgh", "abccdefgh"), Some(Finding::Inserted { index: 3, count: 1 }));
        assert_eq!(compare("abcdefgh", "abcdefghXY"), Some(Finding::Inserted { index: 8, count: 2 }));
        assert_eq!(compare("abcdefgh", "abcedfgh"), Some(Finding::Swapped { first: 3, second: 4 }));
        assert_eq!(compare("abcdefgh", "hbcdefga"), Some(Finding::Swapped { first: 0, second: 7 }));
        assert_eq!(compare("abcdefgh", "abdefcgh"), Some(Finding::OutOfOrder { index: 2, found_at: 5 }));
        assert_eq!(compare("abcdefgh", "abfcdegh"), Some(Finding::OutOfOrder { index: 5, found_at: 2 }));
    }
}
