//! Secrets: what they are is told by what they lack. No `Debug`, no `Clone`, no `Serialize`, no `PartialEq`; wiped when they go.

use zeroize::{Zeroize, Zeroizing};

/// Secret bytes of any length: a passphrase, a key file, material on its way in.
///
/// It can be used, but it cannot be printed, and it cannot be copied by accident:
/// ```
/// let secret = keystead_vault::SecretBytes::from(vec![1, 2, 3]);
/// assert_eq!(secret.expose(), [1, 2, 3]);
/// ```
/// ```compile_fail
/// let secret = keystead_vault::SecretBytes::from(vec![1, 2, 3]);
/// println!("{secret:?}");
/// ```
/// ```compile_fail
/// let secret = keystead_vault::SecretBytes::from(vec![1, 2, 3]);
/// let copy = secret.clone();
/// ```
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// The bytes. Each use outside the vault wants a reason: writing a new key file is one.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Zeros of this length, to be filled in place: a secret that is born where it stays is never copied.
    pub(crate) fn init_with(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = Zeroizing::new(vec![0; len]);
        fill(&mut bytes);
        Self(bytes)
    }

    /// Like [`init_with`](Self::init_with), for a filling that can fail; what was filled by then is wiped.
    pub(crate) fn try_init_with<E>(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Zeroizing::new(vec![0; len]);
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Keeps the first `len` bytes and wipes the rest.
    pub(crate) fn shortened(mut self, len: usize) -> Self {
        if let Some(rest) = self.0.get_mut(len..) {
            rest.zeroize();
        }
        self.0.truncate(len);
        self
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

/// Text that a person keeps secret: a share, to be printed once and never again.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text, to be handed to its keeper.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A secret of fixed length. It lives in one heap allocation from birth to death, so that moving it moves a pointer and leaves no copy behind.
pub(crate) struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Zeros, filled in place.
    pub(crate) fn init_with(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0);
        secret
    }

    /// Zeros, filled in place by something that can fail; what was filled by then is wiped.
    pub(crate) fn try_init_with<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; N]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes, for a primitive.
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Whether every byte is the same: a placeholder, a wiped buffer or a typing test, never a key.
pub(crate) fn is_one_byte_repeated(bytes: &[u8]) -> bool {
    bytes.windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_secret_keeps_its_beginning() {
        assert_eq!(SecretBytes::from(vec![1, 2, 3]).shortened(2).expose(), [1, 2]);
        assert_eq!(SecretBytes::from(vec![1, 2, 3]).shortened(9).expose(), [1, 2, 3]);
    }

    #[test]
    fn repetition_is_seen() {
        assert!(is_one_byte_repeated(&[7; 32]));
        assert!(is_one_byte_repeated(&[]));
        assert!(!is_one_byte_repeated(&[7, 7, 8]));
    }
}
