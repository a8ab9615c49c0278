//! Commands that need no server, or are one.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, value_parser};

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
    /// The first user
    #[arg(long, value_name = "NAME", default_value = "admin", value_parser = parse::name)]
    pub user: String,
}

/// `serve`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead serve --config /etc/keystead/keystead.toml")]
pub struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub config: PathBuf,
}

/// `doctor`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead doctor --config /etc/keystead/keystead.toml")]
pub struct Doctor {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "keystead.toml")]
    pub config: PathBuf,
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
