//! Kinds of keys: what they may be used for, with which algorithms, and what material they take (cloud-byok.md, sections 2.2 and 2.3).

/// The first fact about a key's material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Material {
    /// AES-256 at AWS; in the China Regions SM4, 128 bits.
    Symmetric,
    /// Raw bytes of exactly this length.
    Hmac(usize),
    /// PKCS#8 with a modulus of this many bits.
    Rsa(usize),
    /// PKCS#8 with a named curve.
    Ecc(Curve),
}

/// Curves of the ECC key specs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
}

/// `KeyUsage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    EncryptDecrypt,
    SignVerify,
    GenerateVerifyMac,
    KeyAgreement,
}

impl Usage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::EncryptDecrypt => "ENCRYPT_DECRYPT",
            Self::SignVerify => "SIGN_VERIFY",
            Self::GenerateVerifyMac => "GENERATE_VERIFY_MAC",
            Self::KeyAgreement => "KEY_AGREEMENT",
        }
    }

    /// The member of KeyMetadata and GetPublicKey that lists this usage's algorithms.
    pub(crate) const fn algorithms_member(self) -> &'static str {
        match self {
            Self::EncryptDecrypt => "EncryptionAlgorithms",
            Self::SignVerify => "SigningAlgorithms",
            Self::GenerateVerifyMac => "MacAlgorithms",
            Self::KeyAgreement => "KeyAgreementAlgorithms",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Spec {
    /// `KeySpec`.
    pub(crate) name: &'static str,
    pub(crate) material: Material,
    /// Permitted usages, each with its algorithms.
    pub(crate) usages: &'static [(Usage, &'static [&'static str])],
}

impl Spec {
    pub(crate) fn is_symmetric(&self) -> bool {
        self.material == Material::Symmetric
    }

    /// Algorithms of a usage; empty when the spec does not have it.
    pub(crate) fn algorithms(&self, usage: Usage) -> &'static [&'static str] {
        self.usages.iter().find(|(known, _)| *known == usage).map_or(&[], |(_, algorithms)| algorithms)
    }
}

const RSA_ENCRYPTION: &[&str] = &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];
const RSA_SIGNING: &[&str] =
    &["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512", "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512"];
const RSA_USAGES: &[(Usage, &[&str])] = &[(Usage::EncryptDecrypt, RSA_ENCRYPTION), (Usage::SignVerify, RSA_SIGNING)];
const ECDH: (Usage, &[&str]) = (Usage::KeyAgreement, &["ECDH"]);

/// Every key spec that is simulated. ML-DSA, ML-KEM, Ed25519 and SM2 cannot be imported and are not here.
pub(crate) const SPECS: &[Spec] = &[
    Spec { name: "SYMMETRIC_DEFAULT", material: Material::Symmetric, usages: &[(Usage::EncryptDecrypt, &["SYMMETRIC_DEFAULT"])] },
    Spec { name: "HMAC_224", material: Material::Hmac(28), usages: &[(Usage::GenerateVerifyMac, &["HMAC_SHA_224"])] },
    Spec { name: "HMAC_256", material: Material::Hmac(32), usages: &[(Usage::GenerateVerifyMac, &["HMAC_SHA_256"])] },
    Spec { name: "HMAC_384", material: Material::Hmac(48), usages: &[(Usage::GenerateVerifyMac, &["HMAC_SHA_384"])] },
    Spec { name: "HMAC_512", material: Material::Hmac(64), usages: &[(Usage::GenerateVerifyMac, &["HMAC_SHA_512"])] },
    Spec { name: "RSA_2048", material: Material::Rsa(2048), usages: RSA_USAGES },
    Spec { name: "RSA_3072", material: Material::Rsa(3072), usages: RSA_USAGES },
    Spec { name: "RSA_4096", material: Material::Rsa(4096), usages: RSA_USAGES },
    Spec { name: "ECC_NIST_P256", material: Material::Ecc(Curve::P256), usages: &[(Usage::SignVerify, &["ECDSA_SHA_256"]), ECDH] },
    Spec { name: "ECC_NIST_P384", material: Material::Ecc(Curve::P384), usages: &[(Usage::SignVerify, &["ECDSA_SHA_384"]), ECDH] },
    Spec { name: "ECC_NIST_P521", material: Material::Ecc(Curve::P521), usages: &[(Usage::SignVerify, &["ECDSA_SHA_512"]), ECDH] },
    Spec { name: "ECC_SECG_P256K1", material: Material::Ecc(Curve::Secp256k1), usages: &[(Usage::SignVerify, &["ECDSA_SHA_256"])] },
];

/// Every usage, for reading requests.
pub(crate) const USAGES: [Usage; 4] = [Usage::EncryptDecrypt, Usage::SignVerify, Usage::GenerateVerifyMac, Usage::KeyAgreement];

/// A spec by its name.
pub(crate) fn spec(name: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.name == name)
}
