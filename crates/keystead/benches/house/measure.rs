//! Measuring: rounds, work by many at once, CPU time and memory of a process.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// The middle of several rounds, with the least and the greatest.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share| percentile(&sorted, share);
        Self { median: at(0.5), min: at(0.0), max: at(1.0) }
    }

    pub fn json(self) -> Value {
        json!({ "median": self.median, "min": self.min, "max": self.max })
    }

    pub fn text(self) -> String {
        format!("{} ({} - {})", short(self.median), short(self.min), short(self.max))
    }
}

/// Three digits that count.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The value below which this share of sorted values lies; NaN of nothing.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where scratch files lie: on the disk of the build, because a directory in memory would make every commit free.
pub fn scratch_root() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// A directory that vanishes.
pub fn scratch() -> TempDir {
    std::fs::create_dir_all(scratch_root()).expect("the build's directory can be written");
    tempfile::Builder::new().prefix("bench-").tempdir_in(scratch_root()).expect("a directory")
}

/// What many did in a while.
pub struct Burst {
    /// How long it lasted.
    pub seconds: f64,
    /// How long each piece of work took that ended in time, in milliseconds, sorted.
    pub took: Vec<f64>,
    /// CPU seconds of each process that was watched.
    pub cpu: Vec<f64>,
}

impl Burst {
    pub fn per_second(&self) -> f64 {
        self.took.len() as f64 / self.seconds
    }

    /// CPU milliseconds of a watched process for one piece of work.
    pub fn cpu_each(&self, process: usize) -> f64 {
        self.cpu[process] * 1000.0 / self.took.len() as f64
    }
}

/// Lets so many do the same again and again for a while. What is under way at the end is finished and not counted.
pub async fn at_once<F, Fut>(workers: usize, span: Duration, watched: &[u32], work: F) -> Burst
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let before: Vec<f64> = watched.iter().map(|pid| cpu_seconds(*pid)).collect();
    let deadline = Instant::now() + span;
    let mut busy: JoinSet<Vec<f64>> = (0..workers).map(|_| again_and_again(deadline, work.clone())).collect();
    tokio::time::sleep_until(deadline.into()).await;
    let cpu = watched.iter().zip(before).map(|(pid, before)| cpu_seconds(*pid) - before).collect();
    let mut took = Vec::new();
    while let Some(done) = busy.join_next().await {
        took.extend(done.expect("the work does not panic"));
    }
    took.sort_by(f64::total_cmp);
    Burst { seconds: span.as_secs_f64(), took, cpu }
}

async fn again_and_again<F, Fut>(deadline: Instant, work: F) -> Vec<f64>
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    let mut took = Vec::new();
    while Instant::now() < deadline {
        let begun = Instant::now();
        work().await;
        if Instant::now() <= deadline {
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    took
}

/// Lets every core do the same again and again for a while; answers how often a second.
pub async fn on_every_core(span: Duration, work: impl Fn() + Send + Sync + 'static) -> f64 {
    let measured = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + span;
        let one_core = || {
            let mut count = 0u64;
            while Instant::now() < deadline {
                work();
                count += 1;
            }
            count
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(one_core)).collect();
            threads.into_iter().map(|thread| thread.join().expect("the work does not panic")).sum::<u64>()
        })
    });
    measured.await.expect("the work does not panic") as f64 / span.as_secs_f64()
}

/// CPU seconds of a process, all its threads, in user and system (proc(5), /proc/PID/stat, fields 14 and 15, in ticks of a hundredth of a second).
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_the_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    behind_the_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Memory of a process in MiB.
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Resident at most, so far.
    pub peak: f64,
}

/// Memory of a process (proc(5), /proc/PID/status, VmRSS and VmHWM).
pub fn memory(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
    };
    Memory { resident: mib("VmRSS:"), peak: mib("VmHWM:") }
}
