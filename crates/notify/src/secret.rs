//! Secrets of channels: a password, the key of a signature.

use zeroize::Zeroizing;

/// A text that nobody shall see: it cannot be printed, and is wiped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
