//! Proofs that need no trust (RFC 6962 §2.1): an entry is in the log, a log is the beginning of a larger one. Made from tiles, checked from hashes alone.

use crate::{
    tiles::{TILE_HEIGHT, TILE_WIDTH, TileError, TileSource},
    tree::{HASH_BYTES, Hash, empty_root, fold_peaks, hashes_of, node_hash, root_of},
};
use std::{collections::HashMap, ops::Range};

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index or the older size lies outside the log.
    #[error("{index} lies outside a log of {size} entries")]
    OutOfTree {
        /// The index or the older size.
        index: u64,
        /// The size of the log.
        size: u64,
    },
    /// The proof has too many or too few hashes for these sizes.
    #[error("the proof does not have the number of hashes that a log of this size demands")]
    WrongLength,
    /// The hashes lead to another root.
    #[error("the proof leads to another root than the one given")]
    OtherRoot,
}

/// Proves that entry `index` is in the log of `size` entries (RFC 6962 §2.1.1): the hashes from the leaf up.
///
/// # Errors
/// [`TileError`].
pub fn inclusion_proof<S: TileSource>(index: u64, size: u64, source: &mut S) -> Result<Vec<Hash>, TileError<S::Error>> {
    if index >= size {
        return Err(TileError::OutOfTree { index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut siblings = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            siblings.push(middle..high);
            high = middle;
        } else {
            siblings.push(low..middle);
            low = middle;
        }
    }
    roots_from_below(siblings, source)
}

/// Proves that the log of `old` entries is the beginning of the log of `new` entries (RFC 6962 §2.1.2).
///
/// # Errors
/// [`TileError`].
pub fn consistency_proof<S: TileSource>(old: u64, new: u64, source: &mut S) -> Result<Vec<Hash>, TileError<S::Error>> {
    if old > new {
        return Err(TileError::OutOfTree { index: old, size: new });
    }
    let (mut low, mut high) = (0, new);
    let mut siblings = Vec::new();
    while old > 0 && high != old {
        let middle = low + split(high - low);
        if old <= middle {
            siblings.push(middle..high);
            high = middle;
        } else {
            siblings.push(low..middle);
            low = middle;
        }
    }
    // Only when the older tree is itself a subtree of the newer does the verifier know its root already.
    if low > 0 {
        siblings.push(low..high);
    }
    roots_from_below(siblings, source)
}

/// Checks that the entry with this leaf hash is number `index` of the log with this size and root (RFC 9162 §2.1.3.2).
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfTree { index, size });
    }
    let mut hash = *leaf;
    let mut climb = Climb { node: index, last: size - 1 };
    for sibling in proof {
        hash = if climb.up()? { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
    }
    climb.end()?;
    if hash == *root { Ok(()) } else { Err(ProofError::OtherRoot) }
}

/// Checks that the log of size and root `old` is the beginning of the log of size and root `new` (RFC 9162 §2.1.4.2).
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::OutOfTree { index: old_size, size: new_size });
    }
    if old_size == 0 || old_size == new_size {
        let same = if old_size == 0 { *old_root == empty_root() } else { old_root == new_root };
        return if !proof.is_empty() { Err(ProofError::WrongLength) } else { same.then_some(()).ok_or(ProofError::OtherRoot) };
    }
    let (first, rest) = if old_size.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(ProofError::WrongLength)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    let mut climb = Climb { node: old_size - 1, last: new_size - 1 };
    climb.skip(climb.node.trailing_ones());
    for sibling in rest {
        if climb.up()? {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
    }
    climb.end()?;
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofError::OtherRoot) }
}

/// The way from a node to the root: `fn` and `sn` of RFC 9162.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Goes up to the next node that has a sibling; true if the sibling stands on the left.
    fn up(&mut self) -> Result<bool, ProofError> {
        if self.last == 0 {
            return Err(ProofError::WrongLength);
        }
        let left = self.node & 1 == 1 || self.node == self.last;
        if left {
            self.skip(self.node.trailing_zeros());
        }
        self.skip(1);
        Ok(left)
    }

    fn skip(&mut self, levels: u32) {
        self.node = self.node.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }

    /// Whether the root is reached.
    fn end(&self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::WrongLength) }
    }
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The roots of the ranges, the last range first.
fn roots_from_below<S: TileSource>(ranges: Vec<Range<u64>>, source: &mut S) -> Result<Vec<Hash>, TileError<S::Error>> {
    let mut tiles = Tiles { source, read: HashMap::new() };
    ranges.into_iter().rev().map(|range| tiles.range_root(range)).collect()
}

/// Tiles that were read once for a proof: its hashes lie close together.
struct Tiles<'a, S> {
    source: &'a mut S,
    read: HashMap<(u8, u64), Vec<u8>>,
}

impl<S: TileSource> Tiles<'_, S> {
    /// The root over a range of leaves that begins where a subtree of at least its size begins.
    fn range_root(&mut self, range: Range<u64>) -> Result<Hash, TileError<S::Error>> {
        let (mut at, mut peaks) = (range.start, Vec::new());
        while at < range.end {
            let height = at.trailing_zeros().min((range.end - at).ilog2());
            peaks.push(self.subtree_root(at, height)?);
            at += 1 << height;
        }
        Ok(fold_peaks(&peaks))
    }

    /// The root of the complete subtree of 2^`height` leaves that begins at leaf `first`.
    fn subtree_root(&mut self, first: u64, height: u32) -> Result<Hash, TileError<S::Error>> {
        let level = (height / TILE_HEIGHT) as u8;
        let hash = first >> (TILE_HEIGHT * u32::from(level));
        let (n, start) = (hash / TILE_WIDTH, (hash % TILE_WIDTH) as usize * HASH_BYTES);
        let end = start + (HASH_BYTES << (height % TILE_HEIGHT));
        let tile = self.tile(level, n)?;
        let hashes = tile.get(start..end).and_then(hashes_of);
        hashes.map(|hashes| root_of(&hashes)).ok_or(TileError::Misfit { level, n, have: tile.len(), want: end })
    }

    fn tile(&mut self, level: u8, n: u64) -> Result<&Vec<u8>, TileError<S::Error>> {
        match self.read.entry((level, n)) {
            std::collections::hash_map::Entry::Occupied(tile) => Ok(tile.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                Ok(place.insert(self.source.tile(level, n).map_err(|source| TileError::Source { level, n, source })?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tiles::{frontier_at, tests::shelf_of},
        tree::{leaf_hash, tests::Oracle},
    };
    use proptest::prelude::*;

    fn oracle_of(size: u64) -> Oracle {
        let mut oracle = Oracle::new();
        (0..size).for_each(|n| oracle.push(n.to_be_bytes().to_vec()));
        oracle
    }

    fn root(size: u64, shelf: &mut crate::tiles::tests::Shelf) -> Hash {
        frontier_at(size, shelf).expect("reads").root()
    }

    #[test]
    fn every_proof_of_a_small_log_is_the_oracles_and_holds() {
        for size in 1..=40u64 {
            let (mut shelf, oracle) = (shelf_of(size, size), oracle_of(size));
            let new_root = root(size, &mut shelf);
            for n in 0..size {
                let inclusion = inclusion_proof(n, size, &mut shelf).expect("proves");
                assert_eq!(inclusion.concat(), oracle.prove_inclusion(n as usize).as_bytes());
                assert_eq!(verify_inclusion(&leaf_hash(&n.to_be_bytes()), n, size, &inclusion, &new_root), Ok(()));
                let consistency = consistency_proof(n, size, &mut shelf).expect("proves");
                if n > 0 {
                    assert_eq!(consistency.concat(), oracle.prove_consistency((size - n) as usize).as_bytes(), "{n} of {size}");
                }
                assert_eq!(verify_consistency((n, &root(n, &mut shelf)), (size, &new_root), &consistency), Ok(()));
            }
        }
    }

    #[test]
    fn what_lies_outside_is_neither_proved_nor_believed() {
        let mut shelf = shelf_of(10, 10);
        let root = root(10, &mut shelf);
        assert!(matches!(inclusion_proof(10, 10, &mut shelf), Err(TileError::OutOfTree { index: 10, size: 10 })));
        assert!(matches!(consistency_proof(11, 10, &mut shelf), Err(TileError::OutOfTree { index: 11, size: 10 })));
        assert!(matches!(inclusion_proof(3, 300, &mut shelf), Err(TileError::Misfit { .. })));
        assert_eq!(verify_inclusion(&root, 0, 0, &[], &root), Err(ProofError::OutOfTree { index: 0, size: 0 }));
        assert_eq!(verify_consistency((11, &root), (10, &root), &[]), Err(ProofError::OutOfTree { index: 11, size: 10 }));
        assert_eq!(verify_consistency((0, &root), (10, &root), &[]), Err(ProofError::OtherRoot));
        assert_eq!(verify_consistency((10, &root), (10, &root), &[root]), Err(ProofError::WrongLength));
        assert_eq!(verify_consistency((5, &root), (10, &root), &[]), Err(ProofError::WrongLength));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn proofs_across_tiles_are_the_oracles(size in 257u64..1_500, part in 0.0..1.0f64) {
            let n = ((size as f64) * part) as u64;
            let (mut shelf, oracle) = (shelf_of(size, 500), oracle_of(size));
            let inclusion = inclusion_proof(n, size, &mut shelf).expect("proves");
            prop_assert_eq!(inclusion.concat(), oracle.prove_inclusion(n as usize).as_bytes().to_vec());
            let old = n.max(1);
            let consistency = consistency_proof(old, size, &mut shelf).expect("proves");
            prop_assert_eq!(consistency.concat(), oracle.prove_consistency((size - old) as usize).as_bytes().to_vec());
        }

        #[test]
        fn a_proof_that_was_touched_does_not_hold(size in 2u64..600, part in 0.0..1.0f64, at in any::<prop::sample::Index>(), bit in 0usize..256) {
            let n = ((size as f64) * part) as u64;
            let mut shelf = shelf_of(size, size);
            let root = root(size, &mut shelf);
            let leaf = leaf_hash(&n.to_be_bytes());
            let good = inclusion_proof(n, size, &mut shelf).expect("proves");
            let mut bad = good.clone();
            at.get_mut(&mut bad)[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(verify_inclusion(&leaf, n, size, &bad, &root), Err(ProofError::OtherRoot));
            prop_assert!(verify_inclusion(&leaf, n, size, &good[1..], &root).is_err());
            prop_assert!(verify_inclusion(&leaf, n, size, &[good.as_slice(), &[root]].concat(), &root).is_err());
            prop_assert!(verify_inclusion(&leaf, (n + 1) % size, size, &good, &root).is_err());
        }
    }
}
