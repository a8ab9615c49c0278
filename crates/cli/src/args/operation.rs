//! `keystead operation …`

use clap::{Args, Subcommand};

use super::listing::Listing;

/// What can be done with operations.
#[derive(Subcommand)]
pub enum OperationVerb {
    /// List operations, newest first
    List(List),
    /// Show one operation and its journal
    #[command(after_help = "Example:\n  keystead operation show op_01939f4e8a7b7c3d9e2f1a0b5c6d7e8f")]
    Show(One),
    /// Wait until an operation has ended; the exit code says how
    #[command(after_help = "Example:\n  keystead operation wait op_01939f4e8a7b7c3d9e2f1a0b5c6d7e8f --timeout 10m")]
    Wait(One),
    /// Let a waiting operation try again now
    #[command(after_help = "Example:\n  keystead operation wake op_01939f4e8a7b7c3d9e2f1a0b5c6d7e8f")]
    Wake(One),
}

/// `operation list`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead operation list\n  keystead operation list --key orders --limit 5")]
pub struct List {
    /// Only operations of this key, by id or name
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// One operation.
#[derive(Args)]
pub struct One {
    /// Its id
    #[arg(value_name = "OPERATION")]
    pub operation: String,
}
