//! Material never outside the vault: keys whose bytes we know pass through the real process, and then its memory, its database, its logs and everything that it
//! answered are searched for them.

#![expect(clippy::print_stdout, reason = "a proof tells its figures")]

use std::{fmt::Write as _, fs::File, io::ErrorKind, os::unix::fs::FileExt, sync::Mutex};

use aws_lc_rs::{
    encoding::AsDer,
    key_wrap::{AES_256, AesKek, KeyWrapPadded},
    rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use keystead_testkit::token::{Kind, Token};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    process::{Installation, Server, is_proof, read},
    world::Engine,
};

/// Bytes that are looked for in every form in which they could lie about.
struct Known {
    name: &'static str,
    bytes: [u8; 32],
}

/// One form of known bytes.
struct Needle {
    what: String,
    bytes: Vec<u8>,
}

impl Known {
    fn new(name: &'static str, bytes: &[u8]) -> Self {
        Self { name, bytes: bytes.try_into().expect("32 bytes") }
    }

    /// Raw, hexadecimal, base64 and as a list of numbers; in halves, so that a piece is found, too.
    fn needles(&self) -> Vec<Needle> {
        let (hex, standard, url_safe) = (hex::encode(self.bytes), STANDARD.encode(self.bytes), URL_SAFE.encode(self.bytes));
        let list = |half: &[u8]| half.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        // The last characters of base64 depend on what follows: 20 stand for 15 bytes.
        let forms = [
            ("raw, first half", self.bytes[..16].to_vec()),
            ("raw, second half", self.bytes[16..].to_vec()),
            ("hex, first half", hex[..32].into()),
            ("hex, second half", hex[32..].into()),
            ("HEX, first half", hex[..32].to_uppercase().into()),
            ("HEX, second half", hex[32..].to_uppercase().into()),
            ("base64, beginning", standard[..20].into()),
            ("base64, middle", standard[20..40].into()),
            ("base64url, beginning", url_safe[..20].into()),
            ("base64url, middle", url_safe[20..40].into()),
            ("list, first half", list(&self.bytes[..16]).into()),
            ("list, second half", list(&self.bytes[16..]).into()),
        ];
        forms.into_iter().map(|(form, bytes)| Needle { what: format!("{}: {form}", self.name), bytes }).collect()
    }
}

/// A search for many needles at once.
struct Search {
    needles: Vec<Needle>,
    /// The needles that begin with these two bytes.
    by_beginning: Vec<Vec<usize>>,
}

/// The name of what must be found.
const CONTROL: &str = "control";
/// How much is read at a time; pages of zeros are passed over.
const CHUNK: usize = 1 << 20;
const PAGE: usize = 4096;

impl Search {
    fn new(needles: Vec<Needle>) -> Self {
        let mut by_beginning = vec![Vec::new(); 1 << 16];
        for (index, needle) in needles.iter().enumerate() {
            by_beginning[usize::from(u16::from_be_bytes([needle.bytes[0], needle.bytes[1]]))].push(index);
        }
        Self { needles, by_beginning }
    }

    fn of(known: &[Known]) -> Self {
        Self::new(known.iter().flat_map(Known::needles).collect())
    }

    fn for_text(what: &str, text: &str) -> Self {
        Self::new(vec![Needle { what: what.to_owned(), bytes: text.into() }])
    }

    /// The same search with a control: a text that must be there.
    fn and(mut self, what: &str, text: &str) -> Self {
        self.needles.push(Needle { what: what.to_owned(), bytes: text.into() });
        Self::new(self.needles)
    }

    /// Every hit: where, and of what.
    fn hits(&self, hay: &[u8]) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at + 1 < hay.len() {
            // A needle that begins in the page before was compared from there.
            if at % PAGE == 0 && hay.get(at..at + PAGE).is_some_and(|page| page == [0; PAGE]) {
                at += PAGE;
                continue;
            }
            for index in &self.by_beginning[usize::from(u16::from_be_bytes([hay[at], hay[at + 1]]))] {
                let needle = &self.needles[*index];
                if hay[at..].starts_with(&needle.bytes) {
                    found.push((at, needle.what.as_str()));
                }
            }
            at += 1;
        }
        found
    }

    fn longest(&self) -> usize {
        self.needles.iter().map(|needle| needle.bytes.len()).max().unwrap_or_default()
    }
}

/// What a search of a process's memory came to.
#[derive(Default)]
struct Dump {
    regions: usize,
    bytes: u64,
    /// Each hit: its address, and a text with region and surroundings.
    hits: Vec<(u64, String)>,
}

/// Searches every readable region of a process. `None`: the system does not let us look.
fn search_memory(pid: &str, search: &Search) -> Option<Dump> {
    let memory = match File::open(format!("/proc/{pid}/mem")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        opened => opened.expect("the process's memory"),
    };
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process's regions");
    let mut dump = Dump::default();
    for region in maps.lines() {
        let (range, rest) = region.split_once(' ').expect("a region");
        // What the kernel lends to every process cannot be read through /proc.
        if !rest.starts_with('r') || rest.contains("[vvar") || rest.contains("[vsyscall]") {
            continue;
        }
        let (from, to) = range.split_once('-').expect("a range");
        let (from, to) = (u64::from_str_radix(from, 16).expect("an address"), u64::from_str_radix(to, 16).expect("an address"));
        search_region(&memory, from..to, region, search, &mut dump);
    }
    Some(dump)
}

fn search_region(memory: &File, range: std::ops::Range<u64>, region: &str, search: &Search, dump: &mut Dump) {
    dump.regions += 1;
    let mut buffer = vec![0; CHUNK + search.longest()];
    let mut at = range.start;
    while at < range.end {
        let wanted = buffer.len().min((range.end - at) as usize);
        let Ok(len) = memory.read_at(&mut buffer[..wanted], at) else { return };
        let fresh = len.min(CHUNK);
        dump.bytes += fresh as u64;
        for (offset, what) in search.hits(&buffer[..len]).into_iter().filter(|(offset, _)| *offset < CHUNK) {
            let around = &buffer[offset.saturating_sub(160)..len.min(offset + 160)];
            dump.hits.push((at + offset as u64, format!("{what} at {:x} in {region}: {}", at + offset as u64, around.escape_ascii())));
        }
        if fresh == 0 {
            return;
        }
        at += fresh as u64;
    }
}

/// The installation under search: everything that it answers is kept.
struct Subject {
    installation: Installation,
    http: reqwest::Client,
    answers: Mutex<Vec<String>>,
}

impl Subject {
    /// A call that must succeed; operations are waited for.
    async fn does(&self, person: usize, method: &str, path: &str, body: Option<Value>) -> Value {
        let answered = self.installation.call_with(&self.http, person, method, path, body, &[("Prefer", "wait=60")]).await;
        let (status, text) = answered.expect("an answer");
        assert_eq!(status, 200, "{method} {path}: {text}");
        let answer = read(&text);
        assert!(answer["operation"].is_null() || answer["operation"]["state"] == "SUCCEEDED", "{method} {path}: {text}");
        self.answers.lock().expect("no panic inside").push(text);
        answer
    }

    async fn makes(&self, name: &str, material: Option<Value>) -> String {
        let mut body = json!({"name": name, "keystore": "payments-eu", "aliases": [name], "expires": "90d"});
        if let Some(material) = material {
            body["material"] = material;
        }
        self.does(0, "POST", "/v1/keys", Some(body)).await["key"]["id"].as_str().expect("an id").to_owned()
    }

    /// Two people bring a component each; answers both, and the key.
    async fn makes_of_components(&self, name: &str) -> [Known; 3] {
        let (one, two) = (fresh(), fresh());
        let begin = json!({"key": {"name": name, "keystore": "payments-eu", "aliases": [name]}, "components": 2});
        let mut answer = Value::Null;
        let mut path = "/v1/ceremonies".to_owned();
        for (person, body) in [(0, begin), (0, json!({"component": hex::encode(one)})), (1, json!({"component": hex::encode(two)}))] {
            let answered = self.installation.call_with(&self.http, person, "POST", &path, Some(body), &[("Prefer", "wait=60")]).await;
            let (status, text) = answered.expect("an answer");
            assert!(status < 300, "{path}: {text}");
            answer = read(&text);
            path = format!("/v1/ceremonies/{}/components", answer["id"].as_str().expect("an id"));
            self.answers.lock().expect("no panic inside").push(text);
        }
        assert_eq!(answer["state"], "MADE", "{answer}");
        let whole: [u8; 32] = std::array::from_fn(|at| one[at] ^ two[at]);
        assert_eq!(self.learns(name).await, whole);
        [Known::new("a component", &one), Known::new("the last component", &two), Known::new("made of components", &whole)]
    }

    /// Learns a key's bytes as two people may: ann names our public key, bob takes the wrapped material away.
    async fn learns(&self, id: &str) -> Vec<u8> {
        let ours = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
        let public_key = pem(ours.public_key().as_der().expect("DER").as_ref());
        self.does(0, "POST", &format!("/v1/keys/{id}/export/prepare"), Some(json!({"public_key": public_key}))).await;
        let download = self.does(1, "POST", &format!("/v1/keys/{id}/export/download"), None).await;
        let wrapped = STANDARD.decode(download["wrapped"].as_str().expect("a blob")).expect("base64");
        let ours = OaepPrivateDecryptingKey::new(ours).expect("a key");
        let mut plain = vec![0; ours.min_output_size()];
        ours.decrypt(&OAEP_SHA256_MGF1SHA256, &wrapped, &mut plain, None).expect("opens").to_vec()
    }

    /// Everything of the installation that lies on the disk, but for what its operator put there, and everything that it answered.
    fn leavings(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = Vec::new();
        for file in std::fs::read_dir(self.installation.path("")).expect("a directory") {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if !matches!(name.as_str(), "root.key" | "aws-secret" | "postgres-url" | "keystead.toml" | "keystead") {
                all.push((name, std::fs::read(&path).expect("readable")));
            }
        }
        let answers = self.answers.lock().expect("no panic inside").join("\n");
        all.push(("answers".to_owned(), answers.into_bytes()));
        all
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).fold(String::new(), |mut lines, line| {
        let _never_fails = writeln!(lines, "{}", String::from_utf8_lossy(line));
        lines
    });
    format!("-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n")
}

fn fresh() -> [u8; 32] {
    rand::random()
}

/// RFC 5649 under a key that we know.
fn wrap(kek: &[u8; 32], plain: &[u8; 32]) -> Vec<u8> {
    let mut out = vec![0; plain.len() + 15];
    let kek = AesKek::new(&AES_256, kek).expect("a key");
    kek.wrap_with_padding(plain, &mut out).expect("wraps").to_vec()
}

/// Brings keys in each way, has every way of use happen to each, and answers their bytes. Their names end in the round's number.
async fn live(subject: &Subject, round: usize) -> Vec<Known> {
    let (kek, raw, inner) = (fresh(), fresh(), fresh());
    let named = |stem: &str| format!("{stem}-{round}");
    let mut known = vec![Known::new("imported raw", &raw), Known::new("imported hex, used as KEK", &kek), Known::new("imported wrapped", &inner)];
    subject.makes(&named("kek"), Some(json!({"format": "hex", "data": hex::encode(kek)}))).await;
    subject.makes(&named("raw"), Some(json!({"format": "raw", "data": STANDARD.encode(raw)}))).await;
    let wrapped = STANDARD.encode(wrap(&kek, &inner));
    subject.makes(&named("wrapped"), Some(json!({"format": "wrapped", "data": wrapped, "unwrap_with": named("kek")}))).await;
    known.extend(subject.makes_of_components(&named("split")).await);
    let made = subject.makes(&named("made"), None).await;
    for name in ["kek", "raw", "wrapped", "made"] {
        for event in ["upload", "deactivate", "activate"] {
            subject.does(0, "POST", &format!("/v1/keys/{name}-{round}/{event}"), None).await;
        }
    }
    let successor = subject.does(0, "POST", &format!("/v1/keys/made-{round}/renew"), None).await["key"]["id"].as_str().expect("an id").to_owned();
    known.push(Known::new("generated", &subject.learns(&made).await));
    known.push(Known::new("generated by a renewal", &subject.learns(&successor).await));
    assert_eq!(subject.learns(&named("raw")).await, raw, "what we learn is what the vault has");
    subject.does(0, "POST", &format!("/v1/keys/made-{round}/revert"), None).await;
    known
}

/// A stopped process is searched, so that nothing moves meanwhile.
fn search_server(server: &Server, search: &Search) -> Option<Dump> {
    server.signal(Signal::STOP);
    let dump = search_memory(&server.pid().to_string(), search);
    server.signal(Signal::CONT);
    dump
}

/// Nothing but the control was found, and that was.
fn only_the_control(place: &str, dump: &Dump) -> String {
    let (controls, others): (Vec<&str>, Vec<&str>) = dump.hits.iter().map(|(_, told)| told.as_str()).partition(|told| told.starts_with(CONTROL));
    assert!(others.is_empty(), "{place} holds what it must not:\n{}", others.join("\n"));
    assert!(!controls.is_empty(), "the search does not even find a key's id in {place}");
    format!("{} MiB in {} regions of {place} (control found {} times)", dump.bytes >> 20, dump.regions, controls.len())
}

/// Files and answers hold nothing, and the database and the answers do hold the decoy.
fn search_leavings(subject: &Subject, search: &Search, decoy: &Search) -> String {
    let (mut told, mut controlled) = (Vec::new(), Vec::new());
    for (name, bytes) in subject.leavings() {
        assert_eq!(search.hits(&bytes), [], "{name} holds what it must not");
        told.push(format!("{} KiB {name}", bytes.len() >> 10));
        if !decoy.hits(&bytes).is_empty() {
            controlled.push(name);
        }
    }
    let finds = |place: &str| controlled.iter().any(|name| name.starts_with(place));
    assert!(finds("keystead.db") && finds("answers"), "the search finds a description only in {controlled:?}");
    format!("{} (control found in {})", told.join(", "), controlled.join(", "))
}

/// The search finds a buffer that lies in this process's memory, at its address and nowhere by chance.
#[test]
fn the_search_finds_a_leaked_buffer() {
    let known = Known::new("leaked", &fresh());
    let search = Search::of(std::slice::from_ref(&known));
    let mut leaked = vec![7u8; 3 * PAGE];
    leaked[PAGE - 5..PAGE + 27].copy_from_slice(&known.bytes);
    let dump = search_memory("self", &search).expect("our own memory");
    let address = leaked.as_ptr() as u64 + PAGE as u64 - 5;
    let found: Vec<u64> = dump.hits.iter().map(|(at, _)| *at).collect();
    assert!(found.contains(&address) && found.contains(&(address + 16)), "{address:x} is not among {found:x?}");
}

/// Each form of the bytes is found, also across the pages of zeros that are passed over.
#[test]
fn the_search_finds_every_form() {
    let known = Known::new("known", &fresh());
    let search = Search::of(std::slice::from_ref(&known));
    for needle in known.needles() {
        let mut hay = vec![0; 4 * PAGE];
        hay.splice(2 * PAGE - 3..2 * PAGE - 3, needle.bytes.iter().copied());
        assert!(search.hits(&hay).iter().any(|(at, what)| *at == 2 * PAGE - 3 && *what == needle.what), "{}", needle.what);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_byte_leaves_the_vault() {
    let (installation, server) = Installation::new(Engine::Sqlite, "trace").await;
    let key_file = std::fs::read(installation.path("root.key")).expect("the key file");
    search_all(installation, server, vec![Known::new("root key file", &key_file)]).await;
}

/// The soft token lives in the server's own process, so this search is harder than one beside a token of hardware: what is found nowhere is not in the token's memory either.
/// SoftHSM2 wipes what it had; kryoptic leaves halves of keys in memory that it gave back, and cannot be searched so. `host-wrap` is allowed for the export by which we learn
/// keys that were made inside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_byte_is_in_the_memory_of_a_server_whose_root_is_in_a_token() {
    let Some(token) = Token::new(Kind::Softhsm) else { return };
    let (installation, server) = Installation::over(Some(token), Engine::Sqlite, "trace").await;
    search_all(installation, server, Vec::new()).await;
}

/// Lets keys live in the installation, and searches memory, files and answers for them.
async fn search_all(installation: Installation, server: Server, mut known: Vec<Known>) {
    let subject = Subject { installation, http: reqwest::Client::new(), answers: Mutex::default() };
    for round in 0..if is_proof() { 10 } else { 1 } {
        known.extend(live(&subject, round).await);
    }
    let decoy = hex::encode(fresh());
    let raw_id = subject.does(0, "PATCH", "/v1/keys/raw-0", Some(json!({"description": decoy}))).await["key"]["id"].as_str().expect("an id").to_owned();
    let decoy = Search::for_text("decoy", &decoy);
    let search = Search::of(&known).and(CONTROL, &raw_id);

    let open = search_server(&server, &search).map(|dump| only_the_control("the open process", &dump));
    subject.does(0, "POST", "/v1/vault/seal", None).await;
    let sealed = search_server(&server, &search).map(|dump| only_the_control("the sealed process", &dump));
    let search = Search::of(&known);
    let leavings = search_leavings(&subject, &search, &decoy);
    let (forms, secrets) = (search.needles.len(), known.len());
    let (Some(open), Some(sealed)) = (open, sealed) else {
        assert!(!is_proof(), "a proof needs to read the server's memory: run it as root");
        eprintln!("memory search: THE MEMORY WAS NOT SEARCHED: only root may read the memory of a process that has closed itself up");
        return;
    };
    println!("memory search: {forms} forms of {secrets} secrets in {open}, {sealed}, {leavings}: nothing found but the controls");
}
