//! Key pairs: RSA and elliptic curves, made, read from PKCS#8 (RFC 5958), and written back in one canonical form.
//!
//! One form matters: equal pairs have equal bytes and so equal fingerprints, whichever tool wrote the file, and clouds get only what the module wrote.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _, RsaKeyPair,
    },
};
use keystead_domain::KeySpec;

use super::ProviderFailed;
use crate::SecretBytes;

/// How the module makes pairs, for birth records.
pub(crate) const MECHANISM: &str = "key pair generation of AWS-LC (FIPS 186-5, appendices A.1.3 and A.2.2), from its own generator (SP 800-90A)";

/// A pair: the private half as PKCS#8 version 1, the public one as SubjectPublicKeyInfo, both in DER.
pub(crate) struct Pair {
    pub(crate) private: SecretBytes,
    pub(crate) public: Vec<u8>,
}

/// Makes a pair; `None` for a kind that is none. RSA takes up to seconds.
pub(crate) fn generate(spec: KeySpec) -> Result<Option<Pair>, ProviderFailed> {
    let failed = || ProviderFailed { operation: "make a key pair" };
    let made = match (rsa_size(spec), curve(spec)) {
        (Some(size), _) => rsa(&RsaKeyPair::generate(size).map_err(|_| failed())?),
        (_, Some(curve)) => ec(&EcdsaKeyPair::generate(curve).map_err(|_| failed())?),
        (None, None) => return Ok(None),
    };
    made.map(Some).ok_or_else(failed)
}

/// Reads a PKCS#8 document as a pair of this kind; the module checks that its numbers belong together.
pub(crate) fn read(spec: KeySpec, der: &[u8]) -> Option<Pair> {
    match (rsa_size(spec), curve(spec)) {
        (Some(_), _) => {
            let pair = RsaKeyPair::from_pkcs8(der).ok()?;
            // Through the modulus itself: its length in bytes alone would let 2041 bits pass for 2048. The module takes small exponents, too.
            let numbers = crate::der::read_pkcs1(pair.public_key().as_ref()).ok()?;
            if Some(numbers.bits()) == spec.modulus_bits() && numbers.exponent_is_sound() { rsa(&pair) } else { None }
        }
        (_, Some(curve)) => ec(&EcdsaKeyPair::from_pkcs8(curve, der).ok()?),
        (None, None) => None,
    }
}

/// What kind of pair a document holds, of those that Keystead knows.
pub(crate) fn recognise(der: &[u8]) -> Option<KeySpec> {
    KeySpec::ALL.into_iter().find(|spec| spec.is_pair() && read(*spec, der).is_some())
}

fn rsa(pair: &RsaKeyPair) -> Option<Pair> {
    let private: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    written(private.as_ref(), pair.public_key())
}

fn ec(pair: &EcdsaKeyPair) -> Option<Pair> {
    written(pair.to_pkcs8v1().ok()?.as_ref(), pair.public_key())
}

fn written(private: &[u8], public: &impl AsDer<PublicKeyX509Der<'static>>) -> Option<Pair> {
    let private = SecretBytes::init_with(private.len(), |bytes| bytes.copy_from_slice(private));
    Some(Pair { private, public: public.as_der().ok()?.as_ref().to_vec() })
}

fn rsa_size(spec: KeySpec) -> Option<KeySize> {
    match spec {
        KeySpec::Rsa2048 => Some(KeySize::Rsa2048),
        KeySpec::Rsa3072 => Some(KeySize::Rsa3072),
        KeySpec::Rsa4096 => Some(KeySize::Rsa4096),
        _ => None,
    }
}

/// The curve; the hash that is named with it plays no part here, where nothing is signed.
fn curve(spec: KeySpec) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        KeySpec::EcP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeySpec::EcP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeySpec::EcP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeySpec::EcSecp256k1 => Some(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of pair but the large moduli, which take seconds each.
    const QUICK: [KeySpec; 5] = [KeySpec::Rsa2048, KeySpec::EcP256, KeySpec::EcP384, KeySpec::EcP521, KeySpec::EcSecp256k1];

    #[test]
    fn what_is_made_is_read_back_as_the_same_kind_and_no_other() {
        for spec in QUICK {
            let made = generate(spec).expect("the module works").expect("a pair");
            let read_back = read(spec, made.private.expose()).expect("its own document");
            assert_eq!(read_back.private.expose(), made.private.expose(), "{spec:?}: the form is canonical");
            assert_eq!(read_back.public, made.public);
            assert_eq!(recognise(made.private.expose()), Some(spec));
        }
    }

    #[test]
    fn kinds_that_are_no_pairs_are_neither_made_nor_read() {
        for spec in KeySpec::ALL.into_iter().filter(|spec| !spec.is_pair()) {
            assert!(generate(spec).expect("nothing was asked of the module").is_none());
            assert!(read(spec, &[0x30, 0]).is_none());
        }
    }

    #[test]
    fn a_damaged_document_is_no_pair() {
        for spec in [KeySpec::Rsa2048, KeySpec::EcP256] {
            let made = generate(spec).expect("the module works").expect("a pair");
            let bytes = made.private.expose();
            assert!(read(spec, &bytes[..bytes.len() - 1]).is_none());
            let mut bent = bytes.to_vec();
            let middle = bent.len() / 2;
            bent[middle] ^= 1;
            assert!(read(spec, &bent).is_none(), "{spec:?}: numbers that do not belong together");
        }
    }
}
