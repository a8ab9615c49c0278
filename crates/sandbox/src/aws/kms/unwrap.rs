//! Unwrapping, for real: RSAES-OAEP over the material, or RSA-AES key wrap (cloud-byok.md, section 1). And which wrapping suits which key (section 2.3).

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use zeroize::Zeroizing;

use super::super::errors::{AwsError, Code};
use super::super::regions::Partition;
use super::spec::{Curve, Material, Spec};
use crate::pool::{OaepHash, Pair, RsaSize};
use crate::secret::Secret;

/// `WrappingAlgorithm`, by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256.
    Oaep(OaepHash),
    /// RSA_AES_KEY_WRAP_SHA_1, RSA_AES_KEY_WRAP_SHA_256.
    OaepThenKwp(OaepHash),
}

/// The values of `WrappingAlgorithm` in AWS's model.
pub(crate) const ALGORITHMS: &[&str] =
    &["RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256", "SM2PKE"];

/// The values of `WrappingKeySpec` in AWS's model.
pub(crate) const WRAPPING_SPECS: &[&str] = &["RSA_2048", "RSA_3072", "RSA_4096", "SM2"];

/// An algorithm by its name. RSAES_PKCS1_V1_5 was withdrawn on 10 October 2023; SM2PKE is not simulated.
pub(crate) fn wrapping(name: &str) -> Result<Wrapping, AwsError> {
    match name {
        "RSAES_OAEP_SHA_1" => Ok(Wrapping::Oaep(OaepHash::Sha1)),
        "RSAES_OAEP_SHA_256" => Ok(Wrapping::Oaep(OaepHash::Sha256)),
        "RSA_AES_KEY_WRAP_SHA_1" => Ok(Wrapping::OaepThenKwp(OaepHash::Sha1)),
        "RSA_AES_KEY_WRAP_SHA_256" => Ok(Wrapping::OaepThenKwp(OaepHash::Sha256)),
        other => Err(AwsError::new(Code::UnsupportedOperation, format!("The wrapping algorithm {other} is not supported."))),
    }
}

/// A wrapping key's size by its name.
pub(crate) fn wrapping_size(name: &str) -> Result<RsaSize, AwsError> {
    match name {
        "RSA_2048" => Ok(RsaSize::Rsa2048),
        "RSA_3072" => Ok(RsaSize::Rsa3072),
        "RSA_4096" => Ok(RsaSize::Rsa4096),
        other => Err(AwsError::new(Code::UnsupportedOperation, format!("The wrapping key spec {other} is not supported."))),
    }
}

/// Whether material of this spec may travel so.
pub(crate) fn suits(wrapping: Wrapping, size: RsaSize, spec: &Spec, partition: Partition) -> bool {
    match (wrapping, spec.material) {
        (Wrapping::OaepThenKwp(_), _) if partition == Partition::China => false,
        (Wrapping::OaepThenKwp(_), material) => matches!(material, Material::Rsa(_) | Material::Ecc(_)),
        (Wrapping::Oaep(_), Material::Rsa(_)) => false,
        // A P-521 PKCS#8 (241 bytes) is longer than RSA-2048 OAEP can carry.
        (Wrapping::Oaep(_), Material::Ecc(Curve::P521)) => size != RsaSize::Rsa2048,
        (Wrapping::Oaep(_), Material::Ecc(_) | Material::Symmetric | Material::Hmac(_)) => true,
    }
}

/// Opens wrapped material. A private-key operation: not under the lock.
pub(crate) fn unwrap(wrapping: Wrapping, size: RsaSize, pair: &Pair, wrapped: &[u8]) -> Result<Secret, AwsError> {
    let opened = match wrapping {
        Wrapping::Oaep(hash) => pair.decrypt(hash, wrapped),
        Wrapping::OaepThenKwp(hash) => unwrap_hybrid(hash, size, pair, wrapped),
    };
    opened
        .map(Secret::from)
        .ok_or_else(|| AwsError::new(Code::InvalidCiphertext, "The encrypted key material could not be decrypted with the wrapping key of the import token."))
}

/// `E ‖ W`: an AES-256 key under RSAES-OAEP, then the material under that key by AES-KWP (RFC 5649).
fn unwrap_hybrid(hash: OaepHash, size: RsaSize, pair: &Pair, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (wrapped_kek, wrapped_material) = wrapped.split_at_checked(size.modulus_len())?;
    let kek = AesKek::new(&AES_256, &pair.decrypt(hash, wrapped_kek)?).ok()?;
    let mut out = Zeroizing::new(vec![0; wrapped_material.len()]);
    let plain_len = kek.unwrap_with_padding(wrapped_material, &mut out).ok()?.len();
    out.truncate(plain_len);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::spec::SPECS;
    use super::*;

    #[test]
    fn the_matrix_of_wrapping_and_material_is_that_of_the_reference() {
        let mut printed = String::new();
        for spec in SPECS {
            let cell = |wrapping, size| if suits(wrapping, size, spec, Partition::Standard) { "yes" } else { "no" };
            let (oaep, hybrid) = (Wrapping::Oaep(OaepHash::Sha256), Wrapping::OaepThenKwp(OaepHash::Sha1));
            printed += &format!("{} {} {} {}\n", spec.name, cell(oaep, RsaSize::Rsa2048), cell(oaep, RsaSize::Rsa4096), cell(hybrid, RsaSize::Rsa2048));
        }
        let golden = "\
SYMMETRIC_DEFAULT yes yes no
HMAC_224 yes yes no
HMAC_256 yes yes no
HMAC_384 yes yes no
HMAC_512 yes yes no
RSA_2048 no no yes
RSA_3072 no no yes
RSA_4096 no no yes
ECC_NIST_P256 yes yes yes
ECC_NIST_P384 yes yes yes
ECC_NIST_P521 no yes yes
ECC_SECG_P256K1 yes yes yes
";
        assert_eq!(printed, golden);
    }

    #[test]
    fn withdrawn_and_foreign_algorithms_are_refused() {
        for name in ["RSAES_PKCS1_V1_5", "SM2PKE"] {
            assert_eq!(wrapping(name).expect_err(name).code, Code::UnsupportedOperation);
        }
        assert!(!suits(Wrapping::OaepThenKwp(OaepHash::Sha256), RsaSize::Rsa4096, &SPECS[5], Partition::China));
    }
}
