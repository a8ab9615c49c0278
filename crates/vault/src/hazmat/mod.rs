//! Primitives, one a file, each a thin form of what the cryptographic module offers. Nothing here decides anything, and nothing here is public:
//! whoever holds a key and calls these can do harm. The rooms that decide are in [`safe`](crate::safe).

pub(crate) mod aad;
pub(crate) mod check;
pub(crate) mod derive;
pub(crate) mod gcm;
pub(crate) mod health;
pub(crate) mod key_wrap;
pub(crate) mod pair;
pub(crate) mod pbes2;
pub(crate) mod rsa;
pub(crate) mod shamir;
pub(crate) mod spki;

/// The cryptographic module refused an operation that has no reason to fail: out of memory, a failed self-test, or a fault of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic module refused: {operation}")]
pub struct ProviderFailed {
    /// What was tried.
    pub operation: &'static str,
}

impl ProviderFailed {
    /// For `map_err`: the module's own error says nothing.
    pub(crate) fn at<E>(operation: &'static str) -> impl FnOnce(E) -> Self {
        move |_| Self { operation }
    }
}
