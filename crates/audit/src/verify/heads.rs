//! Signed checkpoints against what stands in the export: which agree, which do not, and what that proves.

use crate::tree::Hash;

/// A checkpoint of which only size and root matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) root: Hash,
    /// Whether it is one of the export's own, and not the one that the reader holds.
    pub(super) own: bool,
}

/// What is known after the checkpoints so far.
#[derive(Debug)]
pub(super) struct Heads {
    /// How many of the export's own were compared.
    pub(super) count: u64,
    /// The last of the export's own.
    pub(super) newest: Option<Newest>,
    /// The largest size at which the entries are proved.
    proved: Option<u64>,
    /// The smallest size at which a checkpoint contradicts the entries, and the size up to which they were proved then.
    contradicted: Option<(u64, u64)>,
}

/// How the newest checkpoint compares.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) root: Hash,
    /// The entries have this root.
    pub(super) entries: bool,
    /// The recorded leaf hashes have this root.
    pub(super) recorded: bool,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { count: 0, newest: None, proved: None, contradicted: None }
    }

    /// Compares a checkpoint with the roots over as many entries and over as many recorded hashes; `None` where there are not as many.
    pub(super) fn judge(&mut self, head: Head, entries: Option<Hash>, recorded: Option<Hash>) {
        let agrees = |root: Option<Hash>| root == Some(head.root);
        if agrees(entries) {
            self.proved = self.proved.max(Some(head.size));
        } else {
            self.contradicted.get_or_insert((head.size, self.proved.unwrap_or(0)));
        }
        if head.own {
            self.count += 1;
            self.newest = Some(Newest { root: head.root, entries: agrees(entries), recorded: agrees(recorded) });
        }
    }

    /// The size of a checkpoint that contradicts a signed log, which must be a fork: the same entries are proved by a checkpoint at least as large.
    pub(super) fn fork(&self) -> Option<u64> {
        self.contradicted.map(|(size, _)| size).filter(|size| self.proved >= Some(*size))
    }

    /// The entries among which the first fault must be: after the last proved size, before the first contradicted one. None before a contradiction.
    pub(super) fn doubtful(&self) -> Option<std::ops::Range<u64>> {
        self.contradicted.map(|(size, proved)| proved..size)
    }
}
