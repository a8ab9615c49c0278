//! Checking an audit export without a server: `keystead audit verify`.
//!
//! The file is read once, line by line. Every entry is hashed into the tree, and the tree is compared with every signed checkpoint. What no signature vouches
//! for is believed only as far as it leads to a signed root; see `walk.rs`.

mod comparison;
mod finding;
mod heads;
mod walk;

pub use finding::Finding;

use crate::{
    checkpoint::Checkpoint,
    entry::Entry,
    lines::{HashLine, Header, Line, MAX_LINE_BYTES},
    note::VerifierKey,
    tree::{Hash, leaf_hash},
};
use heads::Head;
use std::io::{BufRead, BufReader, Read};
use walk::{Halt, Walk};

/// What a genuine export proves: its key has signed exactly these entries, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// The verifier key that signed. If none was expected, compare it with one that did not come with the export.
    pub vkey: String,
    /// The index of the first entry.
    pub from: u64,
    /// The size of the log in the newest checkpoint, which is the index after the last entry.
    pub to: u64,
    /// How many entries were checked.
    pub entries: u64,
    /// The time of the first entry in microseconds since 1970-01-01 UTC, if there is one.
    pub first_micros: Option<i64>,
    /// The time of the last entry, likewise.
    pub last_micros: Option<i64>,
    /// The root in the newest checkpoint.
    pub root: Hash,
    /// How many checkpoints of the export were verified.
    pub checkpoints: u64,
    /// The size of the checkpoint that the caller held, with which the log agrees.
    pub trusted: Option<u64>,
}

/// Checks an export.
///
/// `expected_vkey` is the log's verifier key from elsewhere; without it the key in the export is believed. `trusted_checkpoint` is a signed checkpoint that the
/// caller kept from before; with it, a log that was cut off or forked since is found, which nothing in the export alone can show.
///
/// Time is one pass and memory is flat: a million entries need no more than a thousand.
///
/// # Errors
/// The [`Finding`] that says what is wrong, and with which entry.
pub fn verify_export<R: Read>(reader: R, expected_vkey: Option<&str>, trusted_checkpoint: Option<&str>) -> Result<Report, Finding> {
    let mut lines = Lines { reader: BufReader::with_capacity(1 << 16, reader), line: Vec::new(), number: 0, unfinished: false };
    let mut audit = Audit::begin(&mut lines, expected_vkey, trusted_checkpoint)?;
    while let Some((number, line)) = lines.next()? {
        match audit.line(number, line) {
            Ok(()) => (),
            Err(Halt::Malformed(reason)) => return Err(Finding::Malformed { line: number, reason }),
            Err(Halt::Found(finding)) => return Err(finding),
            Err(Halt::Gap { index, until }) => return Err(audit.gap(&mut lines, index, until)?),
        }
    }
    audit.finish(&lines)
}

/// The lines of a file. A last line without its newline counts as cut off, and is not given.
struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    unfinished: bool,
}

impl<R: Read> Lines<R> {
    /// The number of the next line, from 1, and the line without its newline.
    fn next(&mut self) -> Result<Option<(u64, &[u8])>, Finding> {
        self.line.clear();
        let limited = &mut (&mut self.reader).take(MAX_LINE_BYTES);
        limited.read_until(b'\n', &mut self.line).map_err(|error| Finding::Unreadable(error.kind()))?;
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some((self.number, &self.line)));
        }
        self.unfinished = true;
        let too_long = self.line.len() as u64 == MAX_LINE_BYTES;
        if too_long { Err(Finding::Malformed { line: self.number, reason: "is longer than any line of an export" }) } else { Ok(None) }
    }
}

/// An export on its way.
struct Audit {
    header: Header,
    key: VerifierKey,
    trusted: Option<Head>,
    walk: Walk,
    /// The last checkpoint of the export: size and root.
    last_head: Option<(u64, Hash)>,
    first_micros: Option<i64>,
    last_micros: Option<i64>,
    /// The first entry whose bytes are not an entry.
    unreadable: Option<u64>,
    /// The first line with a checkpoint that stands in another place than its size says.
    misplaced: Option<u64>,
}

impl Audit {
    fn begin<R: Read>(lines: &mut Lines<R>, expected: Option<&str>, trusted: Option<&str>) -> Result<Self, Finding> {
        let malformed = |reason| Finding::Malformed { line: 1, reason };
        let first = lines.next()?.ok_or(malformed("is missing: the export is empty"))?.1;
        let (header, edge) = Header::read(first).map_err(malformed)?;
        let key = key_of(&header, expected)?;
        let trusted = trusted.map(|note| held(note, &key, header.from)).transpose()?;
        let mut walk = Walk::new(edge, header.to);
        if let Some(head) = trusted.filter(|head| head.size == header.from) {
            walk.judge_here(head);
        }
        Ok(Self { header, key, trusted, walk, last_head: None, first_micros: None, last_micros: None, unreadable: None, misplaced: None })
    }

    fn line(&mut self, number: u64, line: &[u8]) -> Result<(), Halt> {
        match Line::read(line).ok_or(Halt::Malformed("is none of the lines of an export"))? {
            Line::Entry(index, bytes) => self.entry(index, bytes),
            Line::Hashes(hashes) => self.hashes(&hashes),
            Line::Checkpoint(note) => self.checkpoint(number, &note),
        }
    }

    fn entry(&mut self, stated: u64, bytes: &[u8]) -> Result<(), Halt> {
        let index = self.walk.position();
        self.walk.entry(stated, leaf_hash(bytes))?;
        match Entry::from_bytes(bytes) {
            Ok(entry) => {
                self.first_micros.get_or_insert(entry.at_micros);
                self.last_micros = Some(entry.at_micros);
            }
            // Perhaps it was edited. Whether this is what was signed is known only at the end.
            Err(_) => drop(self.unreadable.get_or_insert(index)),
        }
        Ok(())
    }

    fn hashes(&mut self, line: &HashLine) -> Result<(), Halt> {
        let hashes = line.hashes().ok_or(Halt::Malformed("has hashes that are not the base64 of whole hashes"))?;
        match line.level {
            0 => self.walk.leaf_hashes(line.first, hashes, self.trusted),
            1 => self.walk.tile_roots(line.first, &hashes),
            _ => Err(Halt::Malformed("has hashes of a level that exports do not have")),
        }
    }

    fn checkpoint(&mut self, line: u64, note: &str) -> Result<(), Halt> {
        let Checkpoint { size, root, .. } = Checkpoint::open(note, &self.key).map_err(|reason| Halt::Found(Finding::BadSignature { line, reason }))?;
        match self.last_head.replace((size, root)) {
            Some((last, other)) if last == size && other != root => return Err(Halt::Found(Finding::Forked { size })),
            Some((last, _)) if last >= size => return Err(Halt::Malformed("has a checkpoint that does not come after the one before it")),
            _ if size > self.header.to => return Err(Halt::Malformed("has a checkpoint of more entries than the header says")),
            _ => (),
        }
        if !self.walk.head(Head { size, root, own: true })? {
            self.misplaced.get_or_insert(line);
        }
        Ok(())
    }

    /// The entries from `index` to `until` - 1 are not where they belong. Were they moved, or are they gone?
    fn gap<R: Read>(&self, lines: &mut Lines<R>, index: u64, until: u64) -> Result<Finding, Finding> {
        let mut found_at = self.walk.position();
        while let Some((_, line)) = lines.next()? {
            if let Some(Line::Entry(stated, _)) = Line::read(line) {
                if stated == index {
                    return Ok(Finding::OutOfOrder { index, found_at });
                }
                found_at += 1;
            }
        }
        let end = until == self.header.to;
        Ok(if end { Finding::Truncated { have: index, want: until } } else { Finding::Missing { first: index, last: until - 1 } })
    }

    fn finish<R>(self, lines: &Lines<R>) -> Result<Report, Finding> {
        let malformed = |reason| Finding::Malformed { line: lines.number, reason };
        self.walk.check_complete().map_err(|halt| match halt {
            Halt::Malformed(reason) => malformed(reason),
            Halt::Gap { index, until } => Finding::Missing { first: index, last: until - 1 },
            Halt::Found(finding) => finding,
        })?;
        let newest = self.last_head.filter(|(size, _)| *size == self.header.to).ok_or(malformed("ends the export, but a checkpoint must follow"))?;
        if let Some(fault) = self.walk.fault().or_else(|| self.fault_of_form()) {
            return Err(fault);
        }
        if lines.unfinished {
            return Err(malformed("is cut off"));
        }
        if let Some(held) = self.trusted.filter(|held| held.size > self.header.to) {
            return Err(Finding::Truncated { have: self.header.to, want: held.size });
        }
        Ok(self.report(newest.1))
    }

    /// The signed log is whole; is it written as it must be?
    fn fault_of_form(&self) -> Option<Finding> {
        let misplaced = self.misplaced.map(|line| Finding::Malformed { line, reason: "has a checkpoint that stands in another place than its size says" });
        self.unreadable.map(|index| Finding::NotAnEntry { index }).or(misplaced)
    }

    fn report(self, root: Hash) -> Report {
        let Header { origin, vkey, from, to, .. } = self.header;
        let (checkpoints, trusted) = (self.walk.heads.count, self.trusted.map(|held| held.size));
        Report { origin, vkey, from, to, entries: to - from, first_micros: self.first_micros, last_micros: self.last_micros, root, checkpoints, trusted }
    }
}

/// The key of the export, if it is the expected one.
fn key_of(header: &Header, expected: Option<&str>) -> Result<VerifierKey, Finding> {
    let expected = expected.map(|text| VerifierKey::parse(text).map_err(Finding::ExpectedKey)).transpose()?;
    let malformed = |reason| Finding::Malformed { line: 1, reason };
    let key = VerifierKey::parse(&header.vkey).map_err(|_| malformed("has a verifier key that is none"))?;
    if let Some(expected) = expected.filter(|expected| *expected != key) {
        return Err(Finding::WrongKey { expected: expected.to_string(), found: key.to_string() });
    }
    if key.name() == header.origin { Ok(key) } else { Err(malformed("has an origin that is not the name of its key")) }
}

/// The checkpoint that the caller holds.
fn held(note: &str, key: &VerifierKey, from: u64) -> Result<Head, Finding> {
    let Checkpoint { size, root, .. } = Checkpoint::open(note, key).map_err(Finding::TrustedCheckpoint)?;
    if size < from { Err(Finding::OutOfReach { size, from }) } else { Ok(Head { size, root, own: false }) }
}
