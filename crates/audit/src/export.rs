//! Writing an audit export: one text file with entries, their recorded hashes and the signed checkpoints, which [`verify_export`](crate::verify_export) checks
//! without a server.
//!
//! The recorded hashes come from the stored tiles and not from the entries beside them. If somebody changed an entry in the database, the two differ, and the
//! check can name the entry.
//!
//! ```text
//! {"format":"keystead-audit-1","origin":"…","vkey":"…","from":0,"to":600,"edge":[]}
//! {"index":0,"entry":{…}}                       the canonical bytes of the entry, untouched
//! {"index":1,"entry":{…}}
//! {"checkpoint":"…"}                            each where the log had that size
//! {"level":0,"first":0,"hashes":"…"}            after each 256 entries: their leaf hashes
//! {"level":1,"first":0,"hashes":"…"}            after each 65,536 entries, and at the end: the roots of those tiles
//! {"checkpoint":"…"}                            the newest one ends the file
//! ```

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    lines::{CheckpointLine, HashLine, Header, entry_line},
    note::VerifierKey,
    tiles::{TILE_HEIGHT, TILE_WIDTH, TileError, TileSource, frontier_at, read_tile},
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    io::{self, Write},
    ops::Range,
};

/// Why an export cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E> {
    /// The log has no checkpoint yet, or none after the first entry that was asked for.
    #[error("there is no checkpoint from entry {from} on: what no checkpoint covers cannot be proved. Write a checkpoint first")]
    NoCheckpoint {
        /// The first entry that was asked for.
        from: u64,
    },
    /// A stored checkpoint cannot be read.
    #[error("a stored checkpoint cannot be read")]
    Checkpoint(#[from] CheckpointError),
    /// A stored tile cannot be read.
    #[error("a stored tile cannot be read")]
    Tile(#[from] TileError<E>),
    /// The stored bytes of an entry hold a newline, which no canonical entry does.
    #[error("entry {index} is damaged: its stored bytes are not one line")]
    DamagedEntry {
        /// The entry's index.
        index: u64,
    },
    /// More or fewer entries were given than [`ExportWriter::range`] says.
    #[error("{given} entries were given for the entries {} to {}", .range.start, .range.end)]
    OtherRange {
        /// How many were given.
        given: u64,
        /// Which were due.
        range: Range<u64>,
    },
    /// The writer failed.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// Writes an export, entry by entry. Give the entries of [`range`](Self::range) in order, then [`finish`](Self::finish).
pub struct ExportWriter<W, S> {
    out: W,
    tiles: S,
    range: Range<u64>,
    next: u64,
    /// How many hashes of level 0 and 1 are written, counted from the beginning of the log.
    written: [u64; 2],
    checkpoints: VecDeque<(u64, String)>,
}

impl<W: Write, S: TileSource> ExportWriter<W, S> {
    /// Begins an export of the log whose key this is, from the entry `from` (rounded down to a multiple of 256) to the newest of the checkpoints.
    ///
    /// `checkpoints` are signed notes in any order; those of before `from` are left out. Nothing is verified here: what is wrong shall be seen by who checks.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn start(mut out: W, key: &VerifierKey, from: u64, checkpoints: Vec<String>, mut tiles: S) -> Result<Self, ExportError<S::Error>> {
        let from = from - from % TILE_WIDTH;
        let checkpoints = in_order(from, checkpoints)?;
        let to = checkpoints.back().ok_or(ExportError::NoCheckpoint { from })?.0;
        let header = Header::new(key, &frontier_at(from, &mut tiles)?, to);
        write_line(&mut out, &header)?;
        let mut this = Self { out, tiles, range: from..to, next: from, written: [from, from >> TILE_HEIGHT], checkpoints };
        this.write_due_checkpoints()?;
        Ok(this)
    }

    /// The indexes of the entries to give.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Writes the next entry, given by its stored bytes, and whatever is due after it.
    ///
    /// # Errors
    /// [`ExportError`]; the export is then useless.
    pub fn entry(&mut self, bytes: &[u8]) -> Result<(), ExportError<S::Error>> {
        let index = self.next;
        if bytes.contains(&b'\n') {
            return Err(ExportError::DamagedEntry { index });
        }
        self.next += 1;
        if self.next > self.range.end {
            return Err(self.other_range());
        }
        self.out.write_all(&entry_line(index, bytes))?;
        self.write_due_hashes()?;
        self.write_due_checkpoints()
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    /// [`ExportError::OtherRange`] if entries are missing, [`ExportError::Write`].
    pub fn finish(mut self) -> Result<W, ExportError<S::Error>> {
        if self.next != self.range.end {
            return Err(self.other_range());
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn other_range(&self) -> ExportError<S::Error> {
        ExportError::OtherRange { given: self.next - self.range.start, range: self.range.clone() }
    }

    fn write_due_checkpoints(&mut self) -> Result<(), ExportError<S::Error>> {
        while let Some((_, checkpoint)) = self.checkpoints.pop_front_if(|(size, _)| *size == self.next) {
            write_line(&mut self.out, &CheckpointLine { checkpoint })?;
        }
        Ok(())
    }

    /// The leaf hashes after each tile of entries, the roots of tiles after each tile of those; both also at the end, for what is begun.
    fn write_due_hashes(&mut self) -> Result<(), ExportError<S::Error>> {
        let end = self.next == self.range.end;
        for level in 0..=1 {
            let hashes = self.next >> (TILE_HEIGHT * level);
            if hashes > self.written[level as usize] && (end || self.next.is_multiple_of(TILE_WIDTH << (TILE_HEIGHT * level))) {
                self.write_hashes(level as u8, hashes)?;
            }
        }
        Ok(())
    }

    /// The hashes of one level that are not written yet, up to `end`; they all lie in one tile.
    fn write_hashes(&mut self, level: u8, end: u64) -> Result<(), ExportError<S::Error>> {
        let first = std::mem::replace(&mut self.written[usize::from(level)], end);
        let (n, before) = (first / TILE_WIDTH, (first % TILE_WIDTH) as usize);
        let hashes = read_tile(&mut self.tiles, level, n, (end - n * TILE_WIDTH) as usize)?;
        Ok(write_line(&mut self.out, &HashLine::new(level, first, &hashes[before..]))?)
    }
}

/// The checkpoints from `from` on, by size. Two equal ones become one; two that contradict each other both stay.
fn in_order(from: u64, notes: Vec<String>) -> Result<VecDeque<(u64, String)>, CheckpointError> {
    let mut read = Vec::with_capacity(notes.len());
    for note in notes {
        let Checkpoint { size, root, .. } = Checkpoint::read_unverified(&note)?;
        read.push((size, root, note));
    }
    read.retain(|(size, ..)| *size >= from);
    read.sort_by_key(|(size, root, _)| (*size, *root));
    read.dedup_by_key(|(size, root, _)| (*size, *root));
    Ok(read.into_iter().map(|(size, _, note)| (size, note)).collect())
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{note::tests::signer, tiles::tests::Shelf};

    fn start(checkpoints: Vec<String>, from: u64) -> Result<ExportWriter<Vec<u8>, Shelf>, ExportError<std::convert::Infallible>> {
        ExportWriter::start(Vec::new(), signer("log", 1).verifier_key(), from, checkpoints, Shelf::default())
    }

    #[test]
    fn without_a_checkpoint_there_is_nothing_to_prove() {
        assert!(matches!(start(vec![], 300), Err(ExportError::NoCheckpoint { from: 256 })));
        assert!(matches!(start(vec!["x".into()], 0), Err(ExportError::Checkpoint(_))));
    }

    #[test]
    fn a_wrong_number_of_entries_and_a_damaged_one_are_refused() {
        let note = Checkpoint::new("log", 0, crate::empty_root()).sign(&signer("log", 1)).expect("signs");
        let mut writer = start(vec![note.clone()], 0).expect("starts");
        assert!(matches!(writer.entry(b"{\n}"), Err(ExportError::DamagedEntry { index: 0 })));
        assert!(matches!(writer.entry(b"{}"), Err(ExportError::OtherRange { given: 1, .. })));
        let newer = Checkpoint::new("log", 1, crate::empty_root()).sign(&signer("log", 1)).expect("signs");
        let writer = start(vec![newer, note], 0).expect("starts");
        assert_eq!(writer.range(), 0..1);
        assert!(matches!(writer.finish(), Err(ExportError::OtherRange { given: 0, .. })));
    }
}
