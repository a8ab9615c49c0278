//! The profile file: where a server is, and by which token to speak to it. `keystead demo` writes one, people write their own.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{error::CliError, secret::Token};
use keystead_domain::Invalid;

/// Its name in the working directory.
pub const FILE_NAME: &str = "keystead-profile.toml";
/// Its place below the home directory.
const HOME_FILE: &str = ".config/keystead/profile.toml";

/// What a profile may hold. It holds tokens, so it has no `Debug`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Where the server is.
    pub url: Option<String>,
    /// The token used when nothing else is said.
    pub token: Option<Token>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The control plane of the simulated cloud.
    pub sandbox_url: Option<String>,
    /// Tokens of several people, for `--as`.
    pub users: BTreeMap<String, Token>,
    /// Whether `keystead demo` wrote it: then it may also replace it.
    pub demo: bool,
}

impl Profile {
    /// Reads a profile. What is wrong with it is told by line alone: the parser's own message repeats what stands there, and that may be a token.
    ///
    /// # Errors
    /// [`CliError`] when it cannot be read or is not a profile.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|reason| CliError::reading(path, reason))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let mend = "A profile has url, token, ca_file, sandbox_url and a table [users] of name = \"token\".";
            Invalid::new("profile", format!("cannot be understood: {}, line {line}", path.display()), mend).into()
        })
    }

    /// The profile that counts: the one that is named, else the one of the working directory, else the one of the home directory.
    ///
    /// # Errors
    /// Those of [`read`](Self::read); a named one must exist.
    pub fn find(named: Option<&Path>, home: Option<&Path>) -> Result<Option<Self>, CliError> {
        if let Some(path) = named {
            return Self::read(path).map(Some);
        }
        let places = [Some(PathBuf::from(FILE_NAME)), home.map(|home| home.join(HOME_FILE))];
        match places.into_iter().flatten().find(|path| path.is_file()) {
            Some(path) => Self::read(&path).map(Some),
            None => Ok(None),
        }
    }

    /// Writes the profile, readable by its owner alone, all or nothing.
    ///
    /// # Errors
    /// [`CliError::File`].
    pub fn write(&self, path: &Path) -> Result<(), CliError> {
        let fresh = path.with_extension(format!("toml.{}.new", std::process::id()));
        let written = write_private(&fresh, self.to_toml().as_bytes()).and_then(|()| std::fs::rename(&fresh, path));
        written.map_err(|reason| {
            let _absent_or_left = std::fs::remove_file(&fresh);
            CliError::writing(path, reason)
        })
    }

    /// Written by hand, because a token has no `Serialize`.
    fn to_toml(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        let mut line = |name: &str, value: &str| text.push_str(&format!("{name} = {}\n", quoted(value)));
        let ca_file = self.ca_file.as_ref().map(|path| path.display().to_string());
        for (name, value) in [("url", &self.url), ("ca_file", &ca_file), ("sandbox_url", &self.sandbox_url)] {
            value.iter().for_each(|value| line(name, value));
        }
        self.token.iter().for_each(|token| line("token", token.expose()));
        if self.demo {
            text.push_str("demo = true\n");
        }
        if !self.users.is_empty() {
            text.push_str("\n[users]\n");
        }
        for (name, token) in &self.users {
            text.push_str(&format!("{} = {}\n", quoted(name), quoted(token.expose())));
        }
        text
    }
}

/// A basic string (TOML 1.0, "String"), which may also be a key.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Writes a new file that only its owner can read.
///
/// # Errors
/// Those of the system; [`std::io::ErrorKind::AlreadyExists`] when there is one.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    create_private(path)?.write_all(bytes)
}

/// Makes a new, empty file that only its owner can read.
///
/// # Errors
/// As [`write_private`].
pub fn create_private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(text: &str) -> Token {
        Token::parse(text).expect("a token")
    }

    fn demo() -> Profile {
        Profile {
            url: Some("http://127.0.0.1:8080".into()),
            token: Some(token("kst_admin")),
            ca_file: Some("ca \"1\".pem".into()),
            sandbox_url: Some("http://127.0.0.1:8081".into()),
            users: BTreeMap::from([("ann".to_owned(), token("kst_ann")), ("b.ob".to_owned(), token("kst_bob"))]),
            demo: true,
        }
    }

    #[test]
    fn a_profile_is_read_back_as_it_was_written_and_is_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        std::fs::write(&path, "old").expect("a file of others");
        demo().write(&path).expect("is written");
        let read = Profile::find(Some(&path), None).expect("is read").expect("is there");
        assert_eq!(read.to_toml(), demo().to_toml());
        assert_eq!(read.users["b.ob"].expose(), "kst_bob");
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("is there").permissions()) & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_broken_profile_names_the_line_and_not_what_stands_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("p.toml");
        for broken in [
            "url = \"u\"\ntoken = kst_secret\n",
            "url = \"u\"\ntoken = \"kst_secret\n",
            "url = \"u\"\nusers = \"kst_secret\"\n",
            "url = \"u\"\ntoken = \"kst secret\"\n",
        ] {
            std::fs::write(&path, broken).expect("a file");
            let problem = Profile::read(&path).err().expect("is refused").problem();
            assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
            assert!(problem.title.contains("line 2"), "{}", problem.title);
        }
    }

    #[test]
    fn the_home_directory_is_looked_at_last_and_a_named_profile_must_exist() {
        let home = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(home.path().join(".config/keystead")).expect("a directory");
        std::fs::write(home.path().join(HOME_FILE), "url = \"http://home\"\n").expect("a file");
        let found = Profile::find(None, Some(home.path())).expect("is read").expect("is there");
        assert_eq!(found.url.as_deref(), Some("http://home"));
        assert!(Profile::find(None, None).expect("none").is_none());
        assert!(Profile::find(Some(&home.path().join("none.toml")), Some(home.path())).is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives_the_file(url in any::<String>(), name in any::<String>()) {
            let profile = Profile { url: Some(url.clone()), users: BTreeMap::from([(name.clone(), token("kst_x"))]), ..Profile::default() };
            let read: Profile = toml::from_str(&profile.to_toml()).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(read.url, Some(url));
            prop_assert!(read.users.contains_key(&name));
        }
    }
}
