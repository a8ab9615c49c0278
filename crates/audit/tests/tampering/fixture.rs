//! A log as a store keeps it, its export, and what a forger's hands can do to the lines.

use keystead_audit::{Actor, ActorKind, Checkpoint, Entry, ExportWriter, Finding, Log, Outcome, Report, Signer, Subject, TileChange, verify_export};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::LazyLock,
};
use zeroize::Zeroizing;

pub(crate) const ORIGIN: &str = "keystead.example.com/audit";

pub(crate) fn signer(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, Zeroizing::new([seed; 32])).unwrap_or_else(|_| panic!("a seed is a key"))
}

pub(crate) fn entry(n: u64, said: &str) -> Vec<u8> {
    let entry = Entry {
        id: format!("entry_{n}"),
        at_micros: 1_700_000_000_000_000 + n as i64,
        account: "acct_1".into(),
        actor: Actor { kind: ActorKind::User, id: "user_1".into(), name: "ana".into() },
        action: "key.renew".into(),
        subject: vec![Subject { kind: "key".into(), id: format!("key_{n}"), name: "orders".into() }],
        rule: "role:owner".into(),
        outcome: Outcome::Succeeded,
        operation: None,
        cloud_request: None,
        detail: BTreeMap::from([("said".to_owned(), said.to_owned())]),
    };
    entry.to_bytes()
}

/// A log as a store keeps it.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) tiles: HashMap<(u8, u64), Vec<u8>>,
    pub(crate) checkpoints: Vec<String>,
}

impl Store {
    /// Appends entries up to `size`, then signs a checkpoint.
    pub(crate) fn grow(&mut self, size: u64, said: &str, seed: u8) -> &mut Self {
        let tiles = &self.tiles;
        let read = &mut |level, n| Ok::<_, Infallible>(tiles.get(&(level, n)).cloned().unwrap_or_default());
        let mut log = Log::resume(self.entries.len() as u64, read).expect("resumes");
        for n in log.size()..size {
            self.entries.push(entry(n, said));
            log.append(&self.entries[n as usize]);
        }
        for TileChange { level, n, hashes } in log.take_changes() {
            self.tiles.insert((level, n), hashes);
        }
        self.checkpoints.push(Checkpoint::new(ORIGIN, log.size(), log.root()).sign(&signer(seed)).expect("signs"));
        self
    }

    pub(crate) fn export_from(&self, from: u64) -> Vec<u8> {
        let read = |level, n| Ok::<_, Infallible>(self.tiles.get(&(level, n)).cloned().unwrap_or_default());
        let mut writer = ExportWriter::start(Vec::new(), signer(1).verifier_key(), from, self.checkpoints.clone(), read).expect("starts");
        for index in writer.range() {
            writer.entry(&self.entries[index as usize]).expect("writes");
        }
        writer.finish().expect("finishes")
    }

    pub(crate) fn export(&self) -> Lines {
        Lines::of(&self.export_from(0))
    }
}

/// An export, line by line, to be tampered with.
#[derive(Clone)]
pub(crate) struct Lines(pub(crate) Vec<String>);

impl Lines {
    pub(crate) fn of(export: &[u8]) -> Self {
        Self(String::from_utf8(export.to_vec()).expect("an export is text").lines().map(str::to_owned).collect())
    }

    pub(crate) fn verify(&self) -> Result<Report, Finding> {
        self.verify_against(None)
    }

    pub(crate) fn verify_against(&self, trusted: Option<&str>) -> Result<Report, Finding> {
        let text: String = self.0.iter().map(|line| format!("{line}\n")).collect();
        verify_export(text.as_bytes(), Some(&signer(1).verifier_key().to_string()), trusted)
    }

    pub(crate) fn finding(&self) -> Finding {
        self.verify().expect_err("the export was tampered with")
    }

    /// The line of an entry.
    pub(crate) fn entry(&self, index: u64) -> usize {
        self.starting(&format!("{{\"index\":{index},"))
    }

    /// The line of the recorded hashes from `first` on.
    pub(crate) fn hashes(&self, level: u8, first: u64) -> usize {
        self.starting(&format!("{{\"level\":{level},\"first\":{first},"))
    }

    /// The line of the checkpoint of this size.
    pub(crate) fn checkpoint(&self, size: u64) -> usize {
        self.starting(&format!("{{\"checkpoint\":\"{ORIGIN}\\n{size}\\n"))
    }

    fn starting(&self, start: &str) -> usize {
        self.0.iter().position(|line| line.starts_with(start)).expect("the line is there")
    }

    pub(crate) fn replace(&mut self, line: usize, from: &str, to: &str) {
        let changed = self.0[line].replacen(from, to, 1);
        assert_ne!(changed, self.0[line], "the change changes something");
        self.0[line] = changed;
    }

    /// Gives the entry lines new numbers, as if nothing had happened.
    pub(crate) fn renumber(&mut self) -> &mut Self {
        let entries = self.0.iter_mut().filter(|line| line.starts_with("{\"index\":"));
        for (index, line) in entries.enumerate() {
            *line = format!("{{\"index\":{index}{}", &line[line.find(',').expect("a number ends")..]);
        }
        self
    }

    /// Moves the recorded hashes so that they stand after each 256 entries again, as if nothing had happened.
    pub(crate) fn retile(&mut self, to: u64) -> &mut Self {
        let (mut tiles, rest): (Vec<_>, Vec<_>) = self.0.drain(..).partition(|line| line.starts_with("{\"level\":0"));
        let mut entries = 0;
        for line in rest {
            let is_entry = line.starts_with("{\"index\":");
            entries += u64::from(is_entry);
            self.0.push(line);
            if is_entry && (entries % 256 == 0 || entries == to) {
                self.0.push(tiles.remove(0));
            }
        }
        self
    }

    /// Records the hashes of the entries as they now stand, as who cannot sign would do to hide an edit.
    pub(crate) fn rehash(&mut self, levels: u8) -> &mut Self {
        let mut store = Store::default();
        let bytes = |line: &String| line.split_once("\"entry\":").map(|(_, rest)| rest.as_bytes()[..rest.len() - 1].to_vec());
        store.entries = self.0.iter().filter_map(bytes).collect();
        let mut log = Log::new();
        store.entries.iter().for_each(|entry| {
            log.append(entry);
        });
        log.take_changes().into_iter().for_each(|tile| drop(store.tiles.insert((tile.level, tile.n), tile.hashes)));
        store.checkpoints.push(Checkpoint::new(ORIGIN, log.size(), log.root()).sign(&signer(9)).expect("signs"));
        let new = store.export();
        for line in self.0.iter_mut() {
            let level = line.strip_prefix("{\"level\":").and_then(|rest| rest[..1].parse::<u8>().ok());
            if level.is_some_and(|level| level < levels) {
                let start = &line[..line.find("\"hashes\"").expect("a hash line")];
                *line = new.0[new.starting(start)].clone();
            }
        }
        self
    }
}

/// 1,000 entries with checkpoints at 100, 300, 512 and 1,000.
pub(crate) static STORE: LazyLock<Store> = LazyLock::new(|| {
    let mut store = Store::default();
    store.grow(100, "x", 1).grow(300, "x", 1).grow(512, "x", 1).grow(1_000, "x", 1);
    store
});

pub(crate) fn genuine() -> Lines {
    STORE.export()
}
