//! Signed notes (C2SP signed-note v1) with Ed25519: a text, a blank line, and a line for each signature.

use crate::tree::{HASH_BYTES, sha256};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// C2SP signed-note, "Signature types": 0x01 is Ed25519.
const ED25519_TYPE: u8 = 0x01;
/// Bytes of a key id.
const ID_BYTES: usize = 4;
/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;
/// "Verifiers SHOULD apply a maximum limit to the number of signatures in a note, but MUST accept at least up to 16".
const MAX_SIGNATURES: usize = 100;
/// A signature line begins with an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Why a note or a key is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a verifier key of an Ed25519 key.
    #[error("the verifier key {0}; it looks like name+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
    Key(&'static str),
    /// Not the form of a signed note.
    #[error("the signed note {0}")]
    Malformed(&'static str),
    /// No signature is by this key. The others may be right, but nobody here can tell.
    #[error("the note is not signed by {key}")]
    Unsigned {
        /// The verifier key that was looked for.
        key: String,
    },
    /// A signature by this key does not fit the text.
    #[error("the signature by {key} does not fit the text: the text or the signature was changed")]
    BadSignature {
        /// The verifier key.
        key: String,
    },
    /// The private key is not an Ed25519 key, or cannot sign.
    #[error("the private key is not an Ed25519 key that can sign")]
    PrivateKey,
}

/// The public half of a signer: a name and an Ed25519 key. Its text form is `name+key id+key`, as Go's `note` package calls a verifier key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; ID_BYTES],
    public_key: [u8; PUBLIC_KEY_BYTES],
}

impl VerifierKey {
    /// A key under a name: not empty, without spaces and `+`.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn new(name: &str, public_key: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, NoteError> {
        if !is_key_name(name) {
            return Err(NoteError::Key("needs a name without spaces, control characters and '+'"));
        }
        // C2SP signed-note: "key ID = SHA-256(key name || 0x0A || 0x01 || 32-byte Ed25519 public key)[:4]".
        let hash = sha256(&[name.as_bytes(), b"\n", &[ED25519_TYPE], &public_key]);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash[..ID_BYTES]);
        Ok(Self { name: name.to_owned(), id, public_key })
    }

    /// Reads the text form; only the form that [`Display`](std::fmt::Display) writes is accepted.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let refuse = NoteError::Key;
        let (name, rest) = text.split_once('+').ok_or(refuse("does not consist of three parts joined by '+'"))?;
        let (_, key) = rest.split_once('+').ok_or(refuse("does not consist of three parts joined by '+'"))?;
        let key = STANDARD.decode(key).map_err(|_| refuse("has a third part that is not base64"))?;
        let Some((&ED25519_TYPE, public_key)) = key.split_first() else { return Err(refuse("is not of an Ed25519 key")) };
        let public_key = public_key.try_into().map_err(|_| refuse("is not of an Ed25519 key"))?;
        let this = Self::new(name, public_key)?;
        if this.to_string() == text { Ok(this) } else { Err(refuse("has a second part that is not the id of its key")) }
    }

    /// The name, which is also the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The note of a text under a signature by this key, which somebody else holds. The text ends with a newline and has no other control character.
    pub fn note(&self, text: &str, signature: &[u8]) -> String {
        let encoded = STANDARD.encode([self.id.as_slice(), signature].concat());
        format!("{text}\n{SIGNATURE_MARK}{} {encoded}\n", self.name)
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public_key).verify(text.as_bytes(), signature).is_ok()
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519_TYPE], self.public_key.as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id))
    }
}

/// A key name is "non-empty and MUST NOT contain any Unicode spaces or plus (U+002B) characters"; the note forbids control characters.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_ascii_control() || c == '+')
}

/// A signed note, taken apart. Its text means nothing before [`Note::open`] has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<Signature<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature<'a> {
    name: &'a str,
    id: [u8; ID_BYTES],
    bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Takes a note apart without verifying anything.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        let refuse = NoteError::Malformed;
        if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(refuse("has a control character"));
        }
        // "The text is separated from the signatures by the last empty line in the note", and the text includes its own final newline.
        let blank = note.rfind("\n\n").ok_or(refuse("has no blank line between text and signatures"))?;
        let (text, lines) = (&note[..=blank], &note[blank + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(refuse("does not end after a signature and a newline"))?;
        let signatures: Vec<_> = lines.split('\n').take(MAX_SIGNATURES + 1).map(Signature::parse).collect::<Result<_, _>>()?;
        if signatures.len() > MAX_SIGNATURES { Err(refuse("has more than 100 signatures")) } else { Ok(Self { text, signatures }) }
    }

    /// Takes a note apart and gives its text if the key has signed it. Signatures by other keys are ignored, as the standard demands; one by this key that
    /// fails condemns the note.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open(note: &'a str, key: &VerifierKey) -> Result<&'a str, NoteError> {
        let Self { text, signatures } = Self::parse(note)?;
        let mut own = signatures.iter().filter(|signature| signature.name == key.name && signature.id == key.id).peekable();
        if own.peek().is_none() {
            return Err(NoteError::Unsigned { key: key.to_string() });
        }
        if own.all(|signature| key.verifies(text, &signature.bytes)) { Ok(text) } else { Err(NoteError::BadSignature { key: key.to_string() }) }
    }

    /// The text, which nobody has verified.
    pub fn unverified_text(&self) -> &'a str {
        self.text
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Result<Self, NoteError> {
        let refuse = NoteError::Malformed("has a line after the text that is not a signature");
        let parts = line.strip_prefix(SIGNATURE_MARK).and_then(|rest| rest.split_once(' '));
        let Some((name, encoded)) = parts.filter(|(name, _)| is_key_name(name)) else { return Err(refuse) };
        let decoded = STANDARD.decode(encoded).map_err(|_| refuse.clone())?;
        let (id, bytes) = decoded.split_first_chunk::<ID_BYTES>().filter(|(_, bytes)| !bytes.is_empty()).ok_or(refuse)?;
        Ok(Self { name, id: *id, bytes: bytes.to_vec() })
    }
}

/// The private half: signs notes under one name.
pub struct Signer {
    key: VerifierKey,
    pair: Ed25519KeyPair,
}

impl Signer {
    /// From the 32 bytes of an Ed25519 seed (RFC 8032 §5.1.5), which are wiped.
    ///
    /// # Errors
    /// [`NoteError::Key`] for the name, [`NoteError::PrivateKey`] for the seed.
    pub fn from_seed(name: &str, seed: Zeroizing<[u8; 32]>) -> Result<Self, NoteError> {
        Self::new(name, Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| NoteError::PrivateKey)?)
    }

    /// From an unencrypted PKCS#8 private key, which is wiped.
    ///
    /// # Errors
    /// As [`from_seed`](Self::from_seed).
    pub fn from_pkcs8(name: &str, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, NoteError> {
        Self::new(name, Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| NoteError::PrivateKey)?)
    }

    fn new(name: &str, pair: Ed25519KeyPair) -> Result<Self, NoteError> {
        let public_key: [u8; PUBLIC_KEY_BYTES] = pair.public_key().as_ref().try_into().map_err(|_| NoteError::PrivateKey)?;
        Ok(Self { key: VerifierKey::new(name, public_key)?, pair })
    }

    /// The public half, to hand out.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs a text that ends with a newline, and gives the note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the text cannot be that of a note.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !text.ends_with('\n') || text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteError::Malformed("needs a text that ends with a newline and has no other control character"));
        }
        let signature = self.pair.try_sign(text.as_bytes()).map_err(|_| NoteError::PrivateKey)?;
        Ok(self.key.note(text, signature.as_ref()))
    }
}

/// A hash as it stands in notes and exports.
pub(crate) fn hash_to_text(hash: &[u8; HASH_BYTES]) -> String {
    STANDARD.encode(hash)
}

/// Reads a hash in its one base64 form.
pub(crate) fn hash_from_text(text: &str) -> Option<[u8; HASH_BYTES]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use proptest::prelude::*;

    /// The note, key and private key in the documentation of Go's golang.org/x/mod/sumdb/note.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_PRIVATE_KEY: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const GO_SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    /// A signer whose seed is one byte, repeated.
    pub(crate) fn signer(name: &str, seed: u8) -> Signer {
        Signer::from_seed(name, Zeroizing::new([seed; 32])).unwrap_or_else(|_| panic!("a seed is a key"))
    }

    fn go_key() -> VerifierKey {
        VerifierKey::parse(GO_KEY).expect("the key of the documentation")
    }

    #[test]
    fn the_note_of_the_go_documentation_is_opened_and_signed_alike() {
        let note = format!("{GO_TEXT}\n{GO_SIGNATURE}");
        assert_eq!(Note::open(&note, &go_key()), Ok(GO_TEXT));
        let private = STANDARD.decode(GO_PRIVATE_KEY).expect("base64");
        let seed = Zeroizing::new(<[u8; 32]>::try_from(&private[1..]).expect("32 bytes"));
        let signer = Signer::from_seed("PeterNeumann", seed).unwrap_or_else(|_| panic!("a seed is a key"));
        assert_eq!(signer.verifier_key().to_string(), GO_KEY);
        assert_eq!(signer.sign(GO_TEXT), Ok(note));
    }

    #[test]
    fn the_same_key_in_pkcs8_signs_the_same() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed is a key");
        let der: Pkcs8V1Der = pair.as_der().expect("encodes");
        let from_pkcs8 = Signer::from_pkcs8("log", Zeroizing::new(der.as_ref().to_vec())).unwrap_or_else(|_| panic!("PKCS#8 is a key"));
        assert_eq!(from_pkcs8.sign("a\n"), signer("log", 7).sign("a\n"));
        assert!(matches!(Signer::from_pkcs8("log", Zeroizing::new(vec![1, 2, 3])), Err(NoteError::PrivateKey)));
    }

    #[test]
    fn signatures_of_strangers_are_ignored_and_one_of_ours_that_fails_condemns() {
        let stranger = GO_SIGNATURE.replace("PeterNeumann", "Stranger");
        let same_name_other_key = "— PeterNeumann AAAAAAAA\n";
        let open = |signatures: &str| Note::open(&format!("{GO_TEXT}\n{signatures}"), &go_key()).map(str::to_owned);
        assert_eq!(open(&format!("{stranger}{same_name_other_key}{GO_SIGNATURE}")), Ok(GO_TEXT.to_owned()));
        assert_eq!(open(&stranger), Err(NoteError::Unsigned { key: GO_KEY.to_owned() }));
        let broken = GO_SIGNATURE.replace("ZJku", "ZJkv");
        assert_eq!(open(&format!("{GO_SIGNATURE}{broken}")), Err(NoteError::BadSignature { key: GO_KEY.to_owned() }));
        let short = "— PeterNeumann x08gowAA\n";
        assert_eq!(open(short), Err(NoteError::BadSignature { key: GO_KEY.to_owned() }));
    }

    #[test]
    fn what_is_not_in_the_form_of_a_note_is_refused() {
        let line = "— a AAAAAAAA\n";
        assert!(Note::parse(&format!("x\n\n{line}")).is_ok());
        assert_eq!(Note::parse(&format!("x\n\ny\n\n{line}")).expect("empty lines may stand in the text").unverified_text(), "x\n\ny\n");
        for bad in [
            "",
            "\n",
            "x\n",
            "x\n\n",
            "x\n\n\n",
            &format!("x\n{line}"),
            &format!("x\n\n{}", line.trim_end()),
            &format!("x\n\n{line}y\n"),
            &format!("x\r\n\n{line}"),
            &format!("x\t\n\n{line}"),
            "x\n\n- a AAAAAAAA\n",
            "x\n\n—  AAAAAAAA\n",
            "x\n\n— a+b AAAAAAAA\n",
            "x\n\n— a\u{a0}b AAAAAAAA\n",
            "x\n\n— a AAAA\n",
            "x\n\n— a AAAAAAA=A\n",
            "x\n\n— a AAAAAAB=\n",
            "x\n\n— a  AAAAAAAA\n",
            &format!("x\n\n{}", line.repeat(101)),
        ] {
            assert!(matches!(Note::parse(bad), Err(NoteError::Malformed(_))), "{bad:?}");
        }
        assert!(Note::parse(&format!("x\n\n{}", line.repeat(100))).is_ok());
    }

    #[test]
    fn only_the_one_text_form_of_a_key_is_read() {
        for bad in [
            "",
            "PeterNeumann",
            "PeterNeumann+c74f20a3",
            &GO_KEY.replace("c74f20a3", "C74F20A3"),
            &GO_KEY.replace("c74f20a3", "c74f20a4"),
            &GO_KEY.replace("+ARpc", "+AhPc"),
            &GO_KEY.replace("0TW", "0T"),
            &GO_KEY.replace("PeterNeumann", "Peter Neumann"),
            &GO_KEY.replace("PeterNeumann", "Peter"),
            &GO_KEY.replace("PeterNeumann", ""),
            &format!("{GO_KEY}\n"),
        ] {
            assert!(matches!(VerifierKey::parse(bad), Err(NoteError::Key(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_text_that_would_not_be_a_note_is_not_signed() {
        for bad in ["", "a", "a\r\n", "a\tb\n"] {
            assert!(matches!(signer("log", 1).sign(bad), Err(NoteError::Malformed(_))), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_what_is_signed_opens(text in "\\PC*(\n\\PC*)*", anything in any::<String>()) {
            let _ = (Note::parse(&anything), VerifierKey::parse(&anything));
            let signer = signer("example.com/log", 3);
            let note = signer.sign(&format!("{text}\n")).expect("signs");
            prop_assert_eq!(Note::open(&note, signer.verifier_key()).map(str::to_owned), Ok(format!("{text}\n")));
        }
    }
}
