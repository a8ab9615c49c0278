//! AES key wrap with a 256-bit key: KWP (RFC 5649) and KW (RFC 3394), the two modes of NIST SP 800-38F.

use super::ProviderFailed;
use crate::SecretBytes;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _, KeyWrapPadded as _};

/// Which of the two modes opened a wrapped text. Their check values differ, so that a text of one never opens as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyWrapMode {
    /// AES-KWP, RFC 5649.
    Padded,
    /// AES-KW, RFC 3394.
    Plain,
}

/// Wraps material of any length from 1 byte with KWP.
pub(crate) fn wrap_padded(kek: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>, ProviderFailed> {
    let failed = || ProviderFailed { operation: "wrap with AES-KWP" };
    let kek = AesKek::new(&AES_256, kek).map_err(|_| failed())?;
    // RFC 5649, section 4.1: padded to 8 bytes, behind a block of 8. The module asks for up to 7 bytes of room more than it uses.
    let mut wrapped = vec![0; plain.len() + 15];
    let len = kek.wrap_with_padding(plain, &mut wrapped).map_err(|_| failed())?.len();
    wrapped.truncate(len);
    Ok(wrapped)
}

/// Unwraps with KWP alone.
pub(crate) fn unwrap_padded(kek: &[u8; 32], wrapped: &[u8]) -> Option<SecretBytes> {
    unwrap_as(KeyWrapMode::Padded, kek, wrapped)
}

/// Unwraps with KWP and, where that fails, with KW: a file does not say which it is.
pub(crate) fn unwrap(kek: &[u8; 32], wrapped: &[u8]) -> Option<(SecretBytes, KeyWrapMode)> {
    unwrap_as(KeyWrapMode::Padded, kek, wrapped)
        .map(|plain| (plain, KeyWrapMode::Padded))
        .or_else(|| unwrap_as(KeyWrapMode::Plain, kek, wrapped).map(|plain| (plain, KeyWrapMode::Plain)))
}

fn unwrap_as(mode: KeyWrapMode, kek: &[u8; 32], wrapped: &[u8]) -> Option<SecretBytes> {
    let kek = AesKek::new(&AES_256, kek).ok()?;
    let mut len = 0;
    let plain = SecretBytes::try_init_with(wrapped.len(), |out| {
        let plain = match mode {
            KeyWrapMode::Padded => kek.unwrap_with_padding(wrapped, out),
            KeyWrapMode::Plain => kek.unwrap(wrapped, out),
        };
        plain.map(|plain| len = plain.len())
    });
    plain.ok().map(|plain| plain.shortened(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text).expect("hexadecimal")
    }

    fn kek() -> [u8; 32] {
        bytes("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").try_into().expect("256 bits")
    }

    #[test]
    fn kwp_agrees_with_the_vector_of_another_implementation() {
        // RFC 5649, section 6 has vectors for 192-bit keys only; this one was computed by python-cryptography (OpenSSL).
        let plain = bytes("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
        let wrapped = bytes("5d6719f7341df4045e846b87e04191f70f6fe17114be33b0fd1459923bbd50d07e05dd7246e04715");
        assert_eq!(wrap_padded(&kek(), &plain), Ok(wrapped.clone()));
        let (found, mode) = unwrap(&kek(), &wrapped).expect("the vector unwraps");
        assert_eq!((found.expose(), mode), (&plain[..], KeyWrapMode::Padded));
    }

    #[test]
    fn kw_agrees_with_rfc_3394_section_4_6() {
        let plain = bytes("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
        let wrapped = bytes("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
        let (found, mode) = unwrap(&kek(), &wrapped).expect("the vector unwraps");
        assert_eq!((found.expose(), mode), (&plain[..], KeyWrapMode::Plain));
    }

    #[test]
    fn kw_agrees_with_rfc_3394_section_4_5() {
        let plain = bytes("00112233445566778899aabbccddeeff0001020304050607");
        let wrapped = bytes("a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1");
        let (found, mode) = unwrap(&kek(), &wrapped).expect("the vector unwraps");
        assert_eq!((found.expose(), mode), (&plain[..], KeyWrapMode::Plain));
    }

    proptest! {
        #[test]
        fn every_length_comes_back(plain in proptest::collection::vec(any::<u8>(), 1..100)) {
            let wrapped = wrap_padded(&kek(), &plain).expect("wrapping works");
            prop_assert_eq!(wrapped.len(), 8 + plain.len().div_ceil(8) * 8);
            prop_assert_eq!(unwrap(&kek(), &wrapped).map(|(found, _)| found.expose().to_vec()), Some(plain));
        }

        #[test]
        fn a_flipped_bit_or_any_bytes_do_not_unwrap(at in 0usize..40 * 8, noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut wrapped = wrap_padded(&kek(), &[7; 32]).expect("wrapping works");
            wrapped[at / 8] ^= 1 << (at % 8);
            prop_assert!(unwrap(&kek(), &wrapped).is_none());
            prop_assert!(unwrap(&kek(), &noise).is_none());
        }
    }
}
