//! `keystead sandbox …`

use std::net::SocketAddr;

use clap::{Args, Subcommand, ValueEnum};

use super::parse;

/// `sandbox`, alone or with a verb
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead sandbox --listen 127.0.0.1:4599             (run one, alone)
  keystead sandbox advance 8d                          (in the directory of a running demo)
  keystead sandbox faults add --operation CreateKey --fault lost
  keystead sandbox events --endpoint http://127.0.0.1:4599")]
pub struct Sandbox {
    /// Where to listen when it runs alone; a loopback address [default: 127.0.0.1:4599]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Its IAM user, who may do everything [default: 111122223333:AKIAIOSFODNN7EXAMPLE:sandbox]
    #[arg(long, value_name = "ACCOUNT:ACCESS_KEY:SECRET_KEY", value_parser = parse::sandbox_user)]
    pub user: Option<parse::SandboxUser>,
    #[command(subcommand)]
    pub verb: Option<SandboxVerb>,
}

/// What can be done with a running simulated cloud.
#[derive(Subcommand)]
pub enum SandboxVerb {
    /// Move its clock forward; what becomes due happens at once
    Advance(Advance),
    /// Say what shall go wrong with which calls
    #[command(subcommand)]
    Faults(FaultVerb),
    /// List what was called, in the form of CloudTrail
    Events(Events),
    /// Show its keys
    State(Endpoint),
    /// Make keys with material of AWS, as somebody else would there: what a sync finds
    Seed(Seed),
}

/// `sandbox seed`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead sandbox seed legacy --count 20 --account 123456789012 --region eu-west-1")]
pub struct Seed {
    /// What they are called: STEM-000000, STEM-000001, …
    #[arg(value_name = "STEM")]
    pub stem: String,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u32,
    /// The twelve digits of the account
    #[arg(long, value_name = "ACCOUNT", value_parser = parse::account)]
    pub account: String,
    /// The Region
    #[arg(long, value_name = "REGION")]
    pub region: String,
    #[command(flatten)]
    pub at: Endpoint,
}

/// Which simulated cloud.
#[derive(Args)]
#[command(after_help = "Example:\n  keystead sandbox state --endpoint http://127.0.0.1:4599")]
pub struct Endpoint {
    /// Where it is [env: KEYSTEAD_SANDBOX_URL; else sandbox_url of the profile]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
}

/// `sandbox advance`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead sandbox advance 8d")]
pub struct Advance {
    /// How far: a number and one of s, m, h, d, w
    #[arg(value_name = "SPAN", value_parser = parse::span)]
    pub micros: i64,
    #[command(flatten)]
    pub at: Endpoint,
}

/// `sandbox events`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead sandbox events\n  keystead sandbox events --since 40 --output json")]
pub struct Events {
    /// Only events after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub since: u64,
    #[command(flatten)]
    pub at: Endpoint,
}

/// `sandbox faults …`
#[derive(Subcommand)]
pub enum FaultVerb {
    /// Add a fault at the end of the plan
    Add(Fault),
    /// List the faults that are still to come
    List(Endpoint),
    /// Forget all faults that are still to come
    Clear(Endpoint),
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Effect {
    /// An error of AWS is answered; the call has no effect
    Error,
    /// The call is done; its answer is lost
    Lost,
    /// The connection is dropped; the call is done later
    Late,
    /// The call is done twice
    Duplicate,
    /// The call is done after a while
    Delay,
    /// The connection is dropped; the call has no effect
    Drop,
    /// HTTP 500 is answered; the call has no effect
    Http500,
}

impl Effect {
    /// The word of the control plane.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Lost => "lost",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
            Self::Delay => "delay",
            Self::Drop => "drop",
            Self::Http500 => "http_500",
        }
    }
}

/// `sandbox faults add`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead sandbox faults add --operation CreateKey --fault lost
  keystead sandbox faults add --operation ImportKeyMaterial --fault error --code AccessDeniedException --count 0
  keystead sandbox faults add --operation UpdateAlias --skip 1 --fault delay --millis 3000")]
pub struct Fault {
    /// The call in AWS's own name, for example CreateKey; * is every call
    #[arg(long, value_name = "NAME")]
    pub operation: String,
    /// What happens
    #[arg(long, value_enum, value_name = "FAULT")]
    pub fault: Effect,
    /// How many calls pass unharmed first
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u32,
    /// How many calls it hits; 0 is every call until the plan is cleared
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub count: u32,
    /// For error: AWS's code
    #[arg(long, value_name = "CODE", required_if_eq("fault", "error"))]
    pub code: Option<String>,
    /// For error: the HTTP status
    #[arg(long, value_name = "STATUS")]
    pub status: Option<u16>,
    /// For error: the message
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// For late: done after so many further calls
    #[arg(long, value_name = "N", conflicts_with = "millis")]
    pub calls: Option<u32>,
    /// For late and delay: done after so many milliseconds
    #[arg(long, value_name = "MS", required_if_eq("fault", "delay"))]
    pub millis: Option<u64>,
    #[command(flatten)]
    pub at: Endpoint,
}
