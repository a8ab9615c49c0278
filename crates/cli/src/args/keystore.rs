//! `keystead keystore …`

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{listing::Listing, parse};

/// What can be done with keystores.
#[derive(Subcommand)]
pub enum KeystoreVerb {
    /// Name a place where keys shall live: in a cloud, or the vault itself
    Create(Create),
    /// List keystores
    #[command(after_help = "Example:\n  keystead keystore list")]
    List(Listing),
    /// Show one keystore
    #[command(after_help = "Example:\n  keystead keystore show payments-eu")]
    Show(One),
    /// Say which channels of the server's configuration hear of a keystore and of its keys
    Update(Update),
    /// Print the policies that the cloud's administrator has to set, and how
    Policy(Policy),
    /// Ask the cloud which of the needed permissions are there; changes nothing. The exit code is 6 when one is missing
    #[command(after_help = "Example:\n  keystead keystore check payments-eu")]
    Check(One),
    /// Look at every key of the keystore's account and Region, whoever made it; changes nothing there
    ///
    /// New ones become virtual keys: `key list --custody native` shows them. Known ones are brought up to date.
    #[command(after_help = "Example:\n  keystead keystore sync payments-eu")]
    Sync(One),
    /// Give every key its material back whose material is gone from the cloud, the most important first
    ///
    /// The tag keystead-priority says how important a key is: 1 comes first, 9 last, 5 without it.
    Restore(Restore),
    /// Fetch import parameters of every key ahead, so that a restore need not wait for them, or stop it
    Warm(Warm),
    /// Kill keys of a keystore: each with its copies, replicas and predecessors, wherever they are
    ///
    /// First it is shown what that reaches, and how long the clouds' quotas make it take. `key restore` brings each back.
    Kill(Kill),
    /// Drill the kill switch: on a schedule canary keys are killed, timed and restored
    #[command(subcommand)]
    Drill(DrillVerb),
    /// Delete a keystore whose keys are all deleted
    #[command(after_help = "Example:\n  keystead keystore delete payments-eu")]
    Delete(One),
}

/// Which cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cloud {
    /// AWS KMS
    Aws,
    /// None: keys live in the vault alone
    Vault,
}

impl Cloud {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Vault => "vault",
        }
    }
}

/// `keystore create`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead keystore create payments-eu --cloud aws --region eu-west-1 --account 123456789012
  keystead keystore create payments-eu --cloud aws --region eu-west-1 --account 123456789012 --role-arn arn:aws:iam::123456789012:role/keystead
  keystead keystore create main --cloud vault            (keys that live in the vault alone)")]
pub struct Create {
    /// Its name: 1 to 64 letters, digits, '.', '_' and '-'
    #[arg(value_name = "NAME", value_parser = parse::name)]
    pub name: String,
    /// The cloud
    #[arg(long, value_enum, value_name = "CLOUD")]
    pub cloud: Cloud,
    /// The Region, for example eu-west-1
    #[arg(long, value_name = "REGION", required_if_eq("cloud", "aws"))]
    pub region: Option<String>,
    /// The twelve digits of the AWS account
    #[arg(long, value_name = "ACCOUNT", value_parser = parse::account, required_if_eq("cloud", "aws"))]
    pub account: Option<String>,
    /// The role to assume there; without one the server's own credentials count
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for; Keystead makes one when it is left out
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// Only these channels of the server's configuration hear of it and of its keys, divided by commas; every one when it is left out
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',')]
    pub alert_channels: Vec<String>,
}

/// `keystore update`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead keystore update payments-eu --alert-channels mail:ops@example.com,pager
  keystead keystore update payments-eu --all-alert-channels")]
#[command(group = ArgGroup::new("what").required(true).args(["alert_channels", "all_alert_channels"]))]
pub struct Update {
    #[command(flatten)]
    pub one: One,
    /// Only these channels hear of it and of its keys, divided by commas
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',')]
    pub alert_channels: Vec<String>,
    /// Every channel hears of it, also those that come later
    #[arg(long)]
    pub all_alert_channels: bool,
}

/// One keystore.
#[derive(Args)]
pub struct One {
    /// Id or name
    #[arg(value_name = "KEYSTORE")]
    pub keystore: String,
}

/// `keystore restore`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead keystore restore payments-eu --dry-run        (how many keys, in which order, how long)
  keystead keystore restore payments-eu")]
pub struct Restore {
    #[command(flatten)]
    pub one: One,
    /// Only tell what it would take; the cloud is not asked
    #[arg(long)]
    pub dry_run: bool,
}

/// What can be done with drills.
#[derive(Subcommand)]
pub enum DrillVerb {
    /// Say how often a keystore is drilled; the first drill begins at once
    ///
    /// Only keys that have the tag keystead-canary now, and then, are killed. What failed, or was too slow, is told as an alert.
    Set(SetDrill),
    /// Drill a keystore no more
    #[command(after_help = "Example:\n  keystead keystore drill stop payments-eu")]
    Stop(One),
    /// Show how a keystore is drilled, and when its kill switch was last shown to work
    #[command(after_help = "Example:\n  keystead keystore drill show payments-eu")]
    Show(One),
    /// List the drills of a keystore, and how long it was until its cloud refused each canary
    List(Drills),
}

/// `keystore drill set`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key create canary --keystore payments-eu --tag keystead-canary=yes
  keystead keystore drill set payments-eu --every 7d --within 5m")]
pub struct SetDrill {
    #[command(flatten)]
    pub one: One,
    /// How often: a span from 1h to 365d
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text)]
    pub every: String,
    /// How long the cloud may take to refuse a killed canary; 5m without it
    #[arg(long, value_name = "SPAN", value_parser = parse::span_text)]
    pub within: Option<String>,
}

/// `keystore drill list`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead keystore drill list payments-eu")]
pub struct Drills {
    #[command(flatten)]
    pub one: One,
    #[command(flatten)]
    pub listing: Listing,
}

/// Whether a keystore is kept warm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Fetch ahead
    On,
    /// Stop; what was fetched goes
    Off,
}

/// `keystore warm`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead keystore warm payments-eu on")]
pub struct Warm {
    #[command(flatten)]
    pub one: One,
    /// Whether
    #[arg(value_enum, value_name = "on|off")]
    pub switch: Switch,
}

/// `keystore kill`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead keystore kill payments-eu --tag team=pay --dry-run
  keystead keystore kill payments-eu --tag team=pay
  keystead keystore kill payments-eu --all --yes")]
#[command(group = ArgGroup::new("which").required(true).args(["tags", "all"]))]
pub struct Kill {
    #[command(flatten)]
    pub one: One,
    /// Only keys with this tag; given several times, with all of them
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    pub tags: Vec<(String, String)>,
    /// Every key of the keystore
    #[arg(long)]
    pub all: bool,
    /// Leave predecessors, and their copies, as they are
    #[arg(long)]
    pub no_lineage: bool,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// One of the two policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyPart {
    /// Who may assume the role
    Trust,
    /// What the role may do
    Permission,
}

/// `keystore policy`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead keystore policy payments-eu
  keystead keystore policy payments-eu --only trust > trust.json
  keystead keystore policy payments-eu --native --only permission > permission.json")]
pub struct Policy {
    #[command(flatten)]
    pub one: One,
    /// Print one policy alone, as the JSON that the cloud takes
    #[arg(long, value_enum, value_name = "POLICY")]
    pub only: Option<PolicyPart>,
    /// Let the role manage keys that were made in the cloud, too, and not only look at them
    #[arg(long)]
    pub native: bool,
}
