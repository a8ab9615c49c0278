//! The transparency log of Keystead: entries, Merkle tree, proofs, signed checkpoints, and a file that anyone can check without us.
//!
//! *Invariants of absence*: this room knows no clock, no randomness, no database, no network and no files; it reads and writes byte slices and the
//! readers and writers that it is given. It knows nobody in the house.
//!
//! *What must hold*:
//! - An entry has exactly one form in bytes ([`Entry::to_bytes`]), and those bytes are a leaf of the tree. What does not fit is cut, never refused: an
//!   effect without its entry would be worse than a shortened detail.
//! - The tree is that of RFC 6962 §2.1 over SHA-256, its tiles those of C2SP tlog-tiles, its heads C2SP checkpoints under an Ed25519 signed note. Tools of
//!   others can read them.
//! - Only [`Signer`] holds a private key. It has no `Debug` and no `Clone`, and never gives the key back.
//! - [`verify_export`] never panics, keeps no more of the file in memory than a few hundred lines, and answers with a [`Report`] or with one [`Finding`]
//!   that says which entry it is.

pub mod checkpoint;
pub mod entry;
pub mod export;
mod lines;
pub mod note;
pub mod proof;
pub mod tiles;
pub mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use entry::{Actor, ActorKind, Entry, EntryError, MAX_ENTRY_BYTES, Outcome, Subject};
pub use export::{ExportError, ExportWriter};
pub use note::{Note, NoteError, Signer, VerifierKey};
pub use proof::{ProofError, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use tiles::{Log, TileChange, TileError, TileSource};
pub use tree::{Frontier, Hash, empty_root, leaf_hash, node_hash};
pub use verify::{Finding, Report, verify_export};
