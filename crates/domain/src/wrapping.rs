//! How material is wrapped for a cloud or a person, or by somebody else for us: words that the vault, the connectors and the journal share.

/// Hash of RSA-OAEP; label hash and MGF1 hash are always the same (RFC 8017, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-1, only where a cloud knows nothing else. OAEP does not rely on its collision resistance.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A way to wrap material under an RSA public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrapMethod {
    /// RSAES-OAEP over the material itself, with an empty label.
    RsaOaep(Hash),
    /// A fresh AES-256 key under RSAES-OAEP, followed by the material under that key by AES-KWP (RFC 5649); PKCS#11 calls it CKM_RSA_AES_KEY_WRAP.
    RsaAesKwp(Hash),
}

impl WrapMethod {
    /// Every one, and the ones with SHA-256 first.
    pub const ALL: [Self; 4] = [Self::RsaOaep(Hash::Sha256), Self::RsaOaep(Hash::Sha1), Self::RsaAesKwp(Hash::Sha256), Self::RsaAesKwp(Hash::Sha1)];

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// The hash of its OAEP.
    pub const fn hash(self) -> Hash {
        match self {
            Self::RsaOaep(hash) | Self::RsaAesKwp(hash) => hash,
        }
    }

    /// The same with this hash.
    pub const fn with(self, hash: Hash) -> Self {
        match self {
            Self::RsaOaep(_) => Self::RsaOaep(hash),
            Self::RsaAesKwp(_) => Self::RsaAesKwp(hash),
        }
    }

    /// The name that AWS KMS gives it, which people know best (API reference, GetParametersForImport, WrappingAlgorithm).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep(Hash::Sha1) => "RSAES_OAEP_SHA_1",
            Self::RsaOaep(Hash::Sha256) => "RSAES_OAEP_SHA_256",
            Self::RsaAesKwp(Hash::Sha1) => "RSA_AES_KEY_WRAP_SHA_1",
            Self::RsaAesKwp(Hash::Sha256) => "RSA_AES_KEY_WRAP_SHA_256",
        }
    }
}

/// Size of the RSA key that a cloud is asked to offer for wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WrappingKeySpec {
    /// 2048 bits.
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

impl WrappingKeySpec {
    /// Size of the modulus in bits.
    pub const fn bits(self) -> usize {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
        }
    }
}
