//! `keystead key export …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::One;

/// `key export …`
#[derive(Subcommand)]
pub enum ExportVerb {
    /// Name the public key that shall receive the material; another person then downloads it
    Prepare(Prepare),
    /// Fetch the material, wrapped under the prepared public key; works once, and not for the person who prepared it
    Download(Download),
}

/// `key export prepare`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key export prepare orders --public-key me.pem
  keystead key export prepare orders --public-key me.pem --as ann")]
pub struct Prepare {
    #[command(flatten)]
    pub one: One,
    /// Your RSA public key of at least 2048 bits, in PEM
    #[arg(long, value_name = "FILE")]
    pub public_key: PathBuf,
}

/// `key export download`
#[derive(Args)]
#[command(after_help = "\
Examples:
  keystead key export download orders --out orders.wrapped
  keystead key export download orders --out orders.wrapped --as bob

The file is opened with the private key, for example:
  openssl pkeyutl -decrypt -inkey me.key -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 \\
    -in orders.wrapped -out orders.bin")]
pub struct Download {
    #[command(flatten)]
    pub one: One,
    /// The new file that the wrapped material goes to
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The number of a version, of a key that was rotated in place; the current one when left out
    #[arg(long, value_name = "NUMBER")]
    pub of_version: Option<u32>,
}
