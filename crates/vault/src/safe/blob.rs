//! How every sealed blob begins: format number (1 byte), root generation (4), account-key generation (4), big-endian. The rest is AES-256-GCM, and the
//! beginning is part of what it authenticates. Format 1 lies under a root of the software, format 2 under a root in a hardware module.

use crate::{Blob, VaultError};

/// Under which kind of root a blob lies, and so what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Format {
    /// The keys themselves, under a root of the software.
    Software = 1,
    /// Keys that a hardware module wrapped, under a root in that module.
    Module = 2,
}

/// Length of the beginning in bytes.
const HEADER_LEN: usize = 9;

/// Which generations of keys a blob is sealed under. It is readable without any key, so that a rotation finds what is still to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedUnder {
    /// Generation of the root key.
    pub root_generation: u32,
    /// Generation of the account's key; for an account key, its own.
    pub account_key_generation: u32,
    /// What kind of root that is.
    pub format: Format,
}

/// Reads the beginning of sealed material. Nothing is authenticated by that.
///
/// # Errors
/// [`VaultError::Truncated`] and [`VaultError::UnknownFormat`].
pub fn sealed_under(material: &[u8]) -> Result<SealedUnder, VaultError> {
    SealedUnder::split(Blob::Material, material).map(|(under, _)| under)
}

impl SealedUnder {
    /// The beginning as bytes.
    pub(crate) fn header(self) -> [u8; HEADER_LEN] {
        let mut header = [self.format as u8; HEADER_LEN];
        header[1..5].copy_from_slice(&self.root_generation.to_be_bytes());
        header[5..].copy_from_slice(&self.account_key_generation.to_be_bytes());
        header
    }

    /// The beginning, and then the ciphertext.
    pub(crate) fn join(self, ciphertext: &[u8]) -> Vec<u8> {
        [&self.header(), ciphertext].concat()
    }

    /// Takes a blob apart.
    pub(crate) fn split(blob: Blob, bytes: &[u8]) -> Result<(Self, &[u8]), VaultError> {
        match bytes {
            [format @ (1 | 2), a, b, c, d, e, f, g, h, ciphertext @ ..] => {
                let root_generation = u32::from_be_bytes([*a, *b, *c, *d]);
                let account_key_generation = u32::from_be_bytes([*e, *f, *g, *h]);
                let format = if *format == Format::Software as u8 { Format::Software } else { Format::Module };
                Ok((Self { root_generation, account_key_generation, format }, ciphertext))
            }
            [1 | 2, ..] | [] => Err(VaultError::Truncated(blob)),
            [format, ..] => Err(VaultError::UnknownFormat { blob, format: *format }),
        }
    }

    /// Refuses an account key of another generation than the blob names.
    pub(crate) fn expect_account_key(self, blob: Blob, given: u32) -> Result<(), VaultError> {
        match self.account_key_generation {
            named if named == given => Ok(()),
            sealed_under => Err(VaultError::OtherAccountKey { blob, sealed_under, given }),
        }
    }

    /// Refuses a blob of the other kind of root than the one that shall open it.
    pub(crate) fn expect_format(self, blob: Blob, format: Format) -> Result<(), VaultError> {
        if self.format == format { Ok(()) } else { Err(VaultError::OtherKindOfRoot(blob)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_beginning_is_read_back() {
        let under = SealedUnder { root_generation: 7, account_key_generation: 0x0102_0304, format: Format::Software };
        let blob = under.join(b"rest");
        assert_eq!(blob, [1, 0, 0, 0, 7, 1, 2, 3, 4, b'r', b'e', b's', b't']);
        assert_eq!(SealedUnder::split(Blob::Material, &blob), Ok((under, &b"rest"[..])));
        assert_eq!(sealed_under(&blob), Ok(under));
        let in_module = SealedUnder { format: Format::Module, ..under };
        assert_eq!(sealed_under(&in_module.join(b"rest")), Ok(in_module));
    }

    #[test]
    fn what_is_short_or_strange_is_refused() {
        assert_eq!(sealed_under(&[]), Err(VaultError::Truncated(Blob::Material)));
        assert_eq!(sealed_under(&[1; 8]), Err(VaultError::Truncated(Blob::Material)));
        assert_eq!(sealed_under(&[3; 99]), Err(VaultError::UnknownFormat { blob: Blob::Material, format: 3 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_what_is_read_is_what_stands_there(mut bytes in proptest::collection::vec(any::<u8>(), 0..40), known: bool) {
            if let Some(format) = bytes.first_mut().filter(|_| known) {
                *format = 1 + (*format & 1);
            }
            if let Ok(under) = sealed_under(&bytes) {
                prop_assert_eq!(&under.header()[..], &bytes[..HEADER_LEN]);
            }
        }
    }
}
