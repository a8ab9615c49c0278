//! Checkpoints (C2SP tlog-checkpoint): the log's name, its size and its root, signed. Who keeps one can later prove that nothing before it was changed.

use crate::{
    note::{Note, NoteError, Signer, VerifierKey, hash_from_text, hash_to_text},
    tree::Hash,
};

/// The head of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's unique name, for example `keystead.example.com/audit`; also the name of its key.
    pub origin: String,
    /// How many entries the log had.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Further lines, opaque here. Keystead writes none.
    pub extensions: Vec<String>,
}

/// Why a text is not a checkpoint of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it is not accepted.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note is not that of a checkpoint.
    #[error("the checkpoint {0}")]
    Malformed(&'static str),
    /// It belongs to another log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    OtherLog {
        /// The log that was expected.
        expected: String,
        /// The log that it names.
        found: String,
    },
}

impl Checkpoint {
    /// The head of a log of this size and root.
    pub fn new(origin: &str, size: u64, root: Hash) -> Self {
        Self { origin: origin.to_owned(), size, root, extensions: Vec::new() }
    }

    /// Signs it. A log must never sign two checkpoints that contradict each other; the caller sees to that by signing only what is durable.
    ///
    /// # Errors
    /// [`CheckpointError::OtherLog`] if the signer's name is not the origin; [`CheckpointError::Malformed`] if an extension is empty or has a newline.
    pub fn sign(&self, signer: &Signer) -> Result<String, CheckpointError> {
        self.check_origin(signer.verifier_key())?;
        let text = self.to_text();
        if Self::parse(&text)? != *self {
            return Err(CheckpointError::Malformed("has an extension that is not one line"));
        }
        Ok(signer.sign(&text)?)
    }

    /// Signs it with a key that somebody else holds: `signature_over` is given the text and answers the 64 bytes of an Ed25519 signature.
    ///
    /// # Errors
    /// Those of [`sign`](Self::sign), and those of the holder.
    pub fn sign_by<E: From<CheckpointError>>(&self, key: &VerifierKey, signature_over: impl FnOnce(&[u8]) -> Result<[u8; 64], E>) -> Result<String, E> {
        self.check_origin(key)?;
        let text = self.to_text();
        if Self::parse(&text)? != *self {
            return Err(CheckpointError::Malformed("has an extension that is not one line").into());
        }
        Ok(key.note(&text, &signature_over(text.as_bytes())?))
    }

    /// Opens a signed checkpoint of the log whose key this is.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let this = Self::parse(Note::open(note, key)?)?;
        this.check_origin(key)?;
        Ok(this)
    }

    /// Reads a checkpoint without looking at its signatures.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::parse(Note::parse(note)?.unverified_text())
    }

    /// C2SP says that the key's name SHOULD be the origin. Here it must: nothing else tells two logs under one key apart.
    fn check_origin(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        let same = self.origin == key.name();
        same.then_some(()).ok_or_else(|| CheckpointError::OtherLog { expected: key.name().to_owned(), found: self.origin.clone() })
    }

    fn to_text(&self) -> String {
        let extensions: String = self.extensions.iter().map(|line| format!("{line}\n")).collect();
        format!("{}\n{}\n{}\n{extensions}", self.origin, self.size, hash_to_text(&self.root))
    }

    /// "A sequence of at least three non-empty lines": origin, size "with no leading zeroes", root in base64, then extensions.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let refuse = CheckpointError::Malformed;
        let mut lines = text.strip_suffix('\n').ok_or(refuse("does not end with a newline"))?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(refuse("has no origin"))?.to_owned();
        let size = lines.next().and_then(decimal).ok_or(refuse("has no size, a decimal number without leading zeros"))?;
        let root = lines.next().and_then(hash_from_text).ok_or(refuse("has no root, the base64 of 32 bytes"))?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) { Err(refuse("has an empty line")) } else { Ok(Self { origin, size, root, extensions }) }
    }
}

/// A number in its one decimal form: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with(['0', '+']));
    text.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{note::tests::signer, tree::empty_root};
    use proptest::prelude::*;

    const LOG: &str = "example.com/log";

    #[test]
    fn a_checkpoint_is_signed_in_the_form_of_the_standard_and_opens_again() {
        let signer = signer(LOG, 1);
        let mut checkpoint = Checkpoint::new(LOG, 0, empty_root());
        let note = checkpoint.sign(&signer).expect("signs");
        assert!(note.starts_with("example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— example.com/log "), "{note}");
        assert_eq!(Checkpoint::open(&note, signer.verifier_key()), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::read_unverified(&note), Ok(checkpoint.clone()));
        checkpoint.extensions = vec!["one".into(), "two".into()];
        let note = checkpoint.sign(&signer).expect("signs");
        assert_eq!(Checkpoint::open(&note, signer.verifier_key()), Ok(checkpoint));
    }

    #[test]
    fn texts_that_are_no_checkpoint_are_refused_although_they_are_signed() {
        let signer = signer(LOG, 1);
        let root = hash_to_text(&empty_root());
        for bad in [
            "\n".to_owned(),
            format!("{LOG}\n"),
            format!("{LOG}\n1\n"),
            format!("\n1\n{root}\n"),
            format!("{LOG}\n01\n{root}\n"),
            format!("{LOG}\n+1\n{root}\n"),
            format!("{LOG}\n-1\n{root}\n"),
            format!("{LOG}\n1 \n{root}\n"),
            format!("{LOG}\n18446744073709551616\n{root}\n"),
            format!("{LOG}\n1\n{}\n", &root[4..]),
            format!("{LOG}\n1\n{}\n", root.trim_end_matches('=')),
            format!("{LOG}\n1\n{}V=\n", &root[..42]),
            format!("{LOG}\n1\n{root}\n\n"),
            format!("{LOG}\n1\n{root}\n\nx\n"),
        ] {
            let note = signer.sign(&bad).expect("any text can be signed");
            assert!(matches!(Checkpoint::open(&note, signer.verifier_key()), Err(CheckpointError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_checkpoint_of_another_log_is_neither_signed_nor_opened() {
        let (ours, theirs) = (signer(LOG, 1), signer("example.com/other", 2));
        let checkpoint = Checkpoint::new("example.com/other", 1, empty_root());
        assert!(matches!(checkpoint.sign(&ours), Err(CheckpointError::OtherLog { .. })));
        let note = checkpoint.sign(&theirs).expect("signs");
        assert!(matches!(Checkpoint::open(&note, ours.verifier_key()), Err(CheckpointError::Note(NoteError::Unsigned { .. }))));
        let misnamed = ours.sign(&checkpoint.to_text()).expect("any text can be signed");
        assert!(matches!(Checkpoint::open(&misnamed, ours.verifier_key()), Err(CheckpointError::OtherLog { .. })));
    }

    #[test]
    fn extensions_that_would_change_the_meaning_are_not_signed() {
        for bad in ["", "a\nb", "a\n"] {
            let checkpoint = Checkpoint { extensions: vec![bad.into()], ..Checkpoint::new(LOG, 0, empty_root()) };
            assert!(matches!(checkpoint.sign(&signer(LOG, 1)), Err(CheckpointError::Malformed(_))), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_note_makes_it_panic_and_what_is_read_is_written_alike(noise in "\\PC*(\n\\PC*){0,6}", at in any::<prop::sample::Index>(), c: char) {
            let note = Checkpoint::new(LOG, 7, empty_root()).sign(&signer(LOG, 1)).expect("signs");
            let mut bent: Vec<char> = note.chars().collect();
            *at.get_mut(&mut bent) = c;
            for note in [noise, bent.into_iter().collect()] {
                if let Ok(read) = Checkpoint::read_unverified(&note) {
                    prop_assert!(note.starts_with(&read.to_text()), "{:?}", note);
                }
            }
        }
    }
}
