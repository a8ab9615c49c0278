//! The benchmarks: each figure beside its limit, measured in the same run on the same machine, so that the ratio means something wherever it is run.
//!
//! ```text
//! make bench                                                              every section
//! cargo bench -p keystead --bench house --profile perf -- creates listing   some of them: creates quota sync sweep listing audit verify start
//! KEYSTEAD_BENCH_FULL=1 make bench                                        listing and verification up to a million, a sync and a sweep of 100,000 keys
//! ```
//!
//! Nothing here fails because of time: a goal is said to be met or missed. The table goes to standard output, the same as JSON lines to `target/bench.json`.
//! Simulated clouds, and whatever has its memory measured, run in processes of their own.
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]

mod audit;
mod bare;
mod children;
mod creates;
mod fill;
mod listing;
mod measure;
mod quota;
mod report;
mod rest;
mod server;
mod start;
mod sync;
mod verify;
mod world;

use std::alloc::System;

use report::Report;
use zeroizing_alloc::ZeroAlloc;

/// As in the binary: every freed allocation is wiped, and that has its price.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Every section, in the order in which they run.
const SECTIONS: [&str; 8] = ["creates", "quota", "sync", "sweep", "listing", "audit", "verify", "start"];

/// How many work at once, where many do.
const AT_ONCE: usize = 64;

/// Whether the long sizes are asked for.
fn is_full() -> bool {
    std::env::var("KEYSTEAD_BENCH_FULL").is_ok_and(|value| value == "1")
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if children::play(&arguments) {
        return;
    }
    // `cargo test --all-targets` starts benchmarks without this word: then there is nothing to measure.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("run by `make bench`");
        return;
    }
    let asked: Vec<&str> = arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = asked.iter().find(|asked| !SECTIONS.contains(asked)) {
        println!("there is no section {unknown}; there are: {}", SECTIONS.join(" "));
        return;
    }
    let wanted = SECTIONS.into_iter().filter(|section| asked.is_empty() || asked.contains(section));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("an async runtime");
    runtime.block_on(run(wanted));
}

async fn run(sections: impl Iterator<Item = &'static str>) {
    let mut report = Report::begin();
    for section in sections {
        report.section(section);
        match section {
            "creates" => creates::run(&mut report).await,
            "quota" => quota::run(&mut report).await,
            "sync" => sync::run(&mut report).await,
            "sweep" => sync::sweep(&mut report).await,
            "listing" => listing::run(&mut report).await,
            "audit" => audit::run(&mut report).await,
            "verify" => verify::run(&mut report).await,
            _ => start::run(&mut report).await,
        }
    }
    report.end();
}
