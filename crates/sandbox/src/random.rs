//! Randomness: ids, nonces and the material of keys that the simulated cloud makes itself.

use aws_lc_rs::rand;

/// Why no random bytes came.
#[derive(Debug, thiserror::Error)]
#[error("the system's random generator gave nothing; see to the entropy source of this machine")]
pub(crate) struct NoRandomness;

/// Fills an array with random bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut out = [0; N];
    rand::fill(&mut out).map_err(|_| NoRandomness)?;
    Ok(out)
}

/// As many random bytes as asked.
pub(crate) fn vec(len: usize) -> Result<Vec<u8>, NoRandomness> {
    let mut out = vec![0; len];
    rand::fill(&mut out).map_err(|_| NoRandomness)?;
    Ok(out)
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn uuid() -> Result<String, NoRandomness> {
    let mut raw: [u8; 16] = bytes()?;
    raw[6] = raw[6] & 0x0f | 0x40;
    raw[8] = raw[8] & 0x3f | 0x80;
    let digits = hex::encode(raw);
    Ok(format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]))
}

/// Random upper-case letters and digits, as in AWS access key ids.
pub(crate) fn letters(len: usize) -> Result<String, NoRandomness> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    Ok(vec(len)?.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_version_and_variant_and_differ() {
        let (one, two) = (uuid().expect("randomness"), uuid().expect("randomness"));
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]));
    }
}
