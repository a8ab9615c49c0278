//! A desk: a directory in which somebody types commands of the binary, and terminals in which some of them run on.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A directory in which somebody works. Nothing of the tester's own environment is seen from it.
pub struct Desk {
    directory: tempfile::TempDir,
    /// What its commands find in their environment.
    environment: Vec<(&'static str, PathBuf)>,
}

/// What a command answered.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Desk {
    pub fn new() -> Self {
        Self::in_environment(Vec::new())
    }

    pub fn in_environment(environment: Vec<(&'static str, PathBuf)>) -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), environment }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("written");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystead"));
        for name in ["URL", "TOKEN", "PROFILE", "SANDBOX_URL", "CA_FILE"] {
            command.env_remove(format!("KEYSTEAD_{name}"));
        }
        let home = self.directory.path();
        command.args(args).current_dir(home).env("HOME", home).envs(self.environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// A command that succeeds, as JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let Ran { code, out, err } = self.run(&[args, &["--output", "json"]].concat());
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"))
    }

    /// A command that ends with this code; its problem, from standard error.
    pub fn fails(&self, expected: i32, args: &[&str]) -> Value {
        let Ran { code, out, err } = self.run(&[args, &["--output", "json"]].concat());
        assert_eq!(code, expected, "{args:?}: {out}{err}");
        serde_json::from_str(&err).unwrap_or_else(|error| panic!("{args:?}: {error}: {err}"))
    }

    /// A command typed in front of a terminal, where somebody answers what it asks; its code, and what the terminal shows.
    pub fn at_a_terminal(&self, args: &[&str], answer: &str) -> Ran {
        let typed = self.command(args);
        let line = std::iter::once(typed.get_program()).chain(typed.get_args()).map(|word| format!("'{}'", word.to_string_lossy()));
        let mut script = Command::new("script");
        // Of util-linux: it gives a command a terminal of its own.
        script.args(["-qec", &line.collect::<Vec<_>>().join(" "), "/dev/null"]).current_dir(self.directory.path());
        for (name, value) in typed.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("script, of util-linux");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), format!("{answer}\n").as_bytes()).expect("typed");
        let output = child.wait_with_output().expect("ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A table for people: it names all of these.
    pub fn table(&self, args: &[&str], wanted: &[&str]) {
        let Ran { code, out, err } = self.run(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        wanted.iter().for_each(|word| assert!(out.contains(word), "{args:?} does not say {word}:\n{out}"));
        assert!(serde_json::from_str::<Value>(&out).is_err(), "{args:?}: that is JSON, not a table");
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code().expect("an exit code"), out: text(output.stdout), err: text(output.stderr) }
}

pub fn slug(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|kind| kind.rsplit('/').next()).unwrap_or_default()
}

/// A process in another terminal. It ends with the test.
pub struct Terminal(Child);

impl Terminal {
    pub fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts"))
    }

    /// Ctrl-C, and its exit code.
    pub fn interrupt(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::INT).expect("a signal");
        self.0.wait().expect("ends").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

/// Waits until it is so, at most half a minute.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(40), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A demo in an empty directory, and the desk in front of it.
pub fn demo() -> (Desk, Terminal) {
    let desk = Desk::new();
    let terminal = Terminal::start(desk.command(&["demo", "--listen", "127.0.0.1:0"]));
    until("the profile", || desk.run(&["key", "list"]).code == 0);
    (desk, terminal)
}

/// A port of this moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A simulated AWS alone; answers where it is.
pub fn sandbox(desk: &Desk) -> (Terminal, String) {
    use std::io::Read as _;
    let mut terminal =
        Terminal::start(desk.command(&["sandbox", "--listen", "127.0.0.1:0", "--user", "123456789012:AKIATESTKEYSTEAD0001:test-secret", "--output", "json"]));
    let mut said = terminal.0.stdout.take().expect("a pipe");
    let mut text = String::new();
    while serde_json::from_str::<Value>(&text).is_err() {
        let mut piece = [0; 512];
        let length = said.read(&mut piece).expect("reads");
        assert_ne!(length, 0, "it ended: {text}");
        text.push_str(std::str::from_utf8(&piece[..length]).expect("UTF-8"));
    }
    let told: Value = serde_json::from_str(&text).expect("JSON");
    (terminal, told["endpoint"].as_str().expect("an endpoint").to_owned())
}
