//! Kinds of key and what each may be used for. Every kind that AWS KMS can import is here; which cloud takes which kind is the cloud's to say.

use crate::Invalid;

/// What a key is, independent of where it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySpec {
    /// A 256-bit AES key; AWS calls it SYMMETRIC_DEFAULT (CM-011).
    Aes256,
    /// A 224-bit HMAC key (FIPS 198-1).
    Hmac224,
    /// A 256-bit HMAC key.
    Hmac256,
    /// A 384-bit HMAC key.
    Hmac384,
    /// A 512-bit HMAC key.
    Hmac512,
    /// An RSA key pair with a modulus of 2048 bits (RFC 8017).
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
    /// A key pair on NIST P-256 (SP 800-186).
    EcP256,
    /// On NIST P-384.
    EcP384,
    /// On NIST P-521.
    EcP521,
    /// On secp256k1 (SEC 2, section 2.4.1).
    EcSecp256k1,
}

/// What a key is for. A cloud key has one use, for its whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyUsage {
    /// Encrypting and decrypting.
    Encrypt,
    /// Signing and verifying.
    Sign,
    /// Making and verifying message authentication codes.
    Mac,
    /// Agreeing on a shared secret (ECDH).
    KeyAgreement,
}

/// Kinds of key that are handled alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyFamily {
    /// AES: the bytes are the key.
    Aes,
    /// HMAC: the bytes are the key.
    Hmac,
    /// RSA pairs.
    Rsa,
    /// Pairs on an elliptic curve.
    Ec,
}

impl KeySpec {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Aes256,
        Self::Hmac224,
        Self::Hmac256,
        Self::Hmac384,
        Self::Hmac512,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcP256,
        Self::EcP384,
        Self::EcP521,
        Self::EcSecp256k1,
    ];

    /// The name in the API, the command line and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aes256 => "AES_256",
            Self::Hmac224 => "HMAC_224",
            Self::Hmac256 => "HMAC_256",
            Self::Hmac384 => "HMAC_384",
            Self::Hmac512 => "HMAC_512",
            Self::Rsa2048 => "RSA_2048",
            Self::Rsa3072 => "RSA_3072",
            Self::Rsa4096 => "RSA_4096",
            Self::EcP256 => "EC_P256",
            Self::EcP384 => "EC_P384",
            Self::EcP521 => "EC_P521",
            Self::EcSecp256k1 => "EC_SECP256K1",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `spec`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|spec| spec.as_str() == text);
        found.ok_or_else(|| {
            let mend = format!("Give one of {}.", Self::ALL.map(Self::as_str).join(", "));
            Invalid::new("spec", "is not a kind of key that Keystead makes", mend)
        })
    }

    /// The family.
    pub const fn family(self) -> KeyFamily {
        match self {
            Self::Aes256 => KeyFamily::Aes,
            Self::Hmac224 | Self::Hmac256 | Self::Hmac384 | Self::Hmac512 => KeyFamily::Hmac,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => KeyFamily::Rsa,
            Self::EcP256 | Self::EcP384 | Self::EcP521 | Self::EcSecp256k1 => KeyFamily::Ec,
        }
    }

    /// Whether it is a pair, one half of which everybody may know.
    pub const fn is_pair(self) -> bool {
        matches!(self.family(), KeyFamily::Rsa | KeyFamily::Ec)
    }

    /// Length of the material in bytes; `None` for pairs, whose material is a PKCS#8 document (RFC 5958).
    pub const fn material_len(self) -> Option<usize> {
        match self {
            Self::Aes256 | Self::Hmac256 => Some(32),
            Self::Hmac224 => Some(28),
            Self::Hmac384 => Some(48),
            Self::Hmac512 => Some(64),
            _ => None,
        }
    }

    /// Size of the modulus of an RSA pair in bits.
    pub const fn modulus_bits(self) -> Option<usize> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            _ => None,
        }
    }

    /// What it may be used for; the first is meant when nobody says, unless there are several that people mean alike.
    pub const fn usages(self) -> &'static [KeyUsage] {
        match self {
            Self::EcSecp256k1 => &[KeyUsage::Sign],
            _ => match self.family() {
                KeyFamily::Aes => &[KeyUsage::Encrypt],
                KeyFamily::Hmac => &[KeyUsage::Mac],
                KeyFamily::Rsa => &[KeyUsage::Encrypt, KeyUsage::Sign],
                KeyFamily::Ec => &[KeyUsage::Sign, KeyUsage::KeyAgreement],
            },
        }
    }

    /// The use that is meant: the one asked for, or the only usual one. An RSA pair needs to be told, because a use cannot be changed later.
    ///
    /// # Errors
    /// [`Invalid`] naming `usage`.
    pub fn usage(self, asked: Option<KeyUsage>) -> Result<KeyUsage, Invalid> {
        match asked {
            Some(usage) if self.usages().contains(&usage) => Ok(usage),
            Some(_) => Err(Invalid::new("usage", "does not go with this kind of key", self.usage_mend())),
            None if self.family() == KeyFamily::Rsa => Err(Invalid::new("usage", "is missing, and cannot be changed later", self.usage_mend())),
            None => Ok(self.usages()[0]),
        }
    }

    fn usage_mend(self) -> String {
        let usages: Vec<&str> = self.usages().iter().map(|usage| usage.as_str()).collect();
        format!("For {} give {}.", self.as_str(), usages.join(" or "))
    }
}

impl KeyUsage {
    /// Every use.
    pub const ALL: [Self; 4] = [Self::Encrypt, Self::Sign, Self::Mac, Self::KeyAgreement];

    /// The name in the API, the command line and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Sign => "sign",
            Self::Mac => "mac",
            Self::KeyAgreement => "key-agreement",
        }
    }

    /// Reads the name back.
    ///
    /// # Errors
    /// [`Invalid`] naming `usage`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|usage| usage.as_str() == text);
        found.ok_or_else(|| Invalid::new("usage", "is not a use of a key", format!("Give one of {}.", Self::ALL.map(Self::as_str).join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_no_two_are_alike() {
        for spec in KeySpec::ALL {
            assert_eq!(KeySpec::parse(spec.as_str()), Ok(spec));
        }
        for usage in KeyUsage::ALL {
            assert_eq!(KeyUsage::parse(usage.as_str()), Ok(usage));
        }
        assert_eq!(KeySpec::parse("AES_128").expect_err("AWS imports none").field, "spec");
        assert_eq!(KeyUsage::parse("wrap").expect_err("no such use").field, "usage");
    }

    #[test]
    fn every_kind_goes_with_its_own_uses_and_with_no_other() {
        for spec in KeySpec::ALL {
            for usage in KeyUsage::ALL {
                assert_eq!(spec.usage(Some(usage)).is_ok(), spec.usages().contains(&usage), "{spec:?} {usage:?}");
            }
        }
    }

    #[test]
    fn only_an_rsa_pair_must_be_told_its_use() {
        for spec in KeySpec::ALL {
            assert_eq!(spec.usage(None).is_err(), spec.family() == KeyFamily::Rsa, "{spec:?}");
        }
        let told = KeySpec::Rsa2048.usage(None).expect_err("two uses").mend;
        assert_eq!(told, "For RSA_2048 give encrypt or sign.");
    }

    #[test]
    fn pairs_have_no_fixed_length_and_all_others_do() {
        for spec in KeySpec::ALL {
            assert_eq!(spec.material_len().is_none(), spec.is_pair(), "{spec:?}");
            assert_eq!(spec.modulus_bits().is_some(), spec.family() == KeyFamily::Rsa, "{spec:?}");
        }
    }
}
