//! `keystead rotation …`

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{listing::Listing, parse};

/// What can be done with rotation policies.
#[derive(Subcommand)]
pub enum RotationVerb {
    /// Say how often a key, a keystore's keys or all others get a successor, and when
    ///
    /// The nearest policy counts: the key's own, its keystore's, the default. The new one takes the place of the one that was there.
    Set(Box<Set>),
    /// Show the policy that counts, and for a key when it is rotated next
    Show(Show),
    /// Take a policy away: from then on the next nearest counts
    Clear(Clear),
    /// List policies
    #[command(after_help = "Example:\n  keystead rotation list")]
    List(Listing),
}

/// Whose policy.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Target {
    /// One key with its successors, by name or id
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Every key of a keystore that has no policy of its own
    #[arg(long, value_name = "KEYSTORE")]
    pub keystore: Option<String>,
    /// Every other key
    #[arg(long)]
    pub default: bool,
}

/// How a key is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// A successor with new material takes over the aliases
    NewKey,
    /// The same cloud key gets new material, where the cloud can: its ARN stays
    InPlace,
}

impl Strategy {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewKey => "new-key",
            Self::InPlace => "in-place",
        }
    }
}

/// `rotation set`
#[derive(Args)]
#[command(group = ArgGroup::new("cadence").required(true).multiple(false).args(["every", "cron", "none"]))]
#[command(after_help = "\
Examples:
  keystead rotation set --keystore payments-eu --every 90d --window sat,sun@02:00-04:00 --zone Europe/Berlin --notice 7d
  keystead rotation set --key orders --cron @monthly --zone Europe/Berlin --grace 14d
  keystead rotation set --key archive --none
  keystead rotation set --default --every 365d --start 2027-01-01T00:00:00Z")]
pub struct Set {
    #[command(flatten)]
    pub target: Target,
    /// This long after the last rotation: a span of a day at least, such as 90d
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text)]
    pub every: Option<String>,
    /// By a calendar: minute, hour, day, month and weekday, or @monthly; once a day at most
    #[arg(long, value_name = "PATTERN")]
    pub cron: Option<String>,
    /// Do not rotate, whatever a policy further away says
    #[arg(long, conflicts_with_all = ["zone", "start", "window", "notice", "strategy", "grace"])]
    pub none: bool,
    /// The time zone of calendar and window, by its IANA name; UTC when left out
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Not before: a span from now, or a time such as 2027-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = parse::expires)]
    pub start: Option<String>,
    /// Begin only inside this maintenance window: sat,sun@02:00-04:00, or 02:00-04:00 for every day; an hour at least
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<String>,
    /// How long before a rotation it is told
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text)]
    pub notice: Option<String>,
    /// How it is done
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub strategy: Option<Strategy>,
    /// How long after a rotation the predecessor is deactivated: a span, or keep: it stays enabled
    #[arg(long, value_name = "SPAN|keep", value_parser = parse::grace)]
    pub grace: Option<String>,
}

/// `rotation show`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead rotation show --key orders\n  keystead rotation show --default")]
pub struct Show {
    #[command(flatten)]
    pub target: Target,
}

/// `rotation clear`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead rotation clear --keystore payments-eu")]
pub struct Clear {
    #[command(flatten)]
    pub target: Target,
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::Parser as _;

    fn refused(line: &str) -> String {
        Cli::try_parse_from(line.split(' ')).err().unwrap_or_else(|| panic!("{line} is accepted")).to_string()
    }

    #[test]
    fn a_policy_is_for_one_thing_and_says_how_often_in_one_way() {
        assert!(refused("keystead rotation set --every 9d").contains("required"));
        assert!(refused("keystead rotation set --key a --default --every 9d").contains("cannot be used with"));
        assert!(refused("keystead rotation set --key a").contains("required"));
        assert!(refused("keystead rotation set --key a --every 9d --cron @monthly").contains("cannot be used with"));
        assert!(refused("keystead rotation set --key a --none --grace 9d").contains("cannot be used with"));
        assert!(refused("keystead rotation set --key a --every often").contains("90d"));
    }
}
