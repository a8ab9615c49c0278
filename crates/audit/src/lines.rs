//! The lines of an audit export: JSON Lines, each in exactly one form, so that a changed byte is a changed meaning or no line at all. The form is drawn in `export.rs`.

use crate::{
    note::{VerifierKey, hash_from_text, hash_to_text},
    tiles::TILE_WIDTH,
    tree::{Frontier, Hash, hashes_of},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The name of this format; another form gets another number.
const FORMAT: &str = "keystead-audit-1";
/// Sizes beyond this cannot be written exactly in JSON.
const MAX_SIZE: u64 = 1 << 53;
/// No line is longer: the largest are an entry of 65,535 bytes and a checkpoint with many signatures.
pub(crate) const MAX_LINE_BYTES: u64 = 1 << 20;

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: String,
    pub(crate) origin: String,
    pub(crate) vkey: String,
    /// The index of the first entry, a multiple of 256.
    pub(crate) from: u64,
    /// The index after the last entry: the size in the newest checkpoint.
    pub(crate) to: u64,
    /// The hashes of the tree's right edge at `from`, which stand for all entries before.
    edge: Vec<String>,
}

impl Header {
    pub(crate) fn new(key: &VerifierKey, edge: &Frontier, to: u64) -> Self {
        let hashes = edge.peaks().iter().map(hash_to_text).collect();
        Self { format: FORMAT.to_owned(), origin: key.name().to_owned(), vkey: key.to_string(), from: edge.size(), to, edge: hashes }
    }

    /// Reads the first line; the reason why not, as half a sentence.
    pub(crate) fn read(line: &[u8]) -> Result<(Self, Frontier), &'static str> {
        let header: Self = read_strictly(line).filter(|header: &Self| header.format == FORMAT).ok_or("is not the first line of an audit export")?;
        if header.from > header.to || header.to > MAX_SIZE || !header.from.is_multiple_of(TILE_WIDTH) {
            return Err("names a range of entries that cannot be: from must be a multiple of 256, and not after to");
        }
        let edge: Option<Vec<Hash>> = header.edge.iter().map(|text| hash_from_text(text)).collect();
        let edge = edge.and_then(|edge| Frontier::from_peaks(header.from, edge)).ok_or("has an edge that does not fit its first entry")?;
        Ok((header, edge))
    }
}

/// Hashes of a tile, or of its part within the export.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HashLine {
    pub(crate) level: u8,
    /// The index, on this level, of the first hash.
    pub(crate) first: u64,
    hashes: String,
}

impl HashLine {
    pub(crate) fn new(level: u8, first: u64, hashes: &[Hash]) -> Self {
        Self { level, first, hashes: STANDARD.encode(hashes.as_flattened()) }
    }

    pub(crate) fn hashes(&self) -> Option<Vec<Hash>> {
        hashes_of(&STANDARD.decode(&self.hashes).ok()?)
    }
}

/// A signed checkpoint.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointLine {
    pub(crate) checkpoint: String,
}

/// A line after the header.
pub(crate) enum Line<'a> {
    /// An entry: its index and its bytes, whatever they are.
    Entry(u64, &'a [u8]),
    /// Hashes of a tile.
    Hashes(HashLine),
    /// A signed checkpoint.
    Checkpoint(String),
}

const ENTRY_START: &[u8] = b"{\"index\":";
const ENTRY_MIDDLE: &[u8] = b",\"entry\":";
const ENTRY_END: &[u8] = b"}";

impl<'a> Line<'a> {
    /// Reads a line without its newline; `None` if it is in none of the forms.
    pub(crate) fn read(line: &'a [u8]) -> Option<Self> {
        if line.starts_with(ENTRY_START) {
            entry(line)
        } else if line.starts_with(b"{\"level\":") {
            read_strictly(line).map(Self::Hashes)
        } else {
            read_strictly(line).map(|line: CheckpointLine| Self::Checkpoint(line.checkpoint))
        }
    }
}

/// The line of an entry, with its newline.
pub(crate) fn entry_line(index: u64, entry: &[u8]) -> Vec<u8> {
    [ENTRY_START, index.to_string().as_bytes(), ENTRY_MIDDLE, entry, ENTRY_END, b"\n"].concat()
}

/// An entry is cut out of its line as it stands: its leaf hash is over these bytes, not over what a JSON reader makes of them.
fn entry(line: &[u8]) -> Option<Line<'_>> {
    let rest = line.strip_prefix(ENTRY_START)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let index = crate::checkpoint::decimal(std::str::from_utf8(&rest[..digits]).ok()?)?;
    Some(Line::Entry(index, rest[digits..].strip_prefix(ENTRY_MIDDLE)?.strip_suffix(ENTRY_END)?))
}

/// Reads a line that is written exactly as we would write it.
fn read_strictly<T: Serialize + DeserializeOwned>(line: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(line).ok()?;
    (serde_json::to_vec(&value).ok()? == line).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_line_gives_back_its_bytes_whatever_they_are() {
        for bytes in [b"{}".as_slice(), b"", b"}", b"\xff", b"{\"index\":1,\"entry\":{}}"] {
            let line = entry_line(17, bytes);
            assert!(matches!(Line::read(&line[..line.len() - 1]), Some(Line::Entry(17, found)) if found == bytes));
        }
    }

    #[test]
    fn other_forms_of_the_same_line_are_no_lines() {
        for bad in [
            r#"{"index":01,"entry":{}}"#,
            r#"{"index":+1,"entry":{}}"#,
            r#"{"index":,"entry":{}}"#,
            r#"{"index":1, "entry":{}}"#,
            r#"{"index":1,"entry":{}} "#,
            r#"{"level":0,"first":0,"hashes":"AAAA" }"#,
            r#"{"level":0,"first":0}"#,
            r#"{"level":0,"first":0,"hashes":"","more":1}"#,
            r#"{"checkpoint":"\u0061"}"#,
            r#"{"checkpoint":null}"#,
            "",
            "{}",
        ] {
            assert!(Line::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(line in prop::collection::vec(any::<u8>(), 0..200), which in 0usize..4) {
            let start: [&[u8]; 4] = [b"", ENTRY_START, b"{\"level\":", b"{\"format\":\"keystead-audit-1\""];
            let line = [start[which], &line].concat();
            let _ = (Line::read(&line).is_some(), Header::read(&line).is_ok());
        }
    }
}
