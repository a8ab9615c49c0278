//! `keystead plan`, `keystead apply`, `keystead export` and `keystead estate …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{listing::Listing, parse};

/// `plan`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead plan estate.toml
  keystead plan keystores.toml payments.yaml --out plan.json")]
pub struct Plan {
    /// The files, in TOML or YAML; several make one estate
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Keep the plan in this file, for `keystead apply`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `apply`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead apply plan.json
  keystead apply plan.json --yes --timeout 2h")]
pub struct Apply {
    /// The plan that `keystead plan --out` kept
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Do not ask, whatever is dangerous in it
    #[arg(long)]
    pub yes: bool,
}

/// What can be exported.
#[derive(Subcommand)]
pub enum ExportVerb {
    /// Write what exists as an estate, of which a plan is empty
    Estate(Export),
}

/// `export estate`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead export estate > estate.toml
  keystead export estate --format yaml --keystore payments-eu")]
pub struct Export {
    /// The language of the file
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value_t = Language::Toml)]
    pub format: Language,
    /// Only this keystore and its keys, by name or id
    #[arg(long, value_name = "KEYSTORE")]
    pub keystore: Option<String>,
}

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// TOML
    Toml,
    /// YAML
    Yaml,
}

/// What can be done with estates and their applies.
#[derive(Subcommand)]
pub enum EstateVerb {
    /// Print the JSON schema of estates in files, for editors
    #[command(after_help = "Example:\n  keystead estate schema > estate.schema.json")]
    Schema,
    /// List applies: plans that were begun
    #[command(after_help = "Example:\n  keystead estate list")]
    List(Listing),
    /// Show an apply, and how many of its changes stand where
    #[command(after_help = "Example:\n  keystead estate show apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1")]
    Show(One),
    /// List the changes of an apply, each with its operation, or why it waits, was skipped or failed
    Changes(Changes),
    /// Wait until an apply has ended; the exit code says whether a change failed
    #[command(after_help = "Example:\n  keystead estate wait apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1 --timeout 2h")]
    Wait(One),
    /// Begin nothing more; operations that run go on to their ends
    #[command(after_help = "Example:\n  keystead estate stop apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1")]
    Stop(One),
}

/// One apply.
#[derive(Args)]
pub struct One {
    /// Its id
    #[arg(value_name = "APPLY")]
    pub apply: String,
}

/// `estate changes`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead estate changes apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1
  keystead estate changes apply_01997c1f9a5b7d0e8f4a6b2c1d3e5fc1 --only FAILED")]
pub struct Changes {
    #[command(flatten)]
    pub one: One,
    /// Only those that stand there: WAITING, RUNNING, DONE, SKIPPED or FAILED
    #[arg(long, value_name = "STATE", value_parser = parse::item_state)]
    pub only: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}
