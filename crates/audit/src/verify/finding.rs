//! What can be wrong with an export, and what that means, in a sentence for people.

use crate::{checkpoint::CheckpointError, note::NoteError};
use std::io;

/// Why an export does not prove what it says. The first of several faults is named, the one that the signatures can vouch for before any other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// Other bytes stand where the signed log has this entry.
    #[error("Entry {index} was edited: its bytes are not the ones that were signed.")]
    Edited {
        /// The entry's index.
        index: u64,
    },
    /// Entries of the signed log are not in the export.
    #[error("{} missing: in the signed log, and not in the export.", entries(*.first, *.last, "is", "are"))]
    Missing {
        /// The first missing index.
        first: u64,
        /// The last missing index.
        last: u64,
    },
    /// Two entries stand in each other's place.
    #[error("Entries {first} and {second} were swapped: each stands in the place of the other.")]
    Swapped {
        /// The lower index.
        first: u64,
        /// The higher index.
        second: u64,
    },
    /// An entry stands in another place than in the signed log.
    #[error("Entry {index} was moved: it stands where entry {found_at} belongs.")]
    OutOfOrder {
        /// Its index in the signed log.
        index: u64,
        /// Where it stands.
        found_at: u64,
    },
    /// Lines stand in the export that the signed log does not have there, or has elsewhere.
    #[error("{count} added or repeated where entry {index} belongs: the signed log does not have that there.", count = lines(*.count))]
    Inserted {
        /// The index at which the first of them stands.
        index: u64,
        /// How many.
        count: u64,
    },
    /// Entries and their recorded hashes both differ from what was signed; the hashes that would say which entry it is were changed too.
    #[error(
        "{} not what was signed: at least one was edited, dropped, added or moved and its recorded hash with it, or the log was forked.",
        entries(*.first, *.last, "is", "are")
    )]
    Rewritten {
        /// The first entry that may be concerned; everything before it is as signed.
        first: u64,
        /// The last entry that may be concerned.
        last: u64,
    },
    /// The entries are the signed ones, but a number beside them was changed.
    #[error("Entry {index} is as it was signed, but its line says that it is entry {stated}: the export was changed.")]
    Misnumbered {
        /// The entry's index.
        index: u64,
        /// What its line says.
        stated: u64,
    },
    /// The entries are the signed ones, but the hashes recorded beside them were changed.
    #[error("The recorded hashes of the entries {first} to {last} were changed; the entries themselves are as they were signed.")]
    HashesEdited {
        /// The first entry that the hashes stand for.
        first: u64,
        /// The last entry that the hashes stand for.
        last: u64,
    },
    /// Something was signed that is not an entry.
    #[error("Entry {index} is as it was signed, but it is not an audit entry in its canonical form: who wrote the log wrote something else.")]
    NotAnEntry {
        /// The entry's index.
        index: u64,
    },
    /// The end is missing.
    #[error("The log was cut off: it ends after {have} entries, and {want} are promised by its header or by the checkpoint that you hold.")]
    Truncated {
        /// How many entries there are, counted from the beginning of the log.
        have: u64,
        /// How many there must be.
        want: u64,
    },
    /// The same key signed two logs that contradict each other.
    #[error("The log was forked: at size {size} its key has signed two different histories. Entries were shown to some that others never saw.")]
    Forked {
        /// The size of the checkpoint that contradicts another.
        size: u64,
    },
    /// A checkpoint in the export is not signed by the log's key, or its signature does not fit.
    #[error("The checkpoint on line {line} proves nothing: {reason}.")]
    BadSignature {
        /// The line of the export.
        line: u64,
        /// What is wrong.
        reason: CheckpointError,
    },
    /// The export is of a log with another key than the one that you expect.
    #[error("The export is of a log with the key {found}, and you expect {expected}.")]
    WrongKey {
        /// The verifier key that was expected.
        expected: String,
        /// The verifier key in the export.
        found: String,
    },
    /// The key that was expected is not a verifier key.
    #[error("The key that you expect cannot be used: {0}.")]
    ExpectedKey(NoteError),
    /// The checkpoint that was held is not one of this log.
    #[error("The checkpoint that you hold cannot be used: {0}.")]
    TrustedCheckpoint(CheckpointError),
    /// The checkpoint that was held lies before the first entry of the export and cannot be compared.
    #[error("The checkpoint that you hold is of size {size}, and the export begins later, with entry {from}. Export from entry {size} or before.")]
    OutOfReach {
        /// The size in the checkpoint.
        size: u64,
        /// The first entry of the export.
        from: u64,
    },
    /// A line is not what it must be.
    #[error("Line {line} {reason}.")]
    Malformed {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong, as half a sentence.
        reason: &'static str,
    },
    /// The reader failed: nothing is known about the export.
    #[error("The export cannot be read ({0}).")]
    Unreadable(io::ErrorKind),
}

/// "Entry 5 is" or "Entries 5 to 9 are".
fn entries(first: u64, last: u64, one: &str, many: &str) -> String {
    if first == last { format!("Entry {first} {one}") } else { format!("Entries {first} to {last} {many}") }
}

/// "A line was" or "3 lines were".
fn lines(count: u64) -> String {
    if count == 1 { "A line was".to_owned() } else { format!("{count} lines were") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_read_as_sentences() {
        let sentences = [
            (Finding::Missing { first: 5, last: 5 }, "Entry 5 is missing: in the signed log, and not in the export."),
            (Finding::Missing { first: 5, last: 9 }, "Entries 5 to 9 are missing: in the signed log, and not in the export."),
            (Finding::Inserted { index: 3, count: 1 }, "A line was added or repeated where entry 3 belongs: the signed log does not have that there."),
            (Finding::Inserted { index: 3, count: 2 }, "2 lines were added or repeated where entry 3 belongs: the signed log does not have that there."),
            (Finding::Malformed { line: 7, reason: "is none of the known forms" }, "Line 7 is none of the known forms."),
        ];
        for (finding, sentence) in sentences {
            assert_eq!(finding.to_string(), sentence);
        }
    }
}
