//! The Merkle tree of RFC 6962 §2.1 over SHA-256, as its right edge: what one needs to append a leaf and to tell the root, and nothing more.

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash: of a leaf, of a node, or of the root.
pub type Hash = [u8; HASH_BYTES];

/// RFC 6962 §2.1: "The hash of an empty list is the hash of an empty string".
pub fn empty_root() -> Hash {
    to_hash(&digest(&SHA256, b""))
}

/// RFC 6962 §2.1: the hash of a leaf is SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0x00]);
    context.update(entry);
    to_hash(&context.finish())
}

/// RFC 6962 §2.1: the hash of a node is SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0x01; 1 + 2 * HASH_BYTES];
    input[1..=HASH_BYTES].copy_from_slice(left);
    input[1 + HASH_BYTES..].copy_from_slice(right);
    to_hash(&digest(&SHA256, &input))
}

/// SHA-256 over the parts, one after the other; key ids are made of it.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    to_hash(&context.finish())
}

fn to_hash(digest: &Digest) -> Hash {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The right edge of a tree: its size, and the roots of the complete subtrees that it is made of, one for each set bit of the size, the largest first.
///
/// Appending a leaf costs two hashes on average, one of them the leaf's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its [`leaf_hash`].
    pub fn append(&mut self, leaf: Hash) {
        self.append_subtree(0, leaf, |_, _| ());
    }

    /// Appends the root of a complete subtree of 2^`height` leaves; the size must be a multiple of that. Tells `completed` the height and root of every
    /// subtree that is complete now and was not before, this one included.
    pub(crate) fn append_subtree(&mut self, height: u32, root: Hash, mut completed: impl FnMut(u32, &Hash)) {
        let (mut at, mut hash) = (height, root);
        completed(at, &hash);
        // As long as the tree ends in a subtree of this height, the two are the halves of the next.
        while self.size >> at & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            hash = node_hash(&left, &hash);
            at += 1;
            completed(at, &hash);
        }
        self.peaks.push(hash);
        self.size += 1 << height;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        fold_peaks(&self.peaks)
    }

    /// The roots of the complete subtrees, the largest first.
    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Puts an edge together again; `None` if the number of hashes does not fit the size.
    pub(crate) fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// The edge in bytes: the size as eight bytes, big-endian, then its hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(peak));
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes); `None` if the bytes are not the edge of a tree.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, hashes) = bytes.split_first_chunk::<8>()?;
        Self::from_peaks(u64::from_be_bytes(*size), hashes_of(hashes)?)
    }
}

/// The root over complete subtrees of falling size. The right ones are joined first: RFC 6962 §2.1 splits at the largest power of two below the size.
pub(crate) fn fold_peaks(peaks: &[Hash]) -> Hash {
    let mut from_right = peaks.iter().rev();
    let Some(last) = from_right.next() else { return empty_root() };
    from_right.fold(*last, |right, left| node_hash(left, &right))
}

/// The root of a list of leaf hashes or of subtree roots of one height.
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    hashes.iter().for_each(|hash| frontier.append(*hash));
    frontier.root()
}

/// Splits bytes into hashes; `None` if something is left over.
pub(crate) fn hashes_of(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    rest.is_empty().then(|| hashes.to_vec())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    /// An independent tree on an independent hash.
    pub(crate) type Oracle = MemoryBackedTree<sha2::Sha256, Vec<u8>>;

    /// The leaves of the reference test of Certificate Transparency.
    const CT_LEAVES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    /// The roots over the first 1, 2, … 8 of them.
    const CT_ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(hex::encode(Frontier::new().root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_roots_of_certificate_transparency_are_met() {
        let mut frontier = Frontier::new();
        for (leaf, root) in CT_LEAVES.iter().zip(CT_ROOTS) {
            frontier.append(leaf_hash(&hex::decode(leaf).expect("the vector is hex")));
            assert_eq!(hex::encode(frontier.root()), root);
        }
    }

    #[test]
    fn bytes_that_are_no_edge_are_refused() {
        let mut frontier = Frontier::new();
        (0..5u8).for_each(|n| frontier.append(leaf_hash(&[n])));
        let bytes = frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(&bytes), Some(frontier));
        for bad in [&bytes[..7], &bytes[..bytes.len() - 1], &bytes[..bytes.len() - HASH_BYTES], &[bytes.as_slice(), &[0; HASH_BYTES]].concat()] {
            assert_eq!(Frontier::from_bytes(bad), None);
        }
    }

    proptest! {
        #[test]
        fn every_root_is_the_oracles(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 1..70)) {
            let (mut frontier, mut oracle) = (Frontier::new(), Oracle::new());
            for leaf in leaves {
                frontier.append(leaf_hash(&leaf));
                oracle.push(leaf);
                prop_assert_eq!(frontier.root().to_vec(), oracle.root().as_bytes().to_vec());
                prop_assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Some(frontier.clone()));
            }
            prop_assert_eq!(frontier.size(), oracle.len());
        }
    }
}
