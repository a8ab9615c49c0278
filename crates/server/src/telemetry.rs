//! Logs. They go to standard error, so that standard output stays the command's.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::Log;

/// Starts logging; a second start in one process is left alone.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let _ = if log.format == "json" { builder.json().try_init() } else { builder.try_init() };
}
