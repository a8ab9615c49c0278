//! `keystead vault …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with the vault.
#[derive(Subcommand)]
pub enum VaultVerb {
    /// Show how the vault stands
    #[command(after_help = "Example:\n  keystead vault status")]
    Status,
    /// Open the vault. Without a file, what opens it is asked for at the terminal
    Unseal(Unseal),
    /// Seal the vault: its keys leave the memory, and operations wait until it is opened again
    #[command(after_help = "Example:\n  keystead vault seal")]
    Seal,
    /// Replace the root or the account key, and wrap everything again under it; the server goes on working meanwhile
    Rotate(Rotate),
    /// Show the new shares of a root, as proof that their keepers have them: only then the rotation begins
    ConfirmRotation(ConfirmRotation),
    /// Prove that shares open the vault, or restore the copy of its root, without changing anything
    Rehearse(Rehearse),
}

/// `vault rehearse`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead vault rehearse
  keystead vault rehearse --share-file share-1.txt --share-file share-2.txt --share-file share-3.txt --transcript rehearsal.note

Without files the shares are asked for at the terminal, keeper by keeper.")]
pub struct Rehearse {
    /// A file with one of the shares; give as many as it takes, or more
    #[arg(long = "share-file", id = "share_files", value_name = "FILE")]
    pub share_files: Vec<PathBuf>,
    /// A new file for the signed transcript: `keystead audit verify-note` verifies it
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
}

/// `vault unseal`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead vault unseal
  keystead vault unseal --passphrase-file passphrase.txt
  keystead vault unseal --share-file share-1.txt --share-file share-2.txt --share-file share-3.txt")]
pub struct Unseal {
    /// A file with the passphrase; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["share_files", "key_file"])]
    pub passphrase_file: Option<PathBuf>,
    /// A file with one share; may be given several times
    #[arg(long = "share-file", id = "share_files", value_name = "FILE", conflicts_with = "key_file")]
    pub share_files: Vec<PathBuf>,
    /// The key file
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// What a rotation replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rotated {
    /// The root, under which the account keys lie
    Root,
    /// The account key, under which the material lies
    AccountKey,
}

impl Rotated {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::AccountKey => "account-key",
        }
    }
}

/// What opens a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RootKind {
    /// A passphrase of at least 12 characters; six words that nobody would guess are better
    Passphrase,
    /// A file of 32 random bytes
    KeyFile,
    /// Some of several shares, each kept by another person
    Shares,
    /// A hardware module: the root is made in it, and stays there
    Hsm,
}

/// `vault rotate`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead vault rotate account-key
  keystead vault rotate root --to passphrase
  keystead vault rotate root --to shares --shares 5 --threshold 3
  keystead vault rotate root --to shares --confirm-files share-1.txt share-2.txt share-3.txt
  keystead vault rotate root --to key-file --key-file new.key
  keystead vault rotate root --to hsm
  keystead vault rotate root --to hsm --hsm second --backup --shares 5 --threshold 3

--to hsm moves every key into the hardware module, or out of the module before into this one. A root in a module goes to a module only.")]
pub struct Rotate {
    /// What to replace
    #[arg(value_enum, value_name = "WHAT")]
    pub what: Rotated,
    /// For the root: what shall open it from now on
    #[arg(long, value_enum, value_name = "ROOT", required_if_eq("what", "root"))]
    pub to: Option<RootKind>,
    /// The new key file, which must be there: head -c 32 /dev/urandom > new.key
    #[arg(long, value_name = "FILE", required_if_eq("to", "key-file"))]
    pub key_file: Option<PathBuf>,
    /// The module's name in the server's configuration; without it, the first
    #[arg(long, value_name = "NAME")]
    pub hsm: Option<String>,
    #[command(flatten)]
    pub secret: RootSecret,
    /// Files to read the new shares back from, when they are asked for, instead of having them typed
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub confirm_files: Vec<PathBuf>,
    /// A new file for the signed transcript of a rotation with shares
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
}

/// `vault confirm-rotation`
#[derive(Args)]
#[command(after_help = "\
Example:
  keystead vault confirm-rotation --rotation rotation_0b1d6c2f9a8e4735 --share-file share-1.txt --share-file share-2.txt")]
pub struct ConfirmRotation {
    /// The rotation, as `vault rotate` named it
    #[arg(long, value_name = "ID")]
    pub rotation: String,
    /// A file with one of the new shares; give as many as open the vault
    #[arg(long = "share-file", id = "share_files", value_name = "FILE", required = true)]
    pub share_files: Vec<PathBuf>,
    /// A new file for the signed transcript: `keystead audit verify-note` verifies it
    #[arg(long, value_name = "FILE")]
    pub transcript: Option<PathBuf>,
}

/// What is said of the secret of a new root.
#[derive(Args)]
pub struct RootSecret {
    /// A file with the new passphrase, - is standard input; without it, the passphrase is asked for
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// How many shares there are
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub shares: u8,
    /// How many of them open the vault
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    pub threshold: u8,
    /// For a root in a hardware module: make a copy of it with the root, which the shares restore in another token. It cannot be made later
    #[arg(long)]
    pub backup: bool,
}
