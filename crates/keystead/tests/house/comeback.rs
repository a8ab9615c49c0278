//! A server that comes back by itself behind a power cut: the root's key file lies on the disk sealed to the machine's TPM, and is plain only where systemd puts it for
//! the time of the service. The TPM is a software one, the sealing is systemd's own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use keystead_testkit::emulator::is_required;
use reqwest::Client;
use serde_json::json;

use crate::{
    process::{Installation, read},
    world::Engine,
};

/// Where systemd would put what it unseals: a file system in memory, gone with the service.
const CREDENTIALS: &str = "credentials";

/// A TPM 2.0 in software.
struct Tpm {
    process: Child,
    port: u16,
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _ended_already = self.process.wait();
    }
}

impl Tpm {
    /// Starts one that keeps its state in this directory.
    fn start(state: &Path) -> Self {
        fs::create_dir_all(state).expect("a directory");
        let port = free_ports();
        let control = port + 1;
        let arguments = ["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate", &format!("dir={}", state.display())].map(str::to_owned);
        let places = ["--server".to_owned(), format!("type=tcp,port={port}"), "--ctrl".to_owned(), format!("type=tcp,port={control}")];
        let process = Command::new("swtpm").args(arguments).args(places).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("swtpm starts");
        let begun = Instant::now();
        // Not the first port: who connects there is the TPM's only client.
        while TcpStream::connect(("127.0.0.1", control)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the TPM does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }

    fn creds(&self, arguments: &[&str]) -> Output {
        let device = format!("--tpm2-device=swtpm:host=127.0.0.1,port={}", self.port);
        Command::new("systemd-creds").arg(device).args(arguments).output().expect("systemd-creds runs")
    }

    fn seal(&self, plain: &Path, sealed: &Path) {
        let (plain, sealed) = (plain.to_string_lossy(), sealed.to_string_lossy());
        let done = self.creds(&["encrypt", "--with-key=tpm2", "--name=root-key", &plain, &sealed]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What systemd does before it starts the service. Answers whether the TPM gave the file away.
    fn unseal(&self, installation: &Installation) -> bool {
        let directory = installation.path(CREDENTIALS);
        fs::create_dir_all(&directory).expect("a directory");
        let (sealed, plain) = (installation.path("root-key.cred"), directory.join("root-key"));
        let done = self.creds(&["decrypt", "--name=root-key", &sealed.to_string_lossy(), &plain.to_string_lossy()]);
        if done.status.success() {
            fs::set_permissions(&plain, fs::Permissions::from_mode(0o400)).expect("permissions");
        }
        done.status.success()
    }
}

/// A port with another behind it: there its clients look for the one by which a TPM is controlled.
fn free_ports() -> u16 {
    loop {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

fn is_there() -> bool {
    let works = |program: &str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let is_there = works("swtpm") && works("systemd-creds");
    assert!(is_there || !is_required("tpm"), "swtpm and systemd-creds must be there");
    is_there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_power_cut_the_server_opens_by_the_tpm_and_by_no_other_machine() {
    if !is_there() {
        return;
    }
    let (installation, server) = Installation::new(Engine::Sqlite, "info").await;
    let http = Client::new();
    let ask = async |method: &str, path: &str, body| {
        let (status, answer) = installation.call_with(&http, 0, method, path, body, &[("Prefer", "wait=20")]).await.expect("an answer");
        assert_eq!(status, 200, "{answer}");
        read(&answer)
    };
    ask("POST", "/v1/keys", Some(json!({ "name": "orders", "keystore": "payments-eu", "aliases": ["orders"] }))).await;
    server.kill();

    let tpm = Tpm::start(&installation.path("tpm"));
    tpm.seal(&installation.path("root.key"), &installation.path("root-key.cred"));
    fs::remove_file(installation.path("root.key")).expect("is removed");
    let config = fs::read_to_string(installation.path("keystead.toml")).expect("a configuration");
    fs::write(installation.path("keystead.toml"), config.replace("\"root.key\"", "\"credentials/root-key\"")).expect("is written");

    for _ in 0..2 {
        assert!(tpm.unseal(&installation));
        let mut server = installation.start();
        server.ready(&installation).await;
        let renewed = ask("POST", "/v1/keys/orders/renew", None).await;
        assert_eq!(renewed["operation"]["state"], "SUCCEEDED", "{renewed}");
        server.kill();
        fs::remove_dir_all(installation.path(CREDENTIALS)).expect("memory forgets");
    }

    // Another machine has the whole disk, and another TPM.
    let other = Tpm::start(&installation.path("another-tpm"));
    assert!(!other.unseal(&installation), "another TPM must not open it");
    let control = installation.path("control");
    fs::create_dir_all(&control).expect("a directory");
    fs::write(control.join("plain"), [7; 32]).expect("is written");
    other.seal(&control.join("plain"), &control.join("sealed"));
    let opened = other.creds(&["decrypt", "--name=root-key", &control.join("sealed").to_string_lossy(), "-"]);
    assert_eq!(opened.stdout, [7; 32], "and it is no broken one: it opens what it sealed itself");
    let arguments = ["serve", "--config", "keystead.toml"];
    let refused = Command::new(installation.path("keystead")).args(arguments).current_dir(installation.path(".")).output().expect("the binary starts");
    assert!(!refused.status.success(), "it must not start without its key file");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("credentials/root-key"), "{said}");
}
