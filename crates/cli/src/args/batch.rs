//! `keystead batch …`

use clap::{ArgGroup, Args, Subcommand};

use super::{chosen::Chosen, key::ExpiryPolicy, listing::Listing, parse};

/// What can be done with batches.
#[derive(Subcommand)]
pub enum BatchVerb {
    /// Change tags and expiry of many keys
    Update(Box<Update>),
    /// List batches
    #[command(after_help = "Example:\n  keystead batch list")]
    List(Listing),
    /// Show a batch, and how many of its keys stand where
    #[command(after_help = "Example:\n  keystead batch show batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1")]
    Show(One),
    /// List the keys of a batch, each with its operation, or why it waits, was skipped or failed
    Items(Items),
    /// Wait until a batch has ended; the exit code says whether a key failed
    #[command(after_help = "Example:\n  keystead batch wait batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1 --timeout 2h")]
    Wait(One),
    /// Begin nothing more; operations that run go on to their ends
    #[command(after_help = "Example:\n  keystead batch stop batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1")]
    Stop(One),
}

/// One batch.
#[derive(Args)]
pub struct One {
    /// Its id
    #[arg(value_name = "BATCH")]
    pub batch: String,
}

/// `batch items`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead batch items batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1
  keystead batch items batch_01997c1f9a5b7d0e8f4a6b2c1d3e5fb1 --only FAILED")]
pub struct Items {
    #[command(flatten)]
    pub one: One,
    /// Only those that stand there: WAITING, RUNNING, DONE, SKIPPED or FAILED
    #[arg(long, value_name = "STATE", value_parser = parse::item_state)]
    pub only: Option<String>,
    #[command(flatten)]
    pub listing: Listing,
}

/// `batch update`
#[derive(Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["set_tags", "remove_tags", "expires", "no_expiry", "expiry_policy"]))]
#[command(after_help = "\
Examples:
  keystead batch update --tag env=test --set-tag team=pay --remove-tag owner --dry-run
  keystead batch update --keystore payments-eu --state ACTIVE --expires 180d --expiry-policy extend --yes")]
pub struct Update {
    #[command(flatten)]
    pub chosen: Chosen,
    /// A tag that they shall have as well
    #[arg(long = "set-tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    pub set_tags: Vec<(String, String)>,
    /// The name of a tag that they shall not have any more
    #[arg(long = "remove-tag", value_name = "KEY")]
    pub remove_tags: Vec<String>,
    /// When their material expires in the cloud: a span such as 90d, or a time such as 2027-01-31T12:00:00Z; at most 365 days
    #[arg(long, value_name = "WHEN", value_parser = parse::expires)]
    pub expires: Option<String>,
    /// Their material never expires
    #[arg(long, conflicts_with = "expires")]
    pub no_expiry: bool,
    /// What happens before it expires
    #[arg(long, value_enum, value_name = "POLICY")]
    pub expiry_policy: Option<ExpiryPolicy>,
}
