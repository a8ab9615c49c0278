//! A private PostgreSQL for tests: one server a process, started at the first call, one fresh database a test.
//!
//! The server lives in a shell that reads its standard input, and the other end of that pipe is held by this process. However the process ends, the pipe
//! ends with it; the shell then stops the server and takes its directory away. Nothing is left behind, not even after SIGKILL.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Set to `1`, it leaves out the tests that need PostgreSQL.
const SKIP: &str = "KEYSTEAD_SKIP_POSTGRES";
/// The directory of `initdb`, `pg_ctl` and `createdb`, when it is not where Debian puts it and not in PATH.
const BIN: &str = "KEYSTEAD_PG_BIN";
/// Where Debian's packages put the server's programs: a folder a major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// How often another port is tried: between looking for a free one and taking it, somebody else may be faster.
const PORTS_MAX: usize = 5;
/// Debian's `nobody` and `nogroup`.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// The life of the server: `$1` holds its programs, `$2` is its port. Says `ready`, or why not.
///
/// The collation is one of people, not of bytes, as most installations have it: an ORDER BY or a comparison that means bytes shows itself. Servers before
/// version 15 do not know the option and take the second way.
const LIFE: &str = r#"
exec 2>&1
bin=$1
home=$(mktemp -d "${TMPDIR:-/tmp}/keystead-postgres-XXXXXX") || exit 1
trap '"$bin/pg_ctl" -D "$home/data" -m immediate -w stop >/dev/null; rm -rf "$home"' EXIT
trap 'exit 1' HUP INT TERM
make() { rm -rf "$home/data"; "$bin/initdb" -D "$home/data" -A trust -U app -E UTF8 --locale=C --no-sync "$@"; }
{ make --locale-provider=icu --icu-locale=en-US || make; } >"$home/made" || { tail -n 5 "$home/made"; exit 1; }
"$bin/pg_ctl" -D "$home/data" -l "$home/log" -w start >/dev/null -o "-F -h 127.0.0.1 -p $2 -c unix_socket_directories= -c max_connections=400 \
  -c shared_buffers=32MB -c full_page_writes=off -c deadlock_timeout=200ms" || { tail -n 5 "$home/log"; exit 1; }
echo ready
cat >/dev/null
"#;

/// A running server.
struct Server {
    port: u16,
    bin: PathBuf,
    databases: AtomicU32,
    // Held and never written to: its end is the server's end.
    _life: ChildStdin,
}

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();

/// Whether the tests that need PostgreSQL were left out on purpose: then they say so by returning at once.
pub fn is_skipped() -> bool {
    env::var(SKIP).is_ok_and(|value| value == "1")
}

/// Makes an empty database on the private server and answers its URL; the first call starts the server, which takes about a second. Blocks.
///
/// # Panics
/// When PostgreSQL is not installed or does not start: the message says what to do.
pub fn fresh_database() -> String {
    let url = SERVER.get_or_init(start).as_ref().map_err(Clone::clone).and_then(Server::fresh_database);
    url.unwrap_or_else(|why| panic!("no PostgreSQL for this test: {why}"))
}

impl Server {
    fn fresh_database(&self) -> Result<String, String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        let made = Command::new(self.bin.join("createdb")).args(["-h", "127.0.0.1", "-p", &port, "-U", "app", "--maintenance-db=postgres", &name]).output();
        let made = made.map_err(|error| format!("createdb: {error}"))?;
        if made.status.success() { Ok(format!("postgres://app@127.0.0.1:{port}/{name}")) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
    }
}

fn start() -> Result<Server, String> {
    let bin = find_programs().ok_or_else(|| {
        format!("its programs are not installed. Run `apt-get install postgresql`, or name their directory in {BIN}, or leave these tests out with {SKIP}=1.")
    })?;
    let mut outcome = Err(String::new());
    for _ in 0..PORTS_MAX {
        outcome = start_on(free_port()?, &bin);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn start_on(port: u16, bin: &Path) -> Result<Server, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", LIFE, "keystead-postgres"]).arg(bin).arg(port.to_string()).current_dir("/");
    // A group of its own: Ctrl-C at the tests must not end the shell before it has ended the server.
    shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some((user, group)) = server_user() {
        shell.uid(user).gid(group);
    }
    let mut child = shell.spawn().map_err(|error| format!("sh: {error}"))?;
    let (Some(life), Some(said)) = (child.stdin.take(), child.stdout.take()) else { return Err("sh has no pipes".to_owned()) };
    let mut said = BufReader::new(said);
    let mut words = String::new();
    said.read_line(&mut words).map_err(|error| format!("sh: {error}"))?;
    if words.trim_end() == "ready" {
        return Ok(Server { port, bin: bin.to_owned(), databases: AtomicU32::new(0), _life: life });
    }
    // It failed and ends by itself; the rest of its words are the reason.
    let _ = said.read_to_string(&mut words);
    Err(format!("it does not start: {words}"))
}

/// Whom the server runs as when we are root, which it refuses: `postgres`, else `nobody`.
fn server_user() -> Option<(u32, u32)> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |line: &str| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    is_root.then(|| users.lines().find_map(ids).unwrap_or(NOBODY))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// The directory with the server's programs: as told, else Debian's newest, else from PATH.
fn find_programs() -> Option<PathBuf> {
    if let Some(told) = env::var_os(BIN) {
        return Some(PathBuf::from(told)).filter(|bin| has_server(bin));
    }
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut installed: Vec<(u32, PathBuf)> = versions
        .filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, folder.path().join("bin"))))
        .filter(|(_, bin)| has_server(bin))
        .collect();
    installed.sort();
    installed.pop().map(|(_, bin)| bin).or_else(|| env::split_paths(&env::var_os("PATH").unwrap_or_default()).find(|bin| has_server(bin)))
}

fn has_server(bin: &Path) -> bool {
    ["initdb", "pg_ctl", "createdb"].iter().all(|program| bin.join(program).is_file())
}
