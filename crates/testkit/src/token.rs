//! Soft tokens of PKCS#11 for tests: SoftHSM2 (Debian) and kryoptic (the Rust registry), each with a token of its own that vanishes with its value.
//!
//! A library reads its configuration once, when the process first uses it, from the environment. So whoever uses a token in its own process must have been
//! started with [`Token::environment`]: [`apart`] starts the test anew in that way.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::emulator::REQUIRE;

/// The PIN of every token.
pub const PIN: &str = "keystead-test-pin";
/// The label of every token.
pub const LABEL: &str = "keystead";
/// The PIN of the security officer.
const SO_PIN: &str = "keystead-so-pin";
/// Says to a test that it was started anew, and where its token is.
const APART: &str = "KEYSTEAD_TEST_TOKEN";

/// Which soft token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SoftHSM2: no AES-KWP by its number, OAEP with SHA-1 only, zeros behind private keys.
    Softhsm,
    /// kryoptic: all that Keystead wants.
    Kryoptic,
}

impl Kind {
    /// Its name, as [`REQUIRE`] has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Softhsm => "softhsm",
            Self::Kryoptic => "kryoptic",
        }
    }

    /// Its library, if it is installed.
    ///
    /// # Panics
    /// When it is required and not there.
    pub fn library(self) -> Option<PathBuf> {
        let (variable, usual) = match self {
            Self::Softhsm => {
                ("KEYSTEAD_SOFTHSM", &["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so"][..])
            }
            Self::Kryoptic => ("KEYSTEAD_KRYOPTIC", &[][..]),
        };
        let found = env::var_os(variable).map(PathBuf::from).or_else(|| usual.iter().map(PathBuf::from).find(|path| path.exists()));
        let required = env::var(REQUIRE).unwrap_or_default();
        let is_required = required.split(',').any(|name| name == self.name() || name == "1");
        assert!(found.is_some() || !is_required, "{} is required by {REQUIRE}, and is not there: `make setup-test`", self.name());
        found.filter(|path| path.exists())
    }
}

/// A token, initialised, with [`PIN`] and [`LABEL`].
pub struct Token {
    /// Which.
    pub kind: Kind,
    /// Its library.
    pub library: PathBuf,
    home: tempfile::TempDir,
}

impl Token {
    /// Makes one; `None` when its library is not installed.
    ///
    /// # Panics
    /// When it is required and not there, or cannot be made.
    pub fn new(kind: Kind) -> Option<Self> {
        let library = kind.library()?;
        let token = Self { kind, library, home: tempfile::tempdir().expect("a directory") };
        token.write_configuration();
        match kind {
            Kind::Softhsm => {
                token.tool("softhsm2-util", &["--init-token", "--free", "--label", LABEL, "--so-pin", SO_PIN, "--pin", PIN]);
            }
            Kind::Kryoptic => {
                let library = token.library.display().to_string();
                token.tool("pkcs11-tool", &["--module", &library, "--slot", "1", "--init-token", "--label", LABEL, "--so-pin", SO_PIN]);
                let login = ["--login", "--login-type", "so", "--so-pin", SO_PIN];
                token.tool("pkcs11-tool", &[&["--module", &library, "--slot", "1"], &login[..], &["--init-pin", "--new-pin", PIN]].concat());
            }
        }
        Some(token)
    }

    /// The directory in which it lies: what is in it can be taken away, and put back.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What its library reads from the environment.
    pub fn environment(&self) -> (&'static str, PathBuf) {
        match self.kind {
            Kind::Softhsm => ("SOFTHSM2_CONF", self.home().join("softhsm2.conf")),
            Kind::Kryoptic => ("KRYOPTIC_CONF", self.home().join("kryoptic.toml")),
        }
    }

    fn write_configuration(&self) {
        let home = self.home().display();
        let text = match self.kind {
            Kind::Softhsm => {
                std::fs::create_dir(self.home().join("tokens")).expect("a directory");
                format!("directories.tokendir = {home}/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n")
            }
            Kind::Kryoptic => format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = \"{home}/token.sql\"\n"),
        };
        std::fs::write(self.environment().1, text).expect("written");
    }

    /// Runs a program on it.
    ///
    /// # Panics
    /// When it does not succeed.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Output {
        let (name, value) = self.environment();
        let done = Command::new(program).args(arguments).env(name, value).output().unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        done
    }
}

/// Clones the token that lies here, as makers' tools do it: the same keys and PIN under another label.
///
/// # Panics
/// When it is not there.
pub fn clone(kind: Kind, home: &Path, label: &str) {
    match kind {
        Kind::Softhsm => {
            let tokens = home.join("tokens");
            let of = fs::read_dir(&tokens).expect("tokens").map(|entry| entry.expect("a token").path());
            let first = of.filter(|token| relabelled(&token.join("token.object"), LABEL).is_some()).min().expect("a token of this label");
            let copy = tokens.join(format!("clone-{label}"));
            fs::create_dir(&copy).expect("a directory");
            for file in fs::read_dir(first).expect("its objects") {
                let file = file.expect("an object");
                fs::copy(file.path(), copy.join(file.file_name())).expect("copied");
            }
            let mut token = relabelled(&copy.join("token.object"), label).expect("it has a label");
            // The number of a token's slot is drawn from its serial number.
            let serial = find(&token, &[0x80, 0, b'S', b'J']).expect("a serial number") + 20;
            token[serial + 8..serial + 16].copy_from_slice(&digits(label));
            fs::write(copy.join("token.object"), token).expect("written");
        }
        Kind::Kryoptic => {
            let copy = home.join(format!("{label}.sql"));
            fs::write(&copy, relabelled(&home.join("token.sql"), label).expect("it has a label")).expect("written");
            let path = home.join("kryoptic.toml");
            let text = fs::read_to_string(&path).expect("the configuration");
            let slot = text.matches("[[slots]]").count() + 1;
            fs::write(path, format!("{text}[[slots]]\nslot = {slot}\ndbtype = \"sqlite\"\ndbargs = \"{}\"\n", copy.display())).expect("written");
        }
    }
}

/// A token's file with another label; `None` when it has not [`LABEL`].
fn relabelled(path: &Path, label: &str) -> Option<Vec<u8>> {
    let padded = |label: &str| format!("{label:32}").into_bytes();
    let mut bytes = fs::read(path).ok()?;
    let at = find(&bytes, &padded(LABEL))?;
    bytes[at..at + 32].copy_from_slice(&padded(label));
    Some(bytes)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Eight hexadecimal digits, another eight for another label.
fn digits(label: &str) -> [u8; 8] {
    let number = label.bytes().fold(0x1234_5678_u32, |number, byte| number.rotate_left(5) ^ u32::from(byte));
    let mut digits = [0; 8];
    digits.copy_from_slice(format!("{:08x}", number & 0x7fff_ffff).as_bytes());
    digits
}

/// Runs the test of this name in a process of its own that finds a token of this kind; here it only waits for it. In that process it runs `body` with the token's
/// library and home. Without the library the test is left out.
///
/// # Panics
/// When the test fails there.
pub fn apart(name: &str, kind: Kind, body: impl FnOnce(&Path, &Path)) {
    if let Some(home) = env::var_os(APART) {
        let library = kind.library().expect("it was there a moment ago");
        return body(&library, Path::new(&home));
    }
    let Some(token) = Token::new(kind) else { return };
    again(name, &[&token]);
}

/// The same with a token of each kind: `body` gets the libraries of SoftHSM2 and of kryoptic.
///
/// # Panics
/// As [`apart`].
pub fn apart_with_both(name: &str, body: impl FnOnce(&Path, &Path)) {
    let library = |kind: Kind| kind.library().expect("it was there a moment ago");
    if env::var_os(APART).is_some() {
        return body(&library(Kind::Softhsm), &library(Kind::Kryoptic));
    }
    let (Some(one), Some(other)) = (Token::new(Kind::Softhsm), Token::new(Kind::Kryoptic)) else { return };
    again(name, &[&one, &other]);
}

/// Starts a test anew, and waits for it.
fn again(name: &str, tokens: &[&Token]) {
    let mut test = Command::new(env::current_exe().expect("a test has a name"));
    test.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    for token in tokens {
        let (variable, value) = token.environment();
        test.env(variable, value).env(APART, token.home());
    }
    let done = test.output().expect("a test starts again");
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let kinds: Vec<&str> = tokens.iter().map(|token| token.kind.name()).collect();
    assert!(done.status.success() && told.contains("1 passed"), "{name} with {}:\n{told}", kinds.join(" and "));
}
