//! PEM (RFC 7468) as people paste it: one block, and nothing else. What is not what we asked for is named, so that it can be mended, and never repeated back.
//!
//! The label decides what the bytes are taken for, and `RSA PUBLIC KEY` is one of ours; the PEM reader of the TLS stack passes over labels that it does not
//! know and over text around a block, which are just the mistakes to be named here.

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// Longest text that is looked at, in bytes. An RSA key of 8192 bits has less than 2 KiB.
const LEN_MAX: usize = 16 * 1024;

/// One block.
pub(crate) struct Pem<'a> {
    pub(crate) label: &'a str,
    pub(crate) der: Vec<u8>,
}

/// Why text is not one PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemError {
    /// Longer than any key.
    TooLong,
    /// No line `-----BEGIN …-----`.
    NoBegin,
    /// No line `-----END …-----` that fits the beginning.
    NoEnd,
    /// Text before or behind the block.
    TextAround,
    /// What is in the block is not base64.
    NotBase64,
}

/// The label of the first block, however broken the rest is: to recognise what somebody pasted by mistake.
pub(crate) fn first_label(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    rest.split_once("-----").map(|(label, _)| label.trim())
}

/// Reads the one block that the text must be.
pub(crate) fn read(text: &str) -> Result<Pem<'_>, PemError> {
    if text.len() > LEN_MAX {
        return Err(PemError::TooLong);
    }
    let label = first_label(text).ok_or(PemError::NoBegin)?;
    let (before, rest) = text.split_once("-----BEGIN ").ok_or(PemError::NoBegin)?;
    let (_, rest) = rest.split_once("-----").ok_or(PemError::NoBegin)?;
    let (body, end) = rest.split_once("-----END ").ok_or(PemError::NoEnd)?;
    let after = end.strip_prefix(label).and_then(|end| end.strip_prefix("-----")).ok_or(PemError::NoEnd)?;
    if !before.trim().is_empty() || !after.trim().is_empty() {
        return Err(PemError::TextAround);
    }
    let digits: String = body.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(digits).map_err(|_| PemError::NotBase64)?;
    Ok(Pem { label, der })
}
