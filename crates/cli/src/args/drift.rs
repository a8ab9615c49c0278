//! `keystead drift …`

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{listing::Listing, parse};

/// What can be done with differences.
#[derive(Subcommand)]
pub enum DriftVerb {
    /// List in what the clouds' keys differ from what is wanted of them, as the last sync saw it
    List(List),
    /// Show a difference: what was wanted, what was seen, what is, and what can be done
    #[command(after_help = "Example:\n  keystead drift show drift_01997c2044117a3e8b5c6d7e8f901234")]
    Show(One),
    /// Take what is for what is wanted; nothing is changed in the cloud
    Accept(Accept),
    /// Put back in the cloud what is wanted
    Repair(Repair),
    /// Say how often a keystore is looked through, and what is mended without a person; without options, show it
    Policy(Policy),
    /// Say which queue tells what is done to the keys of a keystore; without options, show it
    Events(Events),
}

/// `drift list`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead drift list --class hostile
  keystead drift list --keystore payments-eu --plan
  keystead drift list --key orders --state any")]
pub struct List {
    /// Only those of this keystore, by name or id
    #[arg(long, value_name = "KEYSTORE")]
    pub keystore: Option<String>,
    /// Only those of this key, by name or id
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Only those of this class
    #[arg(long, value_name = "CLASS", value_enum)]
    pub class: Option<Class>,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_enum, default_value_t = State::Open)]
    pub state: State,
    /// Show what a repair of each would do
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub listing: Listing,
}

/// How bad a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Class {
    /// Somebody took, or can take, what is not theirs, or is about to destroy data
    Hostile,
    /// It may be meant; somebody has to say
    NeedsPerson,
    /// What is wanted can be put back without harm
    Repairable,
    /// Nothing hangs on it
    Benign,
}

impl Class {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hostile => "hostile",
            Self::NeedsPerson => "needs-person",
            Self::Repairable => "repairable",
            Self::Benign => "benign",
        }
    }
}

/// What has become of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum State {
    /// It is there
    Open,
    /// What was wanted was put back
    Repaired,
    /// What is, is wanted now
    Accepted,
    /// It went away by itself
    Gone,
    /// All of them
    Any,
}

impl State {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Repaired => "REPAIRED",
            Self::Accepted => "ACCEPTED",
            Self::Gone => "GONE",
            Self::Any => "any",
        }
    }
}

/// One difference.
#[derive(Args)]
pub struct One {
    /// Its id
    #[arg(value_name = "DRIFT")]
    pub drift: String,
}

/// `drift accept`
#[derive(Args)]
#[command(after_help = "\
Example:
  keystead drift accept drift_01997c2044117a3e8b5c6d7e8f901234 --reason ticket-4711")]
pub struct Accept {
    #[command(flatten)]
    pub one: One,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// `drift repair`
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(false).args(["drift", "key"]))]
#[command(after_help = "\
Examples:
  keystead drift repair drift_01997c2044117a3e8b5c6d7e8f901234 --plan
  keystead drift repair drift_01997c2044117a3e8b5c6d7e8f901234
  keystead drift repair --key orders")]
pub struct Repair {
    /// One difference, by its id
    #[arg(value_name = "DRIFT")]
    pub drift: Option<String>,
    /// Every difference of this key that Keystead can put right, by name or id
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Only show what would be done
    #[arg(long)]
    pub plan: bool,
}

/// `drift policy`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead drift policy payments-eu
  keystead drift policy payments-eu --every 6h --auto-repair safe
  keystead drift policy payments-eu --never")]
pub struct Policy {
    /// The keystore, by name or id
    #[arg(value_name = "KEYSTORE")]
    pub keystore: String,
    /// Look it through so often: a span of 15 minutes at least
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text)]
    pub every: Option<String>,
    /// What is mended without a person: only what neither widens nor takes away anybody's use of a key
    #[arg(long, value_name = "WHAT", value_enum, requires = "every")]
    pub auto_repair: Option<AutoRepair>,
    /// Look only when somebody asks
    #[arg(long, conflicts_with = "every")]
    pub never: bool,
}

/// `drift events`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead drift events payments-eu
  keystead drift events payments-eu --queue arn:aws:sqs:eu-central-1:111122223333:keystead-events
  keystead drift events payments-eu --none")]
pub struct Events {
    /// The keystore, by name or id
    #[arg(value_name = "KEYSTORE")]
    pub keystore: String,
    /// Listen to this queue of the keystore's own account and Region
    #[arg(long, value_name = "ARN")]
    pub queue: Option<String>,
    /// Listen to none
    #[arg(long, conflicts_with = "queue")]
    pub none: bool,
}

/// What is mended without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AutoRepair {
    /// Nothing
    None,
    /// Descriptions, tags, the end of material, and aliases that point at nothing, on keys without graver differences
    Safe,
}

impl AutoRepair {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Safe => "safe",
        }
    }
}
