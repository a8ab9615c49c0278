//! Kinds of key. So far the one that the AWS import path began with; more follow without touching what is here.

use crate::Invalid;

/// What a key is, independent of where it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySpec {
    /// A 256-bit AES key; AWS calls it SYMMETRIC_DEFAULT (CM-011).
    Aes256,
}

impl KeySpec {
    /// The name in the API, the command line and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aes256 => "AES_256",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `spec`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "AES_256" => Ok(Self::Aes256),
            _ => Err(Invalid::new("spec", "is not a kind of key that Keystead makes", "Give AES_256.")),
        }
    }

    /// Length of the material in bytes.
    pub const fn material_len(self) -> usize {
        match self {
            Self::Aes256 => 32,
        }
    }
}
