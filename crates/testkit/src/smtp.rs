//! A real SMTP server (PyPI `aiosmtpd`) on a loopback port, with STARTTLS and AUTH; it ends with its value.

use std::{
    env, fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::emulator::{REQUIRE, is_required};

/// The Python that has `aiosmtpd` and `cryptography`.
const PYTHON: &str = "KEYSTEAD_PYTHON";
/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Who may send, and their password.
pub const LOGIN: (&str, &str) = ("keystead", "right");

/// A running server.
pub struct SmtpServer {
    process: Child,
    /// Its port on 127.0.0.1; its certificate is for `localhost`, too.
    pub port: u16,
    home: tempfile::TempDir,
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl SmtpServer {
    /// Starts it; `None` when there is no Python with it.
    ///
    /// # Panics
    /// When `smtp` is required and not there, or it does not become ready.
    pub fn start() -> Option<Self> {
        let Some(python) = env::var_os(PYTHON) else {
            assert!(!is_required("smtp"), "{REQUIRE} names smtp: {PYTHON} must say where a Python with aiosmtpd is");
            eprintln!("not run: {PYTHON} does not say where a Python with aiosmtpd is");
            return None;
        };
        let home = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let mut command = Command::new(python);
        command.args(["-c", include_str!("smtp_server.py"), &port.to_string()]).arg(home.path()).stdin(Stdio::null());
        let mut server = Self { process: command.spawn().expect("Python starts"), port, home };
        server.ready();
        Some(server)
    }

    fn ready(&mut self) {
        let began = Instant::now();
        while !self.home.path().join("ready").exists() {
            assert!(began.elapsed() < START && matches!(self.process.try_wait(), Ok(None)), "the SMTP server did not become ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its certificate, PEM: what a client has to trust.
    pub fn certificate(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// The mails that it has taken, in order, each with its envelope at the head.
    pub fn mails(&self) -> Vec<String> {
        let files = fs::read_dir(self.home.path()).expect("a directory").flatten().map(|file| file.path());
        let mut mails: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).collect();
        mails.sort();
        mails.iter().map(|path| String::from_utf8_lossy(&fs::read(path).expect("a mail")).into_owned()).collect()
    }
}
