//! What somebody expects of material that comes in: its key check value, as the module that it comes from prints it, or the digest of its public half.
//!
//! It is compared in constant time and kept nowhere: a birth record says by which method and how many bytes it was found right.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use keystead_domain::{Invalid, KeyFamily, KeySpec};

use super::material::Fresh;
use crate::{MaterialRefused, VaultError, hazmat::check};

/// By what material is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckMethod {
    /// AES keys: AES-CMAC over a block of zeros (ANSI X9.24-1:2017, annex A).
    Cmac,
    /// AES keys: the encrypted block of zeros, as older devices print it. Three bytes and no more: the whole block is the key with which GCM authenticates.
    KcvZero,
    /// HMAC keys: HMAC over an empty text.
    Hmac,
    /// Pairs: SHA-256 of the public half (SubjectPublicKeyInfo in DER).
    Sha256,
}

impl CheckMethod {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Cmac, Self::KcvZero, Self::Hmac, Self::Sha256];

    /// The word before the digits.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cmac => "cmac",
            Self::KcvZero => "kcv-zero",
            Self::Hmac => "hmac",
            Self::Sha256 => "sha256",
        }
    }

    /// What is meant where digits stand alone.
    const fn usual(spec: KeySpec) -> Self {
        match spec.family() {
            KeyFamily::Aes => Self::Cmac,
            KeyFamily::Hmac => Self::Hmac,
            KeyFamily::Rsa | KeyFamily::Ec => Self::Sha256,
        }
    }

    fn suits(self, spec: KeySpec) -> bool {
        self == Self::usual(spec) || (self == Self::KcvZero && spec.family() == KeyFamily::Aes)
    }

    /// How many bytes are given: at least and at most.
    const fn lens(self) -> (usize, usize) {
        match self {
            Self::Cmac | Self::Hmac => (3, 8),
            Self::KcvZero => (3, 3),
            Self::Sha256 => (32, 32),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Cmac => "AES-CMAC over a block of zeros (ANSI X9.24-1:2017, annex A)",
            Self::KcvZero => "the encrypted block of zeros",
            Self::Hmac => "HMAC over an empty text",
            Self::Sha256 => "SHA-256 of the public half",
        }
    }
}

/// What is expected of material. It is no secret: it is what people say to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckValue {
    method: CheckMethod,
    bytes: Vec<u8>,
}

impl CheckValue {
    /// Reads `METHOD:HEX`, or hexadecimal digits alone, in which the usual method of the kind is meant. Blanks between the digits do not matter.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`.
    pub fn parse(field: &str, spec: KeySpec, text: &str) -> Result<Self, Invalid> {
        let (method, digits) = text.split_once(':').map_or((CheckMethod::usual(spec).as_str(), text), |(method, digits)| (method.trim(), digits));
        let method = CheckMethod::ALL.into_iter().find(|known| known.as_str() == method && known.suits(spec));
        let method = method.ok_or_else(|| Invalid::new(field, format!("is by no method for {}", spec.as_str()), mend(spec)))?;
        let digits: String = digits.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = hex::decode(digits).map_err(|_| Invalid::new(field, "is not hexadecimal", mend(spec)))?;
        let (least, most) = method.lens();
        if !(least..=most).contains(&bytes.len()) {
            return Err(Invalid::new(field, format!("has {} bytes", bytes.len()), mend(spec)));
        }
        Ok(Self { method, bytes })
    }

    /// By what it is compared.
    pub fn method(&self) -> CheckMethod {
        self.method
    }

    /// The text as [`parse`](Self::parse) reads it.
    pub fn to_text(&self) -> String {
        format!("{}:{}", self.method.as_str(), hex::encode(&self.bytes))
    }

    /// For birth records: how it was found right, and not the value.
    pub(crate) fn told(&self) -> String {
        format!("as expected: {}, {} bytes", self.method.words(), self.bytes.len())
    }

    /// Holds it against what a key answers, of which it may be the beginning.
    pub(crate) fn compare(&self, answer: &[u8]) -> Result<(), MaterialRefused> {
        let beginning = answer.get(..self.bytes.len()).unwrap_or_default();
        verify_slices_are_equal(beginning, &self.bytes).map_err(|_| MaterialRefused::OtherCheckValue)
    }

    /// Holds it against the public half of a pair.
    pub(crate) fn compare_public(&self, public: &[u8]) -> Result<(), MaterialRefused> {
        self.compare(digest(&SHA256, public).as_ref())
    }

    /// Holds it against material that the host has.
    pub(crate) fn check(&self, spec: KeySpec, fresh: &Fresh) -> Result<(), VaultError> {
        let material = fresh.material.expose();
        match self.method {
            CheckMethod::Cmac => self.compare(&check::cmac_of_zeros(material)?)?,
            CheckMethod::KcvZero => self.compare(&check::zero_block(material)?)?,
            CheckMethod::Hmac => self.compare(&check::hmac_of_nothing(spec, material))?,
            CheckMethod::Sha256 => self.compare_public(fresh.public_key.as_deref().unwrap_or_default())?,
        }
        Ok(())
    }
}

/// What can be given for a kind of key.
fn mend(spec: KeySpec) -> &'static str {
    match spec.family() {
        KeyFamily::Aes => {
            "Give 6 to 16 hexadecimal digits of AES-CMAC over a block of zeros (cmac:0123456789), or, for what older devices print, kcv-zero: and exactly 6 digits."
        }
        KeyFamily::Hmac => "Give 6 to 16 hexadecimal digits of the key's HMAC over an empty text (hmac:0123456789).",
        KeyFamily::Rsa | KeyFamily::Ec => "Give the 64 hexadecimal digits of `openssl pkey -pubin -outform DER | sha256sum` (sha256:…).",
    }
}

/// Holds material on the host against what is expected of it, if anything is.
pub(crate) fn check(expected: Option<&CheckValue>, spec: KeySpec, fresh: &Fresh) -> Result<(), VaultError> {
    expected.map_or(Ok(()), |expected| expected.check(spec, fresh))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretBytes;
    use proptest::prelude::*;

    fn parse(spec: KeySpec, text: &str) -> Result<CheckValue, Invalid> {
        CheckValue::parse("check_value", spec, text)
    }

    fn fits(spec: KeySpec, text: &str, material: &[u8], public: Option<&[u8]>) -> Result<(), VaultError> {
        let fresh = Fresh { material: SecretBytes::from(material.to_vec()), public_key: public.map(<[u8]>::to_vec) };
        parse(spec, text).expect("a check value").check(spec, &fresh)
    }

    fn counting(len: u8) -> Vec<u8> {
        (0..len).collect()
    }

    /// By `openssl mac -cipher AES-256-CBC -macopt hexkey:… CMAC`, `openssl enc -aes-256-ecb` and `openssl dgst -mac HMAC`, over the bytes 0, 1, 2 …
    #[test]
    fn check_values_are_those_of_openssl_fx_015() {
        let refused = Err(MaterialRefused::OtherCheckValue.into());
        for (spec, len, right) in [
            (KeySpec::Aes256, 32, "cmac:377822c093"),
            (KeySpec::Aes256, 32, "kcv-zero:f29000"),
            (KeySpec::Hmac224, 28, "hmac:6e99e862e5"),
            (KeySpec::Hmac256, 32, "hmac:d38b42096d"),
            (KeySpec::Hmac384, 48, "hmac:44be81c415"),
            (KeySpec::Hmac512, 64, "hmac:d29b9e3f87"),
        ] {
            assert_eq!(fits(spec, right, &counting(len), None), Ok(()), "{spec:?} {right}");
            let mut other = counting(len);
            other[5] ^= 1;
            assert_eq!(fits(spec, right, &other, None), refused, "{spec:?} {right}");
            let mut wrong = right.to_owned();
            wrong.replace_range(right.len() - 1.., if right.ends_with('0') { "1" } else { "0" });
            assert_eq!(fits(spec, &wrong, &counting(len), None), refused, "every digit is compared");
        }
    }

    #[test]
    fn a_pair_is_known_by_the_digest_of_its_public_half() {
        // SHA-256 of "abc": FIPS 180-4's own example.
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fits(KeySpec::EcP256, right, b"private", Some(b"abc")), Ok(()));
        assert_eq!(fits(KeySpec::EcP256, right, b"private", Some(b"abd")), Err(MaterialRefused::OtherCheckValue.into()));
    }

    #[test]
    fn digits_alone_mean_the_usual_method_and_blanks_do_not_matter() {
        for (spec, text, told) in [
            (KeySpec::Aes256, "AB CD EF 01 23", "cmac:abcdef0123"),
            (KeySpec::Aes256, "kcv-zero: abcdef", "kcv-zero:abcdef"),
            (KeySpec::Hmac256, "abcdef", "hmac:abcdef"),
        ] {
            assert_eq!(parse(spec, text).map(|value| value.to_text()).as_deref(), Ok(told));
        }
        assert_eq!(parse(KeySpec::Rsa2048, &"ab".repeat(32)).map(|value| value.method()), Ok(CheckMethod::Sha256));
    }

    #[test]
    fn what_is_no_check_value_of_this_kind_is_refused_with_its_mend() {
        for (spec, text) in [
            (KeySpec::Aes256, ""),
            (KeySpec::Aes256, "abcd"),
            (KeySpec::Aes256, "0011223344556677 88"),
            (KeySpec::Aes256, "kcv-zero:aabbccdd"),
            (KeySpec::Aes256, "hmac:aabbcc"),
            (KeySpec::Aes256, "md5:aabbcc"),
            (KeySpec::Aes256, "nohex!"),
            (KeySpec::Hmac256, "cmac:aabbcc"),
            (KeySpec::Hmac256, "kcv-zero:aabbcc"),
            (KeySpec::EcP256, "aabbcc"),
            (KeySpec::EcP256, "cmac:aabbcc"),
        ] {
            let refused = parse(spec, text).expect_err(text);
            assert!(refused.field == "check_value" && refused.mend.starts_with("Give"), "{spec:?} {text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_is_written_back(text in "\\PC*", method in "(cmac|kcv-zero|hmac|sha256)?", digits in "[0-9a-fA-F ]{0,70}") {
            for (spec, text) in KeySpec::ALL.into_iter().flat_map(|spec| [(spec, text.clone()), (spec, digits.clone()), (spec, format!("{method}:{digits}"))]) {
                if let Ok(value) = parse(spec, &text) {
                    prop_assert_eq!(parse(spec, &value.to_text()), Ok(value));
                }
            }
        }
    }
}
