//! RSA and elliptic-curve operations on imported private keys, which are kept as PKCS#8. Pure, and slow with RSA: not under the lock.

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    EcdsaKeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair, RsaParameters, UnparsedPublicKey, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use super::material::signing;
use super::spec::{Curve, Material, Spec};
use crate::secret::Secret;

/// A way of signing with RSA: the hash, the signer's and the verifier's form.
type RsaScheme = (&'static Algorithm, &'static dyn RsaEncoding, &'static RsaParameters);

fn rsa_scheme(algorithm: &str) -> Option<RsaScheme> {
    Some(match algorithm {
        "RSASSA_PKCS1_V1_5_SHA_256" => (&SHA256, &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
        "RSASSA_PKCS1_V1_5_SHA_384" => (&SHA384, &RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
        "RSASSA_PKCS1_V1_5_SHA_512" => (&SHA512, &RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
        "RSASSA_PSS_SHA_256" => (&SHA256, &RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
        "RSASSA_PSS_SHA_384" => (&SHA384, &RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
        "RSASSA_PSS_SHA_512" => (&SHA512, &RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
        _ => return None,
    })
}

fn ecdsa_hash(curve: Curve) -> &'static Algorithm {
    match curve {
        Curve::P256 | Curve::Secp256k1 => &SHA256,
        Curve::P384 => &SHA384,
        Curve::P521 => &SHA512,
    }
}

fn oaep(algorithm: &str) -> &'static OaepAlgorithm {
    if algorithm == "RSAES_OAEP_SHA_1" { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 }
}

/// SubjectPublicKeyInfo in DER; `None` for keys that have no public half.
pub(crate) fn public_key(spec: &Spec, material: &Secret) -> Option<Vec<u8>> {
    let der: PublicKeyX509Der<'static> = match spec.material {
        Material::Rsa(_) => PrivateDecryptingKey::from_pkcs8(material).ok()?.public_key().as_der().ok()?,
        Material::Ecc(curve) => EcdsaKeyPair::from_pkcs8(signing(curve), material).ok()?.public_key().as_der().ok()?,
        Material::Symmetric | Material::Hmac(_) => return None,
    };
    Some(der.as_ref().to_vec())
}

/// The hash of a signing algorithm, applied to a message or taken as given; `None`: the digest has another length.
pub(crate) fn hash(spec: &Spec, algorithm: &str, message: &[u8], is_digest: bool) -> Option<Digest> {
    let hash = match spec.material {
        Material::Ecc(curve) => ecdsa_hash(curve),
        _ => rsa_scheme(algorithm)?.0,
    };
    if is_digest { Digest::import_less_safe(message, hash).ok() } else { Some(digest(hash, message)) }
}

/// Signs a digest.
pub(crate) fn sign(spec: &Spec, material: &Secret, algorithm: &str, digest: &Digest) -> Result<Vec<u8>, Unspecified> {
    if let Material::Ecc(curve) = spec.material {
        let pair = EcdsaKeyPair::from_pkcs8(signing(curve), material).map_err(|_| Unspecified)?;
        return Ok(pair.sign_digest(digest)?.as_ref().to_vec());
    }
    let (_, encoding, _) = rsa_scheme(algorithm).ok_or(Unspecified)?;
    let pair = RsaKeyPair::from_pkcs8(material).map_err(|_| Unspecified)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign_digest(encoding, digest, &mut signature)?;
    Ok(signature)
}

/// Verifies a signature over a digest.
pub(crate) fn verify(spec: &Spec, material: &Secret, algorithm: &str, digest: &Digest, signature: &[u8]) -> Result<(), Unspecified> {
    if let Material::Ecc(curve) = spec.material {
        let pair = EcdsaKeyPair::from_pkcs8(signing(curve), material).map_err(|_| Unspecified)?;
        let by: &'static dyn VerificationAlgorithm = ecdsa_verification(curve);
        return UnparsedPublicKey::new(by, pair.public_key().as_ref()).verify_digest(digest, signature);
    }
    let (_, _, parameters) = rsa_scheme(algorithm).ok_or(Unspecified)?;
    let pair = RsaKeyPair::from_pkcs8(material).map_err(|_| Unspecified)?;
    UnparsedPublicKey::new(parameters, pair.public_key().as_ref()).verify_digest(digest, signature)
}

fn ecdsa_verification(curve: Curve) -> &'static dyn VerificationAlgorithm {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1};
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1,
        Curve::Secp256k1 => &ECDSA_P256K1_SHA256_ASN1,
    }
}

/// Most bytes that RSA-OAEP takes with this key.
pub(crate) fn encrypt_max(spec: &Spec, algorithm: &str) -> usize {
    let hash_len = if algorithm == "RSAES_OAEP_SHA_1" { 20 } else { 32 };
    match spec.material {
        Material::Rsa(bits) => bits / 8 - 2 * hash_len - 2,
        _ => 0,
    }
}

/// RSAES-OAEP with an empty label.
pub(crate) fn encrypt(material: &Secret, algorithm: &str, plaintext: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let public = PrivateDecryptingKey::from_pkcs8(material).map_err(|_| Unspecified)?.public_key();
    let public = OaepPublicEncryptingKey::new(public)?;
    let mut out = vec![0; public.ciphertext_size()];
    let len = public.encrypt(oaep(algorithm), plaintext, &mut out, None)?.len();
    out.truncate(len);
    Ok(out)
}

/// RSAES-OAEP decryption.
pub(crate) fn decrypt(material: &Secret, algorithm: &str, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let private = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(material).map_err(|_| Unspecified)?)?;
    let mut out = Zeroizing::new(vec![0; private.min_output_size()]);
    let len = private.decrypt(oaep(algorithm), ciphertext, &mut out, None)?.len();
    out.truncate(len);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::super::regions::Partition;
    use super::super::material::generate;
    use super::super::spec::{Usage, spec};
    use super::*;

    #[test]
    fn every_signing_algorithm_signs_and_finds_out_a_forgery() {
        for name in ["RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"] {
            let spec = spec(name).expect("known");
            let material = generate(spec, Partition::Standard).expect("made");
            for algorithm in spec.algorithms(Usage::SignVerify) {
                let digest = hash(spec, algorithm, b"message", false).expect("hashed");
                let forged = hash(spec, algorithm, b"massage", false).expect("hashed");
                let signature = sign(spec, &material, algorithm, &digest).expect("signed");
                assert_eq!(verify(spec, &material, algorithm, &digest, &signature), Ok(()), "{name} {algorithm}");
                assert_eq!(verify(spec, &material, algorithm, &forged, &signature), Err(Unspecified), "{name} {algorithm}");
                assert!(hash(spec, algorithm, b"short", true).is_none(), "{name} {algorithm}");
            }
        }
    }

    #[test]
    fn oaep_carries_exactly_its_most() {
        let spec = spec("RSA_2048").expect("known");
        let material = generate(spec, Partition::Standard).expect("made");
        for algorithm in ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"] {
            let most = encrypt_max(spec, algorithm);
            let sealed = encrypt(&material, algorithm, &vec![5; most]).expect("fits");
            assert_eq!(decrypt(&material, algorithm, &sealed).expect("opens").as_slice(), vec![5; most]);
            assert_eq!(encrypt(&material, algorithm, &vec![5; most + 1]), Err(Unspecified));
        }
    }
}
