//! Secret bytes: no Debug, no comparison, no serialisation, wiped when the last holder lets go.

use std::ops::Deref;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Key material or a plaintext. A clone is another handle on the same bytes, never a copy.
#[derive(Clone)]
pub(crate) struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl From<Zeroizing<Vec<u8>>> for Secret {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Zeroizing::new(bytes).into()
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
