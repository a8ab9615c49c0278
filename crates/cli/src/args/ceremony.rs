//! `keystead ceremony …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{key::NewKey, listing::Listing};

/// What can be done with ceremonies.
#[derive(Subcommand)]
pub enum CeremonyVerb {
    /// Begin: a key shall come in components, each entered by another person, and be their XOR
    Begin(Box<Begin>),
    /// Enter a component of your own, asked for without echo; with the last one the key is made
    Enter(Enter),
    /// Show a ceremony, and who entered which component
    #[command(after_help = "Example:\n  keystead ceremony show ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1")]
    Show(One),
    /// List ceremonies
    #[command(after_help = "Example:\n  keystead ceremony list")]
    List(Listing),
    /// Make the key of components that are all there, where the operation that should have made it failed
    #[command(after_help = "Example:\n  keystead ceremony finish ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1")]
    Finish(One),
    /// End a ceremony; what was entered is wiped
    #[command(after_help = "Example:\n  keystead ceremony cancel ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1")]
    Cancel(One),
}

/// One ceremony.
#[derive(Args)]
pub struct One {
    /// Its id, as begin and list show it
    #[arg(value_name = "CEREMONY")]
    pub ceremony: String,
}

/// `ceremony begin`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead ceremony begin card-root --keystore payments-eu --components 3
  keystead ceremony begin card-root --keystore payments-eu --components 2 --spec HMAC_256 --check-value 0123456789

What is entered waits sealed, for 72 hours at most.")]
pub struct Begin {
    #[command(flatten)]
    pub new: NewKey,
    /// How many components it comes in, 2 to 8
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=8))]
    pub components: u32,
    /// The check value that the whole key is expected to have. AES: AES-CMAC of a zero block, or kcv-zero:XXXXXX; HMAC: of an empty text
    #[arg(long, value_name = "[METHOD:]HEX")]
    pub check_value: Option<String>,
    /// Keep no copy: the vault destroys its own as soon as the cloud has confirmed the material
    #[arg(long)]
    pub no_copy: bool,
}

/// `ceremony enter`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead ceremony enter ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1
  keystead ceremony enter ceremony_01997c1f9a5b7d0e8f4a6b2c1d3e5fa1 --file component.hex --check-value 0123456789")]
pub struct Enter {
    #[command(flatten)]
    pub one: One,
    /// The file that holds it in hexadecimal, instead of the question at the terminal; - is standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The check value of this component alone; without it a typed component is asked for twice
    #[arg(long, value_name = "[METHOD:]HEX")]
    pub check_value: Option<String>,
}
