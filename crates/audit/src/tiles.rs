//! The tree in tiles (C2SP tlog-tiles): up to 256 hashes of one level side by side, so that a store keeps few rows and a proof reads few.
//!
//! Hash `i` of level `l` is the root over the leaves `i·256^l .. (i+1)·256^l`; tile `n` of a level holds its hashes `256·n .. 256·(n+1)`. A complete tile
//! never changes; the last one of each level grows.

use crate::tree::{Frontier, HASH_BYTES, Hash, hashes_of, leaf_hash};

/// Hashes of a complete tile.
pub const TILE_WIDTH: u64 = 256;
/// A tile covers this many levels of the binary tree.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// Where tiles are read from. A function `(level, n) -> Result<Vec<u8>, E>` is one.
pub trait TileSource {
    /// Why a tile cannot be read.
    type Error;

    /// The bytes of tile `n` of `level` as they were last written: its hashes, one after the other; empty if there is none.
    ///
    /// # Errors
    /// The source's own.
    fn tile(&mut self, level: u8, n: u64) -> Result<Vec<u8>, Self::Error>;
}

impl<F: FnMut(u8, u64) -> Result<Vec<u8>, E>, E> TileSource for F {
    type Error = E;

    fn tile(&mut self, level: u8, n: u64) -> Result<Vec<u8>, E> {
        self(level, n)
    }
}

/// Why something could not be made of tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E> {
    /// The source failed.
    #[error("tile {n} of level {level} cannot be read")]
    Source {
        /// The tile's level.
        level: u8,
        /// The tile's number.
        n: u64,
        /// The source's error.
        source: E,
    },
    /// A tile is shorter or longer than the size of the log demands.
    #[error("tile {n} of level {level} has {have} bytes where {want} belong: the stored tree and the stored size of the log do not fit")]
    Misfit {
        /// The tile's level.
        level: u8,
        /// The tile's number.
        n: u64,
        /// Its bytes.
        have: usize,
        /// The bytes that the size demands.
        want: usize,
    },
    /// The log has no such entry or size.
    #[error("{index} lies outside a log of {size} entries")]
    OutOfTree {
        /// What was asked for.
        index: u64,
        /// The size of the log.
        size: u64,
    },
}

/// A tile as it is after the appends: insert or replace it under `(level, n)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileChange {
    /// The level; 0 holds the leaf hashes.
    pub level: u8,
    /// The number within the level.
    pub n: u64,
    /// All hashes of the tile, 1 to 256 of 32 bytes.
    pub hashes: Vec<u8>,
}

/// A log that grows. It holds only the right edge; complete tiles leave with [`take_changes`](Self::take_changes).
///
/// A batch is: append each entry, take the changes, write entries, changes and the new size in one transaction. If that fails, forget this `Log` (or the
/// clone that the batch was tried on) and resume from what is stored.
#[derive(Debug, Clone, Default)]
pub struct Log {
    frontier: Frontier,
    edge: Vec<Growing>,
    complete: Vec<TileChange>,
}

/// The last tile of a level, which is not complete.
#[derive(Debug, Clone, Default)]
struct Growing {
    n: u64,
    hashes: Vec<u8>,
    touched: bool,
}

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on where a log of `size` entries ended; reads the one incomplete tile of each level, which must be exactly as wide as the size demands.
    ///
    /// # Errors
    /// [`TileError`].
    pub fn resume<S: TileSource>(size: u64, source: &mut S) -> Result<Self, TileError<S::Error>> {
        let mut log = Self::default();
        for level in (0..levels(size)).rev() {
            let (n, width) = last_tile(size, level);
            let hashes = if width == 0 { Vec::new() } else { source.tile(level, n).map_err(|source| TileError::Source { level, n, source })? };
            let want = width * HASH_BYTES;
            let misfit = TileError::Misfit { level, n, have: hashes.len(), want };
            if hashes.len() != want {
                return Err(misfit);
            }
            append_tile(&mut log.frontier, level, &hashes_of(&hashes).ok_or(misfit)?);
            log.edge.insert(0, Growing { n, hashes, touched: false });
        }
        Ok(log)
    }

    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over all entries; what a checkpoint signs.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends an entry by its canonical bytes and gives its index. Costs two hashes on average.
    pub fn append(&mut self, entry: &[u8]) -> u64 {
        let index = self.frontier.size();
        let Self { frontier, edge, complete } = self;
        frontier.append_subtree(0, leaf_hash(entry), |height, root| {
            if height % TILE_HEIGHT == 0 {
                push(edge, complete, height / TILE_HEIGHT, root);
            }
        });
        index
    }

    /// Every tile that changed since the last call, in the order of levels within complete and growing ones; a tile occurs once.
    pub fn take_changes(&mut self) -> Vec<TileChange> {
        let mut changes = std::mem::take(&mut self.complete);
        for (level, tile) in (0u8..).zip(&mut self.edge) {
            if std::mem::take(&mut tile.touched) {
                changes.push(TileChange { level, n: tile.n, hashes: tile.hashes.clone() });
            }
        }
        changes
    }
}

/// Adds a hash to the last tile of its level. A tile that is complete moves on, and the next one begins.
fn push(edge: &mut Vec<Growing>, complete: &mut Vec<TileChange>, level: u32, hash: &Hash) {
    let level = level as usize;
    if edge.len() <= level {
        edge.resize_with(level + 1, Growing::default);
    }
    let tile = &mut edge[level];
    tile.hashes.extend_from_slice(hash);
    tile.touched = true;
    if tile.hashes.len() == TILE_WIDTH as usize * HASH_BYTES {
        let next = Growing { n: tile.n + 1, ..Growing::default() };
        let Growing { n, hashes, .. } = std::mem::replace(tile, next);
        complete.push(TileChange { level: level as u8, n, hashes });
    }
}

/// How many levels of tiles a log of this size has.
fn levels(size: u64) -> u8 {
    (u64::BITS - size.leading_zeros()).div_ceil(TILE_HEIGHT) as u8
}

/// The number and width, in hashes, of the incomplete tile of a level; of width 0 where all tiles are complete.
fn last_tile(size: u64, level: u8) -> (u64, usize) {
    let hashes = size >> (TILE_HEIGHT * u32::from(level));
    (hashes / TILE_WIDTH, (hashes % TILE_WIDTH) as usize)
}

/// Appends the hashes of a level; from the highest level down they put the whole edge together.
fn append_tile(frontier: &mut Frontier, level: u8, hashes: &[Hash]) {
    hashes.iter().for_each(|hash| frontier.append_subtree(TILE_HEIGHT * u32::from(level), *hash, |_, _| ()));
}

/// The first `width` hashes of a tile.
pub(crate) fn read_tile<S: TileSource>(source: &mut S, level: u8, n: u64, width: usize) -> Result<Vec<Hash>, TileError<S::Error>> {
    let bytes = source.tile(level, n).map_err(|source| TileError::Source { level, n, source })?;
    let (have, want) = (bytes.len(), width * HASH_BYTES);
    bytes.get(..want).and_then(hashes_of).ok_or(TileError::Misfit { level, n, have, want })
}

/// The right edge of the log when it had `size` entries; it may have grown since.
pub(crate) fn frontier_at<S: TileSource>(size: u64, source: &mut S) -> Result<Frontier, TileError<S::Error>> {
    let mut frontier = Frontier::new();
    for level in (0..levels(size)).rev() {
        let (n, width) = last_tile(size, level);
        if width > 0 {
            append_tile(&mut frontier, level, &read_tile(source, level, n, width)?);
        }
    }
    Ok(frontier)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::{collections::HashMap, convert::Infallible};

    /// Tiles as a store would keep them.
    #[derive(Default, Clone)]
    pub(crate) struct Shelf(pub(crate) HashMap<(u8, u64), Vec<u8>>);

    impl TileSource for Shelf {
        type Error = Infallible;
        fn tile(&mut self, level: u8, n: u64) -> Result<Vec<u8>, Infallible> {
            Ok(self.0.get(&(level, n)).cloned().unwrap_or_default())
        }
    }

    impl Shelf {
        pub(crate) fn keep(&mut self, changes: Vec<TileChange>) {
            changes.into_iter().for_each(|change| drop(self.0.insert((change.level, change.n), change.hashes)));
        }
    }

    /// A log of `size` small entries that was written in batches of `batch`, resumed each time.
    pub(crate) fn shelf_of(size: u64, batch: u64) -> Shelf {
        let mut shelf = Shelf::default();
        let mut at = 0;
        while at < size {
            let mut log = Log::resume(at, &mut shelf).expect("what was written is read");
            (at..size.min(at + batch)).for_each(|n| assert_eq!(log.append(&n.to_be_bytes()), n));
            at = log.size();
            shelf.keep(log.take_changes());
            assert_eq!(log.take_changes(), []);
        }
        shelf
    }

    #[test]
    fn a_log_written_in_batches_has_the_tiles_and_root_of_one_written_at_once() {
        for (size, batch) in [(1, 1), (255, 7), (256, 100), (257, 256), (1_000, 33), (66_000, 5_000)] {
            let mut batched = shelf_of(size, batch);
            assert_eq!(batched.0, shelf_of(size, size).0, "{size} in batches of {batch}");
            let mut plain = Frontier::new();
            (0..size).for_each(|n| plain.append(leaf_hash(&n.to_be_bytes())));
            assert_eq!(Log::resume(size, &mut batched).expect("resumes").frontier, plain);
            assert_eq!(frontier_at(size, &mut batched).expect("reads"), plain);
        }
    }

    #[test]
    fn tiles_hold_what_the_standard_says() {
        let shelf = shelf_of(66_000, 66_000).0;
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        assert_eq!(shelf[&(0, 257)], (65_792..66_000).flat_map(leaf).collect::<Vec<u8>>());
        assert_eq!(shelf[&(1, 0)].len(), 8_192);
        assert_eq!(shelf[&(1, 1)], crate::tree::root_of(&(65_536..65_792).map(leaf).collect::<Vec<_>>()));
        assert_eq!(shelf[&(2, 0)], crate::tree::root_of(&(0..65_536).map(leaf).collect::<Vec<_>>()));
        assert_eq!(shelf.len(), 258 + 2 + 1);
    }

    #[test]
    fn the_edge_of_an_earlier_size_is_read_from_a_log_that_has_grown() {
        let mut shelf = shelf_of(3_000, 3_000);
        let mut plain = Frontier::new();
        for size in 0..3_000u64 {
            assert_eq!(frontier_at(size, &mut shelf).expect("reads"), plain);
            plain.append(leaf_hash(&size.to_be_bytes()));
        }
    }

    #[test]
    fn a_size_that_does_not_fit_the_tiles_is_refused() {
        for wrong in [299, 301, 512, 1 << 40] {
            let refused = Log::resume(wrong, &mut shelf_of(300, 300));
            assert!(matches!(refused, Err(TileError::Misfit { .. })), "{wrong}");
        }
        let failing = Log::resume(3, &mut |_, _| Err::<Vec<u8>, _>("no disk"));
        assert!(matches!(failing, Err(TileError::Source { level: 0, n: 0, source: "no disk" })));
    }
}
