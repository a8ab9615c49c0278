//! Public halves as a module tells them, written as SubjectPublicKeyInfo (RFC 5280, section 4.1; RFC 5480 for curves), and held against the private half.

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};
use keystead_domain::KeySpec;

use crate::{HsmError, PublicNumbers, der::RsaNumbers};

/// The public half of a pair of this kind, in the form in which the software makes it, too.
pub(crate) fn of(spec: KeySpec, numbers: &PublicNumbers) -> Result<Vec<u8>, HsmError> {
    let strange = || HsmError::Refused(format!("the public half of an {} is none", spec.as_str()));
    match (numbers, prefix(spec)) {
        (PublicNumbers::Rsa { modulus, exponent }, None) => rsa(spec, modulus, exponent).ok_or_else(strange),
        (PublicNumbers::Ec { point }, Some((prefix, len))) if point.len() == len && point.first() == Some(&4) => Ok([prefix, point].concat()),
        _ => Err(strange()),
    }
}

fn rsa(spec: KeySpec, modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let (modulus, exponent) = (unpadded(modulus), unpadded(exponent));
    let numbers = RsaNumbers { modulus, exponent };
    if Some(numbers.bits()) != spec.modulus_bits() || !numbers.exponent_is_sound() {
        return None;
    }
    let spki: PublicKeyX509Der<'_> = PublicKeyComponents { n: modulus, e: exponent }.as_der().ok()?;
    Some(spki.as_ref().to_vec())
}

fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// What stands before the point, and how long a point is: algorithm ecPublicKey with the named curve (RFC 5480, section 2.1), then a BIT STRING.
const fn prefix(spec: KeySpec) -> Option<(&'static [u8], usize)> {
    match spec {
        KeySpec::EcP256 => {
            Some((&[0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0], 65))
        }
        KeySpec::EcP384 => Some((&[0x30, 0x76, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22, 3, 0x62, 0], 97)),
        KeySpec::EcP521 => {
            Some((&[0x30, 0x81, 0x9b, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23, 3, 0x81, 0x86, 0], 133))
        }
        KeySpec::EcSecp256k1 => Some((&[0x30, 0x56, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x0a, 3, 0x42, 0], 65)),
        _ => None,
    }
}

/// Whether a signature over a text was made with the private half of this public one.
pub(crate) fn verifies(spec: KeySpec, spki: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm(spec), spki).verify(text, signature).is_ok()
}

fn algorithm(spec: KeySpec) -> &'static dyn VerificationAlgorithm {
    match spec {
        KeySpec::EcP256 => &ECDSA_P256_SHA256_FIXED,
        KeySpec::EcP384 => &ECDSA_P384_SHA384_FIXED,
        KeySpec::EcP521 => &ECDSA_P521_SHA512_FIXED,
        KeySpec::EcSecp256k1 => &ECDSA_P256K1_SHA256_FIXED,
        _ => &RSA_PKCS1_2048_8192_SHA256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{der, hazmat::pair};
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
    };

    #[test]
    fn the_form_is_the_one_that_the_software_writes() {
        for spec in [KeySpec::EcP256, KeySpec::EcP384, KeySpec::EcP521, KeySpec::EcSecp256k1] {
            let made = pair::generate(spec).expect("the module works").expect("a pair");
            let len = prefix(spec).expect("a curve").1;
            let point = made.public[made.public.len() - len..].to_vec();
            assert_eq!(of(spec, &PublicNumbers::Ec { point }), Ok(made.public), "{spec:?}");
        }
        let made = pair::generate(KeySpec::Rsa2048).expect("the module works").expect("a pair");
        let numbers = der::read_spki(&made.public).expect("RSA");
        let told = PublicNumbers::Rsa { modulus: [&[0, 0][..], numbers.modulus].concat(), exponent: numbers.exponent.to_vec() };
        assert_eq!(of(KeySpec::Rsa2048, &told), Ok(made.public.clone()));
        assert!(of(KeySpec::Rsa3072, &told).is_err() && of(KeySpec::EcP256, &told).is_err());
    }

    #[test]
    fn only_its_own_private_half_signs_for_a_public_one() {
        let random = SystemRandom::new();
        let [one, other] = [(); 2].map(|()| pair::generate(KeySpec::EcP256).expect("the module works").expect("a pair"));
        let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, one.private.expose()).expect("its document");
        let signature = signer.sign(&random, b"text").expect("signs");
        assert!(verifies(KeySpec::EcP256, &one.public, b"text", signature.as_ref()));
        assert!(!verifies(KeySpec::EcP256, &other.public, b"text", signature.as_ref()));
    }
}
