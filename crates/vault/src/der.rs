//! The little of DER (ITU-T X.690) that RSA public keys need: SubjectPublicKeyInfo (RFC 5280, section 4.1) and RSAPublicKey (RFC 8017, appendix A.1.1).
//!
//! It reads foreign bytes, therefore it borrows, never allocates and never panics: it is made to be fuzzed.

/// The two numbers of an RSA public key, big-endian, without leading zeros. Zero is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaNumbers<'a> {
    /// The modulus *n*.
    pub modulus: &'a [u8],
    /// The public exponent *e*.
    pub exponent: &'a [u8],
}

impl RsaNumbers<'_> {
    /// Size of the modulus in bits.
    pub fn bits(&self) -> usize {
        bits(self.modulus)
    }

    /// Whether the modulus can be a product of two odd primes at all.
    pub fn modulus_is_odd(&self) -> bool {
        is_odd(self.modulus)
    }

    /// Whether the exponent is odd and at least 65537, as FIPS 186-5, appendix A.1.1 asks.
    pub fn exponent_is_sound(&self) -> bool {
        is_odd(self.exponent) && (bits(self.exponent) > 17 || self.exponent >= &[1, 0, 1][..] && bits(self.exponent) == 17)
    }
}

/// Why bytes are not the structure that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// Not DER, or not this structure.
    #[error("is not the DER of an RSA public key")]
    Malformed,
    /// A whole structure, and then more.
    #[error("has further bytes after the key")]
    TrailingBytes,
    /// A public key of another kind.
    #[error("is not an RSA key")]
    NotRsa,
}

/// Object identifier 1.2.840.113549.1.1.1, rsaEncryption (RFC 8017, appendix A.1).
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// Reads the SubjectPublicKeyInfo of an RSA key.
///
/// # Errors
/// [`DerError`]; [`DerError::NotRsa`] when it is a well-formed key of another algorithm.
pub fn read_spki(der: &[u8]) -> Result<RsaNumbers<'_>, DerError> {
    let mut info = only(der, SEQUENCE)?;
    let mut algorithm = info.take(SEQUENCE)?;
    if algorithm.take(OBJECT_IDENTIFIER)?.0 != RSA_ENCRYPTION {
        return Err(DerError::NotRsa);
    }
    // RFC 8017, appendix A.1: the parameters of rsaEncryption are NULL and may not be left out.
    if !algorithm.take(NULL)?.0.is_empty() {
        return Err(DerError::Malformed);
    }
    algorithm.end()?;
    let bits = info.take(BIT_STRING)?;
    info.end()?;
    match bits.0 {
        [0, key @ ..] => read_pkcs1(key),
        _ => Err(DerError::Malformed),
    }
}

/// Reads an RSAPublicKey as PKCS#1 defines it.
///
/// # Errors
/// [`DerError`].
pub fn read_pkcs1(der: &[u8]) -> Result<RsaNumbers<'_>, DerError> {
    let mut key = only(der, SEQUENCE)?;
    let modulus = key.unsigned()?;
    let exponent = key.unsigned()?;
    key.end()?;
    Ok(RsaNumbers { modulus, exponent })
}

/// Length of the SEQUENCE that a text begins with, its head included; `None` when it does not begin with a whole one.
pub fn document_len(der: &[u8]) -> Option<usize> {
    let rest = der.strip_prefix(&[SEQUENCE])?;
    let (len, contents) = length(rest)?;
    (len <= contents.len()).then(|| der.len() - contents.len() + len)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The contents of the next element, which must carry this tag.
    fn take(&mut self, tag: u8) -> Result<Reader<'a>, DerError> {
        let (&found, rest) = self.0.split_first().ok_or(DerError::Malformed)?;
        let (len, rest) = length(rest).ok_or(DerError::Malformed)?;
        if found != tag || len > rest.len() {
            return Err(DerError::Malformed);
        }
        let (contents, rest) = rest.split_at(len);
        self.0 = rest;
        Ok(Reader(contents))
    }

    /// The next INTEGER, which must not be negative (X.690, section 8.3).
    fn unsigned(&mut self) -> Result<&'a [u8], DerError> {
        match self.take(INTEGER)?.0 {
            [0] => Ok(&[]),
            // A leading zero is there to keep the sign, and only then.
            [0, number @ ..] if number.first().is_some_and(|byte| *byte >= 0x80) => Ok(number),
            number @ [1..=0x7f, ..] => Ok(number),
            _ => Err(DerError::Malformed),
        }
    }

    fn end(&self) -> Result<(), DerError> {
        if self.0.is_empty() { Ok(()) } else { Err(DerError::Malformed) }
    }
}

/// One element of this tag, and nothing behind it.
fn only(der: &[u8], tag: u8) -> Result<Reader<'_>, DerError> {
    let mut reader = Reader(der);
    let contents = reader.take(tag)?;
    reader.end().map_err(|_| DerError::TrailingBytes)?;
    Ok(contents)
}

/// A definite length in its shortest form (X.690, sections 8.1.3 and 10.1), of at most two bytes: no RSA key of 8192 bits needs more.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    match der {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Some((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => Some((usize::from(*high) << 8 | usize::from(*low), rest)),
        _ => None,
    }
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|byte| byte & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// n = 0x81, e = 0x010001.
    const TINY: &[u8] = &[0x30, 0x09, 0x02, 0x02, 0x00, 0x81, 0x02, 0x03, 0x01, 0x00, 0x01];

    fn spki(oid: &[u8], key: &[u8]) -> Vec<u8> {
        let mut algorithm = vec![OBJECT_IDENTIFIER, oid.len() as u8];
        algorithm.extend(oid);
        algorithm.extend([NULL, 0]);
        let mut info = vec![SEQUENCE, algorithm.len() as u8];
        info.extend(algorithm);
        info.extend([BIT_STRING, key.len() as u8 + 1, 0]);
        info.extend(key);
        let mut der = vec![SEQUENCE, info.len() as u8];
        der.extend(info);
        der
    }

    #[test]
    fn both_structures_are_read() {
        let numbers = RsaNumbers { modulus: &[0x81], exponent: &[1, 0, 1] };
        assert_eq!(read_pkcs1(TINY), Ok(numbers));
        assert_eq!(read_spki(&spki(RSA_ENCRYPTION, TINY)), Ok(numbers));
        assert_eq!(numbers.bits(), 8);
    }

    #[test]
    fn another_algorithm_is_named_as_such() {
        assert_eq!(read_spki(&spki(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], TINY)), Err(DerError::NotRsa));
    }

    #[test]
    fn bytes_behind_the_key_are_refused() {
        let mut der = spki(RSA_ENCRYPTION, TINY);
        der.push(0);
        assert_eq!(read_spki(&der), Err(DerError::TrailingBytes));
    }

    #[test]
    fn every_truncation_is_refused() {
        let der = spki(RSA_ENCRYPTION, TINY);
        for len in 0..der.len() {
            assert_eq!(read_spki(&der[..len]), Err(DerError::Malformed), "{len} bytes");
        }
    }

    #[test]
    fn numbers_that_are_negative_or_padded_are_refused() {
        for number in [&[0x02, 0x01, 0x81][..], &[0x02, 0x02, 0x00, 0x01], &[0x02, 0x00], &[0x02, 0x81, 0x01, 0x01]] {
            let mut der = vec![SEQUENCE, number.len() as u8 + 3];
            der.extend(number);
            der.extend([INTEGER, 1, 3]);
            assert_eq!(read_pkcs1(&der), Err(DerError::Malformed), "{number:02x?}");
        }
    }

    #[test]
    fn only_odd_exponents_from_65537_are_sound() {
        let sound = |exponent: &[u8]| RsaNumbers { modulus: &[0x81], exponent }.exponent_is_sound();
        assert!(sound(&[1, 0, 1]) && sound(&[1, 0, 3]) && sound(&[2, 0, 1]) && sound(&[1, 0, 0, 0, 1]));
        assert!(!sound(&[]) && !sound(&[3]) && !sound(&[0xff, 0xff]) && !sound(&[1, 0, 0]) && !sound(&[1, 0, 2]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(der in proptest::collection::vec(any::<u8>(), 0..64), at in 0usize..32, byte: u8) {
            let _ = (read_spki(&der), read_pkcs1(&der));
            let mut bent = spki(RSA_ENCRYPTION, TINY);
            bent[at % TINY.len()] = byte;
            let _ = read_spki(&bent).map(|numbers| (numbers.bits(), numbers.exponent_is_sound(), numbers.modulus_is_odd()));
        }
    }
}
