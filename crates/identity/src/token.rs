//! Tokens: what a person shows instead of a password.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A bearer token: `kst_` and 32 random bytes in base64url. It has no Debug; [`Token::expose`] is the only way to its text.
pub struct Token(String);

impl Token {
    /// Makes a token of 32 random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(format!("kst_{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// The text, to be shown once to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// The SHA-256 of a token in hexadecimal. A token has 256 random bits, so a fast hash without salt keeps it (unlike a password);
/// and looking a hash up leaks nothing about the token by its timing.
pub fn hash(token: &str) -> String {
    hex::encode(digest(&SHA256, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_token_says_nothing_of_it() {
        let token = Token::new([7; 32]);
        assert!(token.expose().starts_with("kst_BwcH"));
        assert_eq!(token.hash(), hash(token.expose()));
        assert!(!token.hash().contains("BwcH"));
    }

    #[test]
    fn tokens_are_compared_as_they_are_written() {
        assert_ne!(hash("kst_abc"), hash("kst_ABC"));
    }
}
