//! Key material: what a key takes, in which form it is kept, and what identifies it.
//!
//! Private keys are kept as the PKCS#8 that this library writes, so that two encodings of one key (with and without the public point) are one material.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};

use super::super::errors::{AwsError, Code};
use super::super::regions::Partition;
use super::spec::{Curve, Material, Spec};
use crate::random;
use crate::secret::Secret;

/// Length of a symmetric key: AES-256, in the China Regions SM4.
pub(crate) const fn symmetric_len(partition: Partition) -> usize {
    match partition {
        Partition::China => 16,
        Partition::Standard | Partition::GovCloud => 32,
    }
}

/// Takes unwrapped bytes as the material of a key of this spec, or says why not. It is the service's duty to refuse here what would not work later.
pub(crate) fn accept(spec: &Spec, partition: Partition, bytes: Secret) -> Result<Secret, AwsError> {
    let accepted = match spec.material {
        Material::Symmetric => (bytes.len() == symmetric_len(partition)).then_some(bytes),
        Material::Hmac(len) => (bytes.len() == len).then_some(bytes),
        Material::Rsa(bits) => canonical_rsa(&bytes, bits),
        Material::Ecc(curve) => canonical_ecc(&bytes, curve),
    };
    accepted.ok_or_else(|| incorrect(&format!("The key material is not a valid key of spec {}.", spec.name)))
}

/// An IncorrectKeyMaterialException.
pub(crate) fn incorrect(message: &str) -> AwsError {
    AwsError::new(Code::IncorrectKeyMaterial, message)
}

/// Material that the cloud makes itself. RSA takes long: not under the lock.
pub(crate) fn generate(spec: &Spec, partition: Partition) -> Result<Secret, AwsError> {
    let failed = |_| AwsError::internal("key generation failed");
    match spec.material {
        Material::Symmetric => Ok(random::vec(symmetric_len(partition))?.into()),
        Material::Hmac(len) => Ok(random::vec(len)?.into()),
        Material::Ecc(curve) => {
            let pair = EcdsaKeyPair::generate(signing(curve)).map_err(failed)?;
            Ok(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec().into())
        }
        Material::Rsa(bits) => {
            let size = match bits {
                2048 => KeySize::Rsa2048,
                3072 => KeySize::Rsa3072,
                _ => KeySize::Rsa4096,
            };
            let der: Pkcs8V1Der<'static> = PrivateDecryptingKey::generate(size).and_then(|pair| pair.as_der()).map_err(failed)?;
            Ok(der.as_ref().to_vec().into())
        }
    }
}

/// What identifies material inside a key: SHA-256 of key id and material, in hexadecimal. The same in every replica of a multi-Region key, since they share
/// the key id; different in any other key. (AWS computes it from the same two things but does not say how.)
pub(crate) fn identity(key_id: &str, bytes: &[u8]) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(key_id.as_bytes());
    hash.update(bytes);
    hex::encode(hash.finish())
}

/// The signing algorithm of a curve: the one hash that KMS offers for it, signatures in DER.
pub(crate) const fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        Curve::Secp256k1 => &ECDSA_P256K1_SHA256_ASN1_SIGNING,
    }
}

fn canonical_rsa(pkcs8: &[u8], bits: usize) -> Option<Secret> {
    let parameters = algorithm_parameters(pkcs8)?;
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).ok().filter(|key| key.key_size_bits() == bits && parameters == DER_NULL)?;
    let der: Pkcs8V1Der<'static> = key.as_der().ok()?;
    Some(der.as_ref().to_vec().into())
}

fn canonical_ecc(pkcs8: &[u8], curve: Curve) -> Option<Secret> {
    let named_curve = algorithm_parameters(pkcs8)? == DER_OID;
    let pair = EcdsaKeyPair::from_pkcs8(signing(curve), pkcs8).ok().filter(|_| named_curve)?;
    Some(pair.to_pkcs8v1().ok()?.as_ref().to_vec().into())
}

const DER_INTEGER: u8 = 0x02;
const DER_NULL: u8 = 0x05;
const DER_OID: u8 = 0x06;
const DER_SEQUENCE: u8 = 0x30;

/// The tag of the algorithm's parameters in a PKCS#8 PrivateKeyInfo (RFC 5208, section 5) that fills its bytes exactly: `PrivateKeyInfo ::= SEQUENCE
/// { version INTEGER, algorithm SEQUENCE { algorithm OID, parameters ANY }, … }`. Bytes behind the DER are refused, as strict parsers and clouds do.
fn algorithm_parameters(pkcs8: &[u8]) -> Option<u8> {
    let (info, rest) = element(pkcs8, DER_SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (_version, after_version) = element(info, DER_INTEGER)?;
    let (algorithm, _) = element(after_version, DER_SEQUENCE)?;
    let (_oid, parameters) = element(algorithm, DER_OID)?;
    parameters.first().copied()
}

/// Content of the first element, which must have this tag, and what stands behind it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 | 0x82 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    if *found == tag { rest.split_at_checked(len) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{SPECS, spec};
    use super::*;

    fn of(name: &str) -> &'static Spec {
        spec(name).expect("a known spec")
    }

    fn refused(name: &str, bytes: &[u8]) -> bool {
        accept(of(name), Partition::Standard, bytes.to_vec().into()).is_err_and(|error| error.code == Code::IncorrectKeyMaterial)
    }

    #[test]
    fn every_spec_takes_what_it_makes_and_nothing_of_another() {
        let cheap: Vec<&Spec> = SPECS.iter().filter(|spec| !matches!(spec.material, Material::Rsa(bits) if bits > 2048)).collect();
        let made: Vec<Secret> = cheap.iter().map(|spec| generate(spec, Partition::Standard).expect("made")).collect();
        for (spec, own) in cheap.iter().zip(&made) {
            assert_eq!(accept(spec, Partition::Standard, own.clone()).expect("its own")[..], own[..], "{}", spec.name);
            for (other, foreign) in cheap.iter().zip(&made).filter(|(_, foreign)| foreign.len() != own.len()) {
                assert!(refused(spec.name, foreign), "{} took material of {}", spec.name, other.name);
            }
        }
    }

    #[test]
    fn china_takes_sm4_keys() {
        assert!(accept(of("SYMMETRIC_DEFAULT"), Partition::China, vec![7; 16].into()).is_ok());
        assert!(accept(of("SYMMETRIC_DEFAULT"), Partition::China, vec![7; 32].into()).is_err());
    }

    #[test]
    fn trailing_bytes_and_cut_der_are_refused() {
        let good = generate(of("ECC_NIST_P256"), Partition::Standard).expect("made");
        for broken in [[&good[..], &[0]].concat(), good[..good.len() - 1].to_vec(), Vec::new(), vec![0x30, 0x84]] {
            assert!(refused("ECC_NIST_P256", &broken));
        }
    }

    #[test]
    fn identity_differs_by_key_and_by_material() {
        let ids = [identity("a", b"x"), identity("a", b"y"), identity("b", b"x")];
        assert!(ids.iter().all(|id| id.len() == 64));
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }
}
