//! The RSA public key of a person who wants material exported to them (CM-063), with all the mistakes that can be made in pasting one.

use super::pem::{self, Pem, PemError};
use crate::{
    der::DerError,
    hazmat::rsa::{BITS_MAX, BITS_MIN, PublicKeyError, Recipient},
};
use aws_lc_rs::digest::{SHA256, digest};
use keystead_domain::Invalid;

/// A person's RSA public key, looked at and found fit.
#[derive(Debug)]
pub struct ExportKey {
    recipient: Recipient,
}

/// Why a text is not a key to export under. The private ones are not repeated in any message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKeyError {
    /// The text is not one PEM block.
    Pem(PemError),
    /// A private key was pasted.
    PrivateKey,
    /// A certificate was pasted.
    Certificate,
    /// A certificate request was pasted.
    CertificateRequest,
    /// A key in OpenSSH's or SSH's own format was pasted.
    SshKey,
    /// A PEM block of another kind.
    OtherLabel,
    /// The key itself is not fit.
    Key(PublicKeyError),
}

impl ExportKey {
    /// Reads a public key in PEM: `PUBLIC KEY` (SubjectPublicKeyInfo) or `RSA PUBLIC KEY` (PKCS#1).
    ///
    /// # Errors
    /// [`ExportKeyError`], each with its mend; it becomes an [`Invalid`] of the field `public_key`.
    pub fn parse_pem(text: &str) -> Result<Self, ExportKeyError> {
        refuse_mistakes(text)?;
        let Pem { label, der } = pem::read(text).map_err(ExportKeyError::Pem)?;
        match label {
            "PUBLIC KEY" => Self::new(Recipient::from_spki(&der)),
            "RSA PUBLIC KEY" => Self::new(Recipient::from_pkcs1(&der)),
            _ => Err(ExportKeyError::OtherLabel),
        }
    }

    /// Reads a key that [`spki_der`](Self::spki_der) wrote.
    ///
    /// # Errors
    /// [`ExportKeyError::Key`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, ExportKeyError> {
        Self::new(Recipient::from_spki(der))
    }

    fn new(recipient: Result<Recipient, PublicKeyError>) -> Result<Self, ExportKeyError> {
        Ok(Self { recipient: recipient.map_err(ExportKeyError::Key)? })
    }

    /// Size of the modulus in bits.
    pub fn bits(&self) -> usize {
        self.recipient.bits()
    }

    /// The key as SubjectPublicKeyInfo in DER, to be stored.
    pub fn spki_der(&self) -> &[u8] {
        self.recipient.spki()
    }

    /// SHA-256 of the SubjectPublicKeyInfo in hexadecimal, as `openssl pkey -pubin -outform DER | sha256sum` shows it: to be compared by telephone.
    pub fn fingerprint_sha256(&self) -> String {
        hex::encode(digest(&SHA256, self.spki_der()))
    }

    pub(crate) fn recipient(&self) -> &Recipient {
        &self.recipient
    }
}

/// What people paste instead.
fn refuse_mistakes(text: &str) -> Result<(), ExportKeyError> {
    let label = pem::first_label(text).unwrap_or_default();
    // A private key anywhere in the text is the worst mistake, even behind a public one.
    if text.contains("PRIVATE KEY") {
        return Err(ExportKeyError::PrivateKey);
    }
    if label.starts_with("SSH2 ") || text.trim_start().starts_with("ssh-") || text.trim_start().starts_with("---- BEGIN SSH2") {
        return Err(ExportKeyError::SshKey);
    }
    match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Err(ExportKeyError::Certificate),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Err(ExportKeyError::CertificateRequest),
        _ => Ok(()),
    }
}

impl ExportKeyError {
    fn words(&self) -> (String, String) {
        match self {
            Self::Pem(error) => pem_words(*error),
            Self::PrivateKey => (
                "is a private key; do not send it to anybody".into(),
                "Keep it, and consider whether the way that it came here was safe. Give its public half: `openssl pkey -in key.pem -pubout`.".into(),
            ),
            Self::Certificate => ("is a certificate".into(), "Give the public key in it: `openssl x509 -in cert.pem -noout -pubkey`.".into()),
            Self::CertificateRequest => ("is a certificate request".into(), "Give the public key in it: `openssl req -in request.pem -noout -pubkey`.".into()),
            Self::SshKey => ("is a key of SSH".into(), "Convert it: `ssh-keygen -e -m PKCS8 -f key.pub`.".into()),
            Self::OtherLabel => ("is PEM, but no public key".into(), "Give a block that begins with `-----BEGIN PUBLIC KEY-----`.".into()),
            Self::Key(error) => (error.to_string(), key_mend(*error)),
        }
    }
}

fn pem_words(error: PemError) -> (String, String) {
    let (reason, mend) = match error {
        PemError::TooLong => ("is longer than any key", "Give one PEM block."),
        PemError::NoBegin => ("is not PEM", "Give the whole text, from `-----BEGIN PUBLIC KEY-----` to `-----END PUBLIC KEY-----`."),
        PemError::NoEnd => ("ends early or in another way than it begins", "Give the whole text, up to and with `-----END PUBLIC KEY-----`."),
        PemError::TextAround => ("has text around the key", "Give one PEM block and nothing before or behind it."),
        PemError::NotBase64 => ("is damaged between its first and last line", "Copy it again; no character may be lost."),
    };
    (reason.into(), mend.into())
}

fn key_mend(error: PublicKeyError) -> String {
    match error {
        PublicKeyError::TooSmall { .. } | PublicKeyError::TooLarge { .. } | PublicKeyError::UnexpectedSize { .. } => {
            format!("Give a key of {BITS_MIN} to {BITS_MAX} bits: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 -out key.pem`.")
        }
        PublicKeyError::Der(DerError::NotRsa) => {
            "Give an RSA key; other kinds cannot encrypt: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096`.".into()
        }
        PublicKeyError::Der(_) => "Copy it again from where it was made: `openssl pkey -in key.pem -pubout`.".into(),
        PublicKeyError::EvenModulus | PublicKeyError::WeakExponent | PublicKeyError::Refused => {
            "Make a fresh pair with the common exponent 65537: `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096`.".into()
        }
    }
}

impl std::fmt::Display for ExportKeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (reason, mend) = self.words();
        write!(f, "the public key {reason}. {mend}")
    }
}

impl std::error::Error for ExportKeyError {}

impl From<ExportKeyError> for Invalid {
    fn from(error: ExportKeyError) -> Self {
        let (reason, mend) = error.words();
        Self::new("public_key", reason, mend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use proptest::prelude::*;

    /// 2048 bits, made by `openssl genpkey`, in both forms.
    const SPKI: &str = include_str!("../../tests/keys/rsa2048.spki.pem");
    const PKCS1: &str = include_str!("../../tests/keys/rsa2048.pkcs1.pem");
    const SHA256_OF_SPKI: &str = "f05e1397aaa18e4b458ffddffba727fd2e7de3acfd099d53b78e96e85f7dd8e8";

    fn refusal(text: &str) -> ExportKeyError {
        ExportKey::parse_pem(text).expect_err("it is no export key")
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    }

    fn der_of(text: &str) -> Vec<u8> {
        pem::read(text).expect("a PEM block").der
    }

    #[test]
    fn both_forms_are_the_same_key() {
        let spki = ExportKey::parse_pem(SPKI).expect("a sound key");
        let pkcs1 = ExportKey::parse_pem(PKCS1).expect("a sound key");
        assert_eq!((spki.bits(), pkcs1.bits()), (2048, 2048));
        assert_eq!(spki.spki_der(), pkcs1.spki_der());
        assert_eq!(spki.spki_der(), der_of(SPKI));
        assert_eq!(spki.fingerprint_sha256(), SHA256_OF_SPKI);
        assert_eq!(ExportKey::from_spki_der(spki.spki_der()).expect("what we stored").bits(), 2048);
    }

    #[test]
    fn line_ends_and_blanks_around_do_not_matter() {
        assert!(ExportKey::parse_pem(&SPKI.replace('\n', "\r\n")).is_ok());
        assert!(ExportKey::parse_pem(&format!("\n  {SPKI}\n\n")).is_ok());
    }

    #[test]
    fn every_other_thing_that_people_paste_is_named() {
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
            assert_eq!(refusal(&pem(label, b"secret")), ExportKeyError::PrivateKey, "{label}");
        }
        assert_eq!(refusal(&format!("{SPKI}{}", pem("PRIVATE KEY", b"secret"))), ExportKeyError::PrivateKey);
        assert_eq!(refusal(&pem("CERTIFICATE", b"certificate")), ExportKeyError::Certificate);
        assert_eq!(refusal(&pem("CERTIFICATE REQUEST", b"request")), ExportKeyError::CertificateRequest);
        assert_eq!(refusal("ssh-rsa AAAAB3NzaC1yc2E me@home"), ExportKeyError::SshKey);
        assert_eq!(refusal("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA"), ExportKeyError::SshKey);
        assert_eq!(refusal(&pem("PGP PUBLIC KEY BLOCK", b"key")), ExportKeyError::OtherLabel);
    }

    #[test]
    fn every_way_to_break_pem_is_named() {
        assert_eq!(refusal(""), ExportKeyError::Pem(PemError::NoBegin));
        assert_eq!(refusal("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), ExportKeyError::Pem(PemError::NoBegin));
        assert_eq!(refusal(&SPKI[..300]), ExportKeyError::Pem(PemError::NoEnd));
        assert_eq!(refusal(&SPKI.replace("END PUBLIC", "END RSA PUBLIC")), ExportKeyError::Pem(PemError::NoEnd));
        assert_eq!(refusal(&format!("{SPKI}and more")), ExportKeyError::Pem(PemError::TextAround));
        assert_eq!(refusal(&format!("my key:\n{SPKI}")), ExportKeyError::Pem(PemError::TextAround));
        assert_eq!(refusal(&SPKI.repeat(2)), ExportKeyError::Pem(PemError::TextAround));
        assert_eq!(refusal(&SPKI.replacen("MII", "M!I", 1)), ExportKeyError::Pem(PemError::NotBase64));
        assert_eq!(refusal(&" ".repeat(16 * 1024 + 1)), ExportKeyError::Pem(PemError::TooLong));
    }

    #[test]
    fn bytes_behind_the_key_and_keys_of_other_kinds_are_refused() {
        let mut longer = der_of(SPKI);
        longer.push(0);
        assert_eq!(refusal(&pem("PUBLIC KEY", &longer)), ExportKeyError::Key(DerError::TrailingBytes.into()));
        // A P-256 public key, `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`; only its algorithm is looked at.
        let ec = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").expect("hexadecimal");
        let ec = [&ec[..], &[4; 65]].concat();
        assert_eq!(refusal(&pem("PUBLIC KEY", &ec)), ExportKeyError::Key(DerError::NotRsa.into()));
        assert_eq!(refusal(&pem("RSA PUBLIC KEY", &der_of(SPKI))), ExportKeyError::Key(DerError::Malformed.into()), "the label lies");
    }

    #[test]
    fn a_short_or_even_key_is_refused_with_its_size() {
        // PKCS#1: SEQUENCE { INTEGER n, INTEGER 65537 }. A modulus of 128 to 254 bytes has a length of one byte behind 0x81, a longer one of two behind 0x82.
        let element = |tag: u8, contents: &[u8]| {
            let [high, low] = (contents.len() as u16).to_be_bytes();
            let head = if high == 0 { vec![tag, 0x81, low] } else { vec![tag, 0x82, high, low] };
            [head, contents.to_vec()].concat()
        };
        let key = |modulus: &[u8]| element(0x30, &[element(2, &[&[0], modulus].concat()), vec![2, 3, 1, 0, 1]].concat());
        assert_eq!(refusal(&pem("RSA PUBLIC KEY", &key(&[0x81; 128]))), ExportKeyError::Key(PublicKeyError::TooSmall { bits: 1024 }));
        assert_eq!(refusal(&pem("RSA PUBLIC KEY", &key(&[0x82; 256]))), ExportKeyError::Key(PublicKeyError::EvenModulus));
    }

    #[test]
    fn a_refusal_names_the_field_and_the_mend_and_never_repeats_the_key() {
        let invalid = Invalid::from(refusal(&pem("PRIVATE KEY", b"secret")));
        assert_eq!(invalid.field, "public_key");
        assert!(invalid.reason.contains("do not send it"), "{invalid}");
        assert!(invalid.mend.contains("-pubout") && !invalid.to_string().contains(&BASE64_STANDARD.encode(b"secret")), "{invalid}");
        assert!(Invalid::from(refusal(&pem("CERTIFICATE", b""))).mend.contains("openssl x509"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", label in "[A-Z ]{0,20}", der in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (ExportKey::parse_pem(&text), ExportKey::parse_pem(&pem(&label, &der)));
            let _ = (ExportKey::parse_pem(&pem("PUBLIC KEY", &der)), ExportKey::parse_pem(&pem("RSA PUBLIC KEY", &der)));
        }

        #[test]
        fn a_bent_key_does_not_make_it_panic(at in 0usize..294, byte: u8) {
            let mut der = der_of(SPKI);
            der[at] = byte;
            let _ = ExportKey::parse_pem(&pem("PUBLIC KEY", &der));
        }
    }
}
