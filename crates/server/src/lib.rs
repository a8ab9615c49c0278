//! Composition: configuration, wiring, listeners, shutdown, and the demo.
//!
//! *Invariants*: only `config` reads files and the environment. One thing is built in one file. Nothing is decided here but who is connected to whom.

mod assemble;
mod clock;
mod clouds;
pub mod config;
mod courier;
mod demo;
mod doctor;
mod error;
mod harden;
mod hsm;
mod init;
pub mod install;
mod listen;
mod restore;
mod samples;
mod tasks;
mod telemetry;

pub use assemble::{House, Wiring, assemble};
pub use clock::{SandboxClock, SystemClock};
pub use clouds::{AwsClouds, AwsSettings};
pub use courier::{Courier, Sent};
pub use demo::{DemoOptions, DemoReady, demo};
pub use doctor::{Check, DoctorReport, doctor};
pub use error::ServerError;
pub use hsm::{Finding, ModuleReport, Speed, examine};
pub use init::{InitOptions, InitReport, RootChoice, init};
pub use listen::serve;
pub use restore::{RestoreOptions, RestoreReport, read_shares, restore_root};
