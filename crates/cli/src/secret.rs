//! Secrets on their way through the command line: tokens, passphrases, shares and key material. They are wiped when they go, and nothing prints them but
//! the command in which they are made.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use keystead_domain::Invalid;
use serde::{Deserialize, Deserializer, de::Error as _};
use zeroize::Zeroizing;

use crate::error::CliError;

/// The largest file of a secret. Material and its wrapped forms have less than 1 KiB; what is larger was named by mistake.
pub const SECRET_FILE_BYTES_MAX: u64 = 16 * 1024;

/// A bearer token. It has no `Debug` and no `Serialize`; a clone is another handle to the same bytes.
#[derive(Clone)]
pub struct Token(Arc<Zeroizing<String>>);

impl Token {
    /// Reads a token; white space around it, such as the newline of a file, is left aside.
    ///
    /// # Errors
    /// [`Invalid`] naming `token` when it is empty or could not stand in a header.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid::new("token", "is not a token", "Give it as `keystead user token` printed it: kst_ and 43 letters, digits, '-' and '_'."));
        }
        Ok(Self(Arc::new(Zeroizing::new(text.to_owned()))))
    }

    /// The text, for the Authorization header and the profile file.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// Reads a small secret file whole; `-` is standard input.
///
/// # Errors
/// [`CliError`] when it cannot be read, is empty, or is larger than [`SECRET_FILE_BYTES_MAX`].
pub fn read_file(field: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let bytes = match path.to_str() {
        Some("-") => read_limited(io::stdin().lock()),
        _ => File::open(path).and_then(read_limited),
    };
    let bytes = bytes.map_err(|reason| CliError::reading(path, reason))?;
    if bytes.is_empty() {
        return Err(Invalid::new(field, format!("is empty: {}", path.display()), "Name the file that holds it.").into());
    }
    if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
        let mend = "Name the file of the secret itself; such files are small.";
        return Err(Invalid::new(field, format!("is larger than {SECRET_FILE_BYTES_MAX} bytes: {}", path.display()), mend).into());
    }
    Ok(bytes)
}

/// Takes the room at once, so that growing leaves no copies behind.
fn read_limited(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_FILE_BYTES_MAX as usize + 1024));
    source.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a secret that is text. Line ends behind it are left aside, as the server does with the same file; everything else counts.
///
/// # Errors
/// Those of [`read_file`], and when it is not UTF-8.
pub fn read_text(field: &str, path: &Path) -> Result<Zeroizing<String>, CliError> {
    let bytes = read_file(field, path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Invalid::new(field, "is not text in UTF-8", "Name a text file."))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Asks for a secret at the terminal, without echo.
///
/// # Errors
/// [`Invalid`] naming `field` when there is no terminal.
pub fn ask(field: &str, prompt: &str, instead: &str) -> Result<Zeroizing<String>, CliError> {
    match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(_) => Err(Invalid::new(field, "cannot be asked for: there is no terminal", format!("Give it with {instead}.")).into()),
    }
}

/// A new passphrase: from a file, or asked for twice.
///
/// # Errors
/// Those of [`read_text`] and [`ask`], and when the two differ.
pub fn new_passphrase(file: Option<&Path>) -> Result<Zeroizing<String>, CliError> {
    if let Some(path) = file {
        return read_text("passphrase", path);
    }
    let first = ask("passphrase", "New passphrase of the vault: ", "--passphrase-file")?;
    let second = ask("passphrase", "The same again: ", "--passphrase-file")?;
    if first != second {
        return Err(Invalid::new("passphrase", "was not the same twice", "Try again.").into());
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, bytes).expect("a file");
        (dir, path)
    }

    #[test]
    fn a_token_is_read_without_the_newline_of_its_file() {
        assert_eq!(Token::parse("kst_abc\n").map(|token| token.expose().to_owned()), Ok("kst_abc".to_owned()));
        for bad in ["", "  ", "kst_a b", "kst_\u{e4}", "a\nb"] {
            assert!(Token::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_passphrase_keeps_its_spaces_and_loses_its_line_ends() {
        for (bytes, text) in [("  a b \r\n", "  a b "), ("a\n\n", "a"), ("a", "a")] {
            let (_dir, path) = written(bytes.as_bytes());
            assert_eq!(read_text("passphrase", &path).ok().as_deref(), Some(&text.to_owned()));
        }
    }

    #[test]
    fn empty_large_and_missing_files_are_refused() {
        let (_dir, empty) = written(b"");
        assert!(matches!(read_file("file", &empty), Err(CliError::Invalid(invalid)) if invalid.reason.starts_with("is empty")));
        let (_dir, large) = written(&vec![1; SECRET_FILE_BYTES_MAX as usize + 1]);
        assert!(matches!(read_file("file", &large), Err(CliError::Invalid(invalid)) if invalid.reason.starts_with("is larger")));
        assert!(matches!(read_file("file", &large.with_extension("none")), Err(CliError::File { .. })));
    }
}
