//! Verification of an export, in a process of its own so that its memory can be told, against reading the same file and hashing each line.

use std::{
    collections::HashMap,
    convert::Infallible,
    fs::File,
    io::{BufRead, BufReader, BufWriter},
    path::Path,
    time::Instant,
};

use keystead_audit::{Checkpoint, Entry, ExportWriter, Log, Signer, leaf_hash, verify_export};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    audit::sample,
    children, is_full,
    measure::{memory, scratch},
    report::{Figure, Report},
};

/// The child's parts.
pub const VERIFY: &str = "--verify";
pub const HASH: &str = "--hash";

const ROUNDS: usize = 5;
const ORIGIN: &str = "keystead.dev/audit/bench";
/// A checkpoint after so many entries, as a server signs them now and then.
const SIGNED_EVERY: u64 = 10_000;
/// What memory is held against.
const FEW: u64 = 1_000;

pub async fn run(report: &mut Report) {
    let directory = scratch();
    let many = if is_full() { 1_000_000 } else { 100_000 };
    let files = [directory.path().join("many.jsonl"), directory.path().join("few.jsonl")];
    write_export(&files[0], many);
    write_export(&files[1], FEW);
    let (mut speed, mut limit, mut peak, mut peak_few) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (verified, hashed, few) = (child(VERIFY, &files[0]), child(HASH, &files[0]), child(VERIFY, &files[1]));
        assert_eq!((verified["entries"].as_u64(), few["entries"].as_u64()), (Some(many), Some(FEW)), "every entry is checked");
        speed.push(many as f64 / number(&verified, "seconds"));
        limit.push(many as f64 / number(&hashed, "seconds"));
        peak.push(number(&verified, "peak_mib"));
        peak_few.push(number(&few, "peak_mib"));
    }
    let megabytes = std::fs::metadata(&files[0]).map_or(0, |file| file.len() / 1_000_000);
    let note = format!("{many} entries in {megabytes} MB");
    report.add(Figure::new("verification", "entries/s", &speed).beside("reading the file and hashing each line", &limit).note(note));
    report.add(Figure::new("verification, peak resident memory", "MiB", &peak).beside(format!("of {FEW} entries"), &peak_few));
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().expect("a number")
}

fn child(part: &str, file: &Path) -> Value {
    let output = children::again().arg(part).arg(file).output().expect("a child");
    serde_json::from_slice(&output.stdout).expect("the child says what it measured")
}

/// The child's part: verify, then tell.
pub fn verify_in_child(file: &str) {
    let begun = Instant::now();
    let found = verify_export(File::open(file).expect("the export"), None, None).expect("a genuine export");
    tell(found.entries, begun);
}

/// The child's part: read and hash each line, then tell.
pub fn hash_in_child(file: &str) {
    let begun = Instant::now();
    let mut reader = BufReader::with_capacity(1 << 16, File::open(file).expect("the export"));
    let (mut line, mut lines) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line).expect("a line") > 0 {
        std::hint::black_box(leaf_hash(&line));
        line.clear();
        lines += 1;
    }
    tell(lines, begun);
}

fn tell(entries: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{}", json!({ "entries": entries, "seconds": seconds, "peak_mib": memory(std::process::id()).peak }));
}

fn entry(like: &Entry, number: u64) -> Vec<u8> {
    Entry { id: format!("entry_{number:032x}"), at_micros: like.at_micros + number as i64, ..like.clone() }.to_bytes()
}

/// Writes a genuine export of so many entries.
fn write_export(file: &Path, count: u64) {
    let signer = Signer::from_seed(ORIGIN, Zeroizing::new([7; 32])).expect("a signer");
    let like = sample();
    let (mut log, mut tiles, mut checkpoints) = (Log::new(), HashMap::new(), Vec::new());
    for number in 0..count {
        log.append(&entry(&like, number));
        if log.size().is_multiple_of(SIGNED_EVERY) || log.size() == count {
            tiles.extend(log.take_changes().into_iter().map(|tile| ((tile.level, tile.n), tile.hashes)));
            checkpoints.push(Checkpoint::new(ORIGIN, log.size(), log.root()).sign(&signer).expect("a checkpoint"));
        }
    }
    let shelf = |level: u8, n: u64| Ok::<_, Infallible>(tiles.get(&(level, n)).cloned().unwrap_or_default());
    let out = BufWriter::new(File::create(file).expect("a file"));
    let mut writer = ExportWriter::start(out, signer.verifier_key(), 0, checkpoints, shelf).expect("an export");
    (0..count).for_each(|number| writer.entry(&entry(&like, number)).expect("an entry"));
    writer.finish().expect("an export");
}
