//! `keystead alert …` and `keystead schedule`.

use clap::{Args, Subcommand};

use super::listing::Listing;

/// What can be done with alerts.
#[derive(Subcommand)]
pub enum AlertVerb {
    /// List alerts and what became of them, newest first
    #[command(after_help = "Example:\n  keystead alert list --limit 20")]
    List(Listing),
    /// Show one alert: its facts, and its deliveries by channel
    #[command(after_help = "Example:\n  keystead alert show alert_01939f4e8a7b7c3d9e2f1a0b5c6d7e8f")]
    Show(One),
    /// Send a test alert on every channel, and tell what became of it
    #[command(after_help = "Example:\n  keystead alert test")]
    Test,
}

/// One alert.
#[derive(Args)]
pub struct One {
    /// Its id
    #[arg(value_name = "ALERT")]
    pub alert: String,
}

/// `schedule`
#[derive(Args)]
#[command(after_help = "Examples:\n  keystead schedule\n  keystead schedule --days 7 --output json")]
pub struct Schedule {
    /// How many days ahead
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    #[command(flatten)]
    pub listing: Listing,
}
