//! AWS emulators that others wrote, for tests: each is started on a free loopback port and ends with its value.
//!
//! An emulator is found by an environment variable that `make test` sets. Without it the tests that want it are left out, unless [`REQUIRE`] names it.

use std::{
    env,
    ffi::OsString,
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The peers that must be there, by name and separated by commas; `1` means every peer.
pub const REQUIRE: &str = "KEYSTEAD_REQUIRE_PEERS";
/// The access key that both emulators take as root, whose signature they do not check.
pub const ROOT_KEY: &str = "test";
/// How long a start may take on a busy machine. localemu takes three seconds on an idle one.
const START: Duration = Duration::from_secs(90);
/// How long an end may take. Nothing but a process in the kernel's hands outlives SIGKILL for longer.
const END: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// Which emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PyPI `ministack`; its variable names its executable.
    Ministack,
    /// PyPI `localemu`; its variable names the Python that has it.
    Localemu,
}

impl Kind {
    /// Its name, as [`REQUIRE`] and the profiles of `boto3_flow.py` have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ministack => "ministack",
            Self::Localemu => "localemu",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Ministack => "KEYSTEAD_MINISTACK",
            Self::Localemu => "KEYSTEAD_LOCALEMU",
        }
    }

    fn health(self) -> &'static str {
        match self {
            Self::Ministack => "/_ministack/health",
            Self::Localemu => "/_localemu/health",
        }
    }

    /// The program, its arguments and its settings. `home` is the only place that it may write to.
    fn command(self, program: OsString, port: u16, home: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("SERVICES", "kms,sts,iam,sqs").env("HOME", home).env("TMPDIR", home).current_dir(home);
        match self {
            Self::Ministack => {
                command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).env("AUTH", "true").env("IOT_MTLS_ENABLED", "0");
            }
            Self::Localemu => localemu(&mut command, port, home),
        }
        command
    }
}

/// Its default server listens on every address; hypercorn keeps to the one that it is given. It writes to /etc, /usr and /var when it takes the machine for a
/// container, so it is told that it is none, and where its file system begins.
fn localemu(command: &mut Command, port: u16, home: &Path) {
    command.args(["-m", "localemu.runtime.main"]);
    command.env("GATEWAY_SERVER", "hypercorn").env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"));
    command.env("IAM_ENFORCEMENT", "1").env("ROOT_ACCESS_KEYS", ROOT_KEY);
    command.env("DISABLE_EVENTS", "1").env("SKIP_SSL_CERT_DOWNLOAD", "1").env("DOCKER_SOCK", home.join("no-docker"));
    command.env("OVERRIDE_IN_DOCKER", "0").env("FILESYSTEM_ROOT", home.join("root")).env("CONFIG_DIR", home.join("config"));
}

/// A running emulator.
pub struct Emulator {
    process: Child,
    port: u16,
    log: PathBuf,
    _home: tempfile::TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // SIGKILL: localemu has been seen to outlive SIGTERM for minutes.
        let _ = self.process.kill();
        let began = Instant::now();
        while began.elapsed() < END && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Emulator {
    /// Starts it; `None` when it is not installed. What it says is kept in `logs`, under the name of `what` the test is about.
    ///
    /// # Panics
    /// When it is required and not there, or does not become ready: the message ends with what it said last.
    pub async fn start(kind: Kind, what: &str, logs: &Path) -> Option<Self> {
        let program = program(kind)?;
        let home = tempfile::tempdir().expect("a directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let log = logs.join(format!("{}-{what}.log", kind.name()));
        let said = File::create(&log).expect("a log");
        let mut command = kind.command(program, port, home.path());
        command.stdin(Stdio::null()).stdout(said.try_clone().expect("a second handle")).stderr(said);
        let process = command.spawn().unwrap_or_else(|error| panic!("{} does not start: {error}", kind.variable()));
        let mut started = Self { process, port, log, _home: home };
        started.ready(kind).await;
        Some(started)
    }

    async fn ready(&mut self, kind: Kind) {
        let began = Instant::now();
        while began.elapsed() < START {
            if self.http("GET", kind.health(), "", "").await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return;
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("{} ended with {status}:\n{}", kind.name(), self.last_words());
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{} did not become ready:\n{}", kind.name(), self.last_words());
    }

    fn last_words(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&said[said.len().saturating_sub(4_000)..]).into_owned()
    }

    /// The endpoint of every service.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One request over HTTP/1.1; `None` when nobody answers. `headers` are whole lines.
    pub async fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }
}

fn program(kind: Kind) -> Option<OsString> {
    let (name, variable) = (kind.name(), kind.variable());
    let program = env::var_os(variable);
    if program.is_none() {
        assert!(!is_required(name), "{REQUIRE} names {name}: {variable} must say where it is");
        eprintln!("not run: {variable} does not say where {name} is");
    }
    program
}

/// Whether this peer must be there.
pub fn is_required(name: &str) -> bool {
    requires(&env::var(REQUIRE).unwrap_or_default(), name)
}

/// Whether the value of [`REQUIRE`] means this peer.
fn requires(value: &str, name: &str) -> bool {
    value.split(',').map(str::trim).any(|word| word == "1" || word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_required_by_its_name_or_with_all_others() {
        for (value, expected) in [("", false), ("0", false), ("1", true), ("ministack", false), ("ministack, localemu", true), ("localemux", false)] {
            assert_eq!(requires(value, "localemu"), expected, "{value:?}");
        }
    }
}
