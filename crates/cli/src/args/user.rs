//! `keystead user …`

use clap::{Args, Subcommand};

use super::{listing::Listing, parse};

/// What can be done with users.
#[derive(Subcommand)]
pub enum UserVerb {
    /// Make a user and the user's token, which is shown this once
    Create(Create),
    /// List users
    #[command(after_help = "Example:\n  keystead user list")]
    List(Listing),
    /// Show who asks
    #[command(after_help = "Example:\n  keystead user me --as ann")]
    Me,
    /// Make a new token for a user, shown this once; the old one ends
    #[command(after_help = "Example:\n  keystead user token ann")]
    Token(One),
    /// Disable a user; the token ends
    #[command(after_help = "Example:\n  keystead user disable ann")]
    Disable(One),
}

/// `user create`
#[derive(Args)]
#[command(after_help = "Example:\n  keystead user create ann")]
pub struct Create {
    /// A name: 1 to 64 letters, digits, '.', '_' and '-'
    #[arg(value_name = "NAME", value_parser = parse::name)]
    pub name: String,
}

/// One user.
#[derive(Args)]
pub struct One {
    /// Id or name
    #[arg(value_name = "USER")]
    pub user: String,
}
