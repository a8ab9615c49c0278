//! Commands that need no server, or are one.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum, value_parser};

use super::{
    parse,
    vault::{RootKind, RootSecret},
};

/// `demo`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead demo
  keystead demo --listen 127.0.0.1:9090 --dir /tmp/keystead-demo

It runs until it is interrupted. Meanwhile the file keystead-profile.toml in the directory leads every other command there to it. The sample users
ann and bob can be played with --as: an export needs two people.")]
pub struct Demo {
    /// Where the server listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The directory for the profile file, and for what the demo keeps
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// `init`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead init
  keystead init --config /etc/keystead/keystead.toml --root key-file --key-file /etc/keystead/root.key --user ann
  keystead init --root shares --shares 5 --threshold 3
  keystead init --hsm-module /usr/lib/softhsm/libsofthsm2.so --hsm-token keystead --hsm-pin-file /etc/keystead/hsm-pin
  keystead init --hsm-module /usr/lib/softhsm/libsofthsm2.so --hsm-token keystead --hsm-pin-file /etc/keystead/hsm-pin --backup --shares 5 --threshold 3

The first user's token, and the shares if there are any, are printed this once.")]
pub struct Init {
    /// The configuration file; one with good defaults is written if there is none
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub config: PathBuf,
    /// What shall open the vault
    #[arg(long, value_enum, value_name = "ROOT", default_value = "passphrase")]
    pub root: RootKind,
    /// The key file to make; without it, keystead-root.key beside the configuration
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    #[command(flatten)]
    pub secret: RootSecret,
    #[command(flatten)]
    pub module: Module,
    /// The first user
    #[arg(long, value_name = "NAME", default_value = "admin", value_parser = parse::name)]
    pub user: String,
}

/// A hardware module, where the root is made in one.
#[derive(Args)]
pub struct Module {
    /// The library of a hardware module, for PKCS#11: the root is made in it
    #[arg(long, value_name = "FILE", requires = "hsm_token")]
    pub hsm_module: Option<PathBuf>,
    /// The label of the module's token
    #[arg(long, value_name = "LABEL", requires = "hsm_module")]
    pub hsm_token: Option<String>,
    /// A file with the token's PIN; without it, the PIN is asked for
    #[arg(long, value_name = "FILE", requires = "hsm_module")]
    pub hsm_pin_file: Option<PathBuf>,
}

/// `serve`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead serve --config /etc/keystead/keystead.toml")]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub config: PathBuf,
}

/// `restore-root`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead restore-root --config /etc/keystead/keystead.toml --hsm second --share-file share-1.txt --share-file share-2.txt --share-file share-3.txt
  keystead restore-root

The configuration names the new token as [hsm] or [[hsm.more]], with the file of its PIN. Without files the shares are asked for at the terminal.")]
pub struct RestoreRoot {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub config: PathBuf,
    /// The module's name in the configuration; without it, the first
    #[arg(long, value_name = "NAME")]
    pub hsm: Option<String>,
    /// A file with one of the shares; give as many as it takes
    #[arg(long = "share-file", id = "share_files", value_name = "FILE")]
    pub share_files: Vec<PathBuf>,
}

/// `doctor`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead doctor --config /etc/keystead/keystead.toml
  keystead doctor hsm --config /etc/keystead/keystead.toml
  keystead doctor hsm --hsm-module /usr/lib/softhsm/libsofthsm2.so --hsm-token keystead

`doctor hsm` lets the module show what it can, and how fast. It leaves nothing in the token.")]
pub struct Doctor {
    /// What to look at: without it, the whole installation
    #[arg(value_enum, value_name = "WHAT")]
    pub what: Option<DoctorOf>,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub config: PathBuf,
    #[command(flatten)]
    pub module: Module,
}

/// What `doctor` looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorOf {
    /// The hardware module of the configuration, or one that is named here
    Hsm,
}

/// `completions`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead completions bash > ~/.local/share/bash-completion/completions/keystead
  keystead completions zsh > ~/.zfunc/_keystead
  keystead completions fish > ~/.config/fish/completions/keystead.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = value_parser!(clap_complete::Shell))]
    pub shell: clap_complete::Shell,
}

/// `man`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead man --out /usr/local/share/man/man1")]
pub struct Man {
    /// The directory for the pages
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
