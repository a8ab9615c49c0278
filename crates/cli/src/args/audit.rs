//! `keystead audit …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::listing::Listing;

/// What can be done with the audit log.
#[derive(Subcommand)]
pub enum AuditVerb {
    /// List entries, newest first
    List(List),
    /// Write the whole log to a file that anyone can verify without a server
    Export(Export),
    /// Verify an exported log: nothing edited, left out, added, reordered or forked. Needs no server
    Verify(Verify),
    /// Fetch the log's signed head; who keeps it can later prove that nothing before it was changed
    Checkpoint(Checkpoint),
    /// Print the log's name and the public key that signs it
    #[command(after_help = "Example:\n  keystead audit key")]
    Key,
    /// Verify a signed note: a transcript of a root, or a checkpoint. Needs no server
    VerifyNote(VerifyNote),
}

/// `audit verify-note`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead audit verify-note transcript.note --vkey keystead+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")]
pub struct VerifyNote {
    /// The note
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The log's public key, as `keystead audit key` printed it when you trusted the server
    #[arg(long, value_name = "VKEY")]
    pub vkey: String,
}

/// `audit list`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead audit list --limit 20\n  keystead audit list --key orders --all")]
pub struct List {
    /// Only entries about this key, by id or name
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// `audit export`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead audit export --out audit.log")]
pub struct Export {
    /// The file; it is replaced only when the export is whole. - is standard output
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `audit verify`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead audit verify audit.log --vkey keystead+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW
  keystead audit verify audit.log --vkey keystead+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW --checkpoint last-year.note

Without --vkey the key that the file itself names is taken: then the log is shown to agree with itself, not to be Keystead's.")]
pub struct Verify {
    /// The exported log
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The log's public key, as `keystead audit key` printed it when you trusted the server
    #[arg(long, value_name = "VKEY")]
    pub vkey: Option<String>,
    /// A checkpoint that you kept: the log must be its continuation
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
}

/// `audit checkpoint`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead audit checkpoint --out today.note")]
pub struct Checkpoint {
    /// The new file; without it the checkpoint is printed
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
