//! What every command understands.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::parse;

/// How results are said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people
    #[default]
    Table,
    /// JSON for scripts
    Json,
}

/// Options that stand before or behind any command. They may carry a token, so they have no `Debug`.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Say results as tables for people, or as JSON for scripts
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: Format,
    /// Where the server is [env: KEYSTEAD_URL; else the profile]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The token to ask with [env: KEYSTEAD_TOKEN; else the profile]
    ///
    /// Others on this machine can see the arguments of a command: --token-file and KEYSTEAD_TOKEN are safer.
    #[arg(long, global = true, value_name = "TOKEN", value_parser = parse::token, conflicts_with_all = ["token_file", "as_user"])]
    pub token: Option<parse::TypedToken>,
    /// A file with the token; - is standard input
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "as_user")]
    pub token_file: Option<PathBuf>,
    /// Ask as this user of the profile: dual control needs two
    #[arg(long = "as", id = "as_user", global = true, value_name = "NAME")]
    pub as_user: Option<String>,
    /// The profile file [env: KEYSTEAD_PROFILE; default: ./keystead-profile.toml, then ~/.config/keystead/profile.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Do not wait for the operation; answer as soon as it is safely begun
    #[arg(long, global = true)]
    pub no_wait: bool,
    /// How long to wait, for example 30s or 10m; then the exit code is 8 and the operation goes on
    #[arg(long, global = true, value_name = "TIME", default_value = "300s", value_parser = parse::timeout)]
    pub timeout: Duration,
    /// Certificates in PEM to trust beside the system's [env: KEYSTEAD_CA_FILE; else the profile]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl Default for Global {
    /// As if nothing had been typed.
    fn default() -> Self {
        Self {
            output: Format::Table,
            url: None,
            token: None,
            token_file: None,
            as_user: None,
            profile: None,
            no_wait: false,
            timeout: Duration::from_secs(300),
            ca_file: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser as _;

    fn parse(line: &str) -> Result<Global, String> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.global).map_err(|error| error.to_string())
    }

    #[test]
    fn global_options_may_stand_before_and_behind_the_command() {
        for line in ["keystead --output json --timeout 5s status", "keystead status --output json --timeout 5s", "keystead key list --output json --timeout 5s"]
        {
            let global = parse(line).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((global.output, global.timeout), (Format::Json, Duration::from_secs(5)), "{line}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_an_empty_line() {
        let (typed, default) = (parse("keystead status").unwrap_or_else(|error| panic!("{error}")), Global::default());
        assert_eq!((typed.output, typed.timeout, typed.no_wait), (default.output, default.timeout, default.no_wait));
        assert!(typed.url.is_none() && typed.token.is_none() && typed.profile.is_none() && typed.ca_file.is_none());
    }

    #[test]
    fn one_says_in_one_way_who_one_is() {
        for line in ["keystead status --token a --token-file b", "keystead status --token a --as b", "keystead status --as a --token-file b"] {
            assert!(parse(line).is_err_and(|error| error.contains("cannot be used with")), "{line}");
        }
    }

    #[test]
    fn a_bad_token_is_not_repeated_in_the_message() {
        let global = parse("keystead status --token kst_secr\u{e9}t").unwrap_or_else(|error| panic!("{error}"));
        let refusal = global.token.and_then(Result::err).expect("is refused, but not by Clap");
        assert!(!refusal.to_string().contains("kst_secr"), "{refusal}");
    }
}
