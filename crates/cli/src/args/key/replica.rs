//! `keystead key replica …`

use clap::{Args, Subcommand};

use super::{One, parse};

/// `key replica …`
#[derive(Subcommand)]
pub enum ReplicaVerb {
    /// Make a replica in a keystore of another Region, with the same material
    ///
    /// What one Region encrypts, the other decrypts. State, expiry and rotation are asked of the primary, and the replicas go along.
    Add(AddReplica),
    /// Remove a replica: start its countdown to deletion. The others stay
    #[command(after_help = "Example:\n  keystead key replica remove orders_us-east-1 --days 7")]
    Remove(ScheduleDeletion),
    /// Make a replica the primary, and the primary a replica
    #[command(after_help = "Example:\n  keystead key replica promote orders_us-east-1")]
    Promote(One),
}

/// `key replica add`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key replica add orders --to payments-us
  keystead key replica add orders --to payments-us --name orders-us --alias orders-us")]
pub struct AddReplica {
    #[command(flatten)]
    pub one: One,
    /// The keystore in the other Region, by id or name: of the same AWS account
    #[arg(long = "to", value_name = "KEYSTORE")]
    pub keystore: String,
    /// Its name; otherwise the primary's with the Region behind it
    #[arg(long, value_name = "NAME", value_parser = parse::name)]
    pub name: Option<String>,
    /// An alias there; without any, it has the primary's
    #[arg(long = "alias", value_name = "ALIAS,…", value_delimiter = ',', value_parser = parse::alias)]
    pub aliases: Vec<String>,
    /// No aliases
    #[arg(long, conflicts_with = "aliases")]
    pub no_alias: bool,
    /// A tag; otherwise it has the primary's
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse::tag)]
    pub tags: Vec<(String, String)>,
    /// What it is for; otherwise as the primary says
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

/// `key replica remove`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead key replica remove orders_us-east-1 --days 7")]
pub struct ScheduleDeletion {
    #[command(flatten)]
    pub one: One,
    /// Days until the cloud deletes it: 7 to 30
    #[arg(long, value_name = "DAYS", default_value = "30", value_parser = parse::days)]
    pub days: u8,
}
