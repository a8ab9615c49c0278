//! The walk through an export: three trees grow side by side, and the signed checkpoints decide which of them to believe.
//!
//! - *entries*: over the entries as they stand. If it has the signed root, the log is genuine.
//! - *recorded*: over the leaf hashes written beside them. If it has the signed root and the first has not, comparing the two names the entry.
//! - *upper*: over the roots of tiles written every 65,536 entries. If only it has the signed root, the tile of 256 is named.
//!
//! If none has, the fault lies between the last checkpoint that agrees and the first that does not. No root of a tile covers the last, incomplete
//! tile, so there it is always the checkpoints.

use super::{
    comparison::Comparison,
    finding::Finding,
    heads::{Head, Heads},
};
use crate::{
    tiles::{TILE_HEIGHT, TILE_WIDTH},
    tree::{Frontier, Hash, root_of},
};
use std::ops::Range;

/// More entries than this without the hashes that belong between them are not looked at: memory must stay flat.
const MAX_SEGMENT: usize = 2 * TILE_WIDTH as usize;

/// The state of the walk. The entries since the last line of leaf hashes are the *segment*.
pub(super) struct Walk {
    to: u64,
    /// The index of the segment's first entry.
    start: u64,
    segment: Vec<Hash>,
    /// What the segment's first line says its index is.
    stated_first: u64,
    entries: Frontier,
    recorded: Frontier,
    upper: Frontier,
    /// The recorded hashes of the last, incomplete tile; no root of a tile covers them.
    tail: Vec<Hash>,
    /// The number of the first tile whose root is expected in the next line of level 1, and the roots over the entries as they stand.
    group: (u64, Vec<Hash>),
    /// The first tile whose recorded root is not that of its entries.
    other_tile: Option<u64>,
    hashes: Comparison<Hash>,
    numbers: Comparison<u64>,
    /// Checkpoints within the segment, whose recorded roots are known only at its end.
    pending: Vec<Head>,
    pub(super) heads: Heads,
}

/// Why the walk cannot go on.
pub(super) enum Halt {
    /// A line is not what belongs there.
    Malformed(&'static str),
    /// The lines from entry `index` to entry `until` - 1 are not there; perhaps later.
    Gap { index: u64, until: u64 },
    /// A fault that is certain at once.
    Found(Finding),
}

impl Walk {
    pub(super) fn new(edge: Frontier, to: u64) -> Self {
        Self {
            to,
            start: edge.size(),
            segment: Vec::with_capacity(TILE_WIDTH as usize),
            stated_first: edge.size(),
            group: (edge.size() / TILE_WIDTH, Vec::with_capacity(TILE_WIDTH as usize)),
            entries: edge.clone(),
            recorded: edge.clone(),
            upper: edge,
            tail: Vec::new(),
            other_tile: None,
            hashes: Comparison::new(),
            numbers: Comparison::new(),
            pending: Vec::new(),
            heads: Heads::new(),
        }
    }

    /// The index at which the next entry would stand.
    pub(super) fn position(&self) -> u64 {
        self.start + self.segment.len() as u64
    }

    /// Takes in an entry: the index that its line states, and its leaf hash.
    pub(super) fn entry(&mut self, stated: u64, leaf: Hash) -> Result<(), Halt> {
        if self.segment.len() == MAX_SEGMENT {
            return Err(Halt::Malformed("comes after more entries than their recorded hashes can stand for"));
        }
        if self.segment.is_empty() {
            self.stated_first = stated;
        }
        self.numbers.look(self.position(), Some(self.position()), Some(stated));
        self.segment.push(leaf);
        Ok(())
    }

    /// The index after the segment as it must be: the end of its tile, or of the export.
    fn segment_end(&self) -> u64 {
        self.to.min(self.start + TILE_WIDTH)
    }

    /// Takes in the recorded leaf hashes of the segment.
    pub(super) fn leaf_hashes(&mut self, first: u64, recorded: Vec<Hash>, trusted: Option<Head>) -> Result<(), Halt> {
        self.check_place(first)?;
        if recorded.is_empty() || recorded.len() as u64 != self.segment_end() - self.start {
            return Err(Halt::Malformed("has not as many leaf hashes as belong there"));
        }
        if self.roots_are_due() {
            return Err(Halt::Malformed("stands where the roots of the tiles before it belong"));
        }
        self.compare(&recorded);
        self.pending.extend(trusted.filter(|head| self.start < head.size && head.size <= self.segment_end()));
        self.judge_pending(&recorded);
        self.grow(recorded);
        Ok(())
    }

    /// The hashes must be those of the segment. If they are later ones and so are the entries before them, whole tiles are missing here.
    fn check_place(&self, first: u64) -> Result<(), Halt> {
        if first > self.start && self.stated_first == first && !self.segment.is_empty() {
            return Err(Halt::Gap { index: self.start, until: first });
        }
        if first < self.start && self.stated_first == first && !self.segment.is_empty() {
            return Err(Halt::Found(Finding::Inserted { index: self.start, count: self.segment.len() as u64 }));
        }
        if first == self.start { Ok(()) } else { Err(Halt::Malformed("has leaf hashes that belong elsewhere")) }
    }

    fn compare(&mut self, recorded: &[Hash]) {
        for offset in 0..recorded.len().max(self.segment.len()) {
            self.hashes.look(self.start + offset as u64, recorded.get(offset).copied(), self.segment.get(offset).copied());
        }
    }

    fn judge_pending(&mut self, recorded: &[Hash]) {
        self.pending.sort_by_key(|head| head.size);
        let (mut entries, mut hashes) = (Prefix::new(&self.entries, &self.segment), Prefix::new(&self.recorded, recorded));
        for head in self.pending.drain(..) {
            self.heads.judge(head, entries.root_at(head.size), hashes.root_at(head.size));
        }
    }

    /// Adds the segment to the trees and begins the next one.
    fn grow(&mut self, recorded: Vec<Hash>) {
        self.start += recorded.len() as u64;
        if recorded.len() as u64 == TILE_WIDTH {
            // A segment of another length gets a root that no tile can have; it fits no checkpoint, and that is right.
            let root = root_of(&self.segment);
            let recorded_root = if recorded == self.segment { root } else { root_of(&recorded) };
            self.entries.append_subtree(TILE_HEIGHT, root, |_, _| ());
            self.recorded.append_subtree(TILE_HEIGHT, recorded_root, |_, _| ());
            self.group.1.push(root);
        } else {
            self.segment.iter().for_each(|leaf| self.entries.append(*leaf));
            recorded.iter().for_each(|leaf| self.recorded.append(*leaf));
            self.tail = recorded;
        }
        self.segment.clear();
    }

    /// Whether the roots of the tiles must come next: their own tile is complete, or the export ends.
    fn roots_are_due(&self) -> bool {
        let (first, roots) = &self.group;
        !roots.is_empty() && (self.start == self.to || (first + roots.len() as u64).is_multiple_of(TILE_WIDTH))
    }

    /// Takes in the recorded roots of the tiles since the last such line.
    pub(super) fn tile_roots(&mut self, first: u64, recorded: &[Hash]) -> Result<(), Halt> {
        let misfit = Halt::Malformed("has roots of tiles that belong elsewhere");
        if first != self.group.0 || recorded.is_empty() {
            return Err(misfit);
        }
        if !self.roots_are_due() {
            // They come too early: what is before them is not there.
            let tiles = first + recorded.len() as u64;
            let until = if tiles.is_multiple_of(TILE_WIDTH) { self.to.min(tiles * TILE_WIDTH) } else { self.to };
            return Err(if self.position() < until { Halt::Gap { index: self.position(), until } } else { misfit });
        }
        let (group_first, roots) = &mut self.group;
        if recorded.len() != roots.len() {
            return Err(misfit);
        }
        let other = roots.iter().zip(recorded).position(|(root, recorded)| root != recorded);
        self.other_tile = self.other_tile.or(other.map(|offset| first + offset as u64));
        recorded.iter().for_each(|root| self.upper.append_subtree(TILE_HEIGHT, *root, |_, _| ()));
        *group_first += roots.len() as u64;
        roots.clear();
        Ok(())
    }

    /// Takes in a checkpoint; true if it stands where it belongs.
    pub(super) fn head(&mut self, head: Head) -> Result<bool, Halt> {
        if head.size < self.start {
            return Err(Halt::Malformed("has a checkpoint that belongs before"));
        }
        if head.size == self.start {
            self.judge_here(head);
        } else if head.size <= self.segment_end() {
            self.pending.push(head);
        } else {
            return Err(Halt::Gap { index: self.position(), until: head.size });
        }
        // At the end of a tile its recorded hashes come first.
        let hashes_due = self.roots_are_due() || (!self.segment.is_empty() && head.size == self.segment_end());
        Ok(head.size == self.position() && !hashes_due)
    }

    /// Compares a checkpoint of exactly the size that the walk has reached.
    pub(super) fn judge_here(&mut self, head: Head) {
        let root = |tree: &Frontier| (tree.size() == head.size).then(|| tree.root());
        self.heads.judge(head, root(&self.entries), root(&self.recorded));
    }

    /// Whether all that the header promises has come, in which case the trees can be judged.
    pub(super) fn check_complete(&self) -> Result<(), Halt> {
        if self.start < self.to {
            let have = self.position();
            let cut = Finding::Truncated { have, want: self.to };
            return Err(if have < self.to { Halt::Found(cut) } else { Halt::Malformed("ends the export, but recorded hashes must follow") });
        }
        if !self.segment.is_empty() {
            return Err(Halt::Found(Finding::Inserted { index: self.to, count: self.segment.len() as u64 }));
        }
        if self.group.1.is_empty() { Ok(()) } else { Err(Halt::Malformed("ends the export, but roots of tiles must follow")) }
    }

    /// What the signatures say about the whole, once it is complete: nothing if the entries are the signed ones and all beside them fits.
    pub(super) fn fault(&self) -> Option<Finding> {
        let newest = self.heads.newest.as_ref()?;
        if let Some(size) = self.heads.fork() {
            Some(Finding::Forked { size })
        } else if newest.entries {
            self.fault_beside_the_entries()
        } else {
            // Entries that do not lead to the signed root are never let through, whatever is known about them.
            let named = self.hashes.finding().filter(|_| newest.recorded).map(|finding| self.cut_off(finding));
            Some(named.unwrap_or_else(|| self.fault_in_the_dark(&newest.root)))
        }
    }

    /// The entries are genuine; is what stands beside them?
    fn fault_beside_the_entries(&self) -> Option<Finding> {
        let tile = self.hashes.index().map(|index| index / TILE_WIDTH).or(self.other_tile);
        let hashes = tile.map(|tile| self.tile_range(tile)).map(|range| Finding::HashesEdited { first: range.start, last: range.end - 1 });
        hashes.or_else(|| self.numbers.misnumbered())
    }

    /// Neither the entries nor their recorded hashes are genuine: the roots of tiles may be, or the numbers may give a hint.
    fn fault_in_the_dark(&self, root: &Hash) -> Finding {
        let doubtful = self.heads.doubtful().unwrap_or(0..self.to);
        if let Some(tile) = self.other_tile.filter(|_| self.upper_root() == *root) {
            let range = self.tile_range(tile);
            return rewritten(range.start.max(doubtful.start)..range.end.min(doubtful.end))
                .unwrap_or(Finding::Rewritten { first: range.start, last: range.end - 1 });
        }
        let hint = self.numbers.index().filter(|index| doubtful.contains(index)).and_then(|_| self.numbers.finding());
        hint.or_else(|| rewritten(doubtful)).unwrap_or(Finding::Rewritten { first: 0, last: self.to })
    }

    fn upper_root(&self) -> Hash {
        let mut tree = self.upper.clone();
        self.tail.iter().for_each(|leaf| tree.append(*leaf));
        tree.root()
    }

    fn tile_range(&self, tile: u64) -> Range<u64> {
        tile * TILE_WIDTH..self.to.min((tile + 1) * TILE_WIDTH)
    }

    /// Missing at the end is cut off.
    fn cut_off(&self, finding: Finding) -> Finding {
        match finding {
            Finding::Missing { first, last } if last + 1 == self.to => Finding::Truncated { have: first, want: self.to },
            other => other,
        }
    }
}

fn rewritten(range: Range<u64>) -> Option<Finding> {
    (!range.is_empty()).then(|| Finding::Rewritten { first: range.start, last: range.end - 1 })
}

/// A tree that grows leaf by leaf within a segment, to tell the roots in its midst.
struct Prefix<'a> {
    tree: Frontier,
    rest: std::slice::Iter<'a, Hash>,
}

impl<'a> Prefix<'a> {
    fn new(base: &Frontier, leaves: &'a [Hash]) -> Self {
        Self { tree: base.clone(), rest: leaves.iter() }
    }

    /// The root when the tree had `size` leaves, which must not fall; `None` if there are not as many.
    fn root_at(&mut self, size: u64) -> Option<Hash> {
        while self.tree.size() < size {
            self.tree.append(*self.rest.next()?);
        }
        (self.tree.size() == size).then(|| self.tree.root())
    }
}
