//! Secrets on their way in and out: types that cannot be printed or copied, and are wiped when they go.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use keystead_domain::Invalid;
use keystead_identity::Token;
use keystead_vault::{SecretBytes, SecretText};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, de::Visitor};
use zeroize::Zeroizing;

/// Secret text of a request body. No `Debug`, no `Clone`; it is written nowhere but, by [`length_only`], as its length.
pub(crate) struct SecretString(Zeroizing<String>);

/// Files are often written without the padding, and it says nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

impl SecretString {
    /// The text as secret bytes; it moves and is not copied.
    pub fn into_bytes(mut self) -> SecretBytes {
        std::mem::take(&mut *self.0).into()
    }

    /// The text, for a use-case that reads it at once.
    pub fn into_text(mut self) -> Zeroizing<String> {
        std::mem::take(&mut self.0)
    }

    /// The bytes that the text stands for in base64; white space is left aside, as files have it.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`; it says nothing of the text.
    pub fn decode_base64(&self, field: &str) -> Result<SecretBytes, Invalid> {
        let text = self.without_space();
        let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
        let decoded = BASE64.decode_slice(text.as_bytes(), &mut bytes);
        let len = decoded.map_err(|_| Invalid::new(field, "is not base64", "Encode the bytes: `base64 -w0 FILE`."))?;
        bytes.truncate(len);
        Ok(bytes.into())
    }

    /// The bytes that the text stands for in hexadecimal.
    ///
    /// # Errors
    /// [`Invalid`] naming `field`; it says nothing of the text.
    pub fn decode_hex(&self, field: &str) -> Result<SecretBytes, Invalid> {
        let text = self.without_space();
        let mut bytes = Zeroizing::new(vec![0; text.len() / 2]);
        let decoded = hex::decode_to_slice(text.as_bytes(), &mut bytes);
        decoded.map_err(|_| Invalid::new(field, "is not hexadecimal", "Give two digits 0-9 a-f a byte."))?;
        Ok(bytes.into())
    }

    fn without_space(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.0.len()));
        text.extend(self.0.chars().filter(|c| !c.is_ascii_whitespace()));
        text
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_string(Take)
    }
}

struct Take;

impl Visitor<'_> for Take {
    type Value = SecretString;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretString, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<SecretString, E> {
        Ok(SecretString(Zeroizing::new(text)))
    }
}

/// What a request is remembered by, for the sake of its idempotency key, holds a secret's length and nothing else of it: a hash of key material at rest would be
/// a check value of it that needs no key.
pub(crate) fn length_only<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(secret.0.len() as u64)
}

/// The same for a secret that may be left out.
pub(crate) fn length_only_opt<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => length_only(secret, serializer),
        None => serializer.serialize_none(),
    }
}

/// The same for several secrets.
pub(crate) fn lengths_only<S: Serializer>(secrets: &[SecretString], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(|secret| secret.0.len()))
}

/// Secret text of an answer, shown this once.
pub(crate) enum ShownOnce {
    /// A user's token.
    Token(Token),
    /// A share of the vault's root.
    Share(SecretText),
}

impl Serialize for ShownOnce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Token(token) => token.expose(),
            Self::Share(share) => share.expose(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &str) -> SecretString {
        serde_json::from_value(text.into()).expect("a string")
    }

    #[test]
    fn base64_is_read_with_line_breaks_and_without_padding() {
        for text in ["AQID\nBA==\n", "AQIDBA", "AQIDBA=="] {
            assert_eq!(secret(text).decode_base64("f").map(|bytes| bytes.expose().to_vec()), Ok(vec![1, 2, 3, 4]));
        }
        assert_eq!(secret(" 0102 FF\n").decode_hex("f").map(|bytes| bytes.expose().to_vec()), Ok(vec![1, 2, 255]));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_without_being_repeated() {
        for refusal in
            [secret("sec!ret").decode_base64("material.data"), secret("secret").decode_hex("material.data"), secret("abc").decode_hex("material.data")]
        {
            let refusal = refusal.err().expect("refused");
            assert_eq!(refusal.field, "material.data");
            assert!(!refusal.to_string().contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let _ = (secret(&text).decode_base64("f"), secret(&text).decode_hex("f"));
            let written = base64::engine::general_purpose::STANDARD.encode(&bytes);
            prop_assert_eq!(secret(&written).decode_base64("f").map(|read| read.expose().to_vec()), Ok(bytes.clone()));
            prop_assert_eq!(secret(&hex::encode(&bytes)).decode_hex("f").map(|read| read.expose().to_vec()), Ok(bytes));
        }
    }
}
